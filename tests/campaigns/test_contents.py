"""Calls that bring their own message: what is read and refused, who gets it, and deliveries that open and close."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from audiences import identities, profiles, subscriptions
from audiences.models import GroupState
from campaigns import broadcasts, contents, counted, planning, targeting
from delivery import clock, preparation, requests
from delivery.models import Delivery, RequestState, Shard, TriggerRequest
from delivery.requests import Call, Recipient
from messaging.models import Message
from tests import factories

pytestmark = pytest.mark.django_db
EMAIL = {"app_id": "any", "from": "Shop <hello@shop.test>", "subject": "Your order", "body": "<p>It is on its way</p>"}


@pytest.fixture(autouse=True)
def _sender() -> None:
    factories.sender(name="Example Shop", address="hello@shop.test", reply_to="answers@shop.test")


def to(*names: str, **fields: Any) -> Call:
    people = tuple(Recipient(identities.Name("external_user_id", name)) for name in names)
    return Call(recipients=people, **fields)


def email(**fields: Any) -> dict[str, Any]:
    return {"email": {name: value for name, value in {**EMAIL, **fields}.items() if value is not ...}}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "no_message", "No message to send"),
    ({"webhook": {"url": "https://x.test"}}, "channel_missing", "Webhooks are not configured"),
    ({"sms": {"body": "x"}}, "channel_missing", "no channel “sms”"),
    (email(headers={"X-A": 1}), "message_invalid", "headers must be an object of texts"),
    (email(headers={"Bcc": "x"}), "added_invalid", "messages.email.headers.Bcc: This header can't"),
    (email(headers={"X-A": "{{ nobody }}"}), "unknown_field", "messages.email.headers.X-A: “nobody”"),
    (email(headers={"X-A": "{{ broken"}), "template_syntax", "messages.email.headers.X-A: "),
    (email(extras={"a": "x" * 1024}), "added_invalid", "messages.email.extras: Give at most 1 KB"),
    (email(extras=["a"]), "message_invalid", "extras must be an object of texts"),
    (email(attachments={"a": 1}), "message_invalid", "attachments: It isn't offered"),
    (email(bcc="archive@shop.test"), "message_invalid", "bcc must be one of the addresses"),
    (email(attachments=[{"file_name": "a.pdf"}]), "message_invalid", "attachments: It isn't offered"),
    (email(should_inline_css="yes"), "message_invalid", "should_inline_css must be true or false"),
    (email(subject=5), "message_invalid", "subject must be a text"),
    (email(**{"from": "Other <other@evil.test>"}), "sender_unknown", "one of the senders"),
    (email(**{"from": ...}), "sender_unknown", "one of the senders"),
    (email(body=...), "body_empty", "body: Give this field"),
    (email(subject=""), "subject_empty", "subject is empty"),
    (email(body="<p>{{ broken</p>"), "template_syntax", "."),
    (email(email_template_id="nonsense"), "message_invalid", "no template"),
]


@pytest.mark.parametrize(("messages", "code", "words"), REFUSED)
def test_messages_that_are_refused(messages: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(contents.MessageInvalid, match=words) as refusal:
        contents.send(messages, to("u1"))
    assert (refusal.value.code, refusal.value.status) == (code, 400)
    assert (Message.objects.count(), Delivery.objects.count(), TriggerRequest.objects.count()) == (0, 0, 0)


def test_everybody_named_gets_it_each_time_and_equal_contents_share_a_delivery() -> None:
    left = factories.profile(external_id="left", email_consent="unsubscribed")
    for name in ("u1", "u2"):
        factories.profile(external_id=name)
    answers = [contents.send(email(should_inline_css=False, extras={}), to("u1", "u2", "left")) for _n in range(2)]
    assert [answer.request.n_queued for answer in answers] == [2, 2]
    delivery = Delivery.objects.get()
    assert (delivery.origin_kind, delivery.is_standing, delivery.state) == ("api", True, "sending")
    message = Message.objects.get()
    assert (message.sender_name, message.reply_to, message.subject) == ("Shop", "answers@shop.test", "Your order")
    assert "no unsubscribe link. Add a link to {{ unsubscribe_url }}" in answers[0].warnings[0]
    assert answers[0].request.recipients.get(profile_id=left.pk).reason == "unsubscribed"
    other = contents.send(email(subject="Another", reply_to="NO_REPLY_TO"), to("u1"))
    assert other.request.delivery_id != delivery.pk
    assert Message.objects.get(subject="Another").reply_to == ""


def test_a_template_gives_what_the_call_leaves_out() -> None:
    factories.profile(external_id="u1")
    template = factories.template(subject="From the template")
    fields = {"email_template_id": str(template.public_id), "body": ..., "subject": ...}
    contents.send(email(**fields), to("u1"))
    message = Message.objects.get()
    assert (message.subject, message.body) == ("From the template", template.body)


def test_only_those_who_opted_in_where_that_is_asked() -> None:
    factories.profile(external_id="u1", email_consent="opted_in", country="France")
    factories.profile(external_id="u2", country="France")
    answer = contents.send(email(), to("u1", "u2"), subscription_state="opted_in")
    assert [row.reason for row in answer.request.recipients.order_by("position")] == ["", "not_in_audience"]
    with pytest.raises(contents.MessageInvalid, match="must be opted_in, subscribed or all"):
        contents.send(email(), to("u1"), subscription_state="everybody")


FRENCH = {"conditions": {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "France"}]}}


@pytest.mark.parametrize("call", [Call(audience=FRENCH), to("u1", audience=FRENCH), Call()])
def test_people_who_left_are_reached_only_where_they_are_named(call: Call) -> None:
    is_broadcast = not call.recipients
    with pytest.raises((contents.MessageInvalid, targeting.TargetInvalid)):
        contents.send(email(body=factories.HTML_BODY), call, is_broadcast=is_broadcast, subscription_state="all")
    assert (Message.objects.count(), TriggerRequest.objects.count()) == (0, 0)


@pytest.mark.parametrize("is_counted", [False, True])
def test_what_people_need_reaches_who_left_and_no_address_in_quarantine(is_counted: bool) -> None:
    group = factories.group()
    made = factories.published(
        delivery__kind="api", delivery__reeligibility="always", audience__subscription_group=str(group.public_id)
    )
    left = factories.profile(external_id="left", email_consent="unsubscribed")
    subscriptions.set_state(group, [left.pk], GroupState.UNSUBSCRIBED, source="person")
    kept = factories.profile(external_id="kept", email_consent="unsubscribed")
    profiles.quarantine(kept.email_key, "complaint", "")
    counted_at = {"campaign_id": str(made.public_id)} if is_counted else {}
    one = email(message_variation_id=counted.variation_id(made)) if is_counted else email()
    for state, expected in (("all", ["", "quarantined"]), ("subscribed", ["unsubscribed", "unsubscribed"])):
        answer = contents.send(one, to("left", "kept"), subscription_state=state, **counted_at)
        assert [row.reason for row in answer.request.recipients.order_by("position")] == expected, state
        assert bool(answer.warnings) is (state != "all")
    kinds = Delivery.objects.filter(message__subject="Your order").order_by("pk").values_list("audience", flat=True)
    assert [audience.get("reaches_unsubscribed", False) for audience in kinds] == [True, False]


def test_what_is_planned_for_who_left_keeps_that_with_another_message() -> None:
    factories.profile(external_id="left", email_consent="unsubscribed")
    due = timezone.now() + dt.timedelta(hours=1)
    request = contents.send(email(), to("left", due_at=due), subscription_state="all").request
    planning.rewrite(str(request.public_id), messages=email(subject="Another"))
    with time_machine.travel(due + dt.timedelta(minutes=1), tick=False):
        clock.tick()
    request.refresh_from_db()
    assert request.delivery is not None
    assert (request.n_queued, request.delivery.message.subject) == (1, "Another")


def test_a_whole_audience_gets_a_delivery_of_its_own() -> None:
    for place in ("France", "France", "Peru"):
        factories.profile(country=place)
    audience = {"conditions": {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "France"}]}}
    with pytest.raises(targeting.TargetInvalid):
        contents.send(email(), Call(), is_broadcast=True)
    with pytest.raises(contents.MessageInvalid, match="no unsubscribe link"):
        contents.send(email(), Call(audience=audience), is_broadcast=True)
    body = factories.HTML_BODY
    request = contents.send(email(body=body), Call(audience=audience), is_broadcast=True).request
    for _turn in range(2):
        broadcasts.run()
        preparation.run(Delivery.objects.get(request_no=request.pk).pk)
    broadcasts.run()
    clock.tick()
    request.refresh_from_db()
    assert (request.state, request.n_queued) == (RequestState.QUEUED, 2)
    assert Delivery.objects.get(request_no=request.pk).state == "sending"


def test_one_that_was_planned_can_be_moved_and_taken_back() -> None:
    factories.profile(external_id="u1")
    now = timezone.now()
    first, second = (contents.send(email(), to("u1", due_at=now + dt.timedelta(hours=n))).request for n in (1, 2))
    planning.delete("", str(first.public_id))
    planning.update("", str(second.public_id), {"time": (now + dt.timedelta(hours=3)).isoformat()})
    with pytest.raises(requests.ScheduleGone):
        planning.delete("", str(first.public_id))
    with time_machine.travel(now + dt.timedelta(hours=3, minutes=1), tick=False):
        clock.tick()
    assert list(Shard.objects.values_list("request_no", flat=True)) == [second.pk]


def test_what_nobody_asks_for_any_more_is_closed_and_opened_again() -> None:
    factories.profile(external_id="u1")
    request = contents.send(email(), to("u1")).request
    assert contents.close_idle() == 0
    long_ago = timezone.now() - dt.timedelta(days=2)
    TriggerRequest.objects.filter(pk=request.pk).update(received_at=long_ago)
    Delivery.objects.update(opened_at=long_ago)
    assert contents.close_idle() == 1
    assert contents.send(email(), to("u1")).request.delivery_id != request.delivery_id
    clock.tick()
    old, new = Delivery.objects.order_by("pk")
    assert (old.closed_at is None, old.state, new.closed_at) == (False, "sending", None), "it still has to send"
