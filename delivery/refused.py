"""Refusals at hand-over, held against their addresses: a step of the tick, some time after they were logged.

The send log is written by many workers whose transactions end in any order, so "everything after the last row seen"
would lose rows. Instead each failed row is noted in a table of its own in the transaction that holds it against its
address: no row counts twice, none is left out, and a tick that dies begins again. A delivery is looked at while its
shards count more failures than were noted, which is a cheap question.

A refusal waits a minute before it counts, and as long as the server has taken nothing of a running delivery at all:
until then it may be part of a wall, the same refusal for everybody, which is about us. When the fuse has blown in a
delivery, nothing in it that was refused with a code of the wall counts against anybody.
"""

import datetime as dt
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import AuditEntry
from audiences import addresses
from audiences.quarantine import Strike, Weight
from delivery import fuses, inbound, reasons
from delivery.models import RUNNING, Delivery
from messaging import verdicts

HOLD = dt.timedelta(seconds=60)
# Failed rows taken into one transaction.
_BATCH = 2000
# How long after its end a delivery is looked at: rows of a worker that was lost come late.
_WATCH = dt.timedelta(days=3)

_DUE = """
SELECT s.delivery_id FROM delivery_shard s
JOIN delivery_delivery d ON d.id = s.delivery_id
LEFT JOIN delivery_refusallook k ON k.delivery_id = d.id
WHERE d.channel = 'email' AND (d.state IN ('sending', 'paused') OR d.ended_at >= %s) AND s.n_failed > 0
GROUP BY s.delivery_id, k.n_noted
HAVING sum(s.n_failed) > COALESCE(k.n_noted, 0)
"""
# What a person who was retried until the end failed for is what the server last said.
_TAKE = """
WITH fresh AS (
    INSERT INTO delivery_notedrefusal (delivery_id, request_no, profile_id)
    SELECT l.delivery_id, l.request_no, l.profile_id FROM delivery_sendlog l
    WHERE l.opened_month = %(month)s AND l.delivery_id = %(id)s AND l.outcome = 'failed' AND l.at <= %(before)s
      AND NOT EXISTS (SELECT 1 FROM delivery_notedrefusal n WHERE n.delivery_id = l.delivery_id
                      AND n.request_no = l.request_no AND n.profile_id = l.profile_id)
    LIMIT %(most)s
    ON CONFLICT DO NOTHING RETURNING request_no, profile_id
)
SELECT l.address, l.code, l.detail, l.at, l.code = %(expired)s, a.code, a.reply
FROM fresh f
JOIN delivery_sendlog l ON l.opened_month = %(month)s AND l.delivery_id = %(id)s AND l.request_no = f.request_no
     AND l.profile_id = f.profile_id
LEFT JOIN LATERAL (
    SELECT code, reply FROM delivery_attempt t
    WHERE t.opened_month = %(month)s AND t.delivery_id = %(id)s AND t.request_no = f.request_no
      AND t.profile_id = f.profile_id
    ORDER BY attempt DESC LIMIT 1
) a ON l.code = %(expired)s
"""
_NOTE = """
INSERT INTO delivery_refusallook AS k (delivery_id, n_noted) VALUES (%s, %s)
ON CONFLICT (delivery_id) DO UPDATE SET n_noted = k.n_noted + EXCLUDED.n_noted
"""
_WALL = """
SELECT code FROM delivery_sendlog WHERE opened_month = %s AND delivery_id = %s AND outcome = 'failed'
GROUP BY code HAVING count(*) >= %s
"""
_ACCEPTED = "SELECT EXISTS (SELECT 1 FROM delivery_shard WHERE delivery_id = %s AND n_sent > 0)"


def hold_against_addresses() -> int:
    """Take the failed rows that were not looked at yet; how many. Safe to repeat at any time and to kill."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [timezone.now() - _WATCH])
        due = [row[0] for row in cursor.fetchall()]
    return sum(_look(delivery) for delivery in Delivery.objects.filter(pk__in=due).order_by("pk"))


@transaction.atomic
def _look(of: Delivery) -> int:
    if of.state in RUNNING and not _has_blown(of) and not _was_accepted(of):
        return 0
    values: dict[str, Any] = {
        "month": of.opened_month,
        "id": of.pk,
        "before": timezone.now() - HOLD,
        "expired": reasons.EXPIRED,
        "most": _BATCH,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        rows = cursor.fetchall()
        if not rows:
            return 0
        cursor.execute(_NOTE, [of.pk, len(rows)])
    wall = _wall(of)
    inbound.hold([strike for row in rows if row[1] not in wall and (strike := _strike(*row))])
    return len(rows)


def _strike(
    address: str, code: str, detail: str, at: dt.datetime, is_expired: bool, last_code: str | None, last: str | None
) -> Strike | None:
    key = addresses.key(address)
    if not is_expired:
        verdict = verdicts.of_reply(code, detail)
        weight = inbound.weight_of(verdict)
        return Strike(key, weight, verdict.reason, detail or code, at) if weight else None
    # Retried until the end: temporary by what it is, unless it was about us or about the message.
    verdict = verdicts.of_reply(last_code or "", last or "")
    if inbound.weight_of(verdict) is None:
        return None
    reason = verdicts.EXPIRED if verdict.reason == verdicts.UNDETERMINED else verdict.reason
    return Strike(key, Weight.TEMPORARY, reason, last or detail, at)


def _was_accepted(of: Delivery) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_ACCEPTED, [of.pk])
        return bool(cursor.fetchone()[0])


def _has_blown(of: Delivery) -> bool:
    """Whether a wall of errors ever paused this delivery; somebody may have resumed it since."""
    paused = AuditEntry.objects.filter(
        subject_kind="delivery", subject_id=str(of.public_id), action="delivery.paused", detail__cause="errors"
    )
    return of.pause_cause == "errors" or paused.exists()


def _wall(of: Delivery) -> frozenset[str]:
    """The codes that count against nobody in this delivery."""
    if not _has_blown(of):
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(_WALL, [of.opened_month, of.pk, fuses.N_IN_A_ROW])
        return frozenset(row[0] for row in cursor.fetchall())
