"""When and how fast each person is written to, over real SMTP on loopback and real PostgreSQL."""

import datetime as dt
import threading
import time
from collections import Counter

import pytest
from django.db import connection
from django.utils import timezone

from audiences.models import Profile
from delivery import clock, lifecycle, pages, quiet, refusals, sending, slowdowns, windows
from delivery.models import Attempt, Delivery, DeliveryState, SendLog, Shard
from delivery.opening import Spread
from delivery.timetables import Waves
from lib.errors import DomainError
from tests import factories, smtp_server
from tests.flows.test_pipeline import FAST, assert_adds_up, drain, make_due, outcomes

pytestmark = pytest.mark.django_db(transaction=True)


def in_zones(*zones: str) -> None:
    """One person in each zone, called by its last part."""
    made = factories.people(*(zone.rpartition("/")[2].lower() for zone in zones))
    for person, zone in zip(made, zones, strict=True):
        person.time_zone = zone
    Profile.objects.bulk_update(made, ["time_zone"])


def quiet_now_in_utc(action: str) -> None:
    """Quiet hours around this moment in UTC; in Tokyo and in Los Angeles it is another time of the day."""
    now = timezone.now().astimezone(dt.UTC)
    around = [f"{(now.hour + hours) % 24:02d}:00" for hours in (-1, 2)]
    factories.configure(
        delivery__quiet_on=True,
        delivery__quiet_from=around[0],
        delivery__quiet_to=around[1],
        delivery__quiet_action=action,
    )


def test_a_wave_waits_for_its_time_and_the_next_tick_wakes_a_worker_for_it(mail_server: smtp_server.Server) -> None:
    factories.people(*(f"p{i}" for i in range(10)))
    delivery = drain(factories.sending(spread=Spread(waves=Waves(30, "percent", 3600))))
    assert delivery.state == DeliveryState.SENDING and len(mail_server.recipients) == 3
    assert clock.tick().drain == []
    said = pages.live(delivery, timezone.now())["headline"]
    assert said.title == "Waiting" and said.text.startswith("3 of 10 handed to the mail server · the next people")
    Shard.objects.filter(delivery=delivery, wave=1).update(due_at=timezone.now())
    assert set(clock.tick().drain) == {delivery.pk}
    delivery = drain(delivery)
    assert len(mail_server.recipients) == 6
    make_due(delivery)
    delivery = drain(delivery)
    assert delivery.state == DeliveryState.FINISHED
    assert Counter(outcomes(delivery).values()) == {"sent": 10} and len(set(mail_server.recipients)) == 10
    assert_adds_up(delivery)


def test_at_local_times_those_whose_time_is_over_get_it_at_once(mail_server: smtp_server.Server) -> None:
    in_zones("Pacific/Kiritimati", "Etc/UTC", "America/New_York")
    wall = timezone.now().astimezone(dt.UTC).replace(tzinfo=None) + dt.timedelta(hours=2)
    delivery = factories.prepared(
        scheduled_at=wall.replace(tzinfo=dt.UTC), scheduled_zone="UTC", spread=Spread(wall.isoformat()[:16])
    )
    assert delivery.opened_by is not None
    lifecycle.confirm(delivery.pk, by=delivery.opened_by, seal=delivery.seal, n_to_send=3)
    Delivery.objects.filter(pk=delivery.pk).update(start_at=timezone.now())
    clock.tick()
    delivery = drain(delivery)
    assert mail_server.recipients == ["kiritimati@example.test"] and delivery.state == DeliveryState.SENDING
    make_due(delivery)
    assert drain(delivery).state == DeliveryState.FINISHED
    assert len(mail_server.recipients) == 3


def test_in_quiet_hours_people_wait_for_their_end(mail_server: smtp_server.Server) -> None:
    in_zones("Etc/UTC", "Asia/Tokyo", "America/Los_Angeles")
    quiet_now_in_utc("delay")
    delivery = drain(factories.sending())
    assert sorted(mail_server.recipients) == ["los_angeles@example.test", "tokyo@example.test"]
    assert set(clock.tick().drain) == set()
    shard = Shard.objects.get(delivery=delivery, zone="Etc/UTC")
    hours = quiet.of(delivery)
    assert hours is not None and shard.due_at == hours.until("Etc/UTC", timezone.now())
    assert shard.state == "waiting" and delivery.state == DeliveryState.SENDING
    # Their hours are over: nothing else keeps them.
    Delivery.objects.filter(pk=delivery.pk).update(quiet_hours={"from": "00:00", "to": "00:00", "action": "delay"})
    make_due(delivery)
    delivery = drain(delivery)
    assert delivery.state == DeliveryState.FINISHED and len(mail_server.recipients) == 3
    assert_adds_up(delivery)


def test_in_quiet_hours_people_get_nothing_where_that_is_set_but_are_still_tried_again(
    mail_server: smtp_server.Server,
) -> None:
    in_zones("Etc/UTC", "Asia/Tokyo")
    retried = factories.people("rcpt450-a")[0]
    Profile.objects.filter(pk=retried.pk).update(time_zone="Asia/Tokyo")
    quiet_now_in_utc("skip")
    delivery = drain(factories.sending())
    Shard.objects.filter(delivery=delivery, attempt=2).update(zone="Etc/UTC", due_at=timezone.now())
    clock.tick()
    delivery = drain(delivery)
    assert outcomes(delivery) == {"utc": "not_sent", "tokyo": "sent"}
    assert SendLog.objects.get(delivery_id=delivery.pk, outcome="not_sent").code == "quiet_hours"
    later = Shard.objects.get(delivery=delivery, attempt=2)
    assert later.due_at > timezone.now() + dt.timedelta(minutes=30) and later.state == "waiting"
    assert_adds_up(delivery)


def test_a_shard_at_work_is_given_back_before_quiet_hours_begin(
    mail_server: smtp_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.people(*(f"p{i}" for i in range(100)))
    quiet_now_in_utc("delay")
    began = time.monotonic()
    # A clock whose quiet hours begin in a second, as workers see it.
    monkeypatch.setattr(quiet.Hours, "is_quiet", lambda self, zone, at: time.monotonic() - began > 1)
    delivery = factories.sending(rate_per_minute=600)
    sending.drain(delivery.pk, timeouts=FAST)
    n_sent = len(mail_server.recipients)
    assert 1 <= n_sent < 60 and time.monotonic() - began < 6
    shard = Shard.objects.get(delivery=delivery)
    assert (shard.state, shard.n_sent, shard.n_authorised) == ("waiting", n_sent, n_sent)
    assert_adds_up(Delivery.objects.get(pk=delivery.pk))
    monkeypatch.undo()
    Delivery.objects.filter(pk=delivery.pk).update(quiet_hours={}, rate_per_minute=None)
    delivery = drain(delivery)
    assert delivery.state == DeliveryState.FINISHED
    assert Counter(mail_server.recipients) == Counter(f"p{i}@example.test" for i in range(100))


def test_a_limited_domain_goes_slowly_and_keeps_nobody_else_waiting(mail_server: smtp_server.Server) -> None:
    people = factories.people(*(f"p{i}" for i in range(300)))
    for person in people[:150]:
        person.email = person.email_key = f"{person.first_name}@big.test"
    Profile.objects.bulk_update(people[:150], ["email", "email_key"])
    factories.configure(delivery__domain_limits="big.test 240")
    delivery = factories.sending()
    sending.drain(delivery.pk, slice_s=3, timeouts=FAST)
    at_big = [one for one in mail_server.recipients if one.endswith("@big.test")]
    # Four a second, and two seconds' worth at once after an idle time.
    assert 8 <= len(at_big) <= 22
    assert len(mail_server.recipients) - len(at_big) == 150
    assert slowdowns.current(delivery) == ("big.test", 240)
    # Waiting for a limit is no attempt, and leaves nothing behind.
    assert not Attempt.objects.filter(delivery_id=delivery.pk).exists()
    delivery.refresh_from_db(fields=["ended_at"])
    assert_adds_up(delivery)
    factories.configure(delivery__domain_limits="big.test 600000")
    delivery = drain(delivery)
    assert delivery.state == DeliveryState.FINISHED
    assert Counter(mail_server.recipients) == Counter(person.email for person in people)
    assert_adds_up(delivery)


def test_people_of_a_limited_domain_stay_under_it_when_they_are_tried_again(mail_server: smtp_server.Server) -> None:
    person = factories.people("rcpt450-a")[0]
    Profile.objects.filter(pk=person.pk).update(email="rcpt450-a@big.test", email_key="rcpt450-a@big.test")
    factories.configure(delivery__domain_limits="big.test 600")
    delivery = drain(factories.sending())
    assert list(Shard.objects.filter(delivery=delivery, attempt=2).values_list("domain", flat=True)) == ["big.test"]


def test_a_lease_is_never_of_a_quiet_zone_or_a_busy_domain() -> None:
    in_zones("Etc/UTC", "Asia/Tokyo")
    quiet_now_in_utc("delay")
    delivery = factories.sending()
    with sending.connect() as database:
        held = windows.lease(database, delivery.pk, quiet=["Etc/UTC"])
        assert held is not None and held.zone == "Asia/Tokyo"
        assert windows.lease(database, delivery.pk, quiet=["Etc/UTC"]) is None
        assert windows.lease(database, delivery.pk, busy=[""]) is None
        other = windows.lease(database, delivery.pk)
        assert other is not None and other.zone == "Etc/UTC"
        for one in (held, other):
            one.journal.abandon()


def test_of_a_cancel_and_a_start_at_the_same_moment_one_happens(mail_server: smtp_server.Server) -> None:
    operator = factories.user("Operator")
    factories.people("a", "b")
    seen: Counter[str] = Counter()
    for _round in range(6):
        delivery = factories.prepared(operator)
        lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=2)
        Delivery.objects.filter(pk=delivery.pk).update(start_at=timezone.now())
        done = race(
            lambda pk=delivery.pk: lifecycle.cancel(pk, by=operator),
            clock.tick,
            clock.tick,
        )
        state = Delivery.objects.get(pk=delivery.pk).state
        seen[state] += 1
        before = len(mail_server.recipients)
        drain(delivery)
        if state == DeliveryState.PREPARED:
            assert len(mail_server.recipients) == before and done[0] is None
        else:
            assert len(mail_server.recipients) == before + 2
            assert isinstance(done[0], refusals.WrongState) and done[0].code == "already_started"
    assert sum(seen.values()) == 6 and set(seen) <= {DeliveryState.PREPARED, DeliveryState.SENDING}


def race(*moves: object) -> list[DomainError | None]:
    """Each of `moves` in a thread of its own, at once; what refused it, or None."""
    barrier = threading.Barrier(len(moves))
    found: list[DomainError | None] = [None] * len(moves)

    def work(number: int) -> None:
        barrier.wait()
        try:
            moves[number]()  # type: ignore[operator]
        except DomainError as refusal:
            found[number] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(moves))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
