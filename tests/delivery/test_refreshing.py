"""A list that is prepared again just before it is sent to: who may ask for it, when it goes on and when it stops."""

import datetime as dt

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, User
from delivery import clock, lifecycle, preparation, refreshing
from delivery.models import Delivery, DeliveryState, Shard
from lib.errors import DomainError, NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db
S = DeliveryState


def due(by: User, *, guard_percent: int | None, n: int = 10, **fields: object) -> Delivery:
    """A confirmed send to `n` people whose time is now."""
    factories.configure(delivery__grace_s=0)
    factories.people(*(f"p{i}" for i in range(n)))
    made = factories.prepared(by, scheduled_at=timezone.now() + dt.timedelta(hours=1), scheduled_zone="UTC", **fields)
    lifecycle.confirm(made.pk, by=by, seal=made.seal, n_to_send=n)
    refreshing.choose(made.pk, guard_percent=guard_percent, by=by)
    Delivery.objects.filter(pk=made.pk).update(start_at=timezone.now(), scheduled_at=timezone.now())
    return made


def go(made: Delivery) -> Delivery:
    """Ticks and a worker until nothing changes any more."""
    for _tick in range(3):
        for delivery_id in clock.tick().prepare:
            preparation.run(delivery_id)
    return Delivery.objects.get(pk=made.pk)


@pytest.mark.parametrize(
    ("guard", "n_more", "state", "n_to_send"),
    [
        (None, 5, S.SENDING, 10),
        (10, 0, S.SENDING, 10),
        (10, 1, S.SENDING, 11),
        (10, 2, S.PREPARED, 12),
        (0, 1, S.PREPARED, 11),
        (100, 10, S.SENDING, 20),
    ],
)
def test_it_goes_on_unless_it_grew_by_more_than_was_allowed(
    guard: int | None, n_more: int, state: str, n_to_send: int
) -> None:
    operator = factories.user("Operator")
    made = due(operator, guard_percent=guard)
    factories.people(*(f"new{i}" for i in range(n_more)))
    after = go(made)
    assert (after.state, after.n_to_send, after.refreshing_from) == (state, n_to_send, None)
    assert sum(Shard.objects.filter(delivery=made).values_list("n_ids", flat=True)) == n_to_send
    if state == S.SENDING:
        assert after.confirmed_by == operator and after.failure == ""
        return
    assert after.confirmed_by is None and after.start_at is None
    assert after.failure.startswith(f"Prepared again at its start, it grew from 10 to {n_to_send} people")
    assert AuditEntry.objects.get(action="delivery.held").detail["n_to_send"] == n_to_send
    # A person who looks at it can still send it, once.
    lifecycle.confirm(made.pk, by=operator, seal=after.seal, n_to_send=n_to_send)
    assert go(made).state == S.SENDING


def test_who_may_not_confirm_any_more_does_not() -> None:
    operator = factories.user("Operator")
    made = due(operator, guard_percent=10)
    operator.groups.clear()
    after = go(made)
    assert after.state == S.PREPARED and after.failure and after.confirmed_by is None


def test_a_list_that_is_empty_by_then_waits_for_a_person() -> None:
    operator = factories.user("Operator")
    made = due(operator, guard_percent=10)
    factories.Profile.objects.update(email_consent="unsubscribed")
    after = go(made)
    assert (after.state, after.n_to_send, after.failure) == (S.PREPARED, 0, "Nobody to send to.")


def test_one_that_is_ready_too_late_waits_for_a_person() -> None:
    """Nothing ran for hours after the preparation began: what was right then may be wrong now."""
    operator = factories.user("Operator")
    made = due(operator, guard_percent=10)
    (delivery_id,) = clock.tick().prepare
    preparation.run(delivery_id)
    Delivery.objects.filter(pk=made.pk).update(start_at=timezone.now() - dt.timedelta(hours=2))
    after = go(made)
    assert (after.state, after.confirmed_by, after.refreshing_from) == (S.PREPARED, None, None)
    assert after.failure


def test_a_segment_that_asks_for_others_by_then_waits_for_a_person() -> None:
    """As many people as were confirmed are not the people who were confirmed."""
    operator = factories.user("Operator")
    rules = [{"field": "profile.email", "op": "is_set"}, {"field": "profile.first_name", "op": "is_set"}]
    segment = factories.segment({"match": "all", "rules": rules[:1]})
    audience = {"segments": [str(segment.public_id)], "segments_match": "any"}
    made = due(operator, guard_percent=1000, audience=audience)
    segment.rule = {"match": "all", "rules": rules}
    segment.save(update_fields=["rule"])
    after = go(made)
    assert (after.state, after.n_to_send, after.confirmed_by) == (S.PREPARED, 10, None)
    assert after.failure.startswith("A segment was changed after this send was confirmed.")
    # Who looks at it again confirms what it is now.
    lifecycle.confirm(made.pk, by=operator, seal=after.seal, n_to_send=10)
    assert go(made).state == S.SENDING


@pytest.mark.parametrize("end", ["abort", "fail", "prepare"])
def test_whatever_ends_it_takes_the_confirmation_back(end: str) -> None:
    operator = factories.user("Operator")
    made = due(operator, guard_percent=10)
    clock.tick()
    if end == "abort":
        after = lifecycle.abort(made.pk, by=operator)
    elif end == "fail":
        since = Delivery.objects.get(pk=made.pk).preparing_since
        after = lifecycle.fail(made.pk, failure="No.", preparing_since=since)
    else:
        preparation.run(made.pk)
        after = lifecycle.prepare(made.pk, by=operator)
    assert (after.confirmed_by, after.confirmed_at, after.start_at, after.refreshing_from) == (None, None, None, None)
    assert Delivery.objects.filter(pk=made.pk, confirmed_at=None, start_at=None, refreshing_from=None).exists()


def test_who_waits_in_it_counts_as_served() -> None:
    """While it is prepared again another send of the same origin must not take its people."""
    operator = factories.user("Operator")
    made = due(operator, guard_percent=10, re_eligible_after_s=None)
    clock.tick()
    other = factories.prepared(operator, origin=(made.origin_kind, made.origin_id), re_eligible_after_s=None)
    assert (other.n_to_send, other.excluded_by_reason) == (0, {"not_eligible_again": 10})


def test_somebody_who_steps_in_takes_it_over() -> None:
    operator = factories.user("Operator")
    made = due(operator, guard_percent=10)
    assert clock.tick().prepare == [made.pk]
    lifecycle.abort(made.pk, by=operator)
    assert go(made).state == S.NEW
    lifecycle.prepare(made.pk, by=operator)
    assert go(made).state == S.PREPARED


@pytest.mark.parametrize(("role", "guard", "refusal"), [
    ("Operator", 0, None), ("Operator", None, None), ("Operator", -1, DomainError), ("Operator", 1001, DomainError),
    ("Marketer", 10, NotAllowed), ("", 10, NotAllowed),
])  # fmt: skip
def test_only_operators_may_ask_for_it(role: str, guard: int | None, refusal: type[DomainError] | None) -> None:
    made = due(factories.user("Operator"), guard_percent=5)
    person = factories.user(role)
    if refusal is None:
        assert refreshing.choose(made.pk, guard_percent=guard, by=person).refresh_guard_percent == guard
        return
    with pytest.raises(refusal):
        refreshing.choose(made.pk, guard_percent=guard, by=person)
    assert Delivery.objects.get(pk=made.pk).refresh_guard_percent == 5
