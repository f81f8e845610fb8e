"""Everything that comes back about sent messages goes through here: events for the log, consequences for addresses.

`record` is given facts, from bounce mails (`return_mail`) and providers (`reports`), and stores them in one transaction
with what they do to addresses (`audiences.quarantine`). A report that was stored before, by its `source_id`, does
nothing. Facts about a delivery whose log was removed, or that never was, are counted and dropped. An item that the
database refuses loses itself only. Order does not matter: see `status`.
"""

import datetime as dt
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import DataError, IntegrityError, connection, transaction

from audiences import addresses, quarantine
from audiences.quarantine import Strike, Weight
from delivery import successes
from delivery.models import EventKind
from lib import texts
from messaging.verdicts import Kind, Verdict

logger = logging.getLogger(__name__)
_DETAIL_CHARACTERS = 500
_MOST_ID = 2**63 - 1
# Kinds that a report may state. Opens and clicks are ours to see; an unsubscription goes through `tracking`.
KINDS = (EventKind.DELIVERED, EventKind.DEFERRED, EventKind.BOUNCED, EventKind.COMPLAINED)
_NO_VERDICT = ("", "")


@dataclass(frozen=True)
class Feedback:
    """One thing reported about one message. `verdict` of bounces and deferrals; `code` and `detail` as the server said.

    `source_id` names the report: the same one gives the same text each time it comes.
    """

    delivery_id: int
    profile_id: int
    request_no: int
    kind: EventKind
    at: dt.datetime
    source_id: str
    verdict: Verdict | None = None
    code: str = ""
    detail: str = ""


class Recorded(NamedTuple):
    """How many items were new, known before, about no log that is kept, and refused by the database."""

    n_new: int = 0
    n_known: int = 0
    n_lost: int = 0
    n_bad: int = 0
    # Addresses that went into quarantine.
    n_quarantined: int = 0


# `has_log` is false for a delivery that is not there or whose month was removed by retention; asked by name because
# an insert without a partition would fail for all of them. The address is the one that was written to; a report may be
# faster than the row of the send log, then it is the person's address now. LIMIT keeps each look-up in its own month.
_FIND = """
SELECT i.ordinality, d.opened_month,
       d.id IS NOT NULL AND to_regclass('delivery_event_' || to_char(d.opened_month, 'YYYYMM')) IS NOT NULL AS has_log,
       COALESCE(NULLIF(l.address, ''), p.email, '')
FROM ROWS FROM (jsonb_to_recordset(%s::jsonb) AS (delivery_id bigint, profile_id bigint, request_no bigint))
     WITH ORDINALITY AS i(delivery_id, profile_id, request_no, ordinality)
LEFT JOIN delivery_delivery d ON d.id = i.delivery_id
LEFT JOIN LATERAL (
    SELECT address FROM delivery_sendlog WHERE opened_month = d.opened_month AND delivery_id = d.id
      AND request_no = i.request_no AND profile_id = i.profile_id LIMIT 1
) l ON true
LEFT JOIN audiences_profile p ON p.id = i.profile_id
ORDER BY i.ordinality
"""
_INSERT = """
INSERT INTO delivery_event (opened_month, delivery_id, request_no, profile_id, kind, at, detail, code, verdict, reason,
    source_id)
SELECT opened_month, delivery_id, request_no, profile_id, kind, at, detail, code, verdict, reason, source_id
FROM jsonb_to_recordset(%s::jsonb) AS i(opened_month date, delivery_id bigint, request_no bigint, profile_id bigint,
    kind text, at timestamptz, detail text, code text, verdict text, reason text, source_id text)
ORDER BY source_id
ON CONFLICT (opened_month, source_id) WHERE source_id IS NOT NULL DO NOTHING
RETURNING source_id
"""


def record(items: Sequence[Feedback]) -> Recorded:
    """Store facts and what they do to addresses; see the module. May be called with any number, again and in parallel.

    Raises OperationalError or InterfaceError while PostgreSQL is away; then nothing of it is stored.
    """
    if not items:
        return Recorded()
    try:
        return _store(items)
    except (DataError, IntegrityError) as error:
        if len(items) == 1:
            logger.error("A report can't be stored: %s: %s", items[0], error)
            return Recorded(n_bad=1)
    # Halves: one bad item among thousands costs a few statements, not thousands.
    middle = len(items) // 2
    halves = record(items[:middle]), record(items[middle:])
    return Recorded(*(left + right for left, right in zip(*halves, strict=True)))


@transaction.atomic
def _store(items: Sequence[Feedback]) -> Recorded:
    # Sources are stored in one order everywhere, so that two batches with the same reports wait and do not deadlock.
    unique = list({one.source_id: one for one in items}.values())
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [json.dumps([_key(one) for one in unique])])
        places = cursor.fetchall()
        kept = [
            (one, month, address)
            for one, (_number, month, has_log, address) in zip(unique, places, strict=True)
            if has_log
        ]
        cursor.execute(_INSERT, [json.dumps([_row(one, month) for one, month, _address in kept])])
        new = {row[0] for row in cursor.fetchall()}
    n_lost = len(unique) - len(kept)
    if n_lost:
        logger.info("%s reports came for deliveries whose log is gone.", n_lost)
    fresh = [(one, addresses.key(address)) for one, _month, address in kept if _source(one) in new]
    quarantine.forgive((key, one.at) for one, key in fresh if key and one.kind == EventKind.DELIVERED)
    n_quarantined = hold([strike for one, key in fresh if (strike := _strike(one, key))])
    return Recorded(len(new), len(items) - n_lost - len(new), n_lost, 0, n_quarantined)


def _key(one: Feedback) -> dict[str, int]:
    return {
        "delivery_id": min(one.delivery_id, _MOST_ID),
        "profile_id": min(one.profile_id, _MOST_ID),
        "request_no": min(one.request_no, _MOST_ID),
    }


def _row(one: Feedback, month: dt.date) -> dict[str, Any]:
    kind, reason = (one.verdict.kind, one.verdict.reason) if one.verdict else _NO_VERDICT
    return {
        **_key(one),
        "opened_month": month.isoformat(),
        "kind": one.kind.value,
        "at": one.at.isoformat(),
        "detail": texts.storable(one.detail)[:_DETAIL_CHARACTERS],
        "code": texts.storable(one.code)[:40],
        "verdict": str(kind),
        "reason": reason[:30],
        "source_id": _source(one),
    }


def _source(one: Feedback) -> str:
    return texts.storable(one.source_id)[:120]


def _strike(one: Feedback, key: str) -> Strike | None:
    """What a fact says against an address; None when it says nothing. A relay that still tries says nothing."""
    evidence = f"{one.code} {one.detail}".strip() if one.code not in one.detail else one.detail
    if one.kind == EventKind.COMPLAINED:
        return Strike(key, Weight.COMPLAINT, quarantine.COMPLAINT, evidence, one.at)
    if one.kind != EventKind.BOUNCED or one.verdict is None:
        return None
    weight = weight_of(one.verdict)
    return Strike(key, weight, one.verdict.reason, evidence, one.at) if weight else None


def hold(strikes: Sequence[Strike]) -> int:
    """Hold strikes against their addresses, whose counts begin anew where a message arrived since; how many went in."""
    quarantine.forgive(successes.quiet(one.address_key for one in strikes if one.weight is Weight.TEMPORARY))
    return quarantine.strike(strikes)


def weight_of(verdict: Verdict) -> Weight | None:
    """How much a refusal weighs against its address; None when it is about us, about the message, or no failure."""
    return {Kind.HARD: Weight.PERMANENT, Kind.SOFT: Weight.TEMPORARY}.get(verdict.kind)
