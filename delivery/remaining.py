"""Change or take back a call at local times after its first people were decided: what still waits, as far as it can be.

Its people wait in shards, one for each zone, until their own time. Whoever had their turn by then, is in a window, or
is tried again is left as they are. Locks: the request, its delivery, shards in the order of their ids.
"""

import datetime as dt
import uuid
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Max, Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from delivery import doors, endings, lifecycle, staleness, timetables
from delivery.models import Delivery, DeliveryState, RequestState, Shard, ShardState, TriggerRequest
from lib.errors import DomainError

_LOCK = """
SELECT id FROM delivery_shard WHERE delivery_id = %s AND request_no = %s AND state = 'waiting' ORDER BY id FOR UPDATE
"""
_UNSENT = frozenset({DeliveryState.NEW, DeliveryState.PREPARING, DeliveryState.PREPARED})


def take_back(found: QuerySet[TriggerRequest], public_id: uuid.UUID) -> int | None:
    """Send nothing to who still waits; how many, None when nobody does or it is no call at local times.

    Of a whole audience that is being chosen, nobody is sent to, and 0 are counted.
    """
    with transaction.atomic():
        request = _lock(found, public_id)
        if request is None:
            return None
        delivery = _lock_delivery(request)
        if request.state == RequestState.TAKEN:
            return _drop(request, delivery)
        if delivery is None:
            return None
        return endings.cancel_later(delivery, request.pk) or None


def move(found: QuerySet[TriggerRequest], public_id: uuid.UUID, due_at: dt.datetime, local_time: str) -> int | None:
    """Give who still waits another time, an instant or "" with a local one; how many, None as above.

    Raises DomainError for local times where nobody's zone is known any more.
    """
    with transaction.atomic():
        request = _lock(found, public_id)
        delivery = _lock_delivery(request) if request and request.state == RequestState.QUEUED else None
        if request is None or delivery is None:
            return None
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [delivery.pk, request.pk])
        waiting = Shard.objects.filter(delivery=delivery, request_no=request.pk, state=ShardState.WAITING, attempt=1)
        waiting = waiting.filter(due_at__gt=timezone.now())
        zones = list(waiting.order_by().values_list("zone", flat=True).distinct())
        if local_time and "" in zones:
            # Chosen anew by hand for one instant: nobody's zone is known any more.
            sentence = _("Its people were chosen anew for one time. Give a time without in_local_time.")
            raise DomainError(sentence, code="no_zones", status=400)
        dues = timetables.due_in(local_time, zones) if local_time else dict.fromkeys(zones, due_at)
        n_moved = sum(waiting.values_list("n_ids", flat=True))
        # One zone after the other would find again what it just moved.
        places = [(pk, dues[zone]) for pk, zone in waiting.values_list("pk", "zone")]
        for pk, at in places:
            at = max(at, timezone.now())
            until = at + dt.timedelta(seconds=delivery.validity_s) if delivery.is_standing else None
            Shard.objects.filter(pk=pk).update(due_at=at, valid_until=until)
        if places:
            _note(request, delivery, local_time, last=max(at for _pk, at in places))
    return n_moved or None


def _lock(found: QuerySet[TriggerRequest], public_id: uuid.UUID) -> TriggerRequest | None:
    asked = found.filter(public_id=public_id, state__in=[RequestState.TAKEN, RequestState.QUEUED])
    request = asked.select_for_update(no_key=True).first()
    return request if request is not None and request.call.get("local_time") else None


def _lock_delivery(request: TriggerRequest) -> Delivery | None:
    if request.delivery_id is None:
        return None
    return doors.lock(request.delivery_id)


def _drop(request: TriggerRequest, delivery: Delivery | None) -> int:
    """End a request for a whole audience, and its delivery, before anything of it was let go."""
    if delivery is not None:
        if delivery.state == DeliveryState.PREPARING:
            lifecycle.abort(delivery.pk, by=None)
        if delivery.state in _UNSENT:
            lifecycle.discard(delivery.pk, by=None)
    request.state, request.handled_at = RequestState.CANCELLED, timezone.now()
    request.save(update_fields=["state", "handled_at"])
    return 0


def _note(request: TriggerRequest, delivery: Delivery, local_time: str, *, last: dt.datetime) -> None:
    """What follows from other times: what the request says, and of a delivery of its own its plan and its end."""
    if local_time:
        request.call = request.call | {"local_time": local_time}
    # Its properties are read when its messages leave: it is kept from then on, see activity_log.purge.
    request.handled_at = max(last, request.handled_at or last)
    request.save(update_fields=["call", "handled_at"])
    if delivery.is_standing:
        delivery.valid_until = endings.last_end(delivery) if delivery.closed_at else delivery.valid_until
        delivery.save(update_fields=["valid_until"])
        return
    first = Shard.objects.filter(delivery=delivery, attempt=1)
    delivery.timetable = _timetable(first)
    ends = first.filter(state=ShardState.WAITING).aggregate(first=Min("due_at"), last=Max("due_at"))
    if delivery.state == DeliveryState.CONFIRMED:
        # Whoever takes it back and prepares it anew gets the new time.
        delivery.local_time, delivery.scheduled_at = local_time, None if local_time else last
        staleness.accept_schedule(delivery)
        delivery.start_at = ends["first"] or delivery.start_at
    elif delivery.valid_until is not None and ends["last"] is not None:
        delivery.valid_until = max(delivery.valid_until, ends["last"] + dt.timedelta(seconds=delivery.validity_s))
    delivery.save(update_fields=["timetable", "start_at", "valid_until", "local_time", "scheduled_at", "basis"])


def _timetable(shards: QuerySet[Shard]) -> list[dict[str, Any]]:
    rows: dict[dt.datetime, dict[str, Any]] = {}
    for at, zone, n in shards.annotate(n=F("n_ids")).order_by("due_at", "zone").values_list("due_at", "zone", "n"):
        row = rows.setdefault(at, {"at": at.isoformat(), "zones": [], "n": 0})
        row["zones"] += [zone] if zone not in row["zones"] else []
        row["n"] += n
    return list(rows.values())
