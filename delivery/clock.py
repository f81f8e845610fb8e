"""The tick: everything that time makes due, found in the database again and again. Idempotent; one at a time by a lock.

Starts and misses, ends what is expired or finished, recovers lost leases, resumes deliveries whose mail server answers
again, holds refusals against their addresses, and says which workers to wake. Whatever is lost (a hint, a worker, the
broker), the next tick finds it.
"""

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from delivery import (
    doors,
    endings,
    folding,
    lifecycle,
    options,
    preparation,
    quiet,
    recovery,
    refreshing,
    refused,
    requests,
    sending,
    tracking,
    ways,
)
from delivery.models import Delivery, DeliveryState, Shard, ShardState
from lib.errors import DomainError
from messaging import smtp

logger = logging.getLogger(__name__)
# Seconds between two looks whether a mail server answers again.
_PROBE_S = 10
_PROBE_TIMEOUTS = smtp.Timeouts(connect=3, greeting=3, command=3, body=3, dot=3)
_LOCK = 0x43680200
# Seconds without a statement after which PostgreSQL takes a tick for dead, ends its session and so gives back the lock:
# one that stands still, or whose machine is gone, would otherwise be the last. Longer than mail servers are asked.
_STILL_S = 60.0
_END_WHEN_STILL = """
SELECT set_config('idle_in_transaction_session_timeout', %(ms)s, false),
    set_config('idle_session_timeout', %(ms)s, false)
"""


@dataclass
class Hints:
    """Deliveries to wake a worker for: `prepare` once, `drain` once for each entry."""

    prepare: list[int] = field(default_factory=list)
    drain: list[int] = field(default_factory=list)


def tick() -> Hints:
    """Do all that is due; whom to wake. A tick that finds another one at work does nothing."""
    hints = Hints()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [_LOCK])
        if not cursor.fetchone()[0]:
            return hints
        try:
            cursor.execute(_END_WHEN_STILL, {"ms": f"{_STILL_S * 1000:.0f}"})
            for step in (
                refreshing.settle_all,
                requests.run_due,
                _start_due,
                recovery.recover_all,
                _end_expired,
                _end_expired_requests,
                quiet.hold_all,
                _cancel_left,
                folding.fold_all,
                _finish,
                _resume,
                tracking.drain_spool,
                refused.hold_against_addresses,
            ):
                _do(step)
            hints.prepare = _unprepared()
            hints.drain = _undrained()
        finally:
            cursor.execute("RESET idle_in_transaction_session_timeout; RESET idle_session_timeout")
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [_LOCK])
    return hints


def _do(step: Callable[[], object]) -> None:
    """One step; an error in it is logged and must not keep the others from running."""
    try:
        step()
    except (OperationalError, InterfaceError):
        # The database is away: nothing else will work either.
        raise
    except Exception:
        logger.exception("a step of the tick failed")


def _start_due() -> None:
    now, most_lateness = timezone.now(), options.most_lateness()
    due = Delivery.objects.filter(state=DeliveryState.CONFIRMED, start_at__lte=now).order_by("start_at")
    rows = due.values_list("pk", "start_at", "refresh_guard_percent", "request_no")
    for delivery_id, start_at, guard, request_no in rows:
        # What a call was promised waits for no person who would look again: it begins however late it is.
        is_late = not request_no and start_at is not None and now - start_at > most_lateness
        on_time = lifecycle.start if guard is None else refreshing.begin
        _try(lifecycle.miss if is_late else on_time, delivery_id)


def _end_expired() -> None:
    """Everybody who still waits when the validity period of a running delivery is over gets an outcome; of one that is
    paused too, when it waits for a mail server and not for a person."""
    runs = Q(state=DeliveryState.SENDING) | Q(state=DeliveryState.PAUSED, pause_cause="transport")
    expired = Delivery.objects.filter(runs, valid_until__lte=timezone.now())
    still_open = expired.filter(_has_shards(ShardState.WAITING, ShardState.LEASED))
    for delivery_id in still_open.values_list("pk", flat=True):
        with transaction.atomic():
            doors.close([delivery_id])
            for delivery in expired.select_for_update(no_key=True).filter(pk=delivery_id):
                endings.expire_rest(delivery)


def _end_expired_requests() -> None:
    """The same for each request of standing deliveries, whatever became of the delivery."""
    over = Shard.objects.filter(state=ShardState.WAITING, valid_until__lte=timezone.now(), delivery__is_standing=True)
    for delivery_id in over.order_by().values_list("delivery_id", flat=True).distinct():
        with transaction.atomic():
            endings.expire_requests(doors.lock(delivery_id))


def _cancel_left() -> None:
    """People a worker gave back just as their delivery was stopped, or too many for the request that stopped it."""
    stopped = Delivery.objects.filter(_has_shards(ShardState.WAITING), state=DeliveryState.STOPPED)
    for delivery_id in stopped.values_list("pk", flat=True):
        with transaction.atomic():
            endings.cancel_rest(doors.lock(delivery_id))


def _finish() -> None:
    done = Delivery.objects.filter(~_has_shards(ShardState.WAITING, ShardState.LEASED), state=DeliveryState.SENDING)
    done = done.exclude(is_standing=True, closed_at__isnull=True)
    for delivery_id in done.values_list("pk", flat=True):
        _try(lifecycle.finish, delivery_id)


def _resume() -> None:
    """End pauses for a mail server's trouble once it answers, or nobody waits for it now. Each server is asked once for
    all its deliveries."""
    paused = list(
        Delivery.objects.filter(state=DeliveryState.PAUSED, pause_cause="transport")
        .select_related("transport")
        .order_by("pk")
    )
    asked: dict[tuple[str, int], str] = {}
    for delivery in paused:
        if delivery.valid_until and delivery.valid_until <= timezone.now():
            _try(lambda delivery_id: lifecycle.resume(delivery_id, by=None), delivery.pk)
            continue
        if delivery.trouble_at and timezone.now() - delivery.trouble_at < dt.timedelta(seconds=_PROBE_S):
            continue
        way = (delivery.channel, delivery.transport_id)
        if way not in asked:
            asked[way] = ways.problem(delivery, timeouts=_PROBE_TIMEOUTS)
        problem = asked[way]
        if not problem:
            _try(lambda delivery_id: lifecycle.resume(delivery_id, by=None), delivery.pk)
            continue
        delivery.trouble, delivery.trouble_at = problem, timezone.now()
        delivery.save(update_fields=["trouble", "trouble_at"])


def _unprepared() -> list[int]:
    waiting = (
        Delivery.objects.filter(state=DeliveryState.PREPARING).order_by("preparing_since").values_list("pk", flat=True)
    )
    return [delivery_id for delivery_id in waiting if not preparation.is_running(delivery_id)]


def _undrained() -> list[int]:
    due = Shard.objects.filter(delivery=OuterRef("pk"), state=ShardState.WAITING, due_at__lte=timezone.now())
    sendable = Delivery.objects.filter(Exists(due), state=DeliveryState.SENDING).order_by("started_at")
    return [pk for pk in sendable.values_list("pk", flat=True) for _slot in range(sending.n_free_slots(pk))]


def _has_shards(*states: ShardState) -> Exists:
    return Exists(Shard.objects.filter(delivery=OuterRef("pk"), state__in=states))


def _try(move: Callable[[int], Delivery], delivery_id: int) -> None:
    """A move that somebody else may have made in between, or made impossible."""
    try:
        move(delivery_id)
    except DomainError:
        return
