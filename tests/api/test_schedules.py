"""Calls with a time over HTTP: made, moved, taken back, what their time brings, and what is upcoming."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from api import refusals
from campaigns import lifecycle
from delivery import clock
from delivery.models import Delivery, RequestState, Shard, TriggerRequest
from messaging.models import Message
from tests import factories
from tests.api.callers import Caller
from tests.api.test_messages import FOOTER, email

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
AT_ONE = {"time": "2026-11-25T13:00:00Z"}
AT_TWO = {"time": "2026-11-25T15:00:00+01:00"}
TRIGGERS, MESSAGES = "/campaigns/trigger/schedule/", "/messages/schedule/"
BOTH = pytest.mark.parametrize("path", [TRIGGERS, MESSAGES])


@pytest.fixture
def at() -> Iterator[Any]:
    """The clock, which stands still."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


class Program:
    """Schedules at one of the two endpoints."""

    def __init__(self, path: str) -> None:
        factories.profile(external_id="u1")
        factories.sender(name="Example Shop", address="hello@shop.test")
        self.path, self.caller = path, Caller()
        self.named: dict[str, Any] = {}
        self.asks: dict[str, Any] = {"external_user_ids": ["u1"], "messages": email()}
        if path == TRIGGERS:
            self.named = {"campaign_id": str(factories.published(delivery__kind="api").public_id)}
            self.asks = {"recipients": [{"external_user_id": "u1"}], "trigger_properties": {"n": 1}}

    def create(self, schedule: object = AT_ONE, **more: Any) -> Any:
        return self.caller.post(f"{self.path}create", {**self.named, **self.asks, "schedule": schedule, **more})

    def do(self, what: str, schedule_id: object, **more: Any) -> Any:
        return self.caller.post(f"{self.path}{what}", {**self.named, "schedule_id": schedule_id, **more})


@BOTH
def test_its_time_sends_it_once(path: str, at: Any) -> None:
    answer = Program(path).create()
    request = TriggerRequest.objects.get()
    assert (answer.status_code, answer.json()["message"]) == (201, "success")
    assert answer.json()["dispatch_id"] == request.public_id.hex
    assert answer.json()["schedule_id"] == str(request.public_id)
    clock.tick()
    assert (request.state, request.due_at, Shard.objects.count()) == (RequestState.SCHEDULED, NOW + HOUR, 0)
    at.shift(HOUR)
    clock.tick()
    clock.tick()
    request.refresh_from_db()
    assert (request.state, request.n_queued, Shard.objects.count()) == (RequestState.QUEUED, 1, 1)


@BOTH
def test_another_schedule_replaces_the_first_whole(path: str, at: Any) -> None:
    program = Program(path)
    schedule_id = program.create().json()["schedule_id"]
    answer = program.do("update", schedule_id, schedule=AT_TWO)
    assert (answer.status_code, answer.json()["message"]) == (201, "success")
    at.shift(HOUR)
    clock.tick()
    assert Shard.objects.count() == 0
    at.shift(HOUR)
    clock.tick()
    assert Shard.objects.count() == 1
    for answer in (program.do("update", schedule_id, schedule=AT_TWO), program.do("delete", schedule_id)):
        assert answer.status_code == 400, "its time has come"


@BOTH
def test_scenario_11_a_schedule_deleted_before_its_time_sends_nothing(path: str, at: Any) -> None:
    program = Program(path)
    schedule_id = program.create().json()["schedule_id"]
    answer = program.do("delete", schedule_id)
    assert (answer.status_code, answer.json()) == (201, {"message": "success"})
    at.shift(2 * HOUR)
    clock.tick()
    assert TriggerRequest.objects.get().state == RequestState.CANCELLED and not Shard.objects.exists()
    assert program.do("delete", schedule_id).json()["message"] == refusals.INVALID_SCHEDULE


@BOTH
@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (None, "schedule: Give this field"),
        ("tomorrow", "schedule: Give an object"),
        ({}, "schedule.time: Give this field"),
        ({"time": "tomorrow"}, "schedule.time: Give a time in ISO 8601"),
        ({"time": 5}, "schedule.time: Give a text."),
        ({"time": "2026-11-25T12:00:00Z"}, "schedule.time has passed. Give a later one."),
        ({"time": "2028-11-25T12:00:00Z"}, "schedule.time is more than 366 days ahead."),
        ({"time": "2026-11-26T09:00:00Z", "in_local_time": True}, "schedule.time: Leave out the offset"),
        ({"time": "2026-11-25T11:59:00", "in_local_time": True}, "schedule.time has passed in UTC"),
        (
            {"time": "2026-11-26", "at_optimal_time": True},
            "schedule.at_optimal_time: It isn't offered here. Leave it out",
        ),
    ],
)
def test_schedules_that_are_refused(path: str, at: Any, schedule: object, told: str) -> None:
    program = Program(path)
    answer = program.create(schedule)
    assert (answer.status_code, answer.json()["message"]) == (400, "Bad Request")
    assert answer.json()["errors"][0].lower().startswith(told.lower()), answer.json()
    assert not TriggerRequest.objects.exists() and not Message.objects.filter(subject="Your order").exists()
    if schedule is not None:
        made = program.create().json()["schedule_id"]
        answer = program.do("update", made, schedule=schedule)
        assert (answer.status_code, answer.json()["errors"][0].lower().startswith(told.lower())) == (400, True)
        assert TriggerRequest.objects.get().due_at == NOW + HOUR


@BOTH
def test_offsets_that_postgresql_does_not_know_are_instants_all_the_same(path: str, at: Any) -> None:
    assert Program(path).create({"time": "2026-11-25T00:00:00-18:44"}).status_code == 201
    assert TriggerRequest.objects.get().due_at == dt.datetime(2026, 11, 25, 18, 44, tzinfo=dt.UTC)


@BOTH
def test_an_unknown_schedule_is_told_by_its_label(path: str, at: Any) -> None:
    program = Program(path)
    for wrong in ("nonsense", "00000000-0000-0000-0000-000000000000"):
        for what, more in (("update", {"schedule": AT_TWO}), ("delete", {})):
            answer = program.do(what, wrong, **more)
            assert (answer.status_code, answer.json()["message"]) == (400, refusals.INVALID_SCHEDULE)
            assert answer.json()["errors"][0].startswith("schedule_id: There is no schedule")


def test_a_schedule_belongs_to_its_campaign_or_to_none(at: Any) -> None:
    trigger = Program(TRIGGERS)
    schedule_id = trigger.create().json()["schedule_id"]
    other = {"campaign_id": str(factories.published(delivery__kind="api").public_id), "schedule_id": schedule_id}
    for path, body in ((TRIGGERS, other), (MESSAGES, {"schedule_id": schedule_id})):
        answer = trigger.caller.post(f"{path}delete", body)
        assert answer.json()["message"] == refusals.INVALID_SCHEDULE
    assert trigger.do("delete", schedule_id).status_code == 201


def test_a_scheduled_message_may_get_other_content(at: Any) -> None:
    program = Program(MESSAGES)
    schedule_id = program.create().json()["schedule_id"]
    assert program.do("update", schedule_id).json()["errors"] == ["Give schedule, messages or both."]
    wrong = program.do("update", schedule_id, schedule=AT_TWO, messages=email(subject=""))
    assert wrong.status_code == 400 and TriggerRequest.objects.get().due_at == NOW + HOUR, "neither is changed"
    answer = program.do("update", schedule_id, messages=email(subject="Changed"))
    assert answer.status_code == 201 and "unsubscribe" in answer.json()["notice"]
    at.shift(HOUR)
    clock.tick()
    request = TriggerRequest.objects.select_related("delivery__message").get()
    assert request.delivery is not None and request.delivery.message.subject == "Changed"
    assert (request.label, request.n_queued, Shard.objects.count()) == ("Changed", 1, 1)


def test_other_content_for_a_whole_audience_needs_its_footer(at: Any) -> None:
    program = Program(MESSAGES)
    segment = str(factories.segment(members=[factories.profile()]).public_id)
    program.asks = {"messages": email(body=FOOTER), "segment_id": segment, "broadcast": True}
    schedule_id = program.create().json()["schedule_id"]
    answer = program.do("update", schedule_id, messages=email())
    assert answer.status_code == 400 and "unsubscribe" in answer.json()["errors"][0]
    assert program.do("update", schedule_id, messages=email(body=FOOTER, subject="Other")).status_code == 201


@BOTH
def test_the_same_idempotency_key_plans_once(path: str, at: Any) -> None:
    program = Program(path)
    body = {**program.named, **program.asks, "schedule": AT_ONE}
    headers = {"Idempotency-Key": "order-1"}
    first, again = (program.caller.post(f"{path}create", body, headers=headers) for _call in range(2))
    assert first.content == again.content and again["Idempotent-Replayed"] == "true"
    assert TriggerRequest.objects.count() == 1


def test_scheduled_triggers_with_an_audience_count_as_broadcasts() -> None:
    factories.configure(api__limit_broadcasts=1)
    program = Program(TRIGGERS)
    audience = {"email_subscription_status": {"comparison": "is", "value": "opted_in"}}
    later = {"time": (dt.datetime.now(dt.UTC) + HOUR).isoformat()}
    assert [program.create(later, audience=audience).status_code for _call in range(2)] == [201, 429]
    assert program.create(later).status_code == 201


def test_a_scheduled_trigger_of_a_stopped_campaign_gets_a_notice(at: Any) -> None:
    program = Program(TRIGGERS)
    campaign = Delivery.objects.get().campaign_send.campaign
    lifecycle.stop(campaign.pk, by=factories.user("Operator"))
    answer = program.create()
    assert answer.status_code == 201 and answer.json()["notice"].startswith("The campaign is paused.")
    at.shift(2 * HOUR)
    clock.tick()
    assert not Shard.objects.exists()


def test_what_is_upcoming_is_listed_without_what_calls_scheduled(at: Any) -> None:
    program = Program(TRIGGERS)
    program.create()
    operator = factories.user("Operator")
    daily = {"delivery__kind": "repeat", "delivery__repeat_from": "2026-01-01", "delivery__repeat_unit": "day"}
    made = factories.published(operator, **daily, delivery__time="09:00", delivery__zone="Europe/Paris")
    lifecycle.start(made.pk, by=operator)
    found = program.caller.get("/messages/scheduled_broadcasts", data={"end_time": "2026-11-28"})
    assert found.json()["scheduled_broadcasts"] == [
        {
            "name": made.name,
            "id": str(made.public_id),
            "type": "Campaign",
            "tags": [],
            "next_send_time": "2026-11-26T08:00:00+00:00",
            "schedule_type": "Europe/Paris",
        }
    ]
    early = program.caller.get("/messages/scheduled_broadcasts", data={"end_time": "2026-11-26"})
    assert early.json() == {"message": "success", "scheduled_broadcasts": []}, "a day is its midnight"
    for wrong in ({}, {"end_time": "soon"}):
        answer = program.caller.get("/messages/scheduled_broadcasts", data=wrong)
        assert answer.status_code == 400 and answer.json()["errors"][0].startswith("end_time: Give")


@BOTH
def test_local_times_are_waited_for_and_what_is_left_of_them_is_taken_back(path: str, at: Any) -> None:
    program = Program(path)
    nine = {"time": "2026-11-26T09:00:00", "in_local_time": True}
    wrong = program.create({**nine, "time": "2026-11-26T09:00:00Z"})
    assert (wrong.status_code, wrong.json()["errors"][0][:13]) == (400, "schedule.time")
    schedule_id = program.create(nine).json()["schedule_id"]
    assert "notice" not in program.do("update", schedule_id, schedule=nine).json()
    at.shift(7 * HOUR)
    clock.tick()
    shard = Shard.objects.get()
    assert (shard.zone, shard.due_at) == ("UTC", NOW + 21 * HOUR)
    moved = program.do("update", schedule_id, schedule={"time": "2026-11-26T12:00:00Z"})
    assert moved.status_code == 201 and "the 1 people who still waited" in moved.json()["notice"]
    assert Shard.objects.get().due_at == NOW + 24 * HOUR
    assert "who still waited" in program.do("delete", schedule_id).json()["notice"]
    assert program.do("delete", schedule_id).json()["message"] == refusals.INVALID_SCHEDULE
