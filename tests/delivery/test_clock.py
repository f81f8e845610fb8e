"""What time makes due: starts, misses, and hints that can be lost or repeated."""

import datetime as dt
import threading

import pytest
from django.db import connection
from django.utils import timezone

from delivery import clock, lifecycle, tasks
from delivery.models import Delivery, DeliveryState, SendLog
from tests import factories

pytestmark = pytest.mark.django_db


def confirmed(start_at: dt.datetime) -> Delivery:
    factories.people(f"p{Delivery.objects.count()}x")
    delivery = factories.prepared()
    lifecycle.confirm(delivery.pk, by=delivery.opened_by, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)  # type: ignore[arg-type]
    Delivery.objects.filter(pk=delivery.pk).update(start_at=start_at)
    return delivery


@pytest.mark.parametrize(
    ("late_s", "state"),
    [
        (-60, DeliveryState.CONFIRMED),
        (1, DeliveryState.SENDING),
        (3500, DeliveryState.SENDING),
        (3700, DeliveryState.MISSED),
    ],
)
def test_a_start_is_made_when_due_and_missed_when_too_late(late_s: int, state: str) -> None:
    delivery = confirmed(timezone.now() - dt.timedelta(seconds=late_s))
    hints = clock.tick()
    found = Delivery.objects.get(pk=delivery.pk)
    assert found.state == state
    assert bool(hints.drain) == (state == DeliveryState.SENDING)
    if state == DeliveryState.SENDING:
        assert found.valid_until and found.started_at
        assert found.valid_until - found.started_at == dt.timedelta(seconds=found.validity_s)
    if state == DeliveryState.MISSED:
        assert found.confirmed_at is None
    # Again: nothing moves twice.
    clock.tick()
    assert Delivery.objects.get(pk=delivery.pk).started_at == found.started_at


def test_how_late_is_too_late_is_a_setting() -> None:
    factories.configure(delivery__late_after_min=5)
    delivery = confirmed(timezone.now() - dt.timedelta(minutes=6))
    clock.tick()
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.MISSED


def test_a_missed_send_must_be_prepared_again() -> None:
    delivery = confirmed(timezone.now() - dt.timedelta(hours=3))
    clock.tick()
    assert lifecycle.prepare(delivery.pk, by=delivery.opened_by).state == DeliveryState.PREPARING


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_start_a_send_once() -> None:
    delivery = confirmed(timezone.now())
    barrier = threading.Barrier(5)

    def tick() -> None:
        barrier.wait()
        clock.tick()
        connection.close()

    threads = [threading.Thread(target=tick) for _number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.tick()
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.SENDING


def test_the_tick_task_wakes_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(clock, "tick", lambda: clock.Hints(prepare=[1], drain=[2, 2]))
    for task in (tasks.prepare, tasks.drain):
        monkeypatch.setattr(task, "apply_async", lambda args, expires, name=task.name: woken.append((name, args)))
    tasks.tick()
    assert woken == [("delivery.tasks.prepare", (1,)), ("delivery.tasks.drain", (2,)), ("delivery.tasks.drain", (2,))]


def test_a_step_that_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = confirmed(timezone.now())

    def broken() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(clock.recovery, "recover_all", broken)
    assert clock.tick().drain
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.SENDING


def paused_past_its_validity(cause: str) -> Delivery:
    factories.people("one", "two")
    delivery = factories.sending()
    lifecycle.pause(delivery.pk, by=None if cause == "transport" else delivery.opened_by, cause=cause, trouble="Gone.")
    Delivery.objects.filter(pk=delivery.pk).update(valid_until=timezone.now() - dt.timedelta(seconds=1))
    return delivery


def test_a_pause_for_a_server_that_never_answers_again_ends_with_the_validity_period() -> None:
    delivery = paused_past_its_validity("transport")
    hints = [clock.tick() for _tick in range(2)]
    found = Delivery.objects.get(pk=delivery.pk)
    assert (found.state, found.pause_cause) == (DeliveryState.FINISHED, "")
    assert [one.drain for one in hints] == [[], []]
    outcomes = SendLog.objects.filter(delivery_id=delivery.pk).values_list("outcome", "code")
    assert [*outcomes] == [("not_sent", "expired")] * 2


def test_a_pause_by_a_person_waits_for_a_person() -> None:
    delivery = paused_past_its_validity("person")
    clock.tick()
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.PAUSED
    assert not SendLog.objects.filter(delivery_id=delivery.pk).exists()
