"""Whether and when a message that was not taken is tried again, and the shards that carry those people until then.

What the server said decides (messaging.verdicts). The basic code says whether it is final, with one exception: a full
mailbox and a server that can't be reached pass, even where they are told as 5xx (RFC 3463 §3.3, §3.5). See
docs/decisions/0052.
"""

import datetime as dt

import psycopg

from messaging import verdicts
from messaging.handover import Result
from messaging.verdicts import Kind, Verdict

# Minutes between attempts, by the number of attempts made; the last one repeats until the validity period ends.
_DELAYS = (1, 5, 15, 60)
_SLOW = (60, 120, 240)
_BY_REASON: dict[str, tuple[int, ...]] = {
    # Greylisters want to see us again after some minutes, most within an hour.
    verdicts.GREYLISTED: (5, 10, 20, 60),
    # Somebody has to delete something first.
    verdicts.MAILBOX_FULL: (120, 240, 480),
    verdicts.ACCOUNT_DISABLED: (120, 240, 480),
    verdicts.USER_UNKNOWN: (15, 60, 240),
    verdicts.INVALID_DOMAIN: (15, 60, 240),
    # Coming again sooner makes it worse.
    verdicts.RATE_LIMITED: (15, 30, 60, 120),
    # Of webhooks: half an hour in all.
    verdicts.SERVER_ERROR: (1, 3, 8, 18),
}
# How often it is tried at all, where the validity period isn't what ends it.
_MOST_ATTEMPTS = {verdicts.SERVER_ERROR: 5}
_BY_KIND = {Kind.BLOCKED: _SLOW, Kind.MESSAGE: _SLOW}
# Permanent answers that pass all the same.
_PASSING = frozenset({verdicts.MAILBOX_FULL, verdicts.UNREACHABLE, verdicts.GREYLISTED})
_ROUND_S = 30
# Waits from this many minutes on are rounded up to five: fewer shards.
_LONG_MIN = 120
_LONG_ROUND_S = 300
# A retry that would come after the end of the validity period comes this long before it instead, once.
_LAST_CALL = dt.timedelta(minutes=10)
_MAX_IDS = 5000

_APPEND = """
UPDATE delivery_shard SET ids = ids || %(ids)s::bigint[], n_ids = n_ids + cardinality(%(ids)s::bigint[])
WHERE id = (
    SELECT id FROM delivery_shard
    WHERE delivery_id = %(delivery)s AND state = 'waiting' AND attempt = %(attempt)s AND request_no = %(request)s
        AND fence = 0 AND due_at = %(due)s AND zone = %(zone)s AND domain = %(domain)s
        AND n_ids + cardinality(%(ids)s::bigint[]) <= %(most)s
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id
"""
# Later shards take their own id as number: it is above every number that preparation gave.
_INSERT = """
INSERT INTO delivery_shard (id, number, delivery_id, attempt, request_no, ids, n_ids, state, due_at, fence,
    n_authorised, n_sent, n_failed, n_not_sent, n_unknown, n_cancelled, n_retried, lease_owner, zone, domain,
    valid_until)
SELECT id, id, %(delivery)s, %(attempt)s, %(request)s, %(ids)s::bigint[], cardinality(%(ids)s::bigint[]), 'waiting',
    %(due)s, 0, 0, 0, 0, 0, 0, 0, 0, '', %(zone)s, %(domain)s,
    %(valid_until)s
FROM nextval(pg_get_serial_sequence('delivery_shard', 'id')) AS id
"""


def is_retried(result: Result, verdict: Verdict) -> bool:
    """Whether somebody whose message was deferred or refused may get it later."""
    if verdict.kind is Kind.HARD:
        return False
    if result is Result.REFUSED:
        return verdict.kind is Kind.SOFT and verdict.reason in _PASSING
    return True


def next_due(
    attempt: int, *, now: dt.datetime, valid_until: dt.datetime, verdict: Verdict | None = None
) -> dt.datetime | None:
    """When the attempt after number `attempt` (1 for the first) is due; None when the validity period ends before.

    `verdict`: what the server's answer means; None when there was none. None too after the most attempts that it has.
    """
    delays: tuple[int, ...] = _DELAYS
    after_min = 0
    if verdict is not None:
        if attempt >= _MOST_ATTEMPTS.get(verdict.reason, attempt + 1):
            return None
        delays = _BY_REASON.get(verdict.reason, _BY_KIND.get(verdict.kind, _DELAYS))
        after_min = -(-verdict.after_s // 60)
    minutes = after_min or delays[min(attempt, len(delays)) - 1]
    due = now + dt.timedelta(minutes=minutes)
    # Rounded up, so that people deferred at about the same time are due at the same moment and share a shard.
    due += dt.timedelta(seconds=-due.timestamp() % (_LONG_ROUND_S if minutes >= _LONG_MIN else _ROUND_S))
    if due < valid_until:
        return due
    last = valid_until - _LAST_CALL
    return last if last - now >= _LAST_CALL else None


def plan(
    connection: "psycopg.Connection[tuple[object, ...]]",
    *,
    delivery_id: int,
    request_no: int,
    attempt: int,
    ids: list[int],
    due_at: dt.datetime,
    place: tuple[str, str] = ("", ""),
    valid_until: dt.datetime | None = None,
) -> None:
    """Put `ids` into a waiting shard of attempt number `attempt`, within the caller's transaction.

    `place`: the zone and the domain of the shard they come from, under whose limits they stay; `valid_until`: the end
    of their request, where it has one of its own.
    People with the same `due_at` and place share a shard, so that a thousand windows do not leave a thousand shards.
    """
    values = {
        "delivery": delivery_id,
        "request": request_no,
        "attempt": attempt,
        "ids": ids,
        "due": due_at,
        "most": _MAX_IDS,
        "zone": place[0],
        "domain": place[1],
        "valid_until": valid_until,
    }
    if connection.execute(_APPEND, values).fetchone() is None:
        connection.execute(_INSERT, values)
