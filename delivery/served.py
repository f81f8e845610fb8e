"""Who had something lately: a send of the same origin (re-eligibility), or too much of anything (the sending limit).

Preparation asks each once and joins the answer: a temporary table by profile, of everybody who shares a mailbox with
somebody who had it. Who had it had it at an address; another profile of that address must not get it in their place.
Messages count that the send log calls sent or unknown, and those that people wait for in confirmed or running sends.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import ngettext

from accounts import installation
from delivery import mailboxes, options
from delivery.models import EMAIL, RUNNING, Delivery, DeliveryState, ShardState

EARLIER, CAPPED = "earlier", "capped"
# Outcomes of windows that were open when a send ended come within this time.
_LATE = dt.timedelta(hours=1)
# Confirmed sends, also while they are prepared again at their start.
_PLANNED = (DeliveryState.CONFIRMED, DeliveryState.PREPARING, DeliveryState.PREPARED)
_IS_PLANNED = Q(state=DeliveryState.CONFIRMED) | Q(state__in=_PLANNED, refreshing_from__isnull=False)
_OPEN = f"('{ShardState.WAITING}', '{ShardState.LEASED}')"


@dataclass(frozen=True)
class Cap:
    """At most `most` messages for one mailbox in `hours`."""

    most: int
    hours: int


def cap(delivery: Delivery, *, is_fresh: bool = True) -> Cap | None:
    """The sending limit as it is set now, or was a second ago; None when there is none or this delivery ignores it."""
    # It is about mailboxes: what reaches a program is neither counted nor held back.
    if delivery.ignores_cap or delivery.channel != EMAIL:
        return None
    names = (options.CAP_MESSAGES, options.CAP_HOURS)
    found = installation.values(names) if is_fresh else installation.recent(names)
    most = found[options.CAP_MESSAGES]
    return Cap(int(most), int(found[options.CAP_HOURS])) if most else None


def cap_sentence() -> str:
    """The sending limit in words, for those who may decide to ignore it; "" when there is none. One query."""
    found = installation.values([options.CAP_MESSAGES, options.CAP_HOURS])
    if not found[options.CAP_MESSAGES]:
        return ""
    most = int(found[options.CAP_MESSAGES])
    sentence = ngettext(
        "At most {most} message per person in {hours} h.", "At most {most} messages per person in {hours} h.", most
    )
    return sentence.format(most=most, hours=found[options.CAP_HOURS])


def note_earlier(delivery: Delivery, cursor: CursorWrapper) -> bool:
    """Fill `earlier` (id, at): who had, or may have had, a send of the same origin too recently, is still waiting in
    one that is confirmed or running, or was on the wire when one was stopped. `at` is NULL for those who wait.
    False, without a table, when that can't be."""
    if delivery.re_eligible_after_s == 0:
        return False
    others = list(
        Delivery.objects.filter(origin_kind=delivery.origin_kind, origin_id=delivery.origin_id)
        .filter(Q(started_at__isnull=False) | _IS_PLANNED)
        .exclude(pk=delivery.pk)
        .values_list("pk", "opened_month", "state")
    )
    if not others:
        return False
    since = dt.datetime.min.replace(tzinfo=dt.UTC)
    if delivery.re_eligible_after_s is not None:
        since = timezone.now() - dt.timedelta(seconds=delivery.re_eligible_after_s)
    values: dict[str, Any] = {
        "months": sorted({month for _pk, month, _state in others}),
        "deliveries": [pk for pk, _month, _state in others],
        "open": [pk for pk, _month, state in others if state in (*_PLANNED, *RUNNING)],
        "since": since,
    }
    _fill(cursor, EARLIER, "id bigint NOT NULL, at timestamptz", values, (_FILL_EARLIER, _SHARE_EARLIER))
    return True


def note_capped(delivery: Delivery, limit: Cap, cursor: CursorWrapper) -> bool:
    """Fill `capped` (id, n): how many messages mailboxes had around the time of this delivery, complete for all that
    had `limit.most` or more.

    That time is its schedule, else now; `limit.hours` before it count, and sends that are planned for the hours after
    it. False, without a table, when nothing was sent.
    """
    now = timezone.now()
    at = max(delivery.scheduled_at or now, now)
    span = dt.timedelta(hours=limit.hours)
    since, until = at - span, at + span
    was_sending = Q(started_at__isnull=False) & (Q(ended_at__isnull=True) | Q(ended_at__gt=since - _LATE))
    is_planned = _IS_PLANNED & Q(start_at__gt=since, start_at__lt=until)
    others = list(
        Delivery.objects.filter(was_sending | is_planned, channel=EMAIL)
        .exclude(pk=delivery.pk)
        .values_list("pk", "opened_month", "state")
    )
    if not others:
        return False
    # What runs now and will have ended long before this one starts is in nobody's way.
    waits = {*_PLANNED, *(RUNNING if since <= now else ())}
    values: dict[str, Any] = {
        "months": sorted({month for _pk, month, _state in others}),
        "deliveries": [pk for pk, _month, _state in others],
        "open": [pk for pk, _month, state in others if state in waits],
        "since": since,
        "most": limit.most,
    }
    _fill(cursor, CAPPED, "id bigint NOT NULL, n bigint NOT NULL", values, (_FILL_CAPPED, _SHARE_CAPPED))
    return True


def forget(cursor: CursorWrapper) -> None:
    """Drop what was noted, before a preparation and after it; safe without any."""
    cursor.execute(f"DROP TABLE IF EXISTS {EARLIER}, {CAPPED}")
    mailboxes.forget(cursor)


def _fill(cursor: CursorWrapper, table: str, columns: str, values: dict[str, Any], statements: tuple[str, str]) -> None:
    """Make `table` out of what people had, then let those who share a mailbox have it together.

    The few shared mailboxes are looked up first: joining everybody by address would cost many times as much. Rows are
    written by id, so that preparation, which asks for one range of ids after the other, reads each page once.
    """
    fill, share = statements
    if not mailboxes.is_noted(cursor):
        mailboxes.note(cursor)
    cursor.execute(f"DROP TABLE IF EXISTS {table}")
    cursor.execute(f"CREATE TEMPORARY TABLE {table} ({columns})")
    cursor.execute(fill, values)
    cursor.execute(f"CREATE UNIQUE INDEX ON {table} (id)")
    cursor.execute(f"ANALYZE {table}")
    cursor.execute(share)


_LOGGED = """
    l.opened_month = ANY(%(months)s::date[]) AND l.delivery_id = ANY(%(deliveries)s::bigint[])
    AND l.outcome IN ('sent', 'unknown') AND l.at > %(since)s
"""
_FILL_EARLIER = f"""
INSERT INTO {EARLIER} SELECT id, CASE WHEN bool_or(at IS NULL) THEN NULL ELSE max(at) END FROM (
    SELECT l.profile_id, l.at FROM delivery_sendlog l WHERE {_LOGGED}
    UNION ALL
    SELECT unnest(r.ids), r.at FROM delivery_pastrecipients r
    WHERE r.delivery_id = ANY(%(deliveries)s::bigint[]) AND r.at > %(since)s
    UNION ALL
    SELECT unnest(s.ids), NULL FROM delivery_shard s
    WHERE s.delivery_id = ANY(%(open)s::bigint[]) AND s.state IN {_OPEN}
    UNION ALL
    SELECT unnest(s.ids[1:s.n_authorised]), NULL FROM delivery_shard s
    WHERE s.delivery_id = ANY(%(deliveries)s::bigint[]) AND s.state = '{ShardState.LEASED}'
) had (id, at) GROUP BY id ORDER BY id
"""
_SHARE_EARLIER = f"""
INSERT INTO {EARLIER} SELECT o.id, had.at FROM (
    SELECT s.email_key, CASE WHEN bool_or(e.at IS NULL) THEN NULL ELSE max(e.at) END AS at
    FROM {mailboxes.SHARED} s JOIN {EARLIER} e ON e.id = s.id GROUP BY s.email_key
) had JOIN {mailboxes.SHARED} o ON o.email_key = had.email_key
ON CONFLICT (id) DO UPDATE SET at = excluded.at
"""
# A message in a window may be in a later attempt's shard too: it is counted once. The beginning of a waiting shard was
# settled by an earlier lease.
_FILL_CAPPED = f"""
INSERT INTO {CAPPED} SELECT id, count(*) FROM (
    SELECT l.profile_id FROM delivery_sendlog l WHERE {_LOGGED}
    UNION ALL
    SELECT id FROM (
        SELECT s.delivery_id, s.request_no, unnest(s.ids[s.n_authorised + 1:]) AS id FROM delivery_shard s
        WHERE s.delivery_id = ANY(%(open)s::bigint[]) AND s.state = '{ShardState.WAITING}'
        UNION
        SELECT s.delivery_id, s.request_no, u.id FROM delivery_shard s
        JOIN delivery_delivery d ON d.id = s.delivery_id,
        unnest(s.ids) WITH ORDINALITY AS u (id, place)
        WHERE s.delivery_id = ANY(%(deliveries)s::bigint[]) AND s.state = '{ShardState.LEASED}'
        AND (s.delivery_id = ANY(%(open)s::bigint[]) OR u.place <= s.n_authorised)
        AND NOT EXISTS (SELECT 1 FROM delivery_sendlog l WHERE l.opened_month = d.opened_month
            AND l.delivery_id = s.delivery_id AND l.request_no = s.request_no AND l.profile_id = u.id)
    ) waiting
) had (id) GROUP BY id HAVING count(*) >= %(most)s OR id IN (SELECT id FROM {mailboxes.SHARED})
ORDER BY id
"""
_SHARE_CAPPED = f"""
INSERT INTO {CAPPED} SELECT o.id, had.n FROM (
    SELECT s.email_key, sum(f.n) AS n FROM {mailboxes.SHARED} s JOIN {CAPPED} f ON f.id = s.id GROUP BY s.email_key
) had JOIN {mailboxes.SHARED} o ON o.email_key = had.email_key
ON CONFLICT (id) DO UPDATE SET n = excluded.n
"""
