"""Requests to a triggered campaign: what is queued, what is not and why, what each state of the campaign answers."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from audiences import erasure, identities, profiles, subscriptions, updates
from audiences.models import AttributeDefinition, Profile, ProfileAlias
from campaigns import lifecycle, sends, triggering
from campaigns.models import Campaign
from delivery import clock, folding, kpi, logs, origins, reasons
from delivery.models import (
    Delivery,
    Outcome,
    RequestRecipient,
    RequestState,
    SendLog,
    Shard,
    TriggerRequest,
)
from delivery.requests import Call, Recipient
from tests import factories

pytestmark = pytest.mark.django_db
API = {"delivery__kind": "api"}
NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)


def named(text: str, kind: str = "external_user_id", **fields: Any) -> Recipient:
    label = fields.pop("label", "")
    return Recipient(identities.Name(kind, text, label=label), **fields)


def ask(of: Campaign, *recipients: Recipient, **fields: Any) -> TriggerRequest:
    return triggering.trigger(str(of.public_id), Call(recipients=recipients, **fields)).request


def why(request: TriggerRequest) -> list[str]:
    """The reason of each recipient in order, "" for those queued."""
    return list(RequestRecipient.objects.filter(request=request).order_by("position").values_list("reason", flat=True))


def waiting() -> list[tuple[int, list[int]]]:
    """(request, people) of each waiting shard, oldest first."""
    return list(Shard.objects.filter(state="waiting").order_by("id").values_list("request_no", "ids"))


def hand_over(request: TriggerRequest, at: dt.datetime, outcome: str = Outcome.SENT) -> None:
    """What a worker would write about everybody whom `request` queued."""
    delivery = request.delivery
    assert delivery is not None
    for shard in Shard.objects.filter(request_no=request.pk, state="waiting"):
        for profile_id in shard.ids:
            SendLog.objects.create(
                opened_month=delivery.opened_month, delivery=delivery, request_no=request.pk, profile_id=profile_id,
                outcome=outcome, at=at, address="a@b.test", n_attempts=1, code="", detail="",
            )  # fmt: skip
        counter = {"sent": "n_sent", "failed": "n_failed", "not_sent": "n_not_sent", "unknown": "n_unknown"}[outcome]
        Shard.objects.filter(pk=shard.pk).update(state="done", **{counter: shard.n_ids}, n_authorised=shard.n_ids)


def test_four_names_find_their_people_and_their_properties_have_precedence() -> None:
    made = factories.published(**API)
    people = [factories.profile(external_id=f"u{n}") for n in range(4)]
    ProfileAlias.objects.create(profile=people[1], label="shop", name="lea")
    request = ask(
        made,
        named("u0", trigger={"shop": "Paris"}),
        named("lea", "user_alias", label="shop"),
        named(people[2].email.upper(), "email"),
        named(str(people[3].public_id), "braze_id"),
        trigger={"shop": "Lyon", "n": 1},
    )
    rows = RequestRecipient.objects.filter(request=request).order_by("position")
    assert [row.profile_id for row in rows] == [profile.pk for profile in people]
    assert [row.trigger for row in rows] == [{"shop": "Paris", "n": 1}, None, None, None]
    assert (request.n_named, request.n_queued, request.n_refused) == (4, 4, 0)
    assert waiting() == [(request.pk, sorted(profile.pk for profile in people))]
    assert len(triggering.Answer(request).dispatch_id) == 32


def test_who_may_not_have_it_is_accepted_and_logged_with_the_reason() -> None:
    made = factories.published(**API, audience__conditions={
        "match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "France"}],
    })  # fmt: skip
    fields = {"country": "France"}
    left = factories.profile(external_id="left", email_consent="unsubscribed", **fields)
    kept = factories.profile(external_id="kept", **fields)
    profiles.quarantine(kept.email_key, "hard bounce", "550")
    factories.profile(external_id="elsewhere", country="Peru")
    good = factories.profile(external_id="good", **fields)
    names = ["left", "kept", "elsewhere", "nobody", "good", "good"]
    request = ask(made, *(named(name) for name in names))
    assert why(request) == ["unsubscribed", "quarantined", "not_in_audience", "nobody", "", "named_twice"]
    assert (request.n_named, request.n_queued, request.n_refused) == (6, 1, 5)
    assert waiting() == [(request.pk, [good.pk])]
    rows = {row.code: row for row in SendLog.objects.filter(request_no=request.pk)}
    assert set(rows) == {"unsubscribed", "quarantined", "not_in_audience"}
    assert (rows["unsubscribed"].profile_id, rows["unsubscribed"].outcome) == (left.pk, "not_sent")
    assert rows["not_in_audience"].detail == "Not in the audience"
    panel = kpi.panel(Delivery.objects.get(pk=request.delivery_id))
    assert (panel.to_send, panel.not_sent, panel.waiting, panel.sent) == (4, 3, 1, 0)


def test_attributes_are_written_first_and_people_made_who_are_to_be_made() -> None:
    made = factories.published(**API)
    known = factories.profile(external_id="u1", email="")
    gone = factories.profile(email="gone@example.test", email_consent="unsubscribed")
    request = ask(
        made,
        named("u1", attributes={"email": "u1@example.test", "tier": "gold"}),
        named("u9", existing_only=False, attributes={"email": "u9@example.test", "first_name": "Nia"}),
        named("new@example.test", "email", existing_only=False, attributes={"visits": 3}),
        named("u10", existing_only=False, attributes={"email": "GONE@example.test"}),
        named("u11", attributes={"email": "u11@example.test"}),
    )
    assert why(request) == ["", "", "", "unsubscribed", "nobody"]
    known.refresh_from_db()
    assert (known.email_key, known.attributes) == ("u1@example.test", {"tier": "gold"})
    assert Profile.objects.get(external_id="u9").first_name == "Nia"
    assert Profile.objects.get(email_key="new@example.test").attributes == {"visits": 3}
    assert Profile.objects.filter(email_key=gone.email_key, email_consent="unsubscribed").count() == 2
    assert dict(AttributeDefinition.objects.values_list("name", "type")) == {"tier": "text", "visits": "number"}


def test_attributes_that_cannot_be_stored_refuse_the_whole_call() -> None:
    made = factories.published(**API)
    factories.profile(external_id="u1")
    for wrong in ({"email": 5}, {"bad name!": 1}, {"x": {"nested": True}}, {"email_subscribe": "maybe"}):
        with pytest.raises(updates.AttributesInvalid):
            ask(made, named("u1", attributes=wrong))
    assert (TriggerRequest.objects.count(), waiting()) == (0, [])


# (re-eligibility in seconds; None never, 0 always), seconds since the hand-over → queued
@pytest.mark.parametrize("how", ["external_user_id", "email"])
def test_who_left_and_was_erased_is_not_written_to_when_a_call_makes_them_again(how: str) -> None:
    """Neither by the name nor by an attribute does an address come back subscribed, nor to its groups."""
    group = factories.group()
    gone = factories.profile(email="gone@example.test", email_consent="unsubscribed")
    subscriptions.set_state(group, [gone.pk], "unsubscribed", source="test")
    erasure.erase([gone.pk], label="test")
    made = factories.published(**API)
    name = "GONE@example.test" if how == "email" else "new"
    attributes = {} if how == "email" else {"email": "gone@example.test"}
    request = ask(made, named(name, how, existing_only=False, attributes=attributes))
    assert why(request) == ["unsubscribed"] and waiting() == []
    again = Profile.objects.get(email_key="gone@example.test")
    assert again.email_consent == "unsubscribed"
    assert not subscriptions.standings(again.pk)[0].is_subscribed


def test_the_sending_limit_holds_unless_the_campaign_or_the_call_ignores_it() -> None:
    factories.configure(delivery__cap_messages=1, delivery__cap_hours=24)
    made = factories.published(**API, delivery__reeligibility="always")
    factories.profile(external_id="u1", email="same@example.test")
    factories.profile(external_id="u2", email="SAME@example.test")
    assert why(ask(made, named("u1"))) == [""]
    assert why(ask(made, named("u1"), named("u2"))) == ["frequency_cap"] * 2
    assert why(ask(made, named("u1"), ignores_cap=True)) == [""]
    free = factories.published(**API, delivery__reeligibility="always", delivery__ignores_cap=True)
    assert why(ask(free, named("u1"))) == [""]


def test_a_stopped_or_archived_campaign_accepts_with_a_notice_and_sends_nothing() -> None:
    operator = factories.user("Operator")
    made = factories.published(operator, **API)
    factories.profile(external_id="u1")
    lifecycle.stop(made.pk, by=operator)
    for word, prepare in (("paused", None), ("archived", lifecycle.archive)):
        if prepare:
            prepare(made.pk, by=operator)
        answer = triggering.trigger(str(made.public_id), Call(recipients=(named("u1"),)))
        assert answer.notice.startswith(f"The campaign is {word}.")
        assert (answer.request.state, answer.request.note) == (RequestState.IGNORED, answer.notice)
    assert waiting() == []


@pytest.mark.parametrize("fields", [{"delivery__kind": "once"}, {}])
def test_only_campaigns_that_the_api_triggers_can_be_triggered(fields: dict[str, str]) -> None:
    made = factories.published(**fields)
    for wrong in (str(made.public_id), "nonsense", str(factories.campaign(**API).public_id)):
        with pytest.raises(triggering.CampaignInvalid) as refusal:
            triggering.trigger(wrong, Call(recipients=(named("u1"),)))
        assert refusal.value.status == 400
    assert TriggerRequest.objects.count() == 0


def test_one_that_nobody_activated_yet_is_refused(settings: Any) -> None:
    settings.ACTIVATE_TRIGGERED = True
    made = factories.published(**API)
    with pytest.raises(triggering.NotActive) as refusal:
        ask(made, named("u1"))
    assert (refusal.value.status, TriggerRequest.objects.count()) == (400, 0)


def test_what_is_stopped_before_its_window_is_cancelled_and_uses_nothing_up() -> None:
    operator = factories.user("Operator")
    made = factories.published(operator, **API)
    factories.profile(external_id="u1")
    request = ask(made, named("u1"))
    lifecycle.stop(made.pk, by=operator)
    assert SendLog.objects.get(request_no=request.pk).outcome == Outcome.CANCELLED
    lifecycle.resume(made.pk, by=operator)
    assert why(ask(made, named("u1"))) == [""]


def test_a_request_ends_with_its_own_validity_period() -> None:
    with time_machine.travel(NOW, tick=False) as at:
        made = factories.published(**API, delivery__validity_hours=1)
        factories.profile(external_id="u1")
        request = ask(made, named("u1"))
        Shard.objects.filter(request_no=request.pk).update(valid_until=dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        at.shift(3601)
        clock.tick()
    row = SendLog.objects.get(request_no=request.pk)
    assert (row.outcome, row.code) == (Outcome.NOT_SENT, reasons.EXPIRED)
    assert Delivery.objects.get(pk=request.delivery_id).state == "sending"


def test_a_paused_send_takes_requests_and_a_closed_one_finishes_what_it_has() -> None:
    made = factories.published(**API)
    factories.profile(external_id="u1")
    first = ask(made, named("u1"))
    factories.publish_again(made)
    clock.tick()
    assert Delivery.objects.get(pk=first.delivery_id).state == "sending"
    hand_over(first, NOW)
    clock.tick()
    assert Delivery.objects.get(pk=first.delivery_id).state == "finished"
    assert sends.current(made) == Delivery.objects.exclude(pk=first.delivery_id).get()


def test_the_log_of_a_standing_delivery_has_each_message_of_a_person_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "PAGE", 2)
    made = factories.published(**API, delivery__reeligibility="always")
    people = [factories.profile(external_id=f"u{n}") for n in range(2)]
    for _call in range(3):
        hand_over(ask(made, named("u0"), named("u1")), NOW)
    delivery = Delivery.objects.get()
    expected = [(no, profile.pk) for no in (3, 2, 1) for profile in reversed(people)]
    first = TriggerRequest.objects.earliest("pk").pk
    shown, seen, wanted = [], logs.sending(delivery, logs.Filter()), logs.Filter()
    while True:
        shown += [(row.request_no - first + 1, row.profile_id) for row in seen.rows]
        if seen.next is None:
            break
        request_no, _dot, profile_id = str(seen.next).partition(".")
        wanted = logs.Filter(after=int(profile_id), after_request=int(request_no))
        seen = logs.sending(delivery, wanted)
    assert shown == expected
    back = logs.sending(delivery, logs.Filter(after=wanted.after, after_request=wanted.after_request, is_back=True))
    assert [(row.request_no - first + 1, row.profile_id) for row in back.rows] == [expected[1], expected[2]]
    assert len(list(logs.export_sending(delivery, logs.Filter()))) == 6


def test_shards_that_are_done_become_one_and_every_figure_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_LEAST", 3)
    made = factories.published(**API, delivery__reeligibility="always")
    factories.profile(external_id="u1")
    factories.profile(external_id="left", email_consent="unsubscribed")
    delivery = Delivery.objects.get()
    for _round in range(2):
        for outcome in ("sent", "failed", "unknown"):
            hand_over(ask(made, named("u1"), named("left")), NOW, outcome)
        waits = ask(made, named("u1"))
        before = kpi.panel(delivery)
        clock.tick()
        assert kpi.panel(delivery) == before
        numbers = set(Shard.objects.filter(delivery=delivery).values_list("number", "state"))
        assert {state for number, state in numbers if number} == {"waiting"} and (0, "done") in numbers
    assert (before.to_send, before.sent, before.unknown, before.not_sent, before.waiting) == (14, 4, 2, 6, 2)
    assert waits.pk in {request_no for request_no, _ids in waiting()}


def test_messages_call_their_campaign_by_its_name_without_a_version(django_assert_num_queries: Any) -> None:
    made = factories.published(name="Order mail", delivery__kind="api")
    standing = Delivery.objects.get(origin_id=str(made.public_id))
    with django_assert_num_queries(1):
        told = [origins.campaign(standing) for _slice in range(2)]
    assert told == [{"id": str(made.public_id), "api_id": str(made.public_id), "name": "Order mail"}] * 2
