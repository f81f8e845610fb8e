"""Subscription groups by API: who is in one, and changes that count for the whole mailbox."""

from typing import Any

import pytest

from audiences import subscriptions
from audiences.models import Subscription, SubscriptionChange, SubscriptionGroup
from tests import factories
from tests.api.callers import Caller

pytestmark = pytest.mark.django_db
GET, SET, SET_MANY = "/subscription/status/get", "/subscription/status/set", "/v2/subscription/status/set"


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def group() -> SubscriptionGroup:
    return factories.group()


def states(group: SubscriptionGroup) -> dict[str, str]:
    rows = Subscription.objects.filter(group=group).values_list("profile__external_id", "state")
    return {str(name): state for name, state in rows}


def test_a_change_counts_for_the_mailbox_and_is_logged(caller: Caller, group: SubscriptionGroup) -> None:
    factories.profile(external_id="u1", email="Lea@example.test")
    factories.profile(external_id="u2", email="lea@example.test")
    factories.profile(external_id="u3")
    body = {"subscription_group_id": str(group.public_id), "subscription_state": "unsubscribed"}
    answer = caller.post(SET, {**body, "external_id": "u1"})
    assert (answer.status_code, answer.json()) == (201, {"message": "success"})
    assert states(group) == {"u1": "unsubscribed", "u2": "unsubscribed"}
    change = SubscriptionChange.objects.first()
    assert change is not None and (change.source, change.reference) == ("api", caller.key.prefix)
    answer = caller.get(
        f"{GET}?subscription_group_id={group.public_id}&external_id[]=u1&external_id[]=u3&external_id[]=u9"
    )
    assert answer.json()["status"] == {"u1": "Unsubscribed", "u3": "Subscribed", "u9": "Unknown"}
    answer = caller.get(f"{GET}?subscription_group_id={group.public_id}&email=LEA@example.test")
    assert answer.json()["status"] == {"LEA@example.test": "Unsubscribed"}


def test_nobody_is_a_minor_error_beside_those_who_were_changed(caller: Caller, group: SubscriptionGroup) -> None:
    factories.profile(external_id="u1")
    body = {"subscription_group_id": str(group.public_id), "subscription_state": "unsubscribed"}
    answer = caller.post(SET, {**body, "external_id": ["u9", "u1", "u1"]})
    assert answer.status_code == 201 and answer.json()["errors"] == ["u9: There is nobody with this name."]
    assert states(group) == {"u1": "unsubscribed"}


def test_several_groups_are_changed_together_or_not_at_all(caller: Caller, group: SubscriptionGroup) -> None:
    other = factories.group("Offers", default_state="unsubscribed")
    factories.profile(external_id="u1", email="lea@example.test")
    one = {"subscription_group_id": str(group.public_id), "subscription_state": "unsubscribed", "external_ids": ["u1"]}
    two = {
        "subscription_group_id": str(other.public_id),
        "subscription_state": "subscribed",
        "emails": ["lea@example.test"],
    }
    broken = {**two, "subscription_group_id": "x"}
    answer = caller.post(SET_MANY, {"subscription_groups": [one, broken]})
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid Subscription Group ID")
    assert not Subscription.objects.exists()
    assert caller.post(SET_MANY, {"subscription_groups": [one, two]}).status_code == 201
    assert states(group) == {"u1": "unsubscribed"} and states(other) == {"u1": "subscribed"}


def test_nobody_is_subscribed_to_an_archived_group(caller: Caller, group: SubscriptionGroup) -> None:
    factories.profile(external_id="u1")
    subscriptions.archive(group.pk, by=factories.user("Admin"))
    body = {"subscription_group_id": str(group.public_id), "external_id": "u1"}
    assert caller.post(SET, {**body, "subscription_state": "subscribed"}).status_code == 409
    assert not Subscription.objects.exists()
    assert caller.post(SET, {**body, "subscription_state": "unsubscribed"}).status_code == 201


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, "Give either external_id or email."),
        ({"external_id": "a", "email": "b@c.de"}, "Give either"),
        ({"external_id": []}, "external_id: Give at least one."),
        ({"external_id": [1.5]}, "external_id[0]: Give a text."), ({"external_id": True}, "external_id[0]: Give"),
        ({"external_id": {"a": 1}}, "external_id: Give a list"), ({"email": 7}, "email[0]: Give a text"),
        ({"phone": ["+33600000000"]}, "phone: Chappe sends no SMS."), ({"external_id": ["x"] * 51}, "at most 50"),
        ({"external_id": "a", "subscription_state": "in"}, "subscription_state: Give one of"),
    ],
)  # fmt: skip
def test_what_is_wrong_changes_nothing(caller: Caller, group: SubscriptionGroup, changed: Any, told: str) -> None:
    factories.profile(external_id="a")
    body = {"subscription_group_id": str(group.public_id), "subscription_state": "unsubscribed"}
    answer = caller.post(SET, {**body, **changed})
    assert answer.status_code == 400 and told in answer.json()["errors"][0], answer.content
    many = {f"{name}s" if name in ("external_id", "email", "phone") else name: one for name, one in changed.items()}
    answer = caller.post(SET_MANY, {"subscription_groups": [{**body, **many}]})
    assert answer.status_code == 400 and answer.json()["errors"]
    assert not Subscription.objects.exists()
