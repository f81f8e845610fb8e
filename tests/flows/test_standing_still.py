"""A worker that stands still (SIGSTOP, swap, a machine that lost its power) holds nothing that others need for longer
than a lease; when it goes on, what it held is not classified behind its back."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from django.db import DatabaseError, connection

from delivery import clock, journal, recovery, sending, windows
from delivery.models import Shard
from tests import factories, smtp_server
from tests.flows.test_pipeline_crashes import (
    N_CONNECTIONS,
    assert_log_agrees,
    expire,
    finish,
    leased,
    open_window,
    start_drain,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_goes_on_just_before_its_lease_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found lost, then renewed by its owner, who has a new window: it is not lost any more."""
    delivery, database, held = leased()
    open_window(database, delivery, held, 4)
    expire(held, owner=held.journal.owner)
    classify = recovery._classify

    def late(*arguments: object) -> object:
        open_window(database, delivery, held, 2)
        return classify(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(recovery, "_classify", late)
    assert recovery.recover_all() == []
    shard = Shard.objects.get(pk=held.shard_id)
    assert (shard.state, shard.n_authorised, shard.n_unknown) == ("leased", 6, 0)
    open_window(database, delivery, held, 2)
    database.close()
    held.journal.remove()


def test_it_is_killed_where_its_journal_is_so_that_only_the_wire_is_unknown(mail_server: smtp_server.Server) -> None:
    mail_server.script.delay_s = 0.02
    factories.people(*(f"p{i}" for i in range(400)))
    delivery = factories.sending()
    process = start_drain(delivery)
    _wait_for(lambda: len(mail_server.recipients) >= 50)
    process.send_signal(signal.SIGSTOP)
    try:
        # What was on the wire is answered meanwhile, and nobody hears it.
        time.sleep(0.2)
        assert recovery.recover_all() == []
        with connection.cursor() as cursor:
            cursor.execute("UPDATE delivery_shard SET lease_until = now() - interval '1 h' WHERE state = 'leased'")
        (found,) = recovery.recover_all()
        assert process.wait(timeout=5) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
    assert found.n_unknown <= N_CONNECTIONS and found.n_returned > 0
    mail_server.script.delay_s = 0
    assert_log_agrees(finish(delivery), mail_server, most_unknown=N_CONNECTIONS)


def test_whoever_does_not_hold_the_journal_is_left_alone() -> None:
    """Process ids come again, and are others in another container."""
    _delivery, database, held = leased()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = f"{other.pid}-0"
    (journal.folder() / name).touch()
    assert not journal.end_owner(name)
    assert not journal.end_owner("0-x") and not journal.end_owner("999999999-x")
    # Nor does anybody end itself.
    assert not journal.end_owner(held.journal.path.name)
    assert other.poll() is None
    other.communicate(b"\n")
    (journal.folder() / name).unlink()
    database.close()
    held.journal.remove()


def test_its_slot_is_free_when_its_lease_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.people("a")
    delivery = factories.sending()
    monkeypatch.setattr(windows, "LEASE_S", 1)
    standing = [sending.connect() for _slot in range(sending.n_slots())]
    assert all(sending._take_slot(one, delivery.pk) for one in standing)
    assert sending.n_free_slots(delivery.pk) == 0
    _wait_for(lambda: sending.n_free_slots(delivery.pk) == sending.n_slots())
    for one in standing:
        with pytest.raises(psycopg.OperationalError):
            one.execute("SELECT 1")
        one.close()


def test_its_locks_are_free_soon_after_it_stopped_within_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_WRITE_S", 0.3)
    _delivery, database, held = leased()
    database.execute("BEGIN")
    database.execute("UPDATE delivery_shard SET n_sent = n_sent WHERE id = %s", [held.shard_id])
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '5 s'")
        try:
            # As a stop does; it must not wait for a worker that may never go on.
            cursor.execute("SELECT 1 FROM delivery_shard WHERE id = %s FOR UPDATE", [held.shard_id])
        finally:
            cursor.execute("RESET lock_timeout")
    with pytest.raises(psycopg.Error):
        database.execute("COMMIT")
    database.close()
    held.journal.remove()


def test_a_tick_that_stands_still_does_not_end_all_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_STILL_S", 0.5)
    factories.people("a")
    delivery = factories.sending()
    stands, goes_on = threading.Event(), threading.Event()

    def stand() -> None:
        if threading.current_thread() is not threading.main_thread():
            stands.set()
            goes_on.wait(20)

    monkeypatch.setattr(clock.refreshing, "settle_all", stand)
    ended: list[BaseException | None] = []
    still = threading.Thread(target=lambda: ended.append(_tick_apart()))
    still.start()
    assert stands.wait(20)
    try:
        assert clock.tick().drain == []
        _wait_for(lambda: clock.tick().drain or clock.Delivery.objects.get(pk=delivery.pk).state == "finished")
    finally:
        goes_on.set()
        still.join()
    # What it would have done, others did; it ends with the error of its connection.
    assert isinstance(ended[0], DatabaseError)
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_session_timeout")
        assert cursor.fetchone() == ("0",)


def _tick_apart() -> BaseException | None:
    try:
        clock.tick()
    except DatabaseError as error:
        return error
    finally:
        connection.close()
    return None


def _wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
