"""Golden messages without a finding, as a real server received them, and a broken message for each check."""

import datetime as dt
import email.policy
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from audiences.profiles import Person
from messaging import content, linting, personalization, received, smtp, starters
from messaging.channels import email as channel
from messaging.content import ContentSpec
from messaging.handover import Result, Server
from tests import factories, smtp_server
from tests.messaging.test_email import ATTRIBUTES, TEMPLATES

SHARED = Path(__file__).parents[3] / "shared" / "data" / "emails"
CAMPAIGN: dict[str, object] = {"id": "3f0c9d43-96cf-4f7e-8b57-8a2f44f6d2b1", "name": "Autumn sale"}
REF = "d1a6c5b8-5d0f-4a52-8f27-5a1d0b0a9f11"
FOOTER = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'
FAST = smtp.Timeouts(connect=2, greeting=2, command=5, body=5, dot=5)


@pytest.fixture(autouse=True)
def _a_real_installation(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://mail.shop.test"
    settings.BOUNCE_DOMAIN, settings.BOUNCE_MAILBOX = "bounces.shop.test", "imaps://u:p@imap.shop.test"


def page(body: str) -> str:
    return f'<!doctype html><html lang="en"><head><title>x</title></head><body>{body}{FOOTER}</body></html>'


def odd_people() -> Iterator[Person]:
    """Profiles that could break something."""
    yield factories.person()
    yield factories.person(
        first_name="A\r\nBcc: all@evil.test\r\n\r\n<script>", last_name="\0\x1b[31m", city="\u2028\x85"
    )
    yield factories.person(first_name="Zoë", last_name="Ångström", city="Þórshöfn", country="日本")
    yield factories.person(first_name="x" * 5000, last_name="é" * 3000, city="word " * 400)
    yield factories.person(first_name=".", last_name="..", city=".\r\n.\r\n..\r\n.")
    yield factories.person(first_name="👩‍👩‍👧 🎉", last_name="=?utf-8?q?a?=", city="=3D=\n=")
    yield factories.person(first_name="", last_name="", city="", country="", attributes={})
    yield factories.person(email="lea@bücher.example")
    yield factories.person(email='"odd one"@example.test')
    yield factories.person(email="a" * 64 + "@" + "b" * 60 + ".example.test")


def specs() -> Iterator[tuple[str, ContentSpec]]:
    """What is written: starters, the templates of the compiler's tests, real emails, odd subjects and senders."""
    for starter in starters.every():
        fields = {"subject": starter.subject or "Hello", "preheader": starter.preheader, "text": None}
        yield starter.slug, factories.content_spec(body_kind=starter.body_kind, body=starter.body, **fields)
    for number, template in enumerate(TEMPLATES):
        yield f"template {number}", factories.content_spec(body=page(template), text=f"{template}\nBye", subject="s")
    if SHARED.is_dir():
        for path in sorted(SHARED.glob("*.html")):
            yield path.name, factories.content_spec(body=path.read_text())
    for subject in (
        "🎉 {{ profile.first_name }}, 50 % — été", "x" * 900, "word " * 150, "é" * 300, "=?utf-8?b?4pyT?=",
        "a: b, <c> \"d\"",
        "{{ profile.first_name }} {{ profile.last_name }} {{ profile.city }}",
    ):  # fmt: skip
        yield f"subject {subject[:20]}", factories.content_spec(body=page("Hi"), subject=subject)
    for name in (
        'Shop, "the" best; (Paris)',
        "Café ☕ and a name that is much longer than one header line " * 2,
        "a@b.test",
    ):
        yield f"sender {name[:20]}", factories.content_spec(body=page("Hi"), sender_name=name, reply_to="re@shop.test")
    yield "idn sender", factories.content_spec(body=page("Hi"), sender_address="hello@bücher.example")
    yield (
        "lines",
        factories.content_spec(body=page("<pre>" + "y" * 3000 + "\n.\n..\n.z\n</pre>"), text="." * 2000 + "\n."),
    )


def golden() -> Iterator[tuple[str, channel.Payload]]:
    people = [person._replace(attributes=ATTRIBUTES) for person in odd_people()]
    for name, spec in specs():
        message = content.draft_message(spec)
        program = channel.compile(message, delivery_id=7, delivery_ref=REF, campaign=CAMPAIGN)
        for number, person in enumerate(people):
            yield f"{name}, person {number}", program.render(person)


def test_golden_messages_arrive_once_whole_and_without_a_finding(settings: Settings) -> None:
    messages = list(golden())
    server = smtp_server.Server(smtp_server.Script())
    to = Server("127.0.0.1", server.port, "none", "", "", n_connections=1, rate_per_minute=None)
    outcomes = smtp.send_one(to, [payload for _name, payload in messages], timeouts=FAST)
    server.stop()
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
    assert len(server.accepted) == len(messages) > 300
    now = timezone.now()
    for (name, payload), (recipient, data) in zip(messages, server.accepted, strict=True):
        assert recipient == payload.rcpt_to.decode()
        assert data == received.unstuffed(payload.data), name
        is_ours = not name.partition(",")[0].endswith(".html")
        findings = linting.lint(
            data,
            mail_from=payload.mail_from.decode(),
            rcpt_to=recipient,
            now=now,
            postal_address=settings.POSTAL_ADDRESS if is_ours else "",
        )
        # That sender's domain is not the one that bounces come back to.
        wanted = {14} if name.startswith("idn sender") else set()
        # What other people's templates lack (a language, https) is theirs, and checked while writing.
        assert [
            finding for finding in findings if finding.check not in wanted and (is_ours or finding.check != 21)
        ] == [], name
        opened = email.message_from_bytes(data, policy=email.policy.default)
        assert not {"Bcc", "X-Evil"} & set(opened.keys())


def test_a_message_differs_for_each_person_and_not_between_attempts() -> None:
    program = channel.compile(
        content.draft_message(factories.content_spec()), delivery_id=7, delivery_ref=REF, campaign=CAMPAIGN
    )
    people = [factories.person() for _n in range(50)]

    def message_id(person: Person) -> str:
        return received.Mail(program.render(person).data, "", "", None, "", False).one("message-id")

    assert len({message_id(person) for person in people}) == 50
    assert message_id(people[0]) == message_id(people[0])


@pytest.mark.parametrize("address", ["élodie@example.test", "用户@example.test", "a@b@c", "lea@ex ample.test"])
def test_somebody_no_server_could_be_asked_for_is_not_sent_to(address: str) -> None:
    program = channel.compile(
        content.draft_message(factories.content_spec()), delivery_id=7, delivery_ref=REF, campaign=CAMPAIGN
    )
    with pytest.raises(personalization.RenderProblem) as problem:
        program.render(factories.person(email=address))
    assert problem.value.code == "invalid_address" and problem.value.message


# --- a broken message for each check ------------------------------------------------------------------------

GOOD = (
    b"From: Example Shop <hello@shop.test>\r\nTo: lea@example.test\r\nSubject: Hello\r\n"
    b"Date: Wed, 25 Nov 2026 12:00:00 +0000\r\nMessage-ID: <abcdefgh@shop.test>\r\nMIME-Version: 1.0\r\n"
    b"List-Unsubscribe: <https://mail.shop.test/u/x/>,\r\n <mailto:unsubscribe+ab@shop.test?subject=unsubscribe>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: Example Shop <c1.shop.test>\r\n"
    b"Feedback-ID: c1:d1:email:shoptestchappe\r\n"
    b'Content-Type: multipart/alternative; boundary="=_b"\r\n\r\n'
    b'--=_b\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHi\r\n'
    b'--=_b\r\nContent-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    b'<html lang=3D"en"><body><img alt=3D"" src=3D"https://a.test/i"><a href=3D=\r\n'
    b'"https://mail.shop.test/u/x/">Unsubscribe</a> 1 Street, Paris</body></html>\r\n--=_b--\r\n'
)
AROUND = {"mail_from": "bounce+" + "ab" * 14 + "@bounces.shop.test", "rcpt_to": "lea@example.test"}
NOW = dt.datetime(2026, 11, 25, 12, 1, tzinfo=dt.UTC)


def lint(data: bytes, **around: object) -> list[linting.Finding]:
    given = {**AROUND, "now": NOW, "postal_address": "1 Street, Paris", **around}
    return linting.lint(data, **given)  # type: ignore[arg-type]


def swap(old: bytes, new: bytes) -> bytes:
    assert GOOD.count(old) >= 1
    return GOOD.replace(old, new, 1)


def headed(line: bytes) -> bytes:
    return line + b"\r\n" + GOOD


BROKEN: list[tuple[int, bytes, dict[str, object]]] = [
    (1, GOOD.replace(b"Hi\r\n", b"Hi\n"), {}),
    (1, GOOD.replace(b"Hi\r\n", b"Hi\rthere\r\n"), {}),
    (1, swap(b"Hi\r\n", b"H\0i\r\n"), {}),
    (1, swap(b"Hi\r\n", b"x" * 999 + b"\r\n"), {}),
    (1, swap(b"Subject: Hello", b"Subject: " + b"word " * 16), {}),
    (2, swap(b"Subject: Hello\r\n", b""), {}),
    (2, headed(b"Subject: Another"), {}),
    (2, swap(b"To: lea@example.test", b"To: lea@example.test, tom@example.test"), {}),
    (2, swap(b"From: Example Shop <hello@shop.test>", b"From: a@shop.test, b@shop.test"), {}),
    (2, headed(b"Bcc: tom@example.test"), {}),
    (2, headed(b"Sender: Example Shop <hello@shop.test>"), {}),
    (2, headed(b"Not a header: x"), {}),
    (3, swap(b"<abcdefgh@shop.test>", b"<abcdefgh@localhost>"), {}),
    (3, swap(b"<abcdefgh@shop.test>", b"<lea.42@shop.test>"), {}),
    (4, swap(b"Date: Wed, 25 Nov 2026 12:00:00 +0000", b"Date: Wed, 25 Nov 2026 12:00:00"), {}),
    (4, swap(b"Date: Wed, 25 Nov 2026 12:00:00 +0000", b"Date: yesterday"), {}),
    (4, GOOD, {"now": NOW + dt.timedelta(minutes=10)}),
    (5, swap(b"MIME-Version: 1.0\r\n", b""), {}),
    (5, GOOD.replace(b"\r\n--=_b--\r\n", b"\r\n"), {}),
    (5, swap(b"multipart/alternative", b"multipart/mixed"), {}),
    (5, swap(b"text/plain", b"text/html"), {}),
    (5, swap(b'charset="utf-8"', b'charset="latin-1"'), {}),
    (5, swap(b"Hi\r\n", b"y" * 77 + b"\r\n"), {}),
    (5, swap(b"Hi\r\n", b"=C3\r\n"), {}),
    (5, swap(b"Hi\r\n", b"H\xc3\xa9\r\n"), {}),
    (5, swap(b"quoted-printable", b"8bit"), {}),
    (5, swap(b"Subject: Hello", b"Subject: =?utf-8?b?" + b"AAAA" * 17 + b"?="), {}),
    (5, swap(b"Subject: Hello", b"Subject: =?utf-8?b?w6k=?= =?utf-8?b?ww==?="), {}),
    (5, swap(b"Subject: Hello", b"Subject: =?utf-8?b?w6k"), {}),
    (6, swap(b"Subject: Hello", "Subject: été".encode()), {}),
    (6, GOOD, {"rcpt_to": "lea@bücher.example"}),
    (7, GOOD, {"mail_from": "bounce+" + "ab" * 30 + "@shop.test"}),
    (7, GOOD, {"rcpt_to": "tom@example.test"}),
    (8, swap(b"<https://mail.shop.test/u/x/>,\r\n ", b""), {}),
    (8, headed(b"List-Post: <mailto:list@shop.test>"), {}),
    (9, swap(b"<https://mail", b"<http://mail"), {}),
    (9, swap(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""), {}),
    (10, swap(b"List-Id: Example Shop <c1.shop.test>", b"List-Id: c1"), {}),
    (11, swap(b"shoptestchappe", b"shop"), {}),
    (11, swap(b"Feedback-ID: c1:d1:email:shoptestchappe", b"Feedback-ID: =?utf-8?b?YQ==?="), {}),
    (12, headed(b"Auto-Submitted: auto-generated"), {}),
    (12, GOOD, {"is_automatic": True}),
    (12, GOOD, {"mail_from": "<>"}),
    (13, headed(b"Precedence: bulk"), {}),
    (14, GOOD, {"mail_from": "bounces@shop.test"}),
    (14, GOOD, {"mail_from": AROUND["mail_from"].replace("shop.test", "relay.example")}),
    (21, GOOD.replace(b"\r\nHi\r\n", b"\r\n \r\n"), {}),
    (21, swap(b' lang=3D"en"', b""), {}),
    (21, swap(b' alt=3D""', b""), {}),
    (21, swap(b"/mail.shop.test/u/x/", b"/mail.shop.test/c/abc/1"), {}),
    (21, swap(b"</body>", b'<a href=3D"/sale">Sale</a></body>'), {}),
    (21, swap(b"</body>", b'<a href=3D"http://shop.test">Sale</a></body>'), {}),
    (21, swap(b"1 Street, Paris</body>", b"</body>"), {}),
    (21, swap(b"</body>", b"<p>" + b"=\r\n".join([b"z" * 70] * 1500) + b"</p></body>"), {}),
    (22, headed(b"Received: from a by b"), {}),
    (22, headed(b"Return-Path: <a@b.test>"), {}),
    (22, headed(b"X-Mailer: Shop 1.2.3"), {}),
    (22, headed(b"Content-Type: text/html"), {}),
]  # fmt: skip


def test_a_good_message_has_no_finding() -> None:
    assert lint(GOOD) == []
    assert lint(swap(b"MIME-Version", b"Auto-Submitted: auto-generated\r\nMIME-Version"), is_automatic=True) == []


@pytest.mark.parametrize(("check", "data", "around"), BROKEN)
def test_each_check_catches_what_it_is_for(check: int, data: bytes, around: dict[str, object]) -> None:
    assert check in {finding.check for finding in lint(data, **around)}


def test_every_check_of_the_list_has_a_place_and_a_broken_message() -> None:
    assert sorted({*linting.CHECKS, *linting.ELSEWHERE}) == list(range(1, 23))
    assert not set(linting.CHECKS) & set(linting.ELSEWHERE)
    assert {check for check, _data, _around in BROKEN} == set(linting.CHECKS)


@pytest.mark.parametrize(
    "wire", [b"a\r\n", b"a\r\n.b\r\n.\r\n", b".a\r\n.\r\n", b"a\r\n.\r\nb\r\n.\r\n", b".\r\n.\r\n"]
)
def test_data_that_a_server_would_read_otherwise_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError, match="dot"):
        received.unstuffed(wire)
