"""Messages that calls bring over HTTP: what is taken, what is refused and where, and what is told."""

from typing import Any

import pytest

from api import refusals
from audiences.models import ProfileAlias
from delivery import audience_rules, origins
from delivery.models import Delivery, RequestRecipient, Shard, TriggerRequest
from messaging import webhooks
from messaging.models import Message
from tests import factories
from tests.api.callers import Caller

pytestmark = pytest.mark.django_db
SEND = "/messages/send"
EMAIL = {"app_id": "any", "from": "Shop <hello@shop.test>", "subject": "Your order", "body": "<p>It is on its way</p>"}
FOOTER = '<p>News</p><p><a href="{{ unsubscribe_url }}">Unsubscribe</a> {{ postal_address }}</p>'


@pytest.fixture(autouse=True)
def _sender() -> None:
    factories.sender(name="Example Shop", address="hello@shop.test", reply_to="answers@shop.test")
    factories.profile(external_id="u1", email="u1@example.test")


def email(**fields: Any) -> dict[str, Any]:
    return {"email": {name: value for name, value in {**EMAIL, **fields}.items() if value is not ...}}


def ask(path: str = SEND, caller: Caller | None = None, **body: Any) -> Any:
    given = {"external_user_ids": ["u1"], "messages": email(), **body}
    return (caller or Caller()).post(path, {name: value for name, value in given.items() if value is not ...})


def test_a_message_without_a_campaign_has_no_campaign_to_tell_of() -> None:
    assert ask(messages=email(subject="For {{${first_name} | default: 'you'}}")).status_code == 201
    named = origins.campaign(Delivery.objects.get())
    assert (named["name"], named["api_id"]) == ("", "")
    assert named["id"] == str(Message.objects.get().public_id)


def queued() -> set[str]:
    return set(RequestRecipient.objects.filter(reason="").values_list("name", flat=True))


def test_people_by_id_and_alias_get_it_each_time() -> None:
    ProfileAlias.objects.create(profile=factories.profile(), label="crm", name="b")
    alias = {"alias_name": "b", "alias_label": "crm"}
    answers = [ask(external_user_ids=["u1", "nobody", "u1"], user_aliases=[alias]) for _call in range(2)]
    ids = [request.public_id.hex for request in TriggerRequest.objects.order_by("pk")]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.json()["dispatch_id"] for answer in answers] == ids
    assert answers[0].json()["message"] == "success" and "unsubscribe_url" in answers[0].json()["notice"]
    assert list(TriggerRequest.objects.values_list("n_named", "n_queued")) == [(4, 2)] * 2
    assert Message.objects.get().subject == "Your order" and Delivery.objects.get().is_standing


# What stands in the body instead, label, the first line of errors.
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": ...}, refusals.NO_MESSAGE, "messages: Give this field"),
    ({"messages": {}}, refusals.NO_MESSAGE, "No message to send"),
    ({"messages": {"email": None}}, refusals.NO_MESSAGE, "No message to send"),
    ({"messages": {"email": []}}, refusals.BAD_REQUEST, "messages.email: Give an object"),
    ({"messages": {"sms": {"body": "x"}}}, refusals.BAD_REQUEST, "messages.sms: There is no channel “sms” here. Use"),
    ({"messages": {**email(), "webhook": {}}}, refusals.BAD_REQUEST, "messages: Webhooks are not configured"),
    ({"messages": email(subject=...)}, refusals.BAD_REQUEST, "messages.email.subject: The subject is empty"),
    ({"messages": email(subject=5)}, refusals.BAD_REQUEST, "messages.email.subject: Give a text."),
    ({"messages": email(**{"from": ...})}, refusals.BAD_REQUEST, "messages.email.from: Give this field"),
    ({"messages": email(**{"from": "X <x@evil.test>"})}, refusals.BAD_REQUEST, "messages.email.from must be one of"),
    ({"messages": email(**{"from": f"{'x' * 121} <hello@shop.test>"})}, refusals.BAD_REQUEST, "messages.email.from: U"),
    ({"messages": email(reply_to="not an address")}, refusals.BAD_REQUEST, "messages.email.reply_to: not an "),
    ({"messages": email(reply_to="a" * 321)}, refusals.BAD_REQUEST, "messages.email.reply_to: Use at most 320"),
    ({"messages": email(headers={"X-A": 1})}, refusals.BAD_REQUEST, "messages.email.headers.X-A: Give a text."),
    ({"messages": email(headers={"Bcc": "x"})}, refusals.BAD_REQUEST, "messages.email.headers.Bcc: This header can't"),
    ({"messages": email(extras="x")}, refusals.BAD_REQUEST, "messages.email.extras: Give an object"),
    ({"messages": email(bcc="a@shop.test")}, refusals.BAD_REQUEST, "messages.email.bcc must be one of"),
    ({"messages": email(message_variation_id="x")}, refusals.BAD_REQUEST, "messages.email.message_variation_id"),
    ({"messages": email(body="<br>\n{% if %}")}, refusals.BAD_REQUEST, "messages.email.body: Line 2: "),
    ({"messages": email(plaintext_body="{{ x")}, refusals.BAD_REQUEST, "messages.email.plaintext_body: "),
    ({"messages": email(body="{{campaign.${sent}}}")}, refusals.BAD_REQUEST, "messages.email.body: “campaign.sent"),
    ({"messages": email(body=...)}, refusals.BAD_REQUEST, "messages.email.body: Give this field"),
    ({"messages": email(amp_body="x")}, refusals.BAD_REQUEST, "messages.email.amp_body: It isn't "),
    ({"messages": email(email_template_id="x")}, refusals.BAD_REQUEST, "messages.email.email_template_id: There"),
    ({"campaign_id": "x"}, refusals.INVALID_CAMPAIGN, "campaign_id: No published campaign has it."),
    ({"send_id": "x"}, refusals.BAD_REQUEST, "send_id: It belongs to a campaign."),
    ({"segment_id": "x"}, refusals.INVALID_SEGMENT, "segment_id: There is no segment with this id."),
    ({"external_user_ids": ["u"] * 50, "user_aliases": [{"alias_name": "a", "alias_label": "b"}]},
     refusals.TOO_MANY_USERS, "external_user_ids: Give at most 50, not 51."),
    ({"external_user_ids": [True]}, refusals.BAD_REQUEST, "external_user_ids[0]: Give a text."),
    ({"external_user_ids": ...}, refusals.NO_RECIPIENTS, "No Recipients: give external_user_ids"),
    ({"broadcast": True}, refusals.BAD_REQUEST, "broadcast: Leave out"),
    ({"recipient_subscription_state": "all", "audience": {"email_subscription_status": {
        "comparison": "is", "value": "unsubscribed"}}}, refusals.BAD_REQUEST, "recipient_subscription_state may be"),
    ({"override_frequency_capping": "yes"}, refusals.BAD_REQUEST, "override_frequency_capping: Give true or false."),
]  # fmt: skip


@pytest.mark.parametrize(("body", "label", "told"), REFUSED)
def test_what_is_refused_sends_nothing_and_says_where(body: dict[str, Any], label: str, told: str) -> None:
    answer = ask(**body)
    assert (answer.status_code, answer.json()["message"]) == (400, label), answer.json()
    assert answer.json()["errors"][0].startswith(told), answer.json()
    assert (Message.objects.count(), Delivery.objects.count(), TriggerRequest.objects.count()) == (0, 0, 0)


# The same once webhooks are on.
WEBHOOK = {"url": "https://shop.test/", "request_method": "POST"}
REFUSED_WEBHOOKS: list[tuple[dict[str, Any], str, str]] = [
    ({"webhook": {}}, refusals.BAD_REQUEST, "messages.webhook.url: Give this field"),
    ({"webhook": []}, refusals.BAD_REQUEST, "messages.webhook: Give an object"),
    (
        {"webhook": {**WEBHOOK, "request_method": "HEAD"}},
        refusals.BAD_REQUEST,
        "messages.webhook.request_method: Give o",
    ),
    ({"webhook": {**WEBHOOK, "request_headers": "X"}}, refusals.BAD_REQUEST, "messages.webhook.request_headers: "),
    ({"webhook": {**WEBHOOK, "url": "http://10.0.0.1/"}}, refusals.BAD_REQUEST, "messages.webhook.url: 10.0.0.1 is"),
    ({"webhook": {**WEBHOOK, "body": "{{ x"}}, refusals.BAD_REQUEST, "messages.webhook.body: "),
    (
        {"webhook": {**WEBHOOK, "retries": 3}},
        refusals.BAD_REQUEST,
        "messages.webhook.retries: It isn't offered here. Leave",
    ),
    ({**email(), "webhook": WEBHOOK}, refusals.BAD_REQUEST, "messages: One call sends one message: webhook and email"),
]


@pytest.mark.parametrize(("messages", "label", "told"), REFUSED_WEBHOOKS)
def test_webhooks_that_are_refused_send_nothing_and_say_where(messages: dict[str, Any], label: str, told: str) -> None:
    webhooks.add(by=factories.user("Admin"))
    answer = ask(messages=messages)
    assert (answer.status_code, answer.json()["message"]) == (400, label), answer.json()
    assert answer.json()["errors"][0].startswith(told), answer.json()
    assert (Message.objects.count(), Delivery.objects.count(), TriggerRequest.objects.count()) == (0, 0, 0)


def test_messages_of_calls_crowd_no_campaign_out_of_what_audiences_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    made = factories.published(delivery__kind="api")
    assert ask().status_code == 201
    monkeypatch.setattr(audience_rules, "_MOST_CHOICES", 1)
    got = next(info for info in audience_rules.infos() if info.name == "delivery.got")
    assert [value for value, _label in got.choices] == [f"campaign:{made.public_id}"]


def test_the_sending_limit_is_overridden_by_either_name() -> None:
    factories.configure(delivery__cap_messages=1, delivery__cap_hours=24)
    caller = Caller()
    for more, n in (
        ({}, 1),
        ({}, 0),
        ({"override_frequency_capping": True}, 1),
        ({"override_messaging_limits": True}, 1),
    ):
        assert ask(caller=caller, **more).status_code == 201
        assert TriggerRequest.objects.latest("pk").n_queued == n


def test_only_those_who_opted_in() -> None:
    factories.profile(external_id="in", email_consent="opted_in")
    ask(external_user_ids=["in", "u1"], recipient_subscription_state="opted_in")
    assert queued() == {"in"}


def test_the_same_idempotency_key_sends_once() -> None:
    caller, body = Caller(), {"external_user_ids": ["u1"], "messages": email()}
    first, again = (caller.post(SEND, body, headers={"Idempotency-Key": "a"}) for _call in range(2))
    assert first.content == again.content and again["Idempotent-Replayed"] == "true"
    assert (TriggerRequest.objects.count(), Shard.objects.count()) == (1, 1)


def test_sends_share_their_limit_with_triggers_and_whole_segments_have_their_own() -> None:
    factories.configure(api__limit_sends=3, api__limit_broadcasts=1)
    caller, segment = Caller(), str(factories.segment(members=[factories.profile()]).public_id)
    whole = {"external_user_ids": ..., "segment_id": segment, "broadcast": True, "messages": email(body=FOOTER)}
    assert [ask(caller=caller, **whole).status_code for _call in range(2)] == [201, 429]
    assert ask(caller=caller).status_code == 201
    assert caller.post("/campaigns/trigger/send", {"campaign_id": "x"}).status_code == 429
    assert TriggerRequest.objects.count() == 2
