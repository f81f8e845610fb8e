"""Another time for a send that has not started: who may, until when, and what stays."""

import datetime as dt
import zoneinfo

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, User
from audiences.models import Profile
from delivery import clock, lifecycle, rescheduling
from delivery.models import Delivery, DeliveryState, Shard
from delivery.opening import Spread
from lib import walltimes
from lib.errors import DomainError, NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db
S = DeliveryState


def in_paris(hours: float) -> walltimes.Moment:
    """So many hours from now, as a wall time in Paris."""
    there = (timezone.now() + dt.timedelta(hours=hours)).astimezone(zoneinfo.ZoneInfo("Europe/Paris"))
    found = walltimes.read(f"{there:%Y-%m-%dT%H:%M}", "Europe/Paris")
    assert found is not None
    return found


def scheduled(by: User, *, is_confirmed: bool = True, **fields: object) -> Delivery:
    factories.people(f"p{Delivery.objects.count()}")
    at = in_paris(5)
    made = factories.prepared(by, scheduled_at=at.at, scheduled_zone=at.zone, **fields)
    if is_confirmed:
        made = lifecycle.confirm(made.pk, by=by, seal=made.seal, n_to_send=made.n_to_send or 0)
    return made


def test_a_confirmed_send_moves_with_its_list_and_its_confirmation() -> None:
    operator = factories.user("Operator")
    before = scheduled(operator)
    at = in_paris(10)
    moved = rescheduling.reschedule(before.pk, at=at, by=operator)
    moved.refresh_from_db(fields=["scheduled_at"])
    assert (moved.state, moved.start_at, moved.scheduled_at) == (S.CONFIRMED, at.at, at.at)
    assert (moved.confirmed_by, moved.prepared_at, moved.n_to_send) == (operator, before.prepared_at, before.n_to_send)
    assert moved.seal != before.seal and moved.rescheduled_at is not None
    entry = AuditEntry.objects.get(action="delivery.rescheduled")
    assert before.scheduled_at and entry.detail == {
        "from": before.scheduled_at.isoformat(), "to": at.at.isoformat(), "zone": "Europe/Paris",
    }  # fmt: skip
    clock.tick()
    assert Delivery.objects.get(pk=before.pk).state == S.CONFIRMED


def test_a_page_with_the_old_time_can_not_be_confirmed() -> None:
    operator = factories.user("Operator")
    before = scheduled(operator, is_confirmed=False)
    moved = rescheduling.reschedule(before.pk, at=in_paris(10), by=operator)
    assert moved.state == S.PREPARED and moved.start_at is None
    with pytest.raises(lifecycle.Stale):
        lifecycle.confirm(before.pk, by=operator, seal=before.seal, n_to_send=1)
    assert lifecycle.confirm(before.pk, by=operator, seal=moved.seal, n_to_send=1).start_at == moved.scheduled_at


@pytest.mark.parametrize(
    ("hours", "code"),
    [(-1, "schedule_past"), (23, ""), (25, "needs_preparation")],
)
def test_the_new_time_is_ahead_and_within_a_day_of_preparation(hours: float, code: str) -> None:
    operator = factories.user("Operator")
    before = scheduled(operator)
    if not code:
        rescheduling.reschedule(before.pk, at=in_paris(hours), by=operator)
        return
    with pytest.raises(DomainError) as caught:
        rescheduling.reschedule(before.pk, at=in_paris(hours), by=operator)
    assert caught.value.code == code
    after = Delivery.objects.get(pk=before.pk)
    assert (after.start_at, after.seal) == (before.start_at, before.seal)


@pytest.mark.parametrize(("role", "is_owner", "is_allowed"), [
    ("Operator", False, True), ("Marketer", True, True), ("Marketer", False, False), ("Viewer", False, False),
    ("", False, False),
])  # fmt: skip
def test_operators_and_the_owner_may(role: str, is_owner: bool, is_allowed: bool) -> None:
    person = factories.user(role)
    operator = factories.user("Operator")
    before = scheduled(operator, owner=person if is_owner else operator)
    if is_allowed:
        rescheduling.reschedule(before.pk, at=in_paris(10), by=person)
        return
    with pytest.raises(NotAllowed):
        rescheduling.reschedule(before.pk, at=in_paris(10), by=person)


@pytest.mark.parametrize(("state", "code"), [
    (S.NEW, "wrong_state"), (S.MISSED, "wrong_state"), (S.CANCELLED, "wrong_state"), (S.PREPARING, "wrong_state"),
    (S.SENDING, "already_started"), (S.FINISHED, "already_started"),
])  # fmt: skip
def test_only_before_the_start(state: str, code: str) -> None:
    operator = factories.user("Operator")
    made = scheduled(operator)
    started_at = timezone.now() if code == "already_started" else None
    Delivery.objects.filter(pk=made.pk).update(state=state, started_at=started_at)
    with pytest.raises(lifecycle.WrongState) as caught:
        rescheduling.reschedule(made.pk, at=in_paris(10), by=operator)
    assert caught.value.code == code


def test_local_times_move_in_every_zone() -> None:
    operator = factories.user("Operator")
    people = factories.people("here", "there")
    for person, zone in zip(people, ("Europe/Paris", "Asia/Tokyo"), strict=True):
        Profile.objects.filter(pk=person.pk).update(time_zone=zone)
    at = in_paris(12)
    made = factories.prepared(
        operator, scheduled_at=at.at, scheduled_zone=at.zone, spread=Spread(at.shown.isoformat()[:16])
    )
    lifecycle.confirm(made.pk, by=operator, seal=made.seal, n_to_send=2)
    later = in_paris(14)
    moved = rescheduling.reschedule(made.pk, at=later, by=operator)
    dues = dict(Shard.objects.filter(delivery=made).values_list("zone", "due_at"))
    assert dues["Europe/Paris"] == later.at
    assert dues["Asia/Tokyo"] == walltimes.resolve(later.shown, "Asia/Tokyo").at == moved.start_at
    assert [row["zones"] for row in moved.timetable] == [["Asia/Tokyo"], ["Europe/Paris"]]
    assert moved.local_time == later.shown.isoformat()[:16]
