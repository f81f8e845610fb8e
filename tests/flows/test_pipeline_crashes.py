"""Whatever dies in the middle: nobody gets it twice, everybody has exactly one row, log and server agree."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection

from audiences.models import Profile
from delivery import clock, journal, lifecycle, recovery, sending, windows
from delivery.models import Delivery, DeliveryState, SendLog, Shard
from delivery.opening import Spread
from delivery.timetables import Waves
from messaging import smtp
from tests import factories, smtp_server
from tests.flows.test_pipeline import assert_adds_up, drain_beside, outcomes

pytestmark = pytest.mark.django_db(transaction=True)
FAST = smtp.Timeouts(connect=2, greeting=1, command=1, body=1, dot=1)
N_CONNECTIONS = 8


def start_drain(delivery: Delivery) -> subprocess.Popen[bytes]:
    """A drain in another process, on the database of this test."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    environment = os.environ | {"DATABASE_URL": database, "SMTP_URL": django_settings.SMTP_URL}
    environment["CHAPPE_HOME"] = str(django_settings.CHAPPE_HOME)
    environment["CHAPPE_OUTWARD_HOSTS"] = ",".join(django_settings.OUTWARD_HOSTS)
    environment["CHAPPE_SECRET_KEY"] = django_settings.SECRET_KEY
    command = [sys.executable, "-m", "tests.flows.drain_once", str(delivery.pk)]
    return subprocess.Popen(command, env=environment, cwd=django_settings.BASE_DIR)


def wait_for(condition: Callable[[], object], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def finish(delivery: Delivery) -> Delivery:
    """Tick and drain, as the worker and the scheduler do, until it is over."""
    deadline = time.monotonic() + 30
    while Delivery.objects.get(pk=delivery.pk).state != DeliveryState.FINISHED:
        assert time.monotonic() < deadline, "it did not finish in time"
        clock.tick()
        sending.drain(delivery.pk, timeouts=FAST)
    return Delivery.objects.get(pk=delivery.pk)


def assert_log_agrees(delivery: Delivery, server: smtp_server.Server, *, most_unknown: int) -> None:
    received = Counter(recipient.partition("@")[0] for recipient in server.recipients)
    assert [name for name, n in received.items() if n > 1] == []
    logged = outcomes(delivery)
    assert len(logged) == delivery.n_to_send == SendLog.objects.filter(delivery_id=delivery.pk).count()
    sent = {name for name, outcome in logged.items() if outcome == "sent"}
    unknown = {name for name, outcome in logged.items() if outcome == "unknown"}
    assert sent <= received.keys() <= sent | unknown
    assert sent | unknown == logged.keys()
    assert len(unknown) <= most_unknown
    assert_adds_up(delivery)


def test_kill_9_in_the_middle_again_and_again(mail_server: smtp_server.Server) -> None:
    mail_server.script.delay_s = 0.004
    factories.people(*(f"p{i}" for i in range(1200)))
    delivery = factories.sending()
    n_kills = 2
    for n_before_kill in (100, 500):
        process = start_drain(delivery)
        wait_for(lambda limit=n_before_kill: len(mail_server.recipients) >= limit)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.1)
        clock.tick()
        assert not Shard.objects.filter(delivery=delivery, state="leased").exists()
    mail_server.script.delay_s = 0
    delivery = finish(delivery)
    assert_log_agrees(delivery, mail_server, most_unknown=N_CONNECTIONS * n_kills)
    assert list(journal.folder().iterdir()) == []


def test_kill_9_of_shards_that_were_told_apart(mail_server: smtp_server.Server) -> None:
    """Two waves, two zones and a limited domain: none of it is a new way to lose or repeat somebody."""
    mail_server.script.delay_s = 0.002
    people = factories.people(*(f"p{i}" for i in range(600)))
    for number, person in enumerate(people):
        person.time_zone = ("Asia/Tokyo", "Europe/Paris")[number % 2]
        if number % 3 == 0:
            person.email = person.email_key = f"{person.first_name}@big.test"
    Profile.objects.bulk_update(people, ["time_zone", "email", "email_key"])
    factories.configure(delivery__domain_limits="big.test 1200", delivery__quiet_on=True)
    delivery = factories.prepared(spread=Spread(waves=Waves(50, "percent", 1)))
    assert Shard.objects.filter(delivery=delivery).count() == 8
    # Whatever the time is now, it is not quiet.
    Delivery.objects.filter(pk=delivery.pk).update(quiet_hours={"from": "00:00", "to": "00:00", "action": "delay"})
    assert delivery.opened_by is not None
    lifecycle.confirm(delivery.pk, by=delivery.opened_by, seal=delivery.seal, n_to_send=600)
    lifecycle.start_now(delivery.pk, by=delivery.opened_by)
    for n_before_kill in (40, 250):
        process = start_drain(delivery)
        wait_for(lambda limit=n_before_kill: len(mail_server.recipients) >= limit)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.1)
        clock.tick()
        assert not Shard.objects.filter(delivery=delivery, state="leased").exists()
    factories.configure(delivery__domain_limits="big.test 600000")
    mail_server.script.delay_s = 0
    delivery = finish(delivery)
    assert_log_agrees(delivery, mail_server, most_unknown=N_CONNECTIONS * 2)
    assert list(journal.folder().iterdir()) == []


def test_two_drains_at_once_share_the_work(mail_server: smtp_server.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.placing.SHARD_SIZE", 100)
    factories.people(*(f"p{i}" for i in range(600)))
    delivery = factories.sending()
    processes = [start_drain(delivery) for _number in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    delivery = finish(delivery)
    assert_log_agrees(delivery, mail_server, most_unknown=0)


def test_the_database_connection_ends_in_the_middle(mail_server: smtp_server.Server) -> None:
    mail_server.script.delay_s = 0.004
    factories.people(*(f"p{i}" for i in range(700)))
    delivery = factories.sending()
    for n_before in (50, 300):
        process = start_drain(delivery)
        wait_for(lambda limit=n_before: len(mail_server.recipients) >= limit)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            assert cursor.fetchone()[0] >= 1
        # It stops by itself, without an error that anybody has to look at.
        assert process.wait(timeout=20) == 0
    mail_server.script.delay_s = 0
    delivery = finish(delivery)
    assert_log_agrees(delivery, mail_server, most_unknown=0)


def leased(n: int = 10) -> tuple[Delivery, windows.Connection, windows.Lease]:
    factories.people(*(f"p{i}" for i in range(n)))
    delivery = factories.sending()
    database = sending.connect()
    held = windows.lease(database, delivery.pk)
    assert held is not None
    return delivery, database, held


def open_window(database: windows.Connection, delivery: Delivery, held: windows.Lease, n: int) -> windows.Opened:
    assert delivery.valid_until is not None
    return windows.advance(database, held, [], n_more=n, again=[], valid_until=delivery.valid_until)


def expire(held: windows.Lease, *, owner: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE delivery_shard SET lease_owner = %s, lease_until = now() - interval '1 h' WHERE id = %s",
            [owner, held.shard_id],
        )


def test_a_lost_machine_leaves_its_window_unknown_and_nobody_else() -> None:
    delivery, database, held = leased()
    open_window(database, delivery, held, 4)
    # While the lease lasts, another machine's shard is nobody else's business.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_shard SET lease_owner = 'other-boot:1-x' WHERE id = %s", [held.shard_id])
    assert recovery.recover_all() == []
    expire(held, owner="other-boot:1-x")
    (found,) = recovery.recover_all()
    assert (found.n_unknown, found.n_returned, found.n_sent) == (4, 0, 0)
    shard = Shard.objects.get(pk=held.shard_id)
    assert (shard.state, shard.n_authorised, shard.n_unknown) == ("waiting", 4, 4)
    # The lost worker wakes up: it can't write any more.
    with pytest.raises(windows.LeaseLost):
        open_window(database, delivery, held, 4)
    database.close()
    held.journal.remove()


def test_a_worker_that_lives_is_not_recovered_before_its_lease_ran_out() -> None:
    delivery, database, held = leased()
    open_window(database, delivery, held, 4)
    assert recovery.recover_all() == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_shard SET lease_until = now() - interval '1 h' WHERE id = %s", [held.shard_id])
    (found,) = recovery.recover_all()
    # It stands still, with its journal locked: what it wrote there isn't final.
    assert found.n_unknown == 4
    database.close()
    held.journal.remove()


def test_the_journal_of_a_dead_worker_says_how_far_it_got() -> None:
    delivery, database, held = leased()
    open_window(database, delivery, held, 5)
    marks = (journal.ACCEPTED, journal.UNTRIED, journal.ON_WIRE, journal.REFUSED, journal.UNTRIED)
    for position, mark in enumerate(marks):
        held.journal.marks[position] = mark
    held.journal.abandon()
    (found,) = recovery.recover_all()
    assert (found.n_sent, found.n_failed, found.n_unknown, found.n_returned) == (1, 1, 1, 2)
    assert recovery.recover_all() == []
    shard = Shard.objects.get(pk=held.shard_id)
    assert shard.n_authorised == 3 and sorted(shard.ids) == sorted(held.ids)
    assert shard.ids[3:5] == [held.ids[1], held.ids[4]]
    logged = dict(SendLog.objects.filter(delivery_id=delivery.pk).values_list("profile_id", "outcome"))
    assert logged == {held.ids[0]: "sent", held.ids[2]: "unknown", held.ids[3]: "failed"}
    assert_adds_up(Delivery.objects.get(pk=delivery.pk))
    database.close()


def test_stop_takes_the_rest_from_under_a_worker_with_an_open_window() -> None:
    operator = factories.user("Operator")
    delivery, database, held = leased()
    opened = open_window(database, delivery, held, 4)
    from_window = [person.id for _position, person in opened.people]
    clock.lifecycle.stop(delivery.pk, by=operator)
    cancelled = set(SendLog.objects.filter(delivery_id=delivery.pk).values_list("profile_id", flat=True))
    assert cancelled == set(held.ids) - set(from_window)
    # Nothing more opens; what was on the way is still recorded, what was not goes the way of the rest.
    settled = [
        windows.Settled(position, windows.Outcome.SENT, time.time(), person.email, True)
        for position, person in opened.people[:3]
    ]
    assert delivery.valid_until is not None
    after = windows.advance(database, held, settled, n_more=5, again=[], valid_until=delivery.valid_until)
    assert not after.is_open and after.people == []
    windows.release(database, held, [], [opened.people[3][0]], valid_until=delivery.valid_until)
    clock.tick()
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert Counter(outcomes(delivery).values()) == {"sent": 3, "cancelled": 7}
    assert_adds_up(delivery)
    database.close()
    held.journal.remove()


def test_stop_and_windows_race_without_anybody_in_both(mail_server: smtp_server.Server) -> None:
    operator = factories.user("Operator")
    factories.people(*(f"p{i}" for i in range(3000)))
    delivery = factories.sending(operator)
    drain = drain_beside(delivery, timeouts=FAST)
    wait_for(lambda: len(mail_server.recipients) >= 50)
    clock.lifecycle.stop(delivery.pk, by=operator)
    stopped_at = time.monotonic()
    drain.join(timeout=20)
    assert time.monotonic() - stopped_at < 5
    clock.tick()
    delivery = Delivery.objects.get(pk=delivery.pk)
    logged = outcomes(delivery)
    assert delivery.state == DeliveryState.STOPPED and len(logged) == 3000
    assert {name for name, outcome in logged.items() if outcome == "sent"} == {
        recipient.partition("@")[0] for recipient in mail_server.recipients
    }
    assert Profile.objects.count() == 3000
    assert_adds_up(delivery)


def test_a_drain_without_a_database_says_nothing_and_ends(
    mail_server: smtp_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.people("a")
    delivery = factories.sending()

    def gone(*_arguments: object, **_named: object) -> None:
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(windows, "lease", gone)
        sending.drain(delivery.pk, timeouts=FAST)
    assert mail_server.recipients == []
    assert finish(delivery).state == DeliveryState.FINISHED
