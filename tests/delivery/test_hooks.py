"""Providers' webhooks over HTTP: who is believed, what is kept, what is made of it, and that nothing gets a 5xx."""

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from audiences import profiles
from audiences.models import Consent, Profile
from delivery import kpi, reports, rollups, tasks
from delivery.models import Delivery, Event, InboundEvent
from messaging import links, provider_events
from tests.delivery.test_inbound import sent
from tests.messaging import payloads, signatures

pytestmark = pytest.mark.django_db
SECRET = "abcdefghijklmnopqrstuvwx"
AUTH = "postmaster:secret word"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that five providers report to."""
    values = {
        "HOOKS_SECRET": SECRET, "HOOKS_BASIC_AUTH": "", "MAILGUN_SIGNING_KEY": signatures.MAILGUN_KEY,
        "SENDGRID_VERIFICATION_KEY": signatures.sendgrid_key(), "SES_TOPIC": signatures.TOPIC,
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setattr(settings, name, value)
    signatures.know_certificate()


def post(provider: str, body: bytes, *, secret: str = SECRET, **headers: str) -> int:
    """The answer's status; the client raises what a view does not catch."""
    address = f"/hooks/{provider}/{secret}/"
    return Client(headers=headers).post(address, body, content_type="application/json").status_code


def signed(provider: str, raw: dict[str, Any], number: str = "1") -> tuple[bytes, dict[str, str]]:
    """A request's body and headers as the provider sends them."""
    if provider == "mailgun":
        return json.dumps(raw | {"signature": signatures.mailgun()}).encode(), {}
    if provider == "ses":
        return json.dumps(signatures.sns(json.dumps(raw), number=number)).encode(), {}
    body = json.dumps([raw] if provider == "sendgrid" else raw).encode()
    return body, signatures.sendgrid(body) if provider == "sendgrid" else {}


def send(provider: str, raw: dict[str, Any], number: str = "1") -> int:
    body, headers = signed(provider, raw, number)
    return post(provider, body, **headers)


def token(of: Delivery, person: Profile) -> str:
    return links.token(of.pk, person.pk)


@pytest.mark.parametrize("provider", provider_events.PROVIDERS)
def test_a_hard_bounce_of_each_provider_end_to_end(provider: str) -> None:
    made, (person, other) = sent(2)
    assert send(provider, payloads.WHOLE[provider](token=token(made, person))) == 200
    # Kept first; nothing is made of it while the provider waits.
    assert (InboundEvent.objects.filter(handled_at=None).count(), Event.objects.count()) == (1, 0)
    tasks.handle_reports()
    (event,) = Event.objects.all()
    assert (event.kind, event.verdict, event.code, event.profile_id) == ("bounced", "hard", "550 5.1.1", person.pk)
    assert event.source_id.startswith(f"{provider}:")
    assert [profiles.quarantined(one.email_key) is not None for one in (person, other)] == [True, False]
    rollups.rebuild(made.pk)
    assert (kpi.panel(made).delivered, kpi.panel(made).failed) == (1, 1)
    assert InboundEvent.objects.get().result == "recorded"


@pytest.mark.parametrize("provider", provider_events.PROVIDERS)
def test_the_same_event_again_is_one_event(provider: str) -> None:
    made, (person,) = sent()
    raw = payloads.WHOLE[provider](token=token(made, person))
    for _ in range(2):
        assert send(provider, raw) == 200
        tasks.handle_reports()
    assert (InboundEvent.objects.count(), Event.objects.count()) == (1, 1)
    # Handled, forgotten, and sent again.
    InboundEvent.objects.all().delete()
    send(provider, raw)
    tasks.handle_reports()
    assert Event.objects.count() == 1


@pytest.mark.parametrize("provider", provider_events.PROVIDERS)
def test_a_wrong_secret_is_no_page_and_no_secret_is_no_webhooks(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, headers = signed(provider, payloads.WHOLE[provider]())
    assert post(provider, body, secret="x" * 24, **headers) == 404
    monkeypatch.setattr(settings, "HOOKS_SECRET", "")
    for guess in ("x", "-", SECRET):
        assert post(provider, body, secret=guess, **headers) == 404
    assert not InboundEvent.objects.exists()


def _without(name: str) -> Callable[[bytes, dict[str, str]], tuple[bytes, dict[str, str]]]:
    def change(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        loaded = json.loads(body)
        if isinstance(loaded, dict):
            loaded.pop(name, None)
        return json.dumps(loaded).encode(), {key: value for key, value in headers.items() if key != name}

    return change


def _spoilt(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    return body.replace(b"lea@", b"leo@"), headers


SENDGRID_SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"


@pytest.mark.parametrize(
    ("provider", "change"),
    [
        ("mailgun", _without("signature")),
        ("sendgrid", _without(SENDGRID_SIGNATURE)),
        ("sendgrid", _without("X-Twilio-Email-Event-Webhook-Timestamp")),
        ("sendgrid", _spoilt),
        ("sendgrid", lambda body, headers: (body, headers | {SENDGRID_SIGNATURE: "%%%"})),
        ("sendgrid", lambda body, _headers: (body, signatures.sendgrid(body, at=time.time() - 30 * 3600))),
        ("ses", _without("Signature")),
        ("ses", _spoilt),
        ("ses", _without("SigningCertURL")),
    ],
)
def test_what_is_not_signed_right_is_refused(
    provider: str, change: Callable[[bytes, dict[str, str]], tuple[bytes, dict[str, str]]]
) -> None:
    body, headers = change(*signed(provider, payloads.WHOLE[provider]()))
    assert post(provider, body, **headers) == 403
    assert not InboundEvent.objects.exists()


@pytest.mark.parametrize(
    "signature",
    [
        {},
        [],
        {"timestamp": 1, "token": 2, "signature": 3},
        {"timestamp": None, "token": None, "signature": None},
        {"timestamp": "\u00e9", "token": "t", "signature": "s"},
        signatures.mailgun(at=1),
        signatures.mailgun(at=4102444800),
        signatures.mailgun() | {"timestamp": "1"},
    ],
)
def test_odd_signatures_of_mailgun_are_refused(signature: Any) -> None:
    assert post("mailgun", json.dumps(payloads.mailgun() | {"signature": signature}).encode()) == 403
    assert not InboundEvent.objects.exists()


@pytest.mark.parametrize(
    ("provider", "name"),
    [("mailgun", "MAILGUN_SIGNING_KEY"), ("sendgrid", "SENDGRID_VERIFICATION_KEY"), ("ses", "SES_TOPIC")],
)
def test_a_provider_that_signs_is_refused_while_its_key_is_not_set(
    provider: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, name, "")
    assert send(provider, payloads.WHOLE[provider]()) == 403


@pytest.mark.parametrize("provider", ["postmark", "brevo"])
def test_a_provider_that_signs_nothing_may_be_told_a_password(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "HOOKS_BASIC_AUTH", AUTH)
    body = json.dumps(payloads.WHOLE[provider]()).encode()
    assert post(provider, body) == 403
    assert post(provider, body, Authorization="Basic cG9zdG1hc3Rlcjp3cm9uZw==") == 403
    assert post(provider, body, Authorization="Basic %%%") == 403
    assert post(provider, body, Authorization="Basic cG9zdG1hc3RlcjpzZWNyZXQgd29yZA==") == 200


def test_the_secret_is_in_no_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert post("mailgun", b"{}") == 403
    assert post("postmark", b"{") == 400
    assert post("postmark", b" " * (10 * 1024 * 1024)) == 413
    monkeypatch.setattr(reports, "keep", _away_from)
    assert send("postmark", payloads.postmark()) == 503
    assert "must be repeated" in caplog.text
    assert SECRET not in caplog.text


def test_a_subscription_is_confirmed_by_a_person(caplog: pytest.LogCaptureFixture) -> None:
    message = signatures.sns("You have chosen to subscribe", kind="SubscriptionConfirmation")
    assert post("ses", json.dumps(message).encode()) == 200
    assert "ConfirmSubscription" in caplog.text
    text = "Successfully validated SNS topic for Amazon SES event publishing."
    assert post("ses", json.dumps(signatures.sns(text)).encode()) == 200
    assert not InboundEvent.objects.exists()


def test_kinds_nobody_knows_and_events_of_others_are_kept_and_change_nothing() -> None:
    made, (person,) = sent()
    mine = token(made, person)
    send("postmark", payloads.postmark(kind="Sunspot", token=mine, ID=1))
    send("postmark", payloads.postmark("Open", token=mine, ID=2))
    send("postmark", payloads.postmark(token="AAAAAAAAAAAAAAAAAAAA", ID=3))
    send("postmark", payloads.postmark(token=links.token(0, person.pk), ID=4))
    send("postmark", payloads.postmark(token=mine, ID=5, Metadata=mine, Type=["x"], RecordType="Bounce"))
    tasks.handle_reports()
    results = list(InboundEvent.objects.order_by("id").values_list("result", flat=True))
    assert results == ["no_action", "no_action", "not_ours", "not_ours", "unclear"]
    assert not Event.objects.exists() and profiles.quarantined(person.email_key) is None


def test_unsubscribing_at_the_provider_counts_like_the_page() -> None:
    made, (person,) = sent()
    send("sendgrid", payloads.sendgrid("unsubscribe", token=token(made, person)))
    tasks.handle_reports()
    assert Profile.objects.get(pk=person.pk).email_consent == Consent.UNSUBSCRIBED
    assert person.consent_changes.get().source == "provider"
    assert Event.objects.get().kind == "unsubscribed"


def test_a_batch_of_five_thousand_is_kept_at_once_and_handled_later() -> None:
    made, people = sent(20)
    kinds = ["delivered", "deferred", "bounce", "spamreport", "open", "eclipse"]
    events = [
        payloads.sendgrid(kinds[n % 6], token=token(made, people[n % 20]), sg_event_id=f"e{n}") for n in range(5000)
    ]
    body = json.dumps(events).encode()
    assert len(body) > 1_000_000
    headers = signatures.sendgrid(body)
    started = time.monotonic()
    assert post("sendgrid", body, **headers) == 200
    # Half a second is asked for; machines that test are slow.
    assert time.monotonic() - started < 3
    assert InboundEvent.objects.count() == 5000
    assert reports.handle_waiting() == 5000
    by_result = {result: InboundEvent.objects.filter(result=result).count() for result in ("recorded", "no_action")}
    assert by_result == {"recorded": 3334, "no_action": 1666}
    assert Event.objects.count() == 3334


def test_one_bad_event_in_a_batch_loses_itself_only() -> None:
    made, people = sent(3)
    events: list[Any] = [payloads.sendgrid(token=token(made, one), sg_event_id=f"e{n}") for n, one in enumerate(people)]
    events[1] = {"event": {}, "sg_event_id": ["\ud800", "\x00"], "\x00": "\x00", "timestamp": 1e400}
    events += [7, None, "text", [], {}]
    body = json.dumps(events).encode()
    assert post("sendgrid", body, **signatures.sendgrid(body)) == 200
    assert InboundEvent.objects.count() == 8
    tasks.handle_reports()
    assert set(Event.objects.values_list("profile_id", flat=True)) == {people[0].pk, people[2].pk}
    assert not InboundEvent.objects.filter(handled_at=None).exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe{}", 400),
        (b'{"a": ' * 5000, 400),
        (b"[" * 100_000, 400),
        (b"9" * 10_000, 400),
        (b'{"Details": "caf\xe9 ferm\xe9"}', 200),
        (b'{"a": NaN, "b": Infinity, "c": 1e999, "a": "\\u0000\\ud800"}', 200),
        (b'{"a": ' * 80 + b"1" + b"}" * 80, 200),
        (b"null", 200),
        (b"[]", 200),
        (b'"text"', 200),
        (b"{}", 200),
    ],
    ids=str,
)
def test_odd_bodies_are_refused_or_kept_and_never_break_anything(body: bytes, status: int) -> None:
    assert post("postmark", body) == status
    tasks.handle_reports()
    assert not Event.objects.exists() and not InboundEvent.objects.filter(handled_at=None).exists()


@pytest.mark.parametrize("provider", provider_events.PROVIDERS)
def test_random_bytes_never_break_a_webhook(provider: str) -> None:
    draw = random.Random(8)
    whole = json.dumps(payloads.WHOLE[provider](token="x" * 20)).encode()
    for _ in range(25):
        at = draw.randrange(len(whole))
        spoilt = whole[:at] + draw.randbytes(draw.randint(0, 9)) + whole[at + draw.randint(0, 9) :]
        assert post(provider, spoilt) in {200, 400, 403}
    tasks.handle_reports()


def test_a_body_of_ten_megabytes_is_refused_unread() -> None:
    assert post("postmark", b" " * (10 * 1024 * 1024)) == 413
    assert not InboundEvent.objects.exists()


def test_methods_and_names() -> None:
    address = f"/hooks/postmark/{SECRET}/"
    assert [Client().get(address).status_code, Client().head(address).status_code] == [204, 204]
    assert Client().put(address).status_code == 405
    assert Client().get(f"/hooks/pigeon/{SECRET}/").status_code == 404
    # Machines have no CSRF token.
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(address, json.dumps(payloads.postmark()), content_type="application/json")
    assert answer.status_code == 200 and not answer.cookies


def test_a_provider_is_asked_to_try_again_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "keep", _away_from)
    assert send("postmark", payloads.postmark()) == 503


def test_events_that_could_not_be_handled_are_handled_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (person,) = sent()
    send("postmark", payloads.postmark(token=token(made, person)))
    with monkeypatch.context() as broken:
        broken.setattr(reports.inbound, "record", _away)
        with pytest.raises(OperationalError):
            tasks.handle_reports()
    assert InboundEvent.objects.filter(handled_at=None).count() == 1
    tasks.handle_reports()
    assert Event.objects.count() == 1


def test_an_event_that_breaks_its_reading_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    made, people = sent(3)
    for number, person in enumerate(people):
        send("postmark", payloads.postmark(token=token(made, person), ID=number))
    read, seen = provider_events.read, []

    def broken(provider: str, raw: Any) -> Any:
        seen.append(raw)
        if len(seen) == 2:
            raise RecursionError("as only a strange event can")
        return read(provider, raw)

    monkeypatch.setattr(provider_events, "read", broken)
    tasks.handle_reports()
    results = list(InboundEvent.objects.order_by("id").values_list("result", flat=True))
    assert results == ["recorded", "unclear", "recorded"] and Event.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_several_processes_handle_each_event_once() -> None:
    made, people = sent(10)
    events = [
        payloads.sendgrid(["bounce", "spamreport"][n % 2], token=token(made, people[n % 10]), sg_event_id=f"e{n}")
        for n in range(200)
    ]
    reports.keep("sendgrid", [(one["sg_event_id"], one) for one in events])
    barrier, counts = threading.Barrier(3), []

    def work() -> None:
        barrier.wait()
        counts.append(reports.handle_waiting())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 200 == Event.objects.count()
    assert not InboundEvent.objects.filter(handled_at=None).exists()


def _away_from(_provider: str, _events: object) -> None:
    raise OperationalError("the database is away")


def _away(_items: object) -> None:
    raise OperationalError("the database is away")


def test_old_events_are_deleted_and_what_waits_is_not() -> None:
    for number in range(3):
        send("postmark", payloads.postmark(ID=number))
    long_ago = timezone.now() - reports.KEEP - timezone.timedelta(days=1)
    first, second, _waiting = InboundEvent.objects.order_by("id")
    InboundEvent.objects.filter(pk=first.pk).update(handled_at=long_ago)
    InboundEvent.objects.filter(pk=second.pk).update(handled_at=timezone.now())
    tasks.purge_reports()
    assert InboundEvent.objects.count() == 2 and not InboundEvent.objects.filter(pk=first.pk).exists()
