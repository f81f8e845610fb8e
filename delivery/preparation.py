"""Turn an audience into a sealed list: everybody targeted is in a shard or has one exclusion, and the sum is exact.

Steps of `run`: choose people in slices of profile ids into a temporary table, each with the first reason that leaves
them out (order: delivery.reasons); apply what needs the whole list (addresses that had it, limit, duplicate addresses);
store shards and exclusions in one transaction; render samples; seal. Progress is committed after each slice, so pages
see it move.

Between the steps it looks whether it was aborted or begun anew. Killed at any line, it leaves state `preparing` and no
lock: the tick starts it again, and what was stored is replaced. Called by delivery.tasks.prepare only.
"""

import datetime as dt
import hashlib
import json
import logging
from typing import Any

from django.db import DataError, ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils.translation import gettext as _

from audiences import mailable, profiles, rules
from delivery import lifecycle, origins, reasons, staleness
from delivery.models import RUNNING, Delivery, DeliveryState, ShardState
from lib.errors import DomainError
from messaging import channels, preview

logger = logging.getLogger(__name__)
SHARD_SIZE = 4000
N_SAMPLES = 20
# Profile ids looked at between two looks at the state.
_SLICE = 100_000
_LOCKS = 0x43680100
_POSITIVE = 0x7FFFFFFFFFFFFFFF


class _Ended(Exception):
    """Aborted or begun anew by somebody: this run has nothing more to do."""


def run(delivery_id: int) -> None:
    """Prepare a delivery in state `preparing`; returns at once when it isn't, or when another worker is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCKS, delivery_id])
        if not cursor.fetchone()[0]:
            return
        try:
            _run(delivery_id, cursor)
        except (_Ended, lifecycle.WrongState):
            logger.info("preparation of delivery %s was ended from outside", delivery_id)
        finally:
            cursor.execute("DROP TABLE IF EXISTS chosen")
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
    delivery = (
        Delivery.objects.select_related("message", "transport")
        .filter(pk=delivery_id, state=DeliveryState.PREPARING)
        .first()
    )
    if delivery is None:
        return
    assert delivery.preparing_since is not None
    try:
        result = _prepare(delivery, cursor)
    except (lifecycle.WrongState, _Ended):
        raise
    except DomainError as problem:
        lifecycle.fail(delivery_id, failure=problem.message, preparing_since=delivery.preparing_since)
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
    audience = rules.compile_audience(delivery.audience)
    _choose(delivery, audience, cursor)
    _drop_served_addresses(delivery, cursor)
    _apply_limit(delivery, cursor)
    _drop_duplicates(cursor)
    counts, shards = _store(delivery, cursor)
    samples = _samples(delivery, cursor)
    n_to_send = counts.pop("", 0)
    by_reason = {reason: counts[reason] for reason in reasons.EXCLUSIONS if counts.get(reason)}
    n_targeted = n_to_send + sum(by_reason.values())
    assert sum(by_reason.values()) == sum(counts.values()), f"unknown exclusion reasons: {counts}"
    seal = _seal(delivery, by_reason, n_to_send, shards, basis=basis)
    _look(delivery)
    return lifecycle.Prepared(n_targeted, n_to_send, by_reason, samples, seal, basis)


def _choose(delivery: Delivery, audience: rules.CompiledAudience, cursor: CursorWrapper) -> None:
    """Fill `chosen` with everybody targeted and the first reason that one person's own facts give."""
    cursor.execute("DROP TABLE IF EXISTS chosen")
    cursor.execute("CREATE TEMPORARY TABLE chosen (id bigint NOT NULL, email_key text NOT NULL, reason text)")
    reason = _reason(delivery, audience)
    statement = (
        f"INSERT INTO chosen SELECT p.id, p.email_key, {reason.sql} FROM audiences_profile p"
        f" WHERE p.id > %s AND p.id <= %s AND {audience.targeted.sql}"
    )
    cursor.execute("SELECT COALESCE(min(id), 0) - 1, COALESCE(max(id), 0) FROM audiences_profile")
    low, last = cursor.fetchone()
    n_chosen = 0
    while low < last:
        params: list[Any] = [*reason.params, low, low + _SLICE, *audience.targeted.params]
        cursor.execute(statement, params)
        n_chosen += cursor.rowcount
        low += _SLICE
        _look(delivery, n_prepared=n_chosen)
    cursor.execute("ANALYZE chosen")


def _reason(delivery: Delivery, audience: rules.CompiledAudience) -> rules.Fragment:
    """SQL over alias `p`: the first reason up to the control group, in the order of delivery.reasons; else NULL."""
    mail = mailable.reason()
    parts, params = [f"COALESCE({mail.sql}, CASE"], list(mail.params)
    if audience.left_out is not None:
        parts.append(f" WHEN {audience.left_out.sql} THEN '{reasons.EXCLUDED_SEGMENT}'")
        params += audience.left_out.params
    earlier = _earlier(delivery)
    if earlier is not None:
        parts.append(f" WHEN {earlier.sql} THEN '{reasons.NOT_ELIGIBLE_AGAIN}'")
        params += earlier.params
    control = _whole(delivery.audience.get("control_percent"))
    if control:
        # The same people for every send of one origin, whoever is targeted.
        parts.append(
            f" WHEN (hashint8extended(p.id, hashtextextended(%s, 0)) & {_POSITIVE}) %% 100 < %s"
            f" THEN '{reasons.CONTROL_GROUP}'"
        )
        params += [f"{delivery.origin_kind}:{delivery.origin_id}", control]
    if len(parts) == 1:
        return mail
    return rules.Fragment("".join(parts) + " END)", tuple(params))


def _earlier(delivery: Delivery) -> rules.Fragment | None:
    """Who had, or may have had, an earlier delivery of the same origin too recently, is still waiting in one that is
    confirmed or running, or was on the wire when one was stopped and has no outcome yet; None when that can't be."""
    if delivery.re_eligible_after_s == 0:
        return None
    others = list(
        Delivery.objects.filter(origin_kind=delivery.origin_kind, origin_id=delivery.origin_id)
        .filter(Q(started_at__isnull=False) | Q(state=DeliveryState.CONFIRMED))
        .exclude(pk=delivery.pk)
        .values_list("pk", "opened_month", "state")
    )
    if not others:
        return None
    had, params = _had(delivery, [(pk, month) for pk, month, _state in others])
    open_ids = [pk for pk, _month, state in others if state in (DeliveryState.CONFIRMED, *RUNNING)]
    waiting = (
        "p.id IN (SELECT unnest(s.ids) FROM delivery_shard s WHERE s.delivery_id = ANY(%s::bigint[])"
        f" AND s.state IN ('{ShardState.WAITING}', '{ShardState.LEASED}')"
        " UNION ALL SELECT unnest(s.ids[1:s.n_authorised]) FROM delivery_shard s"
        f" WHERE s.delivery_id = ANY(%s::bigint[]) AND s.state = '{ShardState.LEASED}')"
    )
    return rules.Fragment(f"({had} OR {waiting})", (*params, open_ids, [pk for pk, _month, _state in others]))


def _had(delivery: Delivery, others: list[tuple[int, dt.date]]) -> tuple[str, list[object]]:
    """SQL of who is in the log of `others` (id, month), lately enough; and its parameters."""
    sql = (
        "p.id IN (SELECT l.profile_id FROM delivery_sendlog l WHERE l.opened_month = ANY(%s::date[])"
        " AND l.delivery_id = ANY(%s::bigint[]) AND l.outcome IN ('sent', 'unknown')"
    )
    params: list[object] = [sorted({month for _pk, month in others}), [pk for pk, _month in others]]
    if delivery.re_eligible_after_s is None:
        return sql + ")", params
    since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=delivery.re_eligible_after_s)
    return sql + " AND l.at > %s)", [*params, since]


def _drop_served_addresses(delivery: Delivery, cursor: CursorWrapper) -> None:
    """Who had it had it at an address: another profile of that address, left out as a duplicate then, has not to get it
    now in its place."""
    earlier = _earlier(delivery)
    if earlier is None:
        return
    params: list[Any] = [reasons.NOT_ELIGIBLE_AGAIN, *earlier.params]
    cursor.execute(
        "UPDATE chosen SET reason = %s WHERE reason IS NULL AND email_key IN"
        f" (SELECT p.email_key FROM audiences_profile p WHERE {earlier.sql})",
        params,
    )
    _look(delivery)


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
    cursor.execute(
        "UPDATE chosen SET reason = %s FROM (SELECT id, row_number() OVER (PARTITION BY email_key ORDER BY id) AS n"
        " FROM chosen WHERE reason IS NULL) same WHERE same.id = chosen.id AND same.n > 1",
        [reasons.DUPLICATE_ADDRESS],
    )


def _store(delivery: Delivery, cursor: CursorWrapper) -> tuple[dict[str, int], list[str]]:
    """Replace shards and exclusions; counts by reason ("" = to send) and the hash of each shard, in order."""
    with transaction.atomic():
        locked = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
        _still_ours(locked, delivery)
        cursor.execute("DELETE FROM delivery_exclusion WHERE delivery_id = %s", [delivery.pk])
        cursor.execute("DELETE FROM delivery_shard WHERE delivery_id = %s", [delivery.pk])
        cursor.execute(
            "INSERT INTO delivery_exclusion (delivery_id, profile_id, reason, detail)"
            " SELECT %s, id, reason, '' FROM chosen WHERE reason IS NOT NULL ORDER BY id",
            [delivery.pk],
        )
        cursor.execute(
            "INSERT INTO delivery_shard (delivery_id, number, attempt, request_no, ids, n_ids, state, due_at, fence,"
            " n_authorised, n_sent, n_failed, n_not_sent, n_unknown, n_cancelled, n_retried, lease_owner)"
            " SELECT %s, (n - 1) / %s + 1, 1, 0, array_agg(id ORDER BY id), count(*), 'waiting', now(),"
            " 0, 0, 0, 0, 0, 0, 0, 0, '' FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM chosen"
            " WHERE reason IS NULL) AS kept GROUP BY 2 ORDER BY 2"
            " RETURNING encode(sha256(convert_to(array_to_string(ids, ','), 'UTF8')), 'hex')",
            [delivery.pk, SHARD_SIZE],
        )
        hashes = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT COALESCE(reason, ''), count(*) FROM chosen GROUP BY 1")
        counts = {str(reason): int(n) for reason, n in cursor.fetchall()}
    return counts, hashes


def _samples(delivery: Delivery, cursor: CursorWrapper) -> list[dict[str, object]]:
    """What N_SAMPLES messages look like, those of the emptiest profiles first; no transaction is open.

    Each: profile_id, public_id, name, email, subject, n_bytes, problem ("" or a sentence for people).
    """
    filled = "+".join(f"(p.{name} <> '')::int" for name in ("first_name", "last_name", "country", "city", "language"))
    cursor.execute(
        f"SELECT {profiles.PERSON_COLUMNS} FROM (SELECT id FROM chosen WHERE reason IS NULL LIMIT 20000) c"
        f" JOIN audiences_profile p ON p.id = c.id"
        f" ORDER BY {filled} + (SELECT count(*) FROM jsonb_object_keys(p.attributes)), p.id LIMIT %s",
        [N_SAMPLES // 2],
    )
    people = [profiles.Person(*row) for row in cursor.fetchall()]
    cursor.execute(
        f"SELECT {profiles.PERSON_COLUMNS} FROM (SELECT id FROM chosen WHERE reason IS NULL AND NOT id = ANY(%s)"
        f" ORDER BY hashint8extended(id, %s) LIMIT %s) c JOIN audiences_profile p ON p.id = c.id",
        [[person.id for person in people], delivery.pk, N_SAMPLES - len(people)],
    )
    people += [profiles.Person(*row) for row in cursor.fetchall()]
    campaign = origins.campaign(delivery)
    program = channels.REGISTRY[delivery.message.channel].compile(
        delivery.message, delivery_id=delivery.pk, delivery_ref=str(delivery.public_id), campaign=campaign
    )
    samples = []
    for person in people:
        sample: dict[str, object] = {
            "profile_id": person.id,
            "public_id": str(person.public_id),
            "name": f"{person.first_name} {person.last_name}".strip(),
            "email": person.email,
            "subject": "",
            "n_bytes": 0,
            "problem": "",
        }
        try:
            sample["n_bytes"] = len(program.render(person).data)
            sample["subject"] = preview.render(delivery.message, person, campaign=campaign).subject
        except DomainError as problem:
            sample["problem"] = problem.message
        samples.append(sample)
    return samples


def _seal(
    delivery: Delivery, by_reason: dict[str, int], n_to_send: int, shards: list[str], *, basis: dict[str, Any]
) -> str:
    """The hash of everything a confirmation releases: content, audience, terms, counts and each person."""
    sealed = {
        "message": delivery.message.sha256,
        "audience": delivery.audience,
        "validity_s": delivery.validity_s,
        "re_eligible_after_s": delivery.re_eligible_after_s,
        "rate_per_minute": delivery.rate_per_minute,
        "scheduled_at": delivery.scheduled_at.isoformat() if delivery.scheduled_at else "",
        "excluded": by_reason,
        "n_to_send": n_to_send,
        "shards": shards,
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
