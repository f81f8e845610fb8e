"""Calls over HTTP to the mail in somebody's inbox: the acceptance scenarios, a hundred calls at once, and no broker."""

import datetime as dt
import time
from typing import Any

import pytest
import time_machine

from campaigns import broadcasts
from campaigns.models import Campaign
from config.celery import app
from delivery import activity_log, clock, preparation, sending
from delivery.models import Claim, Delivery, SendLog, TriggerRequest
from messaging import smtp
from messaging.models import Message
from tests import factories, smtp_server
from tests.api import callers
from tests.api.callers import Caller
from tests.api.test_messages import FOOTER, email
from tests.campaigns.test_triggering import hand_over
from tests.flows.test_triggers import subjects
from tests.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True)
FAST = smtp.Timeouts(connect=2, greeting=1, command=1, body=1, dot=1)
API = {"delivery__kind": "api"}
TRIGGER = "/campaigns/trigger/send"
NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)


def named(*names: str) -> list[dict[str, Any]]:
    return [{"external_user_id": name} for name in names]


def trigger(of: Campaign, caller: Caller, **body: Any) -> int:
    asked = {"campaign_id": str(of.public_id), "recipients": named("u1"), **body}
    return int(caller.post(TRIGGER, {name: value for name, value in asked.items() if value is not None}).status_code)


def work() -> None:
    """What workers do, told by the tick only: everything is found in the database."""
    for _turn in range(3):
        broadcasts.run()
        hints = clock.tick()
        for delivery_id in hints.prepare:
            preparation.run(delivery_id)
        for delivery_id in hints.drain:
            sending.drain(delivery_id, timeouts=FAST)


def test_scenario_7_five_calls_are_five_successes_and_one_message(mail_server: smtp_server.Server) -> None:
    factories.profile(external_id="u1", email="u1@example.test")
    made, caller = factories.published(**API), Caller()
    assert [trigger(made, caller) for _call in range(3)] == [201] * 3
    work()
    assert [trigger(made, caller) for _call in range(2)] == [201] * 2
    work()
    assert subjects(mail_server) == {"u1@example.test": ["Autumn sale"]}
    assert TriggerRequest.objects.count() == 5


@pytest.mark.parametrize(("unit", "passed", "n"), [("days", 86_399, 0), ("days", 86_400, 1), ("", 0, 1), ("", 1, 1)])
def test_scenario_8_the_window_counts_in_seconds_and_none_asks_nothing(unit: str, passed: int, n: int) -> None:
    after = {"delivery__reeligibility": "after", "delivery__reeligible_after": 1, "delivery__reeligible_unit": unit}
    with time_machine.travel(NOW, tick=False) as at:
        factories.profile(external_id="u1")
        made, caller = (
            factories.published(**API, **(after if unit else {"delivery__reeligibility": "always"})),
            Caller(),
        )
        assert trigger(made, caller) == 201
        hand_over(TriggerRequest.objects.get(), NOW)
        at.shift(passed)
        assert trigger(made, caller) == 201
    assert TriggerRequest.objects.latest("pk").n_queued == n


def test_scenario_9_a_call_that_the_message_aborts_uses_nothing_up(mail_server: smtp_server.Server) -> None:
    factories.profile(external_id="u1", email="u1@example.test")
    subject = "{% if api_trigger_properties.ready %}Ready{% else %}{% abort_message('not yet') %}{% endif %}"
    made, caller = factories.published(**API, compose__subject=subject), Caller()
    for ready, got in ((False, {}), (True, {"u1@example.test": ["Ready"]}), (True, {"u1@example.test": ["Ready"]})):
        assert trigger(made, caller, trigger_properties={"ready": ready}) == 201
        work()
        assert subjects(mail_server) == got


def test_scenario_10_a_send_to_a_segment_is_one_record_in_the_activity_log(mail_server: smtp_server.Server) -> None:
    people = [factories.profile(email=f"u{n}@example.test") for n in range(3)]
    factories.sender(name="Example Shop", address="hello@shop.test")
    segment = factories.segment(members=people)
    body = {"messages": email(body=FOOTER), "segment_id": str(segment.public_id), "broadcast": True}
    assert Caller().post("/messages/send", body).status_code == 201
    work()
    assert sorted(subjects(mail_server)) == [person.email for person in people]
    lines = activity_log.page(activity_log.Filter(type="api")).lines
    assert [line.request_no for line in lines] == [TriggerRequest.objects.get().pk]


def test_a_hundred_calls_at_once_are_one_message(mail_server: smtp_server.Server) -> None:
    factories.profile(external_id="u1", email="u1@example.test")
    made, caller = factories.published(**API), Caller()
    codes = [code for _round in range(4) for code in at_once(*[lambda: trigger(made, caller)] * 25)]
    assert codes == [201] * 100 and TriggerRequest.objects.count() == 100
    work()
    assert subjects(mail_server) == {"u1@example.test": ["Autumn sale"]}
    assert SendLog.objects.filter(outcome="sent").count() == Claim.objects.count() == 1


def test_the_first_calls_with_one_message_at_once_share_it_and_lose_none(mail_server: smtp_server.Server) -> None:
    for n in range(12):
        factories.profile(external_id=f"u{n}", email=f"u{n}@example.test")
    factories.sender(name="Example Shop", address="hello@shop.test")
    caller = Caller()

    def send(n: int) -> int:
        # Four of each kind of message; which of them is the first to open its delivery is left to chance.
        body = {"external_user_ids": [f"u{n}"], "messages": email(subject=f"Order {n % 3}")}
        return int(caller.post("/messages/send", body).status_code)

    assert at_once(*[lambda n=n: send(n) for n in range(12)]) == [201] * 12
    assert Delivery.objects.count() == Message.objects.count() == 3
    work()
    assert subjects(mail_server) == {f"u{n}@example.test": [f"Order {n % 3}"] for n in range(12)}


def test_what_was_accepted_without_broker_and_limiter_is_sent(
    mail_server: smtp_server.Server, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2xx is a promise of PostgreSQL alone: at once, for everybody, and for a time."""
    for name in ("u1", "u2", "u3"):
        factories.profile(external_id=name, email=f"{name}@example.test")
    factories.sender(name="Example Shop", address="hello@shop.test")
    made, whole, caller = factories.published(**API), factories.published(**API), Caller()
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    with monkeypatch.context() as away:
        away.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
        away.setattr(app.conf, "broker_url", "redis://127.0.0.1:1/1")
        callers.reconnect()
        begun = time.monotonic()
        assert trigger(made, caller) == 201
        assert trigger(whole, caller, recipients=None, broadcast=True) == 201
        sent = {"external_user_ids": ["u2"], "messages": email()}
        assert caller.post("/messages/send", sent).status_code == 201
        later = {"schedule": {"time": soon.isoformat()}, "external_user_ids": ["u3"]}
        planned = caller.post("/messages/schedule/create", {**later, "messages": email(subject="Later")})
        assert planned.status_code == 201
        receipt = caller.post(
            f"/transactional/v1/campaigns/{made.public_id}/send", {"recipient": {"external_user_id": "u2"}}
        )
        assert receipt.json()["status"] == "queued"
        assert time.monotonic() - begun < 5
    callers.reconnect()
    time.sleep(max(0.0, (soon - dt.datetime.now(dt.UTC)).total_seconds()))
    work()
    assert {address: sorted(found) for address, found in subjects(mail_server).items()} == {
        "u1@example.test": ["Autumn sale"] * 2,
        "u2@example.test": ["Autumn sale"] * 2 + ["Your order"],
        "u3@example.test": ["Autumn sale", "Later"],
    }
