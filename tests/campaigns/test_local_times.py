"""Calls at the time of day of each person: who waits how long, and what is moved and taken back meanwhile."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from audiences import identities
from campaigns import broadcasts, contents, lifecycle, planning, triggering
from campaigns.models import Campaign
from delivery import clock, preparation, refreshing, requests, staleness
from delivery import lifecycle as delivery_lifecycle
from delivery.models import Delivery, DeliveryState, RequestState, SendLog, Shard, TriggerRequest
from delivery.requests import Call, Recipient
from lib.errors import DomainError
from tests import factories

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
AT_NINE = {"time": "2026-11-26T09:00:00", "in_local_time": True}
ZONES = {"tokyo": "Asia/Tokyo", "paris": "Europe/Paris", "nowhere": "", "york": "America/New_York"}
DUES = {
    "Asia/Tokyo": "2026-11-26T00:00", "Europe/Paris": "2026-11-26T08:00", "UTC": "2026-11-26T09:00",
    "America/New_York": "2026-11-26T14:00",
}  # fmt: skip
# When the first place on Earth has nine o'clock, and when two of the four had it.
FIRST, HALF = NOW + dt.timedelta(hours=7), NOW + dt.timedelta(hours=20, minutes=30)


@pytest.fixture
def at() -> Iterator[Any]:
    for name, zone in ZONES.items():
        factories.profile(external_id=name, time_zone=zone)
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def campaign(at: Any) -> Campaign:
    return factories.published(factories.user("Operator"), delivery__kind="api", delivery__validity_hours=1)


def plan(of: Campaign, schedule: dict[str, Any] = AT_NINE, *, is_whole: bool = False) -> TriggerRequest:
    when = planning.read(schedule)
    people = () if is_whole else tuple(Recipient(identities.Name("external_user_id", name)) for name in ZONES)
    call = Call(people, due_at=when.due_at, local_time=when.local_time)
    return triggering.trigger(str(of.public_id), call, is_broadcast=is_whole).request


def dues() -> dict[str, str]:
    rows = Shard.objects.filter(state="waiting").values_list("zone", "due_at")
    return {zone: due.isoformat()[:16] for zone, due in rows}


def let_go(at: Any, request: TriggerRequest) -> Delivery:
    """The delivery for the whole audience of `request`, confirmed."""
    at.move_to(FIRST)
    clock.tick()
    broadcasts.run()
    preparation.run(Delivery.objects.get(request_no=request.pk).pk)
    broadcasts.run()
    return Delivery.objects.get(request_no=request.pk)


def test_everybody_waits_for_their_own_time_from_the_first_place_on(campaign: Campaign, at: Any) -> None:
    request = plan(campaign)
    assert request.due_at == FIRST
    at.move_to(FIRST - dt.timedelta(seconds=1))
    clock.tick()
    assert not Shard.objects.exists()
    at.move_to(FIRST)
    clock.tick()
    assert dues() == DUES
    request.refresh_from_db()
    assert (request.state, request.n_queued) == (RequestState.QUEUED, 4)
    for shard in Shard.objects.all():
        assert shard.valid_until == shard.due_at + dt.timedelta(hours=1)
    # A version that is published meanwhile closes what sends it, and ends nobody's wait.
    factories.publish_again(campaign)
    at.move_to(FIRST + dt.timedelta(hours=3))
    clock.tick()
    assert dues() == DUES and not SendLog.objects.exists()


def test_where_the_time_is_over_when_it_is_decided_they_get_it_at_once(campaign: Campaign, at: Any) -> None:
    plan(campaign, {"time": "2026-11-25T15:00", "in_local_time": True})
    clock.tick()
    early = "2026-11-25T12:00"
    assert dues() == {"Asia/Tokyo": early, "Europe/Paris": "2026-11-25T14:00", "UTC": "2026-11-25T15:00",
                      "America/New_York": "2026-11-25T20:00"}  # fmt: skip


@pytest.mark.parametrize("is_local_first", [True, False])
def test_another_schedule_replaces_it_whole(campaign: Campaign, at: Any, is_local_first: bool) -> None:
    utc = {"time": "2026-11-26T10:00:00Z"}
    first, then = (AT_NINE, utc) if is_local_first else (utc, AT_NINE)
    request = plan(campaign, first)
    assert planning.update(str(campaign.public_id), str(request.public_id), then) is None
    at.move_to(FIRST)
    clock.tick()
    assert dues() == ({} if is_local_first else DUES)
    at.move_to(dt.datetime(2026, 11, 26, 10, tzinfo=dt.UTC))
    clock.tick()
    assert TriggerRequest.objects.get().state == RequestState.QUEUED
    assert not is_local_first or dues() == {"": "2026-11-26T10:00"}


def test_taken_back_half_way_it_spares_those_who_still_wait_and_says_how_many(campaign: Campaign, at: Any) -> None:
    request, other = plan(campaign), plan(factories.published(delivery__kind="api"))
    at.move_to(FIRST)
    clock.tick()
    at.move_to(HALF)
    Shard.objects.exclude(request_no=request.pk).update(valid_until=None)
    assert planning.delete(str(campaign.public_id), str(request.public_id)) == 2
    rows = SendLog.objects.filter(request_no=request.pk)
    assert sorted(rows.values_list("outcome", "code")) == [("cancelled", "stopped")] * 2
    assert Shard.objects.filter(request_no=other.pk, state="waiting").count() == 4, "another call is another call"
    mine = Shard.objects.filter(request_no=request.pk, state="waiting")
    assert sorted(mine.values_list("zone", flat=True)) == ["Asia/Tokyo", "Europe/Paris"]
    for _again in range(2):
        with pytest.raises(requests.ScheduleGone):
            planning.delete(str(campaign.public_id), str(request.public_id))
    # What was taken back is promised to nobody any more.
    person = Recipient(identities.Name("external_user_id", "york"))
    assert triggering.trigger(str(campaign.public_id), Call((person,))).request.n_queued == 1


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"time": "2026-11-26T20:00:00Z"}, {"UTC": "2026-11-26T20:00", "America/New_York": "2026-11-26T20:00"}),
        ({"time": "2026-11-26T11:00", "in_local_time": True},
         {"UTC": "2026-11-26T11:00", "America/New_York": "2026-11-26T16:00"}),
    ],
)  # fmt: skip
def test_moved_half_way_it_moves_those_who_still_wait(
    campaign: Campaign, at: Any, schedule: dict[str, Any], expected: dict[str, str]
) -> None:
    request = plan(campaign)
    at.move_to(FIRST)
    clock.tick()
    Shard.objects.filter(due_at__lte=HALF).update(valid_until=None)
    at.move_to(HALF)
    assert planning.update(str(campaign.public_id), str(request.public_id), schedule) == 2
    assert dues() == {**DUES, **expected}
    request.refresh_from_db()
    last = max(Shard.objects.values_list("due_at", flat=True))
    assert request.handled_at == last, "kept with its properties until they are read"
    for shard in Shard.objects.filter(zone__in=expected):
        assert shard.valid_until == shard.due_at + dt.timedelta(hours=1)


def test_a_whole_audience_waits_in_a_send_of_its_own(campaign: Campaign, at: Any) -> None:
    request = plan(campaign, is_whole=True)
    delivery = let_go(at, request)
    assert dues() == DUES
    assert delivery.state == DeliveryState.CONFIRMED and delivery.start_at is not None
    assert delivery.start_at.isoformat()[:16] == DUES["Asia/Tokyo"]
    later = {"time": "2026-11-27T09:00", "in_local_time": True}
    assert planning.update(str(campaign.public_id), str(request.public_id), later) == 4
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert (
        delivery.start_at is not None
        and delivery.start_at.isoformat()[:16] == "2026-11-27T00:00"
        and len(delivery.timetable) == 4
    )
    at.move_to(dt.datetime(2026, 11, 27, 8, 30, tzinfo=dt.UTC))
    clock.tick()
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert delivery.valid_until == dt.datetime(2026, 11, 27, 15, tzinfo=dt.UTC), "an hour for the last of them"
    assert planning.delete(str(campaign.public_id), str(request.public_id)) == 2
    assert set(dues()) == {"Asia/Tokyo", "Europe/Paris"}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (
            {"time": "2026-11-27T09:00", "in_local_time": True},
            {zone: f"2026-11-27{due[10:]}" for zone, due in DUES.items()},
        ),
        ({"time": "2026-11-26T20:00:00Z"}, dict.fromkeys(DUES, "2026-11-26T20:00")),
    ],
)  # fmt: skip
def test_moved_it_keeps_the_new_time_when_its_people_are_chosen_anew(
    campaign: Campaign, at: Any, schedule: dict[str, Any], expected: dict[str, str]
) -> None:
    request, person = plan(campaign, is_whole=True), factories.user("Operator")
    delivery = let_go(at, request)
    assert planning.update(str(campaign.public_id), str(request.public_id), schedule) == 4
    assert dues() == expected
    with pytest.raises(DomainError, match="request"):
        refreshing.choose(delivery.pk, guard_percent=10, by=person)
    delivery_lifecycle.cancel(delivery.pk, by=person)
    assert not staleness.reasons(Delivery.objects.get(pk=delivery.pk), FIRST)
    delivery_lifecycle.prepare(delivery.pk, by=person)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    delivery = delivery_lifecycle.confirm(delivery.pk, by=person, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    assert delivery.start_at is not None
    if "in_local_time" in schedule:
        assert dues() == expected and delivery.start_at.isoformat()[:16] == min(expected.values())
    else:
        assert delivery.start_at.isoformat()[:16] == "2026-11-26T20:00" and set(dues()) == {""}
        with pytest.raises(DomainError, match="chosen anew"):
            planning.update(str(campaign.public_id), str(request.public_id), AT_NINE)


def test_a_whole_audience_that_is_being_chosen_can_be_taken_back(campaign: Campaign, at: Any) -> None:
    request = plan(campaign, is_whole=True)
    at.move_to(FIRST)
    clock.tick()
    broadcasts.run()
    assert planning.delete(str(campaign.public_id), str(request.public_id)) is None
    request.refresh_from_db()
    assert (request.state, Delivery.objects.get(request_no=request.pk).state) == ("cancelled", "cancelled")
    broadcasts.run()
    assert not Shard.objects.exists()


def test_a_message_of_a_call_waits_as_well_and_a_stop_ends_every_wait(campaign: Campaign, at: Any) -> None:
    factories.sender(address="hello@shop.test")
    when = planning.read(AT_NINE)
    email = {"from": "hello@shop.test", "subject": "Hi", "body": "<p>Hi</p>"}
    people = tuple(Recipient(identities.Name("external_user_id", name)) for name in ZONES)
    own = contents.send({"email": email}, Call(people, due_at=when.due_at, local_time=when.local_time)).request
    plan(campaign)
    at.move_to(FIRST)
    clock.tick()
    lifecycle.stop(campaign.pk, by=campaign.owner)
    assert dues() == DUES
    assert set(Shard.objects.filter(state="waiting").values_list("request_no", flat=True)) == {own.pk}
    changed = {"email": {**email, "subject": "Changed"}}
    with pytest.raises(requests.ScheduleGone):
        planning.rewrite(str(own.public_id), messages=changed, schedule=AT_NINE)
    assert planning.rewrite(str(own.public_id), schedule={"time": "2026-11-28T09:00:00Z"}) == ((), 4)
