"""Shards and log rows for the people of one request, in the transaction that takes it.

Who may get the message waits in a shard of the request, under the limits of their zone and domain. Who may not is in
the log at once, and in a shard that is done, so that counters and log agree about standing deliveries too.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone, translation

from delivery import domain_limits, reasons, timetables
from delivery.judging import Judged
from delivery.models import Delivery
from lib import walltimes

_INSERT = """
INSERT INTO delivery_shard (id, number, delivery_id, attempt, request_no, zone, domain, ids, n_ids, state, due_at,
    valid_until, fence, n_authorised, n_sent, n_failed, n_not_sent, n_unknown, n_cancelled, n_retried, lease_owner)
SELECT id, id, %(delivery)s, 1, %(request)s, %(zone)s, %(domain)s, %(ids)s::bigint[], cardinality(%(ids)s::bigint[]),
    %(state)s, %(due)s, %(until)s, 0, %(n_over)s, 0, 0, %(n_over)s, 0, 0, 0, ''
FROM nextval(pg_get_serial_sequence('delivery_shard', 'id')) AS id
"""
_LOG = """
INSERT INTO delivery_sendlog
    (opened_month, delivery_id, request_no, profile_id, outcome, at, address, n_attempts, code, detail)
SELECT %s, %s, %s, t.id, 'not_sent', %s, t.address, 0, t.code, t.detail
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS t(id, address, code, detail)
"""


def queue(delivery: Delivery, request_no: int, people: Sequence[Judged], *, local_time: str = "") -> None:
    """Let `people` wait for their window, from now until the validity period of their request is over; with a
    `local_time` from that time in their zone on, at once where it is over."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    labels = domain_limits.by_domain(domain_limits.current())
    for one in people:
        limit = labels.get(one.email_key.partition("@")[2])
        places[_zone(delivery, one, is_needed=bool(local_time)), limit.label if limit else ""].append(one.id)
    now = timezone.now()
    dues = timetables.due_in(local_time, {zone for zone, _label in places}) if local_time else {}
    for place, ids in sorted(places.items()):
        _insert(delivery, request_no, sorted(ids), place=place, due_at=max(now, dues.get(place[0], now)))


def refuse(delivery: Delivery, request_no: int, refused: Sequence[tuple[Judged, str, str]]) -> None:
    """Write (person, reason, detail) of those who get nothing into the log."""
    if not refused:
        return
    with translation.override(settings.LANGUAGE_CODE):
        sentences = [reasons.whole_sentence(reason, detail) for _one, reason, detail in refused]
    people = [one for one, _reason, _detail in refused]
    ids = [one.id for one in people]
    with connection.cursor() as cursor:
        cursor.execute(
            _LOG,
            [
                delivery.opened_month,
                delivery.pk,
                request_no,
                timezone.now(),
                ids,
                [one.email for one in people],
                [reason for _one, reason, _detail in refused],
                sentences,
            ],
        )
    _insert(delivery, request_no, sorted(ids), is_over=True)


def _zone(delivery: Delivery, one: Judged, *, is_needed: bool) -> str:
    """The zone that quiet hours and local times go by for this person; "" where there are none."""
    if not delivery.quiet_hours and not is_needed:
        return ""
    return one.time_zone if one.time_zone in walltimes.zones() else timetables.zone_of(delivery, settings.TIME_ZONE)


def _insert(
    delivery: Delivery,
    request_no: int,
    ids: list[int],
    *,
    place: tuple[str, str] = ("", ""),
    due_at: dt.datetime | None = None,
    is_over: bool = False,
) -> None:
    values: dict[str, Any] = {
        "delivery": delivery.pk,
        "request": request_no,
        "ids": ids,
        "zone": place[0],
        "domain": place[1],
        "state": "done" if is_over else "waiting",
        "due": due_at or timezone.now(),
        "until": due_at + dt.timedelta(seconds=delivery.validity_s) if due_at else None,
        "n_over": len(ids) if is_over else 0,
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
