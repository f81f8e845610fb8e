"""Requests: somebody outside asks for messages to people they name. Taken in one transaction, before they are told so.

`take` finds the open standing delivery of an origin, writes the request and its people, decides about each of them, and
queues those who may have it. Once it returned, the request is in PostgreSQL, and everything that follows is found there
again by the tick. People who may not have it are accepted, get nothing, and stand in the send log with the reason.

Locks: the standing delivery (shared, so that requests don't wait for each other but closing waits for them, in turn:
delivery.doors), profiles, mailboxes where there is a sending limit, claims; each kind in the order of ids.
"""

import datetime as dt
import functools
import logging
import uuid
from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from delivery import attached, callformat, claims, doors, judging, people, queueing, reasons, remaining
from delivery.callformat import MOST_RECIPIENTS, Call, Origin, Recipient
from delivery.models import Delivery, RequestState, TriggerRequest
from lib import memory, statements
from lib.errors import DomainError

__all__ = [
    "MOST_RECIPIENTS",
    "Call",
    "Origin",
    "Recipient",
    "ScheduleGone",
    "cancel",
    "earlier",
    "lock_scheduled",
    "lock_standing",
    "plan",
    "record",
    "replan",
    "run_due",
    "take",
    "take_audience",
]

logger = logging.getLogger(__name__)


class ScheduleGone(DomainError):
    """No scheduled request can be changed by this id any more."""

    code = "schedule_gone"
    status = 404


# Through its door first: who waits to close it would wait for ever behind locks of the row alone.
_STANDING = f"""
WITH found AS MATERIALIZED (
    SELECT id, pg_advisory_xact_lock_shared({doors.CLASS}, id::int) FROM delivery_delivery
    WHERE origin_kind = %s AND origin_id = %s AND part = %s AND is_standing AND closed_at IS NULL
)
SELECT d.id, nextval(pg_get_serial_sequence('delivery_triggerrequest', 'id')), {{limited}}
FROM found JOIN delivery_delivery d ON d.id = found.id
WHERE d.closed_at IS NULL AND d.state IN ('sending', 'paused')
FOR SHARE OF d
"""
# What a delivery was opened with never changes.
_opened: memory.Memory[Delivery] = memory.Memory()
# Class of the advisory locks of names that callers give.
_EXTERNAL = 0x43680D03
# Scheduled requests taken in one tick.
_AT_ONCE = 500


def take(origin: Origin, call: Call) -> TriggerRequest | None:
    """Accept `call` for the open standing delivery of `origin`; None when there is none, and then nothing is stored.

    It has passed `people.check`. Raises what `people.find` and audiences.rules raise; then nothing is stored either.
    """
    with transaction.atomic(savepoint=False):
        found = _lock_standing(origin)
        if found is None:
            return None
        delivery, number = found
        request = _request(origin, call, delivery=delivery)
        request.pk = number
        fill(request, delivery, call, is_new=True)
        if request.n_attachments:
            attached.keep(request, call.files)
    return request


def take_audience(origin: Origin, call: Call) -> TriggerRequest | None:
    """The same for a call that names nobody: one row, which a worker turns into a delivery of its own."""
    with transaction.atomic():
        if lock_standing(origin) is None:
            return None
        return record(origin, call, state=RequestState.TAKEN)


def plan(origin: Origin, call: Call) -> TriggerRequest | None:
    """The same for a call with a time: kept as it was said until then."""
    with transaction.atomic():
        if lock_standing(origin) is None:
            return None
        return record(origin, call, state=RequestState.SCHEDULED)


def run_due() -> None:
    """Take what was asked for a time that has come. By the tick; one that fails keeps no other from being taken."""
    due = TriggerRequest.objects.filter(state=RequestState.SCHEDULED, due_at__lte=timezone.now()).order_by("due_at")
    for request_id in due.values_list("pk", flat=True)[:_AT_ONCE]:
        try:
            _take_due(request_id)
        except DomainError as problem:
            _settle(request_id, RequestState.FAILED, problem.message)
        except (OperationalError, InterfaceError):
            # The database is away: nothing else will work either.
            raise
        except Exception:
            logger.exception("scheduled request %s failed", request_id)


@transaction.atomic
def _take_due(request_id: int) -> None:
    request = _waiting(request_id)
    if request is None:
        return
    delivery = lock_standing(_origin(request))
    if delivery is None:
        _settle(request_id, RequestState.IGNORED, _("It couldn't be triggered when its time came."))
    elif request.is_audience:
        TriggerRequest.objects.filter(pk=request_id).update(state=RequestState.TAKEN)
    else:
        _settle(request_id, RequestState.QUEUED, "")
        TriggerRequest.objects.filter(pk=request_id).update(delivery=delivery)
        fill(request, delivery, callformat.restore(request))


@transaction.atomic
def replan(public_id: uuid.UUID, due_at: dt.datetime, *, origin: Origin, local_time: str = "") -> int | None:
    """Give a scheduled request another time. None for all of it; how many people where local times have begun.

    Raises ScheduleGone when its time came for everybody, or it is none of `origin`.
    """
    try:
        request = lock_scheduled(public_id, origin)
    except ScheduleGone:
        n_moved = remaining.move(_of(origin), public_id, due_at, local_time)
        if n_moved is None:
            raise
        return n_moved
    request.due_at, request.call = due_at, request.call | {"local_time": local_time}
    request.save(update_fields=["due_at", "call"])
    return None


@transaction.atomic
def cancel(public_id: uuid.UUID, *, origin: Origin) -> int | None:
    """Take a scheduled request back, so that its time changes nothing. Returns and raises as `replan`."""
    try:
        request = lock_scheduled(public_id, origin)
    except ScheduleGone:
        n_left = remaining.take_back(_of(origin), public_id)
        if n_left is None:
            raise
        return n_left or None
    request.state, request.handled_at = RequestState.CANCELLED, timezone.now()
    request.save(update_fields=["state", "handled_at"])
    return None


def lock_scheduled(public_id: uuid.UUID, origin: Origin) -> TriggerRequest:
    """A request that still waits for its time, locked. An origin without an id is any message that a call brought.

    Raises ScheduleGone.
    """
    found = _of(origin).filter(public_id=public_id, state=RequestState.SCHEDULED)
    request = found.select_for_update(no_key=True).first()
    if request is None:
        raise ScheduleGone(_("There is no schedule with this id, or its time has come."))
    return request


def _of(origin: Origin) -> QuerySet[TriggerRequest]:
    if origin.id:
        return TriggerRequest.objects.filter(origin_kind=origin.kind, origin_id=origin.id, part=origin.part)
    return TriggerRequest.objects.filter(~Q(part="") | Q(origin_kind=callformat.OWN_MESSAGE))


def _origin(request: TriggerRequest) -> Origin:
    return Origin(request.origin_kind, request.origin_id, request.label, request.part)


def _waiting(request_id: int) -> TriggerRequest | None:
    """A request whose time has come, locked; None when somebody else has it or it was planned anew."""
    waiting = TriggerRequest.objects.filter(pk=request_id, state=RequestState.SCHEDULED, due_at__lte=timezone.now())
    return waiting.select_for_update(no_key=True, skip_locked=True).first()


def _settle(request_id: int, state: RequestState, note: str) -> None:
    waiting = TriggerRequest.objects.filter(pk=request_id, state=RequestState.SCHEDULED)
    waiting.update(state=state, note=note, handled_at=timezone.now())


class _Said(TypedDict, total=False):
    """What is known of a request besides its call: what sends it, its state, and why nothing is sent."""

    delivery: Delivery | None
    state: RequestState
    note: str


def record(origin: Origin, call: Call, **said: Unpack[_Said]) -> TriggerRequest:
    """The row of a request, whatever becomes of it."""
    request = _request(origin, call, **said)
    request.save(force_insert=True)
    if request.n_attachments:
        attached.keep(request, call.files)
    return request


def _request(origin: Origin, call: Call, **said: Unpack[_Said]) -> TriggerRequest:
    state = said.get("state", RequestState.QUEUED)
    now = timezone.now()
    files = call.files if state != RequestState.IGNORED else ()
    return TriggerRequest(
        origin_kind=origin.kind,
        origin_id=origin.id,
        part=origin.part,
        label=origin.label[:255],
        delivery=said.get("delivery"),
        state=state,
        note=said.get("note", ""),
        trigger=dict(call.trigger),
        is_audience=not call.recipients,
        # What is sent later is decided later, by what was said now.
        call=callformat.keep(call) if state in {RequestState.SCHEDULED, RequestState.TAKEN} else {},
        send_id=call.send_id,
        external_send_id=call.external_send_id,
        key_label=call.key_label[:120],
        key_id=call.key_id,
        is_try=call.is_try,
        received_at=now,
        due_at=call.due_at,
        handled_at=now if state in {RequestState.QUEUED, RequestState.IGNORED} else None,
        n_attachments=len(files),
    )


def earlier(origin: Origin, external_send_id: str, *, within: dt.timedelta) -> TriggerRequest | None:
    """What was taken for `origin` under this name of the caller's in the last time; None for the first.

    Until the transaction ends, nobody else is answered about this name: of two at once the second finds the first.
    """
    with connection.cursor() as cursor:
        text = f"{origin.kind} {origin.id} {external_send_id}"
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_EXTERNAL, text])
    same = TriggerRequest.objects.filter(origin_kind=origin.kind, origin_id=origin.id)
    recent = same.filter(external_send_id=external_send_id, received_at__gt=timezone.now() - within)
    return recent.exclude(state=RequestState.IGNORED).order_by("-pk").first()


def lock_standing(origin: Origin) -> Delivery | None:
    """The open standing delivery of an origin, shared until the transaction ends: it can't be closed meanwhile.

    What it was opened with is remembered; its state is not to be read from it. Who stands still with it loses it.
    """
    found = _lock_standing(origin)
    return found[0] if found else None


def _lock_standing(origin: Origin) -> tuple[Delivery, int] | None:
    """The same with a number for a request."""
    sql = _STANDING.format(limited=statements.limited())
    for _once in range(2):
        # One that was closed while we waited for it may have made way for another.
        for delivery_id, number, _limit in statements.run(sql, (origin.kind, origin.id, origin.part)):
            return _opened.get(delivery_id, functools.partial(Delivery.objects.get, pk=delivery_id)), number
    return None


def fill(request: TriggerRequest, delivery: Delivery, call: Call, *, is_new: bool = False) -> None:
    """Decide about everybody `call` names and queue those who may have it, in the caller's transaction.

    A request that `is_new` has its number and is stored with them.
    """
    ids, judged = _judge(request, delivery, call)
    claimed = claims.claim(delivery, request.pk, [one.id for one in judged.values() if not one.reason])
    late = claims.eligible_from(delivery, [o.id for o in judged.values() if not o.reason and o.id not in claimed])
    named, seen = [], set[int]()
    for recipient, profile_id in zip(call.recipients, ids, strict=True):
        reason, detail = _verdict(profile_id, judged, late, seen)
        own = {**call.trigger, **recipient.trigger} if recipient.trigger else None
        person = judged.get(profile_id) if profile_id is not None else None
        named.append(queueing.Named(recipient.name.kind, recipient.name.shown, person, own, reason, detail))
    request.n_named, request.n_queued = len(named), sum(not one.reason for one in named)
    request.n_refused = request.n_named - request.n_queued
    queueing.write(request, delivery, named, is_new=is_new, local_time=call.local_time)
    if request.n_refused:
        queueing.refuse(delivery, request.pk, [one for one in named if _is_logged(one)])
    if not is_new:
        request.save(update_fields=["n_named", "n_queued", "n_refused", "note"])


def _judge(
    request: TriggerRequest, delivery: Delivery, call: Call
) -> tuple[list[int | None], dict[int, judging.Judged]]:
    """Who each of `call` is, None for somebody unknown, and what keeps them from it."""
    limits: dict[str, Any] = {"narrowed": call.audience, "ignores_cap": call.ignores_cap}
    if external_ids := people.only_external_ids(call):
        found, judged = judging.judge_named(delivery, external_ids, **limits)
        return [found.get(name) for name in external_ids], judged
    ids, left_out = people.find(call)
    request.note = left_out or request.note
    return ids, judging.judge(delivery, [one for one in ids if one is not None], **limits)


def _verdict(
    profile_id: int | None, judged: Mapping[int, judging.Judged], late: Mapping[int, str], seen: set[int]
) -> tuple[str, str]:
    """Why this one gets nothing, ("", "") for who gets it. The first mention of somebody is the one that counts."""
    if profile_id is None or profile_id not in judged:
        return reasons.NOBODY, ""
    if profile_id in seen:
        return reasons.NAMED_TWICE, ""
    seen.add(profile_id)
    if judged[profile_id].reason:
        return judged[profile_id].reason, judged[profile_id].detail
    return (reasons.NOT_ELIGIBLE_AGAIN, late[profile_id]) if profile_id in late else ("", "")


def _is_logged(one: queueing.Named) -> bool:
    """Whether somebody belongs in the send log as refused: whom we know, once."""
    return bool(one.reason) and one.reason != reasons.NAMED_TWICE and one.person is not None
