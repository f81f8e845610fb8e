"""Calls with a time: what can be read, what is replaced and taken back, and what their time brings."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from audiences import identities
from campaigns import lifecycle, planning, triggering, upcoming
from campaigns.models import Campaign
from delivery import clock, requests
from delivery.models import RequestState, SendLog, Shard, TriggerRequest
from delivery.requests import Call, Recipient
from tests import factories

pytestmark = pytest.mark.django_db
API = {"delivery__kind": "api"}
NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)
READ = {
    "2026-11-25T13:00:00": LATER,
    "2026-11-25T13:00:00Z": LATER,
    "2026-11-25T14:00:00+01:00": LATER,
    "2026-11-25T13:00:00.000Z": LATER,
}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "ISO 8601"),
    ({"time": "tomorrow"}, "ISO 8601"),
    ({"time": "2026-11-25T12:00:00Z"}, "has passed"),
    ({"time": "2028-11-25T12:00:00Z"}, "366 days"),
    ({"time": "2026-11-25T13:00:00Z", "in_local_time": True}, "must have no offset"),
    ({"time": "2026-11-25T13:00:30", "in_local_time": True}, "whole minute"),
    ({"time": "2026-11-25T12:00:00", "in_local_time": True}, "has passed in UTC"),
    ({"time": "2028-11-25T12:00:00", "in_local_time": True}, "366 days"),
    ({"time": "0001-01-01T00:00:00", "in_local_time": True}, "has passed in"),
    ({"time": "9999-12-31T23:59:00", "in_local_time": True}, "366 days"),
    ({"time": "2026-11-26", "at_optimal_time": True}, "schedule.at_optimal_time: It isn't offered"),
    ({"time": "2026-11-25T13:00:00Z", "zone": "UTC"}, "no field “zone”"),
]


@pytest.fixture
def campaign() -> Campaign:
    factories.profile(external_id="u1")
    return factories.published(**API)


def plan(of: Campaign, at: dt.datetime = LATER, **fields: Any) -> TriggerRequest:
    recipient = Recipient(identities.Name("external_user_id", "u1"), trigger={"n": 2}, attributes={"city": "Lyon"})
    call = Call(recipients=(recipient,), due_at=at, trigger={"shop": "Lyon"}, **fields)
    return triggering.trigger(str(of.public_id), call).request


@pytest.mark.parametrize("text", READ)
def test_times_that_can_be_read(text: str) -> None:
    with time_machine.travel(NOW, tick=False):
        assert planning.read({"time": text, "in_local_time": False}) == planning.When(READ[text])


@pytest.mark.parametrize(("schedule", "words"), REFUSED)
def test_schedules_that_are_refused(schedule: dict[str, Any], words: str) -> None:
    with time_machine.travel(NOW, tick=False), pytest.raises(planning.ScheduleInvalid, match=words):
        planning.read(schedule)


def test_its_time_queues_it_as_it_was_said(campaign: Campaign) -> None:
    with time_machine.travel(NOW, tick=False) as at:
        request = plan(campaign)
        clock.tick()
        assert (request.state, Shard.objects.count()) == (RequestState.SCHEDULED, 0)
        factories.publish_again(campaign)
        at.move_to(LATER)
        clock.tick()
    request.refresh_from_db()
    row = request.recipients.get()
    assert (request.state, request.n_queued, row.trigger) == (RequestState.QUEUED, 1, {"shop": "Lyon", "n": 2})
    assert request.delivery is not None
    assert request.delivery.campaign_send.version.number == 2, "the version that is live when it is sent"
    assert Shard.objects.get().request_no == request.pk
    clock.tick()
    assert Shard.objects.count() == 1


def test_another_schedule_replaces_the_first(campaign: Campaign) -> None:
    with time_machine.travel(NOW, tick=False) as at:
        request = plan(campaign)
        planning.update(str(campaign.public_id), request.public_id.hex, {"time": "2026-11-25T15:00:00Z"})
        at.move_to(LATER)
        clock.tick()
        assert Shard.objects.count() == 0
        at.move_to(dt.datetime(2026, 11, 25, 15, 0, tzinfo=dt.UTC))
        clock.tick()
        assert Shard.objects.count() == 1
        with pytest.raises(requests.ScheduleGone):
            planning.update(str(campaign.public_id), str(request.public_id), {"time": "2026-11-26T15:00:00Z"})


def test_what_was_deleted_sends_nothing_when_its_time_comes(campaign: Campaign) -> None:
    other = factories.published(**API)
    with time_machine.travel(NOW, tick=False) as at:
        request = plan(campaign)
        with pytest.raises(requests.ScheduleGone):
            planning.delete(str(other.public_id), str(request.public_id))
        assert planning.delete(str(campaign.public_id), str(request.public_id)) is None
        assert TriggerRequest.objects.get(pk=request.pk).state == RequestState.CANCELLED
        at.move_to(LATER)
        clock.tick()
        for wrong in (str(request.public_id), "nonsense"):
            with pytest.raises(requests.ScheduleGone):
                planning.delete(str(campaign.public_id), wrong)
    assert (Shard.objects.count(), SendLog.objects.count()) == (0, 0)


def test_a_campaign_that_is_stopped_by_then_sends_nothing(campaign: Campaign) -> None:
    operator = factories.user("Operator")
    with time_machine.travel(NOW, tick=False) as at:
        request = plan(campaign)
        lifecycle.stop(campaign.pk, by=operator)
        at.move_to(LATER)
        clock.tick()
    request.refresh_from_db()
    assert (request.state, Shard.objects.count()) == (RequestState.IGNORED, 0)
    assert request.note == "It couldn't be triggered when its time came."


def test_one_that_fails_keeps_no_other_from_being_sent(campaign: Campaign) -> None:
    with time_machine.travel(NOW, tick=False) as at:
        broken, good = plan(campaign), plan(campaign)
        call = broken.call | {"audience": {"segments": ["00000000-0000-0000-0000-000000000000"]}}
        TriggerRequest.objects.filter(pk=broken.pk).update(call=call)
        at.move_to(LATER)
        clock.tick()
    broken.refresh_from_db()
    good.refresh_from_db()
    assert (broken.state, good.state) == (RequestState.FAILED, RequestState.QUEUED)
    assert "doesn't exist" in broken.note


def test_what_is_upcoming() -> None:
    repeat = {"delivery__kind": "repeat", "delivery__repeat_from": "2026-01-01", "delivery__repeat_unit": "day"}
    with time_machine.travel(NOW, tick=False):
        operator = factories.user("Operator")
        made = factories.published(operator, **repeat, delivery__time="09:00", delivery__zone="Europe/Paris")
        assert upcoming.until(NOW + dt.timedelta(days=2)) == []
        lifecycle.start(made.pk, by=operator)
        factories.published(**API)
        found = upcoming.until(NOW + dt.timedelta(days=2))
        assert [(one.campaign, one.at, one.zone) for one in found] == [
            (made, dt.datetime(2026, 11, 26, 8, 0, tzinfo=dt.UTC), "Europe/Paris")
        ]
        assert upcoming.until(NOW + dt.timedelta(hours=2)) == []
