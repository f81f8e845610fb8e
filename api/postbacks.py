"""What is posted back about a transactional call: which events there are, what each says, and when it is tried again.

Pure but for `read`. An event is true because of rows that exist; nobody writes down that it happened.

| row | event |
|---|---|
| refused when the call came | aborted |
| send log: failed, not sent, cancelled | aborted |
| send log: sent (a mail server took it) | sent, processed |
| send log: unknown (it may have left) | sent |
| a report that it was delivered | delivered |
| a report that it bounced | bounced |
"""

import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from django.db import connection
from django.utils import translation

from api import campaign_facts
from api.models import PostbackStatus
from delivery import reasons
from delivery.models import Outcome

# Before each attempt, counted from the one before (https://www.standardwebhooks.com); then it is given up.
PAUSES = tuple(dt.timedelta(seconds=n) for n in (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600))
# Reports of a message that was handed over are waited for so long; its outcome, as long as one can come.
_REPORTS = dt.timedelta(days=7)
_OUTCOME = dt.timedelta(days=40)
# A look again after a quarter of a call's age, within these.
_SOONEST, _LATEST = dt.timedelta(seconds=2), dt.timedelta(hours=1)
_MOST_REASON = 500
_LAST = frozenset({PostbackStatus.ABORTED, PostbackStatus.BOUNCED})


class Row(NamedTuple):
    """All that is known of one call. `outcome` is "" while the message waits; `reason` is why none was queued."""

    request_id: int
    public_id: uuid.UUID
    campaign_id: str
    external_send_id: str
    received_at: dt.datetime
    handled_at: dt.datetime
    reason: str
    detail: str
    outcome: str
    logged_at: dt.datetime | None
    code: str
    answer: str
    delivered_at: dt.datetime | None
    bounced_at: dt.datetime | None
    bounced_code: str
    bounced_answer: str


# LIMIT keeps each a look-up by its index, whatever is known about the tables.
_EVENT = """
LEFT JOIN LATERAL (
    SELECT e.at, e.code, e.detail FROM delivery_event e
    WHERE e.opened_month = d.opened_month AND e.delivery_id = d.id AND e.kind = '{kind}'
        AND e.profile_id = r.profile_id AND e.request_no = q.id AND e.verdict <> 'ignored'
    ORDER BY e.at, e.id LIMIT 1
) {kind} ON true
"""
_READ = f"""
SELECT q.id, q.public_id, q.origin_id, q.external_send_id, q.received_at, COALESCE(q.handled_at, q.received_at),
    r.reason, r.detail, COALESCE(l.outcome, ''), l.at, COALESCE(l.code, ''), COALESCE(l.detail, ''),
    delivered.at, bounced.at, COALESCE(bounced.code, ''), COALESCE(bounced.detail, '')
FROM delivery_triggerrequest q
JOIN delivery_requestrecipient r ON r.request_id = q.id
JOIN delivery_delivery d ON d.id = q.delivery_id
LEFT JOIN LATERAL (
    SELECT s.outcome, s.at, s.code, s.detail FROM delivery_sendlog s
    WHERE s.opened_month = d.opened_month AND s.delivery_id = d.id AND s.request_no = q.id
        AND s.profile_id = r.profile_id
    LIMIT 1
) l ON true
{_EVENT.format(kind="delivered")} {_EVENT.format(kind="bounced")}
WHERE q.id = ANY(%s)
"""


def read(request_ids: Iterable[int]) -> dict[int, Row]:
    """What became of these calls, by request; each names one person. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [list(request_ids)])
        return {row[0]: Row(*row) for row in cursor.fetchall()}


def happened(row: Row) -> dict[PostbackStatus, dt.datetime]:
    """The events of a call so far and when they were, in the order in which they are told."""
    if row.reason:
        return {PostbackStatus.ABORTED: row.handled_at}
    if row.logged_at is None:
        return {}
    if row.outcome not in (Outcome.SENT, Outcome.UNKNOWN):
        return {PostbackStatus.ABORTED: row.logged_at}
    found = {PostbackStatus.SENT: row.logged_at}
    if row.outcome == Outcome.SENT:
        found[PostbackStatus.PROCESSED] = row.logged_at
    if row.delivered_at:
        found[PostbackStatus.DELIVERED] = row.delivered_at
    if row.bounced_at:
        found[PostbackStatus.BOUNCED] = row.bounced_at
    return found


def body(row: Row, status: PostbackStatus, at: dt.datetime) -> bytes:
    """JSON as it is posted. The same rows give the same bytes."""
    metadata: dict[str, Any] = {
        "campaign_api_id": row.campaign_id,
        "external_send_id": row.external_send_id or None,
        "received_at": campaign_facts.moment(row.received_at),
    }
    if not row.reason:
        metadata["enqueued_at"] = campaign_facts.moment(row.handled_at)
    metadata["executed_at"] = campaign_facts.moment(row.logged_at or (row.handled_at if row.reason else at))
    metadata[f"{status}_at"] = campaign_facts.moment(at)
    if why := reason(row, status):
        metadata["reason"] = why
    return json.dumps({"dispatch_id": row.public_id.hex, "status": str(status), "metadata": metadata}).encode()


def reason(row: Row, status: PostbackStatus) -> str:
    """Why nothing was sent, or it came back: a sentence in English, or a server's words."""
    if status == PostbackStatus.BOUNCED:
        return (row.bounced_answer or row.bounced_code)[:_MOST_REASON]
    if status != PostbackStatus.ABORTED:
        return ""
    with translation.override("en"):
        if row.reason:
            return reasons.whole_sentence(row.reason, row.detail)
        if row.code in reasons.NOT_SENT and not (row.code == reasons.ABORTED and row.answer):
            return reasons.not_sent_sentence(row.code)
    return (row.answer or row.code)[:_MOST_REASON]


def message_id(public_id: uuid.UUID, status: str) -> str:
    """The webhook-id of an event: the same in every attempt, whatever was recorded of those before."""
    return f"evt_{public_id.hex}_{status}"


def next_try(n_attempts: int, now: dt.datetime) -> dt.datetime | None:
    """When an event is tried again of which so many attempts failed; None when it is given up."""
    return now + PAUSES[n_attempts] if n_attempts < len(PAUSES) else None


def next_look(row: Row | None, told: Collection[PostbackStatus], now: dt.datetime) -> dt.datetime | None:
    """When something more may have become of a call; None when nothing can. A row that is gone says nothing more."""
    if row is None or _LAST & set(told):
        return None
    age = now - row.received_at
    if age > _OUTCOME or (row.logged_at and now - row.logged_at > _REPORTS):
        return None
    return now + min(max(age / 4, _SOONEST), _LATEST)
