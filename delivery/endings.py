"""Give everybody who is in no window an outcome, set by set: after a stop, and when the validity period ends.

A leased shard is split at its authorised part: the rest moves to a shard of its own that ends here, and the worker that
holds the lease finds nothing more to authorise. Its row lock orders the two: a window opened first is not touched, one
asked for later gets nobody. Safe to repeat.
"""

import datetime as dt
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from delivery import reasons
from delivery.models import Delivery, Shard, ShardState

# The validity period of a standing delivery that takes requests has no end.
NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
# So many people get their row within a request; it takes about ten microseconds each.
MOST_AT_ONCE = 100_000

_LOCK = """
SELECT id FROM delivery_shard WHERE delivery_id = %(delivery)s AND state IN ('waiting', 'leased') ORDER BY id FOR UPDATE
"""
# Whom quiet hours end: those whose first turn has come, in `zones`; everybody when that is null. With `is_over`, those
# whose request is over. With a `request`, those of it whose first turn is to come.
_WHOM = """
    AND (%(zones)s::text[] IS NULL OR (s.zone = ANY(%(zones)s) AND s.attempt = 1 AND s.due_at <= now()))
    AND (NOT %(is_over)s OR s.valid_until <= now())
    AND (%(request)s = 0 OR (s.request_no = %(request)s AND s.attempt = 1 AND s.due_at > %(now)s))
"""
_LEFT = """
SELECT COALESCE(sum(n_ids - n_authorised), 0) FROM delivery_shard
WHERE delivery_id = %(delivery)s AND state IN ('waiting', 'leased')
"""
# Later shards take their own id as number: it is above every number that preparation gave.
_SPLIT = """
INSERT INTO delivery_shard (id, number, delivery_id, attempt, request_no, ids, n_ids, state, due_at, fence,
    n_authorised, n_sent, n_failed, n_not_sent, n_unknown, n_cancelled, n_retried, lease_owner)
SELECT n.id, n.id, delivery_id, attempt, request_no, ids[n_authorised + 1:], n_ids - n_authorised, 'waiting', due_at, 0,
    0, 0, 0, 0, 0, 0, 0, ''
FROM (
    SELECT nextval(pg_get_serial_sequence('delivery_shard', 'id')) AS id, s.id AS old_id FROM delivery_shard s
    WHERE delivery_id = %(delivery)s AND state = 'leased' AND n_authorised < n_ids
) n JOIN delivery_shard s ON s.id = n.old_id
"""
_CUT = """
UPDATE delivery_shard SET ids = ids[1:n_authorised], n_ids = n_authorised
WHERE delivery_id = %(delivery)s AND state = 'leased' AND n_authorised < n_ids
"""
_LOG = f"""
INSERT INTO delivery_sendlog
    (opened_month, delivery_id, request_no, profile_id, outcome, at, address, n_attempts, code, detail)
SELECT %(month)s, s.delivery_id, s.request_no, u.profile_id,
    CASE WHEN s.attempt > 1 THEN %(after)s ELSE %(before)s END, now(),
    CASE WHEN d.channel = 'email' THEN COALESCE(p.email, '') ELSE '' END, s.attempt - 1, %(code)s, %(detail)s
FROM delivery_shard s JOIN delivery_delivery d ON d.id = s.delivery_id
CROSS JOIN LATERAL unnest(s.ids[s.n_authorised + 1:]) AS u(profile_id)
LEFT JOIN audiences_profile p ON p.id = u.profile_id
WHERE s.delivery_id = %(delivery)s AND s.state = 'waiting' {_WHOM}
ON CONFLICT DO NOTHING
"""
_CLOSE = f"""
UPDATE delivery_shard s SET state = %(state)s,
    n_cancelled = n_cancelled + CASE WHEN %(outcome)s = 'cancelled' THEN n_ids - n_authorised ELSE 0 END,
    n_failed = n_failed + CASE WHEN %(outcome)s = 'failed' THEN n_ids - n_authorised ELSE 0 END,
    n_not_sent = n_not_sent + CASE WHEN %(outcome)s = 'not_sent' THEN n_ids - n_authorised ELSE 0 END
WHERE delivery_id = %(delivery)s AND state = 'waiting' AND (attempt > 1) = %(is_retry)s {_WHOM}
RETURNING n_ids - n_authorised
"""


def n_left(delivery: Delivery) -> int:
    """How many people are not authorised yet."""
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, {"delivery": delivery.pk})
        return int(cursor.fetchone()[0])


def cancel_rest(delivery: Delivery) -> int:
    """`cancelled` rows for everybody not yet authorised; how many. The delivery's row must be locked."""
    return _close(delivery, before="cancelled", after="cancelled", code=reasons.STOPPED, state="cancelled")


def expire_rest(delivery: Delivery) -> int:
    """The validity period is over: `not_sent` for people never tried, `failed` for those being retried; how many."""
    return _close(delivery, before="not_sent", after="failed", code=reasons.EXPIRED, state="done")


def expire_requests(delivery: Delivery) -> int:
    """The same for people whose own request is over, in a standing delivery; how many. Its row must be locked."""
    return _close(delivery, before="not_sent", after="failed", code=reasons.EXPIRED, state="done", is_over=True)


def skip_quiet(delivery: Delivery, zones: list[str]) -> int:
    """`not_sent` for people whose first turn has come in quiet hours, in `zones`; how many. Windows that are open close
    by themselves, and their shards come back to be closed later. The delivery's row must be locked."""
    return _close(delivery, before="not_sent", after="failed", code=reasons.QUIET_HOURS, state="done", zones=zones)


def cancel_later(delivery: Delivery, request_no: int) -> int:
    """`cancelled` rows for people of one request whose time is still to come; how many. Its row must be locked."""
    return _close(
        delivery, before="cancelled", after="cancelled", code=reasons.STOPPED, state="done", request=request_no
    )


def last_end(delivery: Delivery) -> dt.datetime:
    """When a standing delivery that was closed is over for all who wait: local times may come after its own period."""
    assert delivery.closed_at is not None
    open_shards = Shard.objects.filter(delivery=delivery, state__in=[ShardState.WAITING, ShardState.LEASED])
    latest = open_shards.aggregate(at=Max("valid_until"))["at"]
    own = delivery.closed_at + dt.timedelta(seconds=delivery.validity_s)
    return max(own, latest) if latest else own


def _close(
    delivery: Delivery,
    *,
    before: str,
    after: str,
    code: str,
    state: str,
    zones: list[str] | None = None,
    is_over: bool = False,
    request: int = 0,
) -> int:
    values: dict[str, Any] = {
        "delivery": delivery.pk,
        "month": delivery.opened_month,
        "before": before,
        "after": after,
        "code": code,
        "detail": reasons.not_sent_sentence(code),
        "state": state,
        "zones": zones,
        "is_over": is_over,
        "request": request,
        "now": timezone.now(),
    }
    n_closed = 0
    with transaction.atomic(), connection.cursor() as cursor:
        # Statements of their own: each sees what was committed before the locks were granted.
        for statement in (_LOCK, _LOG) if is_over or request or zones is not None else (_LOCK, _SPLIT, _CUT, _LOG):
            cursor.execute(statement, values)
        for is_retry, outcome in ((False, before), (True, after)):
            cursor.execute(_CLOSE, {**values, "is_retry": is_retry, "outcome": outcome})
            n_closed += sum(row[0] for row in cursor.fetchall())
    return n_closed
