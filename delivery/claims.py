"""Who may be promised another message of one origin: re-eligibility, however many requests come at once.

The rule (Braze, "Re-eligibility"): without it a person gets a campaign once ever; with it, again once so many seconds
have passed since they received it, and received means handed over. A request that ended in nothing uses nothing up, and
one that comes too early is answered and sends nothing. A window of 0 seconds asks nothing at all.

One row for each origin and person is where parallel requests meet: it is written by one statement, which looks at what
became of the last promise. Whoever waits for that row is judged again by what is in it then, with the log as it was
when their statement began, so that a promise made in between has no outcome yet and counts as one that will be kept.
Versions and deliveries of a campaign share its rows, and an edit of a live campaign sends nothing twice.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from delivery import reasons
from delivery.models import Delivery
from lib import memory, statements

_FOREVER = dt.datetime.min.replace(tzinfo=dt.UTC)
# Between a promise for a whole audience and the start of its validity period.
_MARGIN = dt.timedelta(days=2)

# Received lately, also where the log was removed since, or under way: in a request that has no outcome yet, or in an
# ordinary send of the same origin.
_HAS_IT = """
    EXISTS (SELECT 1 FROM delivery_sendlog l JOIN delivery_delivery d ON d.id = l.delivery_id
        WHERE l.profile_id = u.id AND d.origin_kind = %(kind)s AND d.origin_id = %(origin)s
        AND l.outcome IN ('sent', 'unknown') AND l.at > %(since)s)
    OR EXISTS (SELECT 1 FROM delivery_pastrecipients l JOIN delivery_delivery d ON d.id = l.delivery_id
        WHERE d.origin_kind = %(kind)s AND d.origin_id = %(origin)s AND l.at > %(since)s AND u.id = ANY(l.ids))
    OR EXISTS (SELECT 1 FROM delivery_requestrecipient r JOIN delivery_triggerrequest q ON q.id = r.request_id
        JOIN delivery_delivery d ON d.id = q.delivery_id
        WHERE r.profile_id = u.id AND r.reason = '' AND d.origin_kind = %(kind)s AND d.origin_id = %(origin)s
        AND NOT EXISTS (SELECT 1 FROM delivery_sendlog l WHERE l.opened_month = d.opened_month AND l.delivery_id = d.id
            AND l.request_no = q.id AND l.profile_id = u.id))
    OR EXISTS (SELECT 1 FROM delivery_shard s JOIN delivery_delivery d ON d.id = s.delivery_id
        WHERE d.origin_kind = %(kind)s AND d.origin_id = %(origin)s AND NOT d.is_standing AND d.id <> %(delivery)s
        AND d.state IN ('confirmed', 'sending', 'paused') AND s.state IN ('waiting', 'leased') AND u.id = ANY(s.ids))
"""
_CLAIM = """
INSERT INTO delivery_claim AS c (origin_kind, origin_id, profile_id, opened_month, delivery_id, request_no, claimed_at)
SELECT %(kind)s::text, %(origin)s::text, u.id, %(month)s::date, %(delivery)s::bigint, %(request)s::bigint, now()
FROM {people}
ORDER BY u.id
ON CONFLICT (origin_kind, origin_id, profile_id) DO UPDATE
SET opened_month = excluded.opened_month, delivery_id = excluded.delivery_id, request_no = excluded.request_no,
    claimed_at = excluded.claimed_at
WHERE EXISTS (SELECT 1 FROM delivery_sendlog l WHERE l.opened_month = c.opened_month AND l.delivery_id = c.delivery_id
    AND l.request_no = c.request_no AND l.profile_id = c.profile_id
    AND NOT (l.outcome IN ('sent', 'unknown') AND l.at > %(since)s))
    -- Handed over as late as it could be, it would be long enough ago: its log may have been removed.
    OR c.claimed_at < %(old)s
RETURNING profile_id
"""
# Most are promised something for the first time: nothing is asked about them but whether they have a row.
_CLAIM_FIRST = """
INSERT INTO delivery_claim (origin_kind, origin_id, profile_id, opened_month, delivery_id, request_no, claimed_at)
SELECT %(kind)s::text, %(origin)s::text, u.id, %(month)s::date, %(delivery)s::bigint, %(request)s::bigint, now()
FROM unnest(%(ids)s::bigint[]) AS u(id) ORDER BY u.id
ON CONFLICT (origin_kind, origin_id, profile_id) DO NOTHING
RETURNING profile_id
"""
# Sends of the origin that leave no rows, or under a shorter time than this one: then the log must be asked as well.
_OTHERS = """
SELECT EXISTS (SELECT 1 FROM delivery_delivery o
    WHERE o.origin_kind = %(kind)s AND o.origin_id = %(origin)s AND o.id <> %(delivery)s
    AND (NOT o.is_standing AND o.request_no = 0
        OR o.re_eligible_after_s < COALESCE(%(after)s::bigint, o.re_eligible_after_s + 1)))
"""
_CLAIM_NAMED = _CLAIM.format(people=f"unnest(%(ids)s::bigint[]) AS u(id) WHERE NOT ({_HAS_IT})")
# Preparation has looked already at who had it before.
_CLAIM_CHOSEN = f"""
WITH claimed AS ({_CLAIM.format(people="chosen u WHERE u.reason IS NULL")})
UPDATE chosen SET reason = %(reason)s
WHERE reason IS NULL AND NOT EXISTS (SELECT 1 FROM claimed WHERE claimed.profile_id = chosen.id)
"""
_FREE = """
DELETE FROM delivery_claim c WHERE c.origin_kind = %(kind)s AND c.origin_id = %(origin)s
    AND c.delivery_id = %(delivery)s AND c.request_no = %(request)s
    AND NOT EXISTS (SELECT 1 FROM delivery_sendlog l WHERE l.opened_month = c.opened_month
        AND l.delivery_id = c.delivery_id AND l.request_no = c.request_no AND l.profile_id = c.profile_id)
"""
_LAST = """
SELECT l.profile_id, max(l.at) FROM delivery_sendlog l JOIN delivery_delivery d ON d.id = l.delivery_id
WHERE l.profile_id = ANY(%(ids)s::bigint[]) AND d.origin_kind = %(kind)s AND d.origin_id = %(origin)s
    AND l.outcome IN ('sent', 'unknown') GROUP BY 1
"""


_others: memory.Memory[bool] = memory.Memory()


def claim(delivery: Delivery, request_no: int, ids: Iterable[int]) -> set[int]:
    """Promise the message of `request_no` to those of `ids` who may have it; who they are.

    In the transaction that queues them: a promise without a shard would never end. Rows are locked in the order of ids.
    """
    wanted = sorted(ids)
    if delivery.re_eligible_after_s == 0 or not wanted:
        return set(wanted)
    values = {**_origin(delivery), **_since(delivery), "request": request_no, "ids": statements.array(wanted)}
    found: set[int] = set()
    if not _others.get(delivery.pk, lambda: _has_others(delivery)):
        found = {profile_id for (profile_id,) in statements.run(_CLAIM_FIRST, values)}
        values["ids"] = statements.array(one for one in wanted if one not in found)
    if len(found) < len(wanted):
        found |= {profile_id for (profile_id,) in statements.run(_CLAIM_NAMED, values)}
    return found


def _has_others(delivery: Delivery) -> bool:
    """Whether somebody may have got this origin without a row, or may have more receipts than their row knows.

    The same for as long as a standing delivery is open: others of its origin are opened before it, or leave rows.
    """
    values = {**_origin(delivery), "delivery": delivery.pk, "after": delivery.re_eligible_after_s}
    return bool(statements.run(_OTHERS, values)[0][0])


def claim_chosen(delivery: Delivery, cursor: CursorWrapper) -> None:
    """The same for everybody whom preparation has put into `chosen`, in the transaction that makes the shards;
    those of an earlier preparation are taken back."""
    free(delivery)
    if delivery.re_eligible_after_s == 0:
        return
    values = {**_origin(delivery), **_since(delivery), "request": delivery.request_no}
    cursor.execute(_CLAIM_CHOSEN, {**values, "reason": reasons.NOT_ELIGIBLE_AGAIN})


def free(delivery: Delivery) -> None:
    """Take back what was promised for a whole audience and not sent: its send was dropped, or is prepared again."""
    if not delivery.request_no:
        return
    with connection.cursor() as cursor:
        cursor.execute(_FREE, {**_origin(delivery), "delivery": delivery.pk, "request": delivery.request_no})


def eligible_from(delivery: Delivery, ids: Iterable[int]) -> dict[int, str]:
    """From when on those of `ids` who received it may have it again, as reasons.detail reads it; "" for never, and
    while it is under way."""
    wanted = sorted(ids)
    if delivery.re_eligible_after_s is None or not wanted:
        return dict.fromkeys(wanted, "")
    again = dt.timedelta(seconds=delivery.re_eligible_after_s)
    with connection.cursor() as cursor:
        cursor.execute(_LAST, {**_origin(delivery), "ids": wanted})
        last = {profile_id: at + again for profile_id, at in cursor.fetchall()}
    return {one: last[one].astimezone(dt.UTC).isoformat(timespec="seconds") if one in last else "" for one in wanted}


def _origin(delivery: Delivery) -> dict[str, Any]:
    return {"kind": delivery.origin_kind, "origin": delivery.origin_id}


def _since(delivery: Delivery) -> dict[str, Any]:
    """The delivery that promises; since when a message counts; before when not even a promise does."""
    since = old = _FOREVER
    if delivery.re_eligible_after_s is not None:
        since = timezone.now() - dt.timedelta(seconds=delivery.re_eligible_after_s)
        old = since - dt.timedelta(seconds=delivery.validity_s) - _MARGIN
    return {"month": delivery.opened_month, "delivery": delivery.pk, "since": since, "old": old}
