"""Turn an audience into a sealed list: everybody targeted is in a shard or has one exclusion, and the sum is exact.

Steps of `run`: check the message and the terms (delivery.controls); choose people in slices of profile ids into a
temporary table, each with the first reason that leaves them out (order: delivery.reasons); apply what needs the whole
list (limit, duplicate addresses); store shards and exclusions in one transaction; render samples, check them; seal.
Progress is committed after each slice, so pages see it move.

Between the steps it looks whether it was aborted or begun anew. Killed at any line, it leaves state `preparing` and no
lock: the tick starts it again, and what was stored is replaced. Called by delivery.tasks.prepare only.
"""

import hashlib
import json
import logging

from django.conf import settings
from django.db import DataError, ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import translation
from django.utils.translation import gettext as _

from audiences import rules
from delivery import choosing, claims, controls, lifecycle, mailboxes, placing, reasons, samples, served, staleness
from delivery.models import EMAIL, Delivery, DeliveryState
from lib.errors import DomainError

logger = logging.getLogger(__name__)
# Profile ids looked at between two looks at the state.
_SLICE = 250_000
# For the one connection that prepares: hashes and sorts of a million people stay in memory, and looking at a temporary
# table for the planner takes some hundred rows of it.
_SETTINGS = {"work_mem": "64MB", "default_statistics_target": "2"}
_LOCKS = 0x43680100


class _Ended(Exception):
    """Aborted or begun anew by somebody: this run has nothing more to do."""


def run(delivery_id: int) -> None:
    """Prepare a delivery in state `preparing`; returns at once when it isn't, or when another worker is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCKS, delivery_id])
        if not cursor.fetchone()[0]:
            return
        try:
            for name, value in _SETTINGS.items():
                cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
            _run(delivery_id, cursor)
        except (_Ended, lifecycle.WrongState):
            logger.info("preparation of delivery %s was ended from outside", delivery_id)
        finally:
            cursor.execute("DROP TABLE IF EXISTS chosen")
            served.forget(cursor)
            for name in _SETTINGS:
                cursor.execute(f"RESET {name}")
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCKS, delivery_id])


def is_running(delivery_id: int) -> bool:
    """Whether some worker is preparing this delivery now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s"
            " AND objsubid = 2 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            [_LOCKS, delivery_id],
        )
        return bool(cursor.fetchone()[0])


def _run(delivery_id: int, cursor: CursorWrapper) -> None:
    found = Delivery.objects.select_related("message", "transport", "prepared_by")
    delivery = found.filter(pk=delivery_id, state=DeliveryState.PREPARING).first()
    if delivery is None:
        return
    assert delivery.preparing_since is not None
    try:
        result = _prepare(delivery, cursor)
    except (lifecycle.WrongState, _Ended):
        raise
    except DomainError as problem:
        lines = controls.of_problem(problem)
        lifecycle.fail(delivery_id, failure=problem.message, preparing_since=delivery.preparing_since, controls=lines)
        return
    except (DataError, ProgrammingError):
        # The same again would fail the same way; a lost connection is no reason to give up.
        logger.exception("preparation of delivery %s failed", delivery_id)
        failure = _("Preparation failed because of an error in Chappe. Its log has the details.")
        lifecycle.fail(delivery_id, failure=failure, preparing_since=delivery.preparing_since)
        return
    lifecycle.seal(delivery_id, result=result, preparing_since=delivery.preparing_since)


def _prepare(delivery: Delivery, cursor: CursorWrapper) -> lifecycle.Prepared:
    # Before the rules are read: what changes in between makes the list stale, not wrong.
    basis = staleness.basis(delivery)
    with translation.override(_language(delivery)):
        checked = controls.before(delivery)
        audience = rules.compile_audience(delivery.audience)
    n_chosen = _choose(delivery, audience, cursor)
    _apply_limit(delivery, cursor)
    if delivery.channel == EMAIL:
        _drop_duplicates(cursor)
    counts, placed = _store(delivery, cursor, n_chosen)
    taken = samples.take(delivery, cursor, n=placed.n)
    by_reason = {reason: counts[reason] for reason in reasons.EXCLUSIONS if counts.get(reason)}
    n_to_send = placed.n
    n_targeted = n_to_send + sum(by_reason.values())
    assert sum(by_reason.values()) == sum(counts.values()), f"unknown exclusion reasons: {counts}"
    seal = _seal(delivery, by_reason, n_to_send, placed, basis=basis)
    with translation.override(_language(delivery)):
        checked += controls.after(delivery, taken, n_to_send)
    _look(delivery)
    return lifecycle.Prepared(
        n_targeted,
        n_to_send,
        by_reason,
        taken,
        seal,
        controls=controls.stored(checked),
        basis=basis,
        timetable=placed.timetable,
        quiet_hours=placed.quiet_hours,
    )


def _language(delivery: Delivery) -> str:
    """The language of the person who prepares, for sentences that are stored; the installation's for machines."""
    return (delivery.prepared_by.language if delivery.prepared_by else "") or settings.LANGUAGE_CODE


def _choose(delivery: Delivery, audience: rules.CompiledAudience, cursor: CursorWrapper) -> int:
    """Fill `chosen` with everybody targeted and the first reason that one person's own facts give; how many."""
    cursor.execute("DROP TABLE IF EXISTS chosen")
    cursor.execute("CREATE TEMPORARY TABLE chosen (id bigint NOT NULL, reason text, detail text)")
    pick = choosing.pick(delivery, audience, cursor)
    _look(delivery)
    cursor.execute("SELECT COALESCE(min(id), 0) - 1, COALESCE(max(id), 0) FROM audiences_profile")
    low, last = cursor.fetchone()
    n_chosen = 0
    while low < last:
        cursor.execute(f"INSERT INTO chosen {pick.sql}", pick.params(low, low + _SLICE))
        n_chosen += cursor.rowcount
        low += _SLICE
        _look(delivery, n_prepared=n_chosen)
    cursor.execute("ANALYZE chosen")
    return n_chosen


def _apply_limit(delivery: Delivery, cursor: CursorWrapper) -> None:
    """Keep the first `limit` people in an order that is random but the same each time this delivery is prepared."""
    limit = _whole(delivery.audience.get("limit"))
    if not limit:
        return
    cursor.execute(
        "UPDATE chosen SET reason = %s WHERE id IN (SELECT id FROM chosen WHERE reason IS NULL"
        " ORDER BY hashint8extended(id, %s), id OFFSET %s)",
        [reasons.AUDIENCE_LIMIT, delivery.pk, limit],
    )
    _look(delivery)


def _drop_duplicates(cursor: CursorWrapper) -> None:
    """Of those who have one address, keep the one with the lowest id."""
    # Anew, also when it was noted for the rules: who came into a mailbox since, and was chosen, must be found.
    mailboxes.note(cursor)
    cursor.execute(
        "UPDATE chosen SET reason = %s WHERE ctid = ANY (ARRAY(SELECT place FROM ("
        "SELECT c.ctid AS place, c.id, min(c.id) OVER (PARTITION BY s.email_key) AS kept"
        f" FROM {mailboxes.SHARED} s JOIN chosen c ON c.id = s.id AND c.reason IS NULL) same WHERE id <> kept))",
        [reasons.DUPLICATE_ADDRESS],
    )


def _store(delivery: Delivery, cursor: CursorWrapper, n_chosen: int) -> tuple[dict[str, int], placing.Placed]:
    """Replace shards and exclusions; counts by reason and how the shards were made."""
    with transaction.atomic():
        locked = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
        _still_ours(locked, delivery)
        if delivery.request_no:
            claims.claim_chosen(delivery, cursor)
        cursor.execute("DELETE FROM delivery_exclusion WHERE delivery_id = %s", [delivery.pk])
        cursor.execute("DELETE FROM delivery_shard WHERE delivery_id = %s", [delivery.pk])
        cursor.execute(
            "WITH stored AS (INSERT INTO delivery_exclusion (delivery_id, profile_id, reason, detail)"
            # They were chosen by id: near enough to the order of the key to do without sorting.
            " SELECT %s, id, reason, COALESCE(detail, '') FROM chosen WHERE reason IS NOT NULL RETURNING reason)"
            " SELECT reason, count(*) FROM stored GROUP BY reason",
            [delivery.pk],
        )
        counts = {str(reason): int(n) for reason, n in cursor.fetchall()}
        placed = placing.place(delivery, cursor, n=n_chosen - sum(counts.values()))
    return counts, placed


def _seal(
    delivery: Delivery, by_reason: dict[str, int], n_to_send: int, placed: placing.Placed, *, basis: dict[str, object]
) -> str:
    """The hash of everything a confirmation releases: content, audience, terms, counts and each person."""
    sealed = {
        "message": delivery.message.sha256,
        "audience": delivery.audience,
        "validity_s": delivery.validity_s,
        "re_eligible_after_s": delivery.re_eligible_after_s,
        "rate_per_minute": delivery.rate_per_minute,
        "scheduled_at": delivery.scheduled_at.isoformat() if delivery.scheduled_at else "",
        "local_time": delivery.local_time,
        "waves": delivery.waves,
        "timetable": placed.timetable,
        "quiet_hours": placed.quiet_hours,
        "excluded": by_reason,
        "n_to_send": n_to_send,
        "shards": placed.hashes,
        "basis": basis,
    }
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def _look(delivery: Delivery, *, n_prepared: int | None = None) -> None:
    """Raise _Ended when this preparation isn't wanted any more; else show how far it is."""
    now = Delivery.objects.filter(pk=delivery.pk).only("state", "preparing_since").get()
    _still_ours(now, delivery)
    if n_prepared is not None:
        Delivery.objects.filter(pk=delivery.pk, preparing_since=delivery.preparing_since).update(n_prepared=n_prepared)


def _still_ours(now: Delivery, delivery: Delivery) -> None:
    if now.state != DeliveryState.PREPARING or now.preparing_since != delivery.preparing_since:
        raise _Ended


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
