"""When a deferred message is tried again, and the shards that carry those people until then."""

import datetime as dt

import psycopg

# Minutes between attempts, by the number of attempts made; the last one repeats until the validity period ends.
_DELAYS = (1, 5, 15, 60)
_ROUND_S = 30
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
    n_authorised, n_sent, n_failed, n_not_sent, n_unknown, n_cancelled, n_retried, lease_owner, zone, domain)
SELECT id, id, %(delivery)s, %(attempt)s, %(request)s, %(ids)s::bigint[], cardinality(%(ids)s::bigint[]), 'waiting',
    %(due)s, 0, 0, 0, 0, 0, 0, 0, 0, '', %(zone)s, %(domain)s
FROM nextval(pg_get_serial_sequence('delivery_shard', 'id')) AS id
"""


def next_due(attempt: int, *, now: dt.datetime, valid_until: dt.datetime) -> dt.datetime | None:
    """When the attempt after number `attempt` (1 for the first) is due; None when the validity period ends before."""
    due = now + dt.timedelta(minutes=_DELAYS[min(attempt, len(_DELAYS)) - 1])
    # Rounded up, so that people deferred at about the same time are due at the same moment and share a shard.
    due += dt.timedelta(seconds=-due.timestamp() % _ROUND_S)
    return due if due < valid_until else None


def plan(
    connection: "psycopg.Connection[tuple[object, ...]]",
    *,
    delivery_id: int,
    request_no: int,
    attempt: int,
    ids: list[int],
    due_at: dt.datetime,
    place: tuple[str, str] = ("", ""),
) -> None:
    """Put `ids` into a waiting shard of attempt number `attempt`, within the caller's transaction.

    `place`: the zone and the domain of the shard they come from, under whose limits they stay.
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
    }
    if connection.execute(_APPEND, values).fetchone() is None:
        connection.execute(_INSERT, values)
