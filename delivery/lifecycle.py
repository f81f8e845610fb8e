"""The only place that moves `Delivery.state`.

Each move: lock the row, check who asks, move, save what changed, leave an audit row, return the delivery.

| move | from → to | who |
|---|---|---|
| prepare | new, prepared, missed → preparing | edit campaigns |
| abort | preparing → new | edit campaigns |
| refresh | confirmed → preparing | clock, when somebody chose so; see delivery.refreshing |
| seal, fail | preparing → prepared, failed | worker |
| confirm | prepared → confirmed | start deliveries; machine, in the name of a person who may, or for a request |
| cancel | confirmed → prepared | start deliveries, or the owner |
| start, miss | confirmed → sending, missed | clock; start_now: start deliveries |
| pause | sending → paused | start deliveries, or the owner; worker on trouble |
| resume | paused → sending | start deliveries; clock after a transport pause |
| stop | sending, paused → stopped | start deliveries |
| finish | sending → finished | worker |
| discard | new, prepared, missed → cancelled | edit campaigns |
| stand | new → sending | edit campaigns; a standing delivery, which takes people from requests |

`by` is None for machines: they may prepare, abort and discard what nobody has confirmed. Workers notice soon.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_fsm import TransitionNotAllowed, transition

from accounts import audit, roles
from accounts.models import User
from delivery import claims, doors, endings, gate, options, origins, partitions, quiet, refusals, results, timetables
from delivery.models import EMAIL, Delivery, DeliveryState, Shard, ShardState
from messaging import transports

S = DeliveryState
_STATE = Delivery._meta.get_field("state")
# Lines of delivery.controls as the delivery keeps them.
Controls = Sequence[Mapping[str, object]]
# Pause causes, and who acted when no person did.
_PAUSED_BY = {"person": "worker", "transport": "worker", "errors": "fuse"}


WrongState = refusals.WrongState
Stale = refusals.Stale
SecondPerson = refusals.SecondPerson
AlreadyConfirmed = refusals.AlreadyConfirmed
Prepared = results.Prepared


def _transition(source: list[str], target: str) -> Callable[[Delivery], None]:
    """A move that django-fsm checks; the functions below set their own fields."""

    @transition(field=_STATE, source=source, target=target)
    def move(delivery: Delivery) -> None: ...

    return cast(Callable[[Delivery], None], move)


_to_preparing = _transition([S.NEW, S.PREPARED, S.MISSED], S.PREPARING)
_to_refreshing = _transition([S.CONFIRMED], S.PREPARING)
_to_new = _transition([S.PREPARING], S.NEW)
_to_prepared = _transition([S.PREPARING], S.PREPARED)
_back_to_prepared = _transition([S.CONFIRMED], S.PREPARED)
_to_failed = _transition([S.PREPARING], S.FAILED)
_to_confirmed = _transition([S.PREPARED], S.CONFIRMED)
_to_sending = _transition([S.CONFIRMED], S.SENDING)
_back_to_sending = _transition([S.PAUSED], S.SENDING)
_to_missed = _transition([S.CONFIRMED], S.MISSED)
_to_paused = _transition([S.SENDING], S.PAUSED)
_to_stopped = _transition([S.SENDING, S.PAUSED], S.STOPPED)
_to_finished = _transition([S.SENDING], S.FINISHED)
_to_standing = _transition([S.NEW], S.SENDING)
_to_cancelled = _transition([S.NEW, S.PREPARED, S.MISSED], S.CANCELLED)


@transaction.atomic
def prepare(delivery_id: int, *, by: User | None) -> Delivery:
    """Ask for a preparation; a worker does it. An earlier one is replaced."""
    delivery = doors.lock(delivery_id)
    gate.require_editor(by)
    _move(_to_preparing, delivery)
    return _begin(delivery, "delivery.preparing", by, _take_back(delivery))


@transaction.atomic
def refresh(delivery_id: int, *, by: User | None = None) -> Delivery:
    """Prepare a confirmed send anew at its start; `delivery.refreshing` decides what becomes of it then."""
    delivery = doors.lock(delivery_id)
    _move(_to_refreshing, delivery)
    delivery.refreshing_from = delivery.n_to_send
    return _begin(delivery, "delivery.refreshing", by, ["refreshing_from"])


def _begin(delivery: Delivery, action: str, by: User | None, changed: Sequence[str]) -> Delivery:
    delivery.preparing_since = timezone.now()
    delivery.n_prepared = 0
    delivery.seal = delivery.failure = ""
    delivery.prepared_by = by
    # What is prepared now goes through the mail server of now.
    delivery.transport = transports.default()
    delivery.feedback = delivery.transport.feedback if delivery.channel == EMAIL else delivery.feedback
    fields = ["preparing_since", "n_prepared", "seal", "failure", "prepared_by", "transport", "feedback"]
    return _save(delivery, action, by, [*fields, *changed], machine="scheduler")


@transaction.atomic
def abort(delivery_id: int, *, by: User | None) -> Delivery:
    """Stop preparing; the worker notices at its next step. Nothing was sent."""
    delivery = doors.lock(delivery_id)
    gate.require_editor(by)
    _move(_to_new, delivery)
    delivery.preparing_since, delivery.n_prepared, delivery.failure = None, 0, ""
    fields = ["preparing_since", "n_prepared", "failure", *_take_back(delivery)]
    return _save(delivery, "delivery.preparation_aborted", by, fields, machine="scheduler")


@transaction.atomic
def seal(delivery_id: int, *, result: Prepared, preparing_since: dt.datetime, by: User | None = None) -> Delivery:
    """Close the preparation that began at `preparing_since`. Raises WrongState when it was aborted or begun anew."""
    delivery = doors.lock(delivery_id)
    if delivery.preparing_since != preparing_since:
        raise WrongState(_("This preparation was replaced by another one."))
    _move(_to_prepared, delivery)
    found = ("n_targeted", "n_to_send", "excluded_by_reason", "samples", "seal", "basis", "timetable", "quiet_hours")
    for name in found:
        setattr(delivery, name, getattr(result, name))
    delivery.n_excluded = result.n_targeted - result.n_to_send
    delivery.n_prepared = result.n_targeted
    delivery.controls = list(result.controls)
    delivery.prepared_at = timezone.now()
    fields = [*found, "n_excluded", "n_prepared", "controls", "prepared_at"]
    return _save(delivery, "delivery.prepared", by, fields, detail={"n_to_send": result.n_to_send, "seal": result.seal})


@transaction.atomic
def fail(delivery_id: int, *, failure: str, preparing_since: dt.datetime, controls: Controls = ()) -> Delivery:
    """Preparation is impossible, and why, in a sentence for people; `controls` as in Prepared."""
    delivery = doors.lock(delivery_id)
    if delivery.preparing_since != preparing_since:
        raise WrongState(_("This preparation was replaced by another one."))
    _move(_to_failed, delivery)
    delivery.failure = failure
    delivery.controls = list(controls)
    delivery.ended_at = timezone.now()
    fields = ["failure", "controls", "ended_at", *_take_back(delivery)]
    return _save(delivery, "delivery.failed", None, fields, detail={"failure": failure})


@transaction.atomic
def confirm(delivery_id: int, *, by: User, seal: str, n_to_send: int, key: str = "") -> Delivery:
    """Release the prepared list to be sent, exactly as it was shown.

    Raises NotAllowed, SecondPerson, AlreadyConfirmed (naming who and when), Stale (another list, or one that rests on
    what is no longer so), WrongState. However many ask at once, one succeeds. `key` belongs to the page that was looked
    at: asking again with it returns the delivery while it stays confirmed, and confirms nothing after a cancellation.
    """
    delivery = doors.lock(delivery_id)
    gate.require(by, roles.START)
    if key and gate.is_repeated(delivery, by, key):
        return delivery
    gate.check_person(delivery, by)
    gate.check_list(delivery, seal, n_to_send)
    return _confirm(delivery, by, by, key=key)


@transaction.atomic
def confirm_for(delivery_id: int, *, on_behalf_of: User) -> Delivery:
    """Release the list as it is now, without asking, in the name of somebody who decided so before.

    That person must still be active and may still start deliveries; else NotAllowed. The audit row says that a machine
    did it, and for whom. Raises as `confirm`.
    """
    delivery = doors.lock(delivery_id)
    gate.require(on_behalf_of, roles.START)
    gate.check_person(delivery, on_behalf_of)
    gate.check_list(delivery, delivery.seal, delivery.n_to_send or 0)
    return _confirm(delivery, None, on_behalf_of)


@transaction.atomic
def release(delivery_id: int) -> Delivery:
    """Let go what a request asked for, at once and in nobody's name: a key may, a person let its campaign."""
    delivery = doors.lock(delivery_id)
    assert delivery.request_no, "people confirm all others"
    gate.check_list(delivery, delivery.seal, delivery.n_to_send or 0)
    return _confirm(delivery, None, None)


def _confirm(delivery: Delivery, by: User | None, person: User | None, *, key: str = "") -> Delivery:
    _move(_to_confirmed, delivery)
    # It may have waited for months, until retention removed the month it was opened in.
    partitions.ensure(delivery.opened_month)
    now = timezone.now()
    delivery.confirmed_at = now
    delivery.confirmed_by = person
    soonest = now + options.grace() if person else now
    if delivery.refreshing_from is not None:
        delivery.refreshing_from = delivery.refresh_guard_percent = None
    first = timetables.first_due(delivery)
    delivery.start_at = max(first, soonest) if first else soonest
    detail: dict[str, object] = {
        "n_to_send": delivery.n_to_send,
        "seal": delivery.seal,
        "start_at": delivery.start_at.isoformat(),
    }
    detail |= ({"on_behalf_of": str(person)} if person and by is None else {}) | ({"key": key} if key else {})
    fields = ["confirmed_at", "confirmed_by", "start_at", "refreshing_from", "refresh_guard_percent"]
    return _save(delivery, "delivery.confirmed", by, fields, detail=detail, machine="scheduler")


@transaction.atomic
def cancel(delivery_id: int, *, by: User) -> Delivery:
    """Take a confirmation back before the first message; the list stays prepared."""
    delivery = doors.lock(delivery_id)
    gate.require(by, roles.START, owner=delivery.owner_id)
    if delivery.state in {S.SENDING, S.PAUSED, S.FINISHED}:
        raise WrongState(_("It has started. Stop the rest instead."), code="already_started")
    if delivery.state != S.CONFIRMED:
        raise refusals.wrong(delivery)
    _move(_back_to_prepared, delivery)
    return _save(delivery, "delivery.cancelled", by, _take_back(delivery))


@transaction.atomic
def start_now(delivery_id: int, *, by: User) -> Delivery:
    """Skip the rest of the grace period or of the wait for the schedule. Not for people who each have a time of their
    own: reschedule those."""
    delivery = doors.lock(delivery_id)
    gate.require(by, roles.START)
    if delivery.local_time and delivery.start_at and delivery.start_at > timezone.now() + options.grace():
        raise WrongState(_("Each person has a time of their own. Reschedule it instead."), code="local_time")
    return _start(delivery, by)


@transaction.atomic
def start(delivery_id: int, *, by: User | None = None) -> Delivery:
    """Begin sending; the clock calls it when `start_at` has come. The validity period begins here."""
    delivery = doors.lock(delivery_id)
    if by is not None:
        gate.require(by, roles.START)
    if delivery.start_at is not None and delivery.start_at > timezone.now():
        raise WrongState(_("It isn't due yet."), code="not_due")
    return _start(delivery, by)


def _start(delivery: Delivery, by: User | None) -> Delivery:
    _move(_to_sending, delivery)
    now = timezone.now()
    delivery.started_at = now
    # Of people with a time of their own the last one has as long as the others.
    delivery.valid_until = timetables.begin(delivery, now) + dt.timedelta(seconds=delivery.validity_s)
    return _save(delivery, "delivery.started", by, ["started_at", "valid_until"], machine="scheduler")


@transaction.atomic
def miss(delivery_id: int, *, by: User | None = None) -> Delivery:
    """The start time passed long ago (nothing was running then): a person must look and confirm again."""
    delivery = doors.lock(delivery_id)
    _move(_to_missed, delivery)
    detail = {"start_at": delivery.start_at.isoformat() if delivery.start_at else ""}
    return _save(delivery, "delivery.missed", by, _take_back(delivery), detail=detail, machine="scheduler")


@transaction.atomic
def pause(delivery_id: int, *, by: User | None, cause: str = "person", trouble: str = "") -> Delivery:
    """No new window opens from now on; what is on the wire ends. `cause`: "person", "transport" or "errors"."""
    delivery = doors.lock(delivery_id)
    if cause == "person" or by is not None:
        gate.require(by, roles.START, owner=delivery.owner_id)
    _move(_to_paused, delivery)
    now = timezone.now()
    delivery.pause_cause = cause
    delivery.paused_at = now
    delivery.paused_by = by
    fields = ["pause_cause", "paused_at", "paused_by"]
    if trouble:
        delivery.trouble, delivery.trouble_at = trouble, now
        fields += ["trouble", "trouble_at"]
    return _save(
        delivery, "delivery.paused", by, fields, detail={"cause": cause, "trouble": trouble}, machine=_PAUSED_BY[cause]
    )


@transaction.atomic
def resume(delivery_id: int, *, by: User | None) -> Delivery:
    """Go on with everybody who has not had it. A machine may only end a pause for a mail server's trouble."""
    delivery = doors.lock(delivery_id)
    if by is not None or delivery.pause_cause != "transport":
        gate.require(by, roles.START)
    _move(_back_to_sending, delivery)
    delivery.pause_cause = ""
    delivery.paused_at = delivery.paused_by = delivery.trouble_at = None
    delivery.trouble = ""
    fields = ["pause_cause", "paused_at", "paused_by", "trouble", "trouble_at"]
    return _save(delivery, "delivery.resumed", by, fields, machine="scheduler")


@transaction.atomic
def stop(delivery_id: int, *, by: User) -> Delivery:
    """End it for good: everybody who is in no window gets a `cancelled` row, for very many by the next tick."""
    delivery = doors.lock(delivery_id)
    gate.require(by, roles.START)
    gate.check_closed(delivery)
    _move(_to_stopped, delivery)
    n_left = endings.n_left(delivery)
    if n_left <= endings.MOST_AT_ONCE:
        endings.cancel_rest(delivery)
    delivery.ended_at = timezone.now()
    delivery.ended_by = by
    return _save(delivery, "delivery.stopped", by, ["ended_at", "ended_by"], detail={"n_cancelled": n_left})


@transaction.atomic
def finish(delivery_id: int, *, by: User | None = None) -> Delivery:
    """Everybody has an outcome. Raises WrongState while anybody waits, is being retried or is in a window."""
    delivery = doors.lock(delivery_id)
    open_states = (ShardState.WAITING, ShardState.LEASED)
    if Shard.objects.filter(delivery=delivery, state__in=open_states).exists():
        raise WrongState(_("Not everybody has an outcome yet."), code="not_finished")
    gate.check_closed(delivery)
    _move(_to_finished, delivery)
    delivery.ended_at = timezone.now()
    return _save(delivery, "delivery.finished", by, ["ended_at"])


@transaction.atomic
def stand(delivery_id: int, *, by: User | None) -> Delivery:
    """Let a new standing delivery take requests. Each has a validity period of its own, so that it has no end yet."""
    delivery = doors.lock(delivery_id)
    gate.require_editor(by)
    assert delivery.is_standing
    _move(_to_standing, delivery)
    delivery.confirmed_at = delivery.started_at = timezone.now()
    delivery.valid_until, delivery.quiet_hours = endings.NEVER, quiet.pin(delivery)
    started = ["confirmed_at", "started_at", "valid_until", "quiet_hours"]
    return _save(delivery, "delivery.opened_for_requests", by, started)


@transaction.atomic
def close(delivery_id: int, *, by: User | None) -> Delivery:
    """Take no more requests; those taken are sent, then it finishes. Safe to repeat. Waits for requests being taken."""
    delivery = doors.lock(delivery_id)
    gate.require_editor(by)
    if delivery.closed_at is None:
        delivery.closed_at = timezone.now()
        delivery.valid_until = endings.last_end(delivery)
        _save(delivery, "delivery.closed_for_requests", by, ["closed_at", "valid_until"])
    return delivery


@transaction.atomic
def discard(delivery_id: int, *, by: User | None) -> Delivery:
    """Drop a send that was never confirmed."""
    delivery = doors.lock(delivery_id)
    gate.require_editor(by)
    _move(_to_cancelled, delivery)
    claims.free(delivery)
    delivery.ended_at = timezone.now()
    delivery.ended_by = by
    fields = ["ended_at", "ended_by", *_take_back(delivery)]
    return _save(delivery, "delivery.discarded", by, fields, machine="scheduler")


def _take_back(delivery: Delivery) -> list[str]:
    """Forget who confirmed it and when it would start, also while it is prepared again for that; the fields to save."""
    fields = ["confirmed_at", "confirmed_by", "start_at", "refreshing_from"]
    for name in fields:
        setattr(delivery, name, None)
    return fields


def _move(move: Callable[[Delivery], None], delivery: Delivery) -> None:
    try:
        move(delivery)
    except TransitionNotAllowed as error:
        raise refusals.wrong(delivery) from error


def _save(
    delivery: Delivery,
    action: str,
    by: User | None,
    fields: Iterable[str],
    *,
    detail: Mapping[str, object] | None = None,
    machine: str = "worker",
) -> Delivery:
    delivery.save(update_fields=["state", *fields])
    subject = ("delivery", str(delivery.public_id))
    audit.record(action, subject=subject, by=by, label="" if by else machine, detail=dict(detail or {}))
    origins.tell(delivery, action, by)
    return delivery
