"""The webhook channel: what a call may say, what leaves, what an answer means, and what switches the channel on."""

import base64
import hashlib
import hmac
import re
import uuid
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from accounts import access
from accounts.models import AuditEntry
from messaging import calling, outward, personalization, preview, webhook_content, webhooks
from messaging.channels import webhook
from messaging.handover import Result
from messaging.models import Message, WebhookSecret
from messaging.webhook_content import WebhookInvalid
from tests import factories

URL = "https://shop.test/hook"


def given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in {"url": URL, "request_method": "POST", **fields}.items() if value is not ...}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (given(url=...), "webhook.url is missing"),
    (given(url=5), "webhook.url must be a text"),
    (given(url="ftp://shop.test"), "webhook.url: The address must begin with"),
    (given(url="https://user:secret@shop.test"), "webhook.url: The address must not hold a user name"),
    (given(url="https://shop.test:8443/"), "webhook.url: shop.test is not an address that may be contacted"),
    (given(url="http://127.0.0.1/"), "webhook.url: 127.0.0.1 is not an address"),
    (given(url="https://x.test/" + "a" * 2000), "webhook.url has more than 2000 bytes"),
    (given(url="https://x.test/{{ nonsense.x }}"), "webhook.url: “nonsense.x” doesn't exist"),
    (given(url="https://x.test/{{ unsubscribe_url }}"), "webhook.url: unsubscribe_url and mirror_url"),
    (given(request_method=...), "request_method must be one of POST, PUT, DELETE, GET"),
    (given(request_method="PATCH"), "request_method must be one of"),
    (given(request_method="post"), "request_method must be one of"),
    (given(body={"a": 1}), "webhook.body must be a text"),
    (given(body="{{ broken"), "webhook.body: "),
    (given(body="{% if %}"), "webhook.body: "),
    (given(body="x" * (256 * 1024 + 1)), "webhook.body has more than"),
    (given(request_headers=[]), "request_headers must be an object"),
    (given(request_headers={"a b": "x"}), "“a b” is no name of a header"),
    (given(request_headers={"": "x"}), "is no name of a header"),
    (given(request_headers={"A\r\nB": "x"}), "is no name of a header"),
    (given(request_headers={"Host": "x"}), "Host is set by Chappe"),
    (given(request_headers={"content-LENGTH": "1"}), "content-LENGTH is set by Chappe"),
    (given(request_headers={"webhook-signature": "v1,x"}), "webhook-signature is set by Chappe"),
    (given(request_headers={"X-A": "1", "x-a": "2"}), "x-a is there twice"),
    (given(request_headers={"X-A": 1}), "request_headers.X-A must be a text of one line"),
    (given(request_headers={"X-A": "1\r\nX-B: 2"}), "request_headers.X-A must be a text of one line"),
    (given(request_headers={"X-A": "{{ nonsense }}"}), "request_headers.X-A: “nonsense” doesn't exist"),
    (given(request_headers={f"X-{n}": "1" for n in range(51)}), "has more than 50 headers"),
    (given(message_variation_id="x"), "webhook.message_variation_id: It isn't offered"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("fields", "words"), REFUSED)
def test_webhooks_that_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(WebhookInvalid) as caught:
        webhook_content.read(fields)
    assert words in caught.value.message
    assert "secret" not in caught.value.message
    assert not Message.objects.exists()


@pytest.mark.django_db
def test_equal_contents_are_one_message_that_never_changes() -> None:
    first, again = (webhook_content.freeze(webhook_content.read(given(body="a", extras={}))) for _n in range(2))
    other = webhook_content.freeze(webhook_content.read(given(body="b")))
    assert first.pk == again.pk != other.pk
    assert webhook_content.of(first) == webhook_content.Spec(URL, "POST", {}, "a")
    assert (first.subject, first.sender_name, first.sender_address, first.tracks_opens) == ("", "", "", False)
    with pytest.raises(DatabaseError), transaction.atomic():
        Message.objects.filter(pk=first.pk).update(webhook={})
    with pytest.raises(DatabaseError), transaction.atomic():
        Message.objects.create(sha256="x", channel="email", webhook={})
    with pytest.raises(DatabaseError), transaction.atomic():
        Message.objects.create(sha256="y", channel="webhook")


@pytest.mark.parametrize(
    ("url", "label"),
    [
        (URL, "POST shop.test"),
        ("https://shop.test:443/a/secret?b=c", "POST shop.test:443"),
        ("https://{{ profile.city }}.shop.test/", "POST"),
        ("{{ profile.url }}", "POST"),
    ],
)
def test_how_it_is_called(url: str, label: str) -> None:
    fields = {"url": url, "method": "POST", "headers": {}, "body": ""}
    assert webhook_content.label(Message(channel="webhook", webhook=fields)) == label


def program(*, keys: tuple[bytes, ...] = (), ref: str = "d", **fields: Any) -> webhook.Program:
    spec = {"url": URL, "method": "POST", "headers": {}, "body": "", **fields}
    made = webhook.compile(
        Message(channel="webhook", webhook=spec), delivery_id=1, delivery_ref=ref, campaign={"name": "Sale"}
    )
    made.keys = keys
    return made


def test_what_leaves_for_one_person() -> None:
    person = factories.person(first_name='Lé"a', external_id="u 1")
    made = program(
        url="https://shop.test/{{ profile.external_id }}",
        headers={"X-Shop": "{{ api_trigger_properties.shop }}"},
        body="{{ campaign.name }} {{ profile.first_name }} {{ api_trigger_properties.n }}",
    ).render(person, trigger={"shop": "Paris", "n": 3})
    assert made.rcpt_to == b"https://shop.test/u 1"
    assert made.data.method == "POST"
    assert made.data.body == 'Sale Lé"a 3'.encode()
    assert (made.data.headers["X-Shop"], made.data.headers["Content-Type"]) == ("Paris", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("body", "headers", "kind"),
    [
        ('{"a": 1}', {}, "application/json"),
        ("[1]", {}, "application/json"),
        ("a=b", {}, "text/plain; charset=utf-8"),
        ("a=b", {"content-type": "application/x-www-form-urlencoded"}, None),
        ("", {}, None),
    ],
)
def test_the_type_of_a_body_is_inferred_where_nobody_said_it(
    body: str, headers: dict[str, str], kind: str | None
) -> None:
    made = program(body=body, headers=headers).render(factories.person())
    assert made.data.headers.get("Content-Type") == kind


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "{{ profile.first_name }}"}, "must begin with https://"),
        ({"url": "http://{{ profile.city }}/"}, "169.254.169.254 is not an address"),
        ({"url": "https://shop.test/{{ profile.last_name }}"}, "characters that none can have"),
        ({"headers": {"X-A": "{{ profile.last_name }}"}}, "The header X-A has characters"),
        ({"headers": {"X-A": "{{ profile.first_name }}"}}, "The header X-A has characters"),
    ],
)
def test_one_persons_values_that_can_not_be_sent_are_about_them(fields: dict[str, Any], words: str) -> None:
    person = factories.person(first_name="Léa", last_name="x\r\nX-B: 1", city="169.254.169.254")
    with pytest.raises(personalization.RenderProblem, match=words):
        program(**fields).render(person)


def test_the_id_stays_the_same_and_names_the_message() -> None:
    person, other = factories.person(), factories.person(public_id=str(uuid.uuid4()))
    made = program().render(person, request_no=1)
    again = program().render(person, request_no=1)
    assert made.mail_from == again.mail_from == made.data.headers["webhook-id"].encode()
    others = [program().render(other, request_no=1), program().render(person), program(ref="e").render(person)]
    assert len({made.mail_from, *(one.mail_from for one in others)}) == 4


def test_each_secret_signs() -> None:
    """The example of the standard's own libraries, and two keys at once."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = webhooks.signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    made = program(body="x", keys=(b"a", b"b")).render(factories.person()).data
    text = f"{made.headers['webhook-id']}.{made.headers['webhook-timestamp']}.x".encode()
    wanted = [base64.b64encode(hmac.new(one, text, hashlib.sha256).digest()).decode() for one in (b"a", b"b")]
    assert made.headers["webhook-signature"] == " ".join(f"v1,{one}" for one in wanted)


def test_a_look_at_it_shows_no_secrets() -> None:
    spec = {"url": URL + "?key=hidden", "method": "PUT", "headers": {"Authorization": "Bearer hidden"}, "body": "<b>"}
    shown = preview.render(Message(channel="webhook", webhook=spec), None, campaign={})
    assert "hidden" not in shown.html + shown.text + shown.subject
    assert "PUT https://shop.test/hook?…" in shown.html and "Authorization: …" in shown.html
    assert "&lt;b&gt;" in shown.html and "<b>" not in shown.html


NOW = 1_800_000_000.0
# Status, Retry-After, outcome, reason of the verdict, seconds to stay away.
ANSWERS: list[tuple[int, str, Result, str, int]] = [
    (200, "", Result.ACCEPTED, "", 0),
    (202, "", Result.ACCEPTED, "", 0),
    (204, "", Result.ACCEPTED, "", 0),
    (299, "", Result.ACCEPTED, "", 0),
    (301, "", Result.REFUSED, "call_refused", 0),
    (307, "", Result.REFUSED, "call_refused", 0),
    (400, "", Result.REFUSED, "call_refused", 0),
    (401, "", Result.REFUSED, "call_refused", 0),
    (404, "", Result.REFUSED, "call_refused", 0),
    (410, "", Result.REFUSED, "call_refused", 0),
    (422, "60", Result.REFUSED, "call_refused", 0),
    (408, "", Result.DEFERRED, "rate_limited", 0),
    (425, "", Result.DEFERRED, "rate_limited", 0),
    (429, "", Result.DEFERRED, "rate_limited", 0),
    (429, "120", Result.DEFERRED, "rate_limited", 120),
    (429, "999999999999", Result.DEFERRED, "rate_limited", 86400),
    (429, "-5", Result.DEFERRED, "rate_limited", 0),
    (429, "soon", Result.DEFERRED, "rate_limited", 0),
    (429, "Fri, 15 Jan 2027 08:01:40 GMT", Result.DEFERRED, "rate_limited", 100),
    (429, "Fri, 15 Jan 2027 07:00:00 GMT", Result.DEFERRED, "rate_limited", 0),
    (500, "", Result.DEFERRED, "server_error", 0),
    (502, "", Result.DEFERRED, "server_error", 0),
    (503, "60", Result.DEFERRED, "server_error", 0),
    (599, "", Result.DEFERRED, "server_error", 0),
    (999, "", Result.DEFERRED, "server_error", 0),
]


@pytest.mark.parametrize(("status", "after", "result", "reason", "after_s"), ANSWERS)
def test_what_an_answer_means(status: int, after: str, result: Result, reason: str, after_s: int) -> None:
    headers = {"retry-after": after} if after else {}
    found = calling.of_answer(outward.Answer(status, headers, b"  No\nway\0 ", "text/plain"), now=NOW)
    assert found.result is result
    if result is Result.ACCEPTED:
        assert (found.code, found.verdict) == ("", None)
        return
    assert found.code == f"HTTP {status}" and found.reply.endswith("No way")
    assert found.verdict is not None
    assert (found.verdict.reason, found.verdict.after_s) == (reason, after_s)


@pytest.mark.django_db
def test_the_channel_is_on_while_there_is_a_secret() -> None:
    admin = factories.user("Admin")
    with pytest.raises(webhooks.SwitchedOff):
        webhooks.keys()
    assert not webhooks.is_on()
    first = webhooks.add(by=admin)
    assert webhooks.is_on() and first.text.startswith("whsec_")
    assert webhooks.keys() == [base64.b64decode(first.text.removeprefix("whsec_"))]
    second = webhooks.add(by=admin, public_id=uuid.uuid4())
    assert len(webhooks.keys()) == 2
    for again in (None, second.row.public_id):
        with pytest.raises(webhooks.WebhookProblem):
            webhooks.add(by=admin, public_id=again)
    for _again in range(2):
        webhooks.retire(first.row.public_id, by=admin)
    assert [one.pk for one in webhooks.listed()] == [second.row.pk]
    webhooks.retire(second.row.public_id, by=admin)
    assert not webhooks.is_on()
    assert not WebhookSecret.objects.filter(sealed__isnull=False).exists()
    actions = AuditEntry.objects.filter(subject_kind="webhook_secret").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["webhooks.secret_added"] * 2 + ["webhooks.secret_retired"] * 2
    assert first.text not in str(list(AuditEntry.objects.values_list("detail", flat=True)))


@pytest.mark.django_db
def test_only_who_manages_settings_switches_it() -> None:
    made = webhooks.add(by=factories.user("Admin"))
    for role in ("Marketer", "Operator", "Viewer"):
        with pytest.raises(access.NotAllowed):
            webhooks.add(by=factories.user(role))
        with pytest.raises(access.NotAllowed):
            webhooks.retire(made.row.public_id, by=factories.user(role))
    assert len(webhooks.listed()) == 1


@pytest.mark.django_db
def test_a_secret_of_another_key_of_the_installation_is_told(settings: Any) -> None:
    webhooks.add(by=factories.user("Admin"))
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(webhooks.SwitchedOff, match="can't be read"):
        webhooks.keys()


@pytest.mark.django_db
def test_settings_show_a_secret_once() -> None:
    client = Client()
    client.force_login(factories.user("Admin"))
    page = client.get("/settings/webhooks/").content.decode()
    assert "Switch on webhooks" in page
    new_id = re.search(r'name="public_id" value="([^"]+)"', page)
    assert new_id is not None
    made = client.post("/settings/webhooks/secrets/", {"public_id": new_id[1]})
    text = re.search(r"whsec_[A-Za-z0-9+/=]{44}", made.content.decode())
    assert text is not None and made["Cache-Control"].startswith("max-age=0")
    # The same form again makes no second one, and nothing shows the first again.
    again = client.post("/settings/webhooks/secrets/", {"public_id": new_id[1]}, follow=True).content.decode()
    assert "made already" in again and text[0] not in again
    assert f"whsec_…{text[0].rstrip('=')[-4:]}" in again
    row = WebhookSecret.objects.get()
    assert text[0].encode() not in bytes(row.sealed or b"")
    url = f"/settings/webhooks/secrets/{row.public_id}/retire/"
    assert "Switch off webhooks?" in client.get(url).content.decode() and webhooks.is_on()
    assert "switched off" in client.post(url, follow=True).content.decode()
    assert client.get(url).status_code == 404 and not webhooks.is_on()
