"""Triggering campaigns over HTTP: what is taken, what is refused and where, and what is told."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from api import refusals
from audiences.models import Profile, ProfileAlias
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.models import RequestRecipient, RequestState, Shard, TriggerRequest
from tests import factories
from tests.api.callers import Caller

pytestmark = pytest.mark.django_db
SEND = "/campaigns/trigger/send"
API = {"delivery__kind": "api"}
U1 = {"external_user_id": "u1"}
IN_NO_GROUP = {
    "subscription_group_id": "8d6f8c7a-5b4e-4f3d-a2c1-b0a9f8e7d6c5", "subscription_state": "unsubscribed",
}  # fmt: skip


@pytest.fixture
def campaign() -> Campaign:
    factories.profile(external_id="u1")
    return factories.published(factories.user("Operator"), **API)


def ask(of: Campaign, path: str = SEND, caller: Caller | None = None, **body: Any) -> Any:
    return (caller or Caller()).post(path, {"campaign_id": str(of.public_id), **body})


def nothing_was_kept() -> bool:
    return not TriggerRequest.objects.exists() and not Shard.objects.exists()


def test_people_are_found_made_and_given_their_own_properties(campaign: Campaign) -> None:
    second = factories.profile(external_id="u2", email="u2@example.test")
    ProfileAlias.objects.create(profile=second, label="crm", name="b")
    third, fourth = (factories.profile(email=f"u{n}@example.test") for n in (3, 4))
    made = {"external_user_id": "u9", "send_to_existing_only": False, "attributes": {"email": "x@ex.test", "tier": 1}}
    caller = Caller("campaigns.trigger.send", name="shop-prod")
    answer = ask(
        campaign,
        caller=caller,
        trigger_properties={"shop": "Lyon", "n": 1},
        recipients=[
            {**U1, "trigger_properties": {"shop": "Paris"}},
            {"user_alias": {"alias_name": "b", "alias_label": "crm"}},
            {"email": "U3@example.test", "prioritization": ["identified", "most_recently_updated"]},
            {"braze_id": str(fourth.public_id)},
            made,
            {"external_user_id": "nobody"},
        ],
    )
    request = TriggerRequest.objects.get()
    assert (answer.status_code, answer.json()) == (201, {"message": "success", "dispatch_id": request.public_id.hex})
    rows = list(RequestRecipient.objects.order_by("position").values_list("profile_id", "trigger", "reason"))
    new = Profile.objects.get(external_id="u9")
    assert (new.email, new.attributes) == ("x@ex.test", {"tier": 1})
    assert [row[0] for row in rows[1:]] == [second.pk, third.pk, fourth.pk, new.pk, None]
    assert rows[0][1] == {"shop": "Paris", "n": 1} and request.trigger == {"shop": "Lyon", "n": 1}
    assert [row[2] for row in rows] == ["", "", "", "", "", "nobody"], "an unknown id is still success"
    assert request.key_label == f"shop-prod ({caller.key.prefix}…)"


LEAF = {"custom_attribute": {"custom_attribute_name": "visits", "comparison": "greater_than", "value": "x"}}
DEEP: dict[str, Any] = {"email_subscription_status": {"comparison": "is", "value": "opted_in"}}
for _level in range(6):
    DEEP = {"AND": [DEEP]}
# Body beside the campaign's id, label, the first line of errors.
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, refusals.NO_RECIPIENTS, "No Recipients"),
    ({"recipients": []}, refusals.NO_RECIPIENTS, "No Recipients"),
    ({"broadcast": True, "recipients": [U1]}, refusals.BAD_REQUEST, "broadcast: Leave out"),
    ({"recipients": [U1] * 51}, refusals.TOO_MANY_USERS, "recipients: Give at most 50, not 51."),
    ({"recipients": [{}]}, refusals.BAD_REQUEST, "recipients[0]: Give exactly one of"),
    ({"recipients": [U1, {**U1, "attributes": {"email": 5}}]}, refusals.BAD_REQUEST, "recipients[1].attributes.email"),
    ({"recipients": [U1, {**U1, "attributes": {"subscription_groups": [IN_NO_GROUP]}}]}, refusals.BAD_REQUEST,
     "recipients[1].attributes.subscription_groups: There is no subscription group with this id."),
    ({"recipients": [U1], "trigger_properties": []}, refusals.BAD_REQUEST, "trigger_properties: Give an object"),
    ({"recipients": [U1], "trigger_properties": {"x": "y" * 60_000}}, refusals.BAD_REQUEST, "trigger_properties: Give"),
    ({"recipients": [U1], "send_id": "unknown"}, refusals.BAD_REQUEST, "send_id: It is not registered"),
    ({"recipients": [U1], "send_id": "a b"}, refusals.BAD_REQUEST, "send_id: Use letters"),
    ({"recipients": [U1], "attachments": [{"file_name": "a"}]}, refusals.BAD_REQUEST, "attachments[0].url: Give this"),
    ({"broadcast": "true"}, refusals.BAD_REQUEST, "broadcast: Give true or false."),
    ({"broadcast": True, "audience": {}}, refusals.BAD_REQUEST, "audience: Give an object with one of AND"),
    ({"broadcast": True, "audience": {"AND": []}}, refusals.BAD_REQUEST, "audience.AND: Give a list"),
    ({"broadcast": True, "audience": {"AND": [LEAF]}}, refusals.BAD_REQUEST, "audience.AND[0].custom_attribute: Enter"),
    ({"broadcast": True, "audience": LEAF}, refusals.BAD_REQUEST, "audience.custom_attribute: Enter a number."),
    ({"broadcast": True, "audience": DEEP}, refusals.BAD_REQUEST, "audience.AND[0].AND[0].AND[0].AND[0].AND[0]: G"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "label", "told"), REFUSED)
def test_what_is_refused_sends_nothing_and_says_where(
    campaign: Campaign, body: dict[str, Any], label: str, told: str
) -> None:
    factories.attribute("visits", "number")
    answer = ask(campaign, **body)
    assert (answer.status_code, answer.json()["message"]) == (400, label)
    assert answer.json()["errors"][0].startswith(told), answer.json()
    assert nothing_was_kept()


def test_other_campaigns_are_no_campaigns_of_the_api(campaign: Campaign) -> None:
    draft, planned = factories.campaign(**API), factories.published()
    for wrong in (str(draft.public_id), str(planned.public_id), "nonsense", "00000000-0000-0000-0000-000000000000"):
        answer = Caller().post(SEND, {"campaign_id": wrong, "recipients": [U1]})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_campaign_id"), wrong
        assert answer.json()["errors"][0].startswith("campaign_id: ")
    assert ask(campaign, recipients=[U1]).status_code == 201


def test_one_that_nobody_activated_is_refused(settings: Any) -> None:
    settings.ACTIVATE_TRIGGERED = True
    answer = ask(factories.published(**API), recipients=[U1])
    assert (answer.status_code, answer.json()["message"]) == (400, "Bad Request")
    assert answer.json()["errors"][0].startswith("campaign_id: The campaign “")
    assert "Activate it" in answer.json()["errors"][0]
    assert nothing_was_kept()


def test_a_stopped_or_archived_campaign_is_told_by_a_notice(campaign: Campaign) -> None:
    operator = factories.user("Operator")
    for word, step in (("paused", lifecycle.stop), ("archived", lifecycle.archive)):
        step(campaign.pk, by=operator)
        answer = ask(campaign, recipients=[U1])
        assert (answer.status_code, answer.json()["message"], answer.json()["sent"]) == (201, "success", False)
        assert answer.json()["notice"].startswith(f"The campaign is {word}.")
    assert set(TriggerRequest.objects.values_list("state", flat=True)) == {RequestState.IGNORED}
    assert not Shard.objects.exists()


def test_a_registered_send_id_is_kept_and_told(campaign: Campaign) -> None:
    caller = Caller()
    caller.post("/sends/id/create", {"campaign_id": str(campaign.public_id), "send_id": "autumn"})
    answer = ask(campaign, caller=caller, recipients=[U1], send_id="autumn")
    assert answer.json()["send_id"] == TriggerRequest.objects.get().send_id == "autumn"


def test_the_same_idempotency_key_triggers_once(campaign: Campaign) -> None:
    factories.publish_again(campaign, delivery__reeligibility="always")
    caller, body = Caller(), {"campaign_id": str(campaign.public_id), "recipients": [U1]}
    first, again = (caller.post(SEND, body, headers={"Idempotency-Key": "order-17"}) for _call in range(2))
    assert first.content == again.content and again["Idempotent-Replayed"] == "true"
    assert (TriggerRequest.objects.count(), Shard.objects.count()) == (1, 1)
    other = {**body, "trigger_properties": {"n": 2}}
    assert caller.post(SEND, other, headers={"Idempotency-Key": "order-17"}).status_code == 422
    assert TriggerRequest.objects.count() == 1


def test_broadcasts_have_a_limit_of_their_own(campaign: Campaign) -> None:
    factories.configure(api__limit_broadcasts=1)
    caller = Caller()
    codes = [ask(campaign, caller=caller, broadcast=True).status_code for _call in range(2)]
    assert codes == [201, 429] and TriggerRequest.objects.count() == 1
    answer = ask(campaign, caller=caller, recipients=[U1])
    assert (answer.status_code, answer["X-RateLimit-Limit"]) == (201, "250000"), "others are not held back by it"


NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
# Filter, and who of the people below is meant.
FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"custom_attribute_name": "tier", "comparison": "equals", "value": "gold"}, "a"),
    ({"custom_attribute_name": "tier", "comparison": "not_equal", "value": "gold"}, "bc"),
    ({"custom_attribute_name": "tier", "comparison": "exists"}, "ab"),
    ({"custom_attribute_name": "tier", "comparison": "does_not_exist"}, "c"),
    ({"custom_attribute_name": "visits", "comparison": "greater_than", "value": 4}, "b"),
    ({"custom_attribute_name": "visits", "comparison": "greater_than_or_equal_to", "value": 4}, "ab"),
    ({"custom_attribute_name": "visits", "comparison": "less_than_or_equal_to", "value": 4.5}, "a"),
    ({"custom_attribute_name": "wants", "comparison": "includes_value", "value": "red"}, "b"),
    ({"custom_attribute_name": "wants", "comparison": "does_not_include_value", "value": "red"}, "ac"),
    ({"custom_attribute_name": "vip", "comparison": "equals", "value": True}, "c"),
    ({"custom_attribute_name": "vip", "comparison": "does_not_equal", "value": True}, "ab"),
    ({"custom_attribute_name": "seen", "comparison": "less_than_x_days_ago", "value": 3}, "a"),
    ({"custom_attribute_name": "seen", "comparison": "greater_than_x_days_ago", "value": 3}, "b"),
    ({"custom_attribute_name": "seen", "comparison": "less_than_x_days_in_the_future", "value": 10}, "c"),
    ({"custom_attribute_name": "seen", "comparison": "greater_than_x_days_in_the_future", "value": 2}, "c"),
    ({"custom_attribute_name": "seen", "comparison": "after", "value": "2026-11-01T00:00:00Z"}, "ac"),
    ({"custom_attribute_name": "seen", "comparison": "before", "value": "2026-11-01"}, "b"),
]


@pytest.mark.parametrize(("leaf", "who"), FILTERS)
def test_filters_mean_what_they_mean_in_the_reference(leaf: dict[str, Any], who: str) -> None:
    kinds = {"tier": "text", "visits": "number", "wants": "list", "vip": "boolean", "seen": "date"}
    for name, kind in kinds.items():
        factories.attribute(name, kind)
    factories.profile(external_id="a", attributes={"tier": "gold", "visits": 4, "seen": "2026-11-23"})
    factories.profile(
        external_id="b", attributes={"tier": "silver", "visits": 9, "wants": ["red"], "seen": "2026-10-01"}
    )
    factories.profile(external_id="c", attributes={"vip": True, "seen": "2026-11-30"})
    campaign = factories.published(**API)
    people = [{"external_user_id": one} for one in "abc"]
    with time_machine.travel(NOW, tick=False):
        answer = ask(campaign, recipients=people, audience={"OR": [{"custom_attribute": leaf}]})
    assert answer.status_code == 201, answer.json()
    queued = RequestRecipient.objects.filter(reason="").order_by("position").values_list("name", flat=True)
    assert "".join(queued) == who


def test_filters_join_and_ask_for_consent(campaign: Campaign) -> None:
    factories.attribute("tier")
    factories.profile(external_id="in", email_consent="opted_in", attributes={"tier": "gold"})
    factories.profile(external_id="out", attributes={"tier": "gold"})
    status = {"email_subscription_status": {"comparison": "is", "value": "opted_in"}}
    gold = {"custom_attribute": {"custom_attribute_name": "tier", "comparison": "equals", "value": "gold"}}
    people = [{"external_user_id": one} for one in ("in", "out", "u1")]
    for join, who in (("AND", {"in"}), ("OR", {"in", "out"})):
        RequestRecipient.objects.all().delete()
        ask(factories.published(**API), recipients=people, audience={join: [status, gold]})
        assert set(RequestRecipient.objects.filter(reason="").values_list("name", flat=True)) == who


@pytest.mark.parametrize(
    ("audience", "told"),
    [
        ({"push_subscription_status": {"comparison": "is", "value": "opted_in"}}, "audience.push_subscription_status"),
        ({"last_used_app": {"comparison": "after", "value": "2026-01-01"}}, "audience.last_used_app: Chappe knows"),
        ({"segment": {}}, "audience.segment: There is no such filter."),
        ({"AND": [], "OR": []}, "audience: Give an object with one of"),
        ({"AND": {}}, "audience.AND: Give a list"),
        ({"AND": [7]}, "audience.AND[0]: Give an object"),
        ({"custom_attribute": 7}, "audience.custom_attribute: Give an object"),
        ({"custom_attribute": {}}, "audience.custom_attribute.custom_attribute_name: There is no"),
        ({"custom_attribute": {"custom_attribute_name": "tier", "comparison": "matches_regex", "value": "a++"}},
         "audience.custom_attribute.value: A pattern can't have “+”."),
        ({"custom_attribute": {"custom_attribute_name": "tier", "comparison": "includes_value", "value": "a"}},
         "audience.custom_attribute.comparison: Give one of equals"),
        ({"custom_attribute": {"custom_attribute_name": "tier", "comparison": "equals"}},
         "audience.custom_attribute.value: Give this field"),
        ({"custom_attribute": {"custom_attribute_name": "seen", "comparison": "after", "value": "soon"}},
         "audience.custom_attribute.value: Give a time"),
        ({"custom_attribute": {"custom_attribute_name": "seen", "comparison": "less_than_x_days_ago", "value": 0}},
         "audience.custom_attribute.value: Give a whole number"),
        ({"email_subscription_status": {"comparison": "equals", "value": "opted_in"}},
         "audience.email_subscription_status.comparison: Give one of is, is_not."),
        ({"email_subscription_status": {"comparison": "is", "value": ["opted_in"]}},
         "audience.email_subscription_status.value: Give one of"),
    ],
)  # fmt: skip
def test_filters_that_are_refused_by_their_place(campaign: Campaign, audience: dict[str, Any], told: str) -> None:
    factories.attribute("tier")
    factories.attribute("seen", "date")
    answer = ask(campaign, broadcast=True, audience=audience)
    assert answer.status_code == 400 and answer.json()["errors"][0].startswith(told), answer.json()
    assert nothing_was_kept()


def test_what_other_campaigns_sent_is_not_looked_up_for_an_audience_that_does_not_ask(campaign: Campaign) -> None:
    caller, asked = Caller(), f"campaign:{factories.published(**API).public_id}"
    ask(campaign, caller=caller, recipients=[U1])
    rule = {"field": "delivery.got", "op": "is_not", "value": [asked]}
    other = factories.published(**API, audience__conditions={"match": "all", "rules": [rule]})
    counts = []
    for one in (campaign, other):
        with CaptureQueriesContext(connection) as queries:
            assert ask(one, caller=caller, recipients=[U1]).status_code == 201
        counts.append(sum("MAX(" in query["sql"] for query in queries))
    assert counts == [0, 1]


def test_a_call_takes_a_handful_of_statements_however_many_it_names(campaign: Campaign) -> None:
    caller, counts = Caller(), []
    for first, last in ((0, 1), (10, 11), (20, 70)):
        people = [factories.profile(external_id=f"c{number}") for number in range(first, last)]
        with CaptureQueriesContext(connection) as queries:
            answer = ask(campaign, caller=caller, recipients=[{"external_user_id": one.external_id} for one in people])
        assert answer.status_code == 201
        counts.append(len(queries))
    assert counts[1] == counts[2] <= 8, counts
    assert Shard.objects.count() == 3 and RequestRecipient.objects.filter(reason="").count() == 52
