"""Rows of one request, in the transaction that takes it: whom it names, shards of who waits, the log of who doesn't.

Who may get the message waits in a shard of the request, under the limits of their zone and domain. Who may not is in
the log at once, and in a shard that is done, so that counters and log agree about standing deliveries too. One
statement for whatever number of people, two more where somebody is refused.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.db import connection
from django.utils import timezone, translation

from delivery import domain_limits, reasons, timetables
from delivery.judging import Judged
from delivery.models import EMAIL, Delivery, TriggerRequest
from lib import statements, walltimes

_SHARD_COLUMNS = """(id, number, delivery_id, attempt, request_no, zone, domain, ids, n_ids, state, due_at, valid_until,
    fence, n_authorised, n_sent, n_failed, n_not_sent, n_unknown, n_cancelled, n_retried, lease_owner)"""
_NEXT_SHARD = "nextval(pg_get_serial_sequence('delivery_shard', 'id'))"
_NAMED = f"""
WITH named AS (
    SELECT * FROM json_to_recordset(%(named)s::json) AS t(place int, named_by text, name text, profile_id bigint,
        trigger jsonb, reason text, detail text, zone text, domain text,
        due timestamptz)
), people AS (
    INSERT INTO delivery_requestrecipient (request_id, position, named_by, name, profile_id, trigger, reason, detail)
    SELECT %(request)s::bigint, place, named_by, name, profile_id, trigger, reason, detail FROM named
){{request}}
INSERT INTO delivery_shard {_SHARD_COLUMNS}
SELECT id, id, %(delivery)s::bigint, 1, %(request)s::bigint, zone, domain, ids, cardinality(ids), 'waiting',
    due, due + make_interval(secs => %(validity)s), 0, 0, 0, 0, 0, 0, 0, 0, ''
FROM (
    SELECT {_NEXT_SHARD} AS id, zone, domain, due, ids FROM (
        SELECT zone, domain, due, array_agg(profile_id ORDER BY profile_id) AS ids FROM named WHERE reason = ''
        GROUP BY zone, domain, due ORDER BY zone, domain
    ) places
) shards
"""
_OF_REQUEST = _NAMED.format(request="")
_REQUEST_COLUMNS = ", ".join(str(field.column) for field in TriggerRequest._meta.local_concrete_fields)
_WITH_REQUEST = _NAMED.format(
    request=f""", request AS (
    INSERT INTO delivery_triggerrequest ({_REQUEST_COLUMNS})
    SELECT {_REQUEST_COLUMNS} FROM json_populate_record(NULL::delivery_triggerrequest, %(columns)s::json)
)"""
)
_OVER = f"""
INSERT INTO delivery_shard {_SHARD_COLUMNS}
SELECT id, id, %(delivery)s, 1, %(request)s, '', '', %(ids)s::bigint[], cardinality(%(ids)s::bigint[]), 'done', %(now)s,
    NULL, 0, cardinality(%(ids)s::bigint[]), 0, 0, cardinality(%(ids)s::bigint[]), 0, 0, 0, ''
FROM {_NEXT_SHARD} AS id
"""
_LOG = """
INSERT INTO delivery_sendlog
    (opened_month, delivery_id, request_no, profile_id, outcome, at, address, n_attempts, code, detail)
SELECT %s, %s, %s, t.id, 'not_sent', %s, t.address, 0, t.code, t.detail
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS t(id, address, code, detail)
"""


class Named(NamedTuple):
    """One person as the call named them. `reason` "": they get the message; `person` None: nobody we know.

    `trigger`: their own properties with the common ones in them, None when they have none of their own.
    """

    named_by: str
    name: str
    person: Judged | None
    trigger: dict[str, object] | None
    reason: str = ""
    detail: str = ""


def write(
    request: TriggerRequest, delivery: Delivery, named: Sequence[Named], *, is_new: bool, local_time: str = ""
) -> None:
    """Everybody's row, and the shards of those who wait; the request itself too when it `is_new`.

    They wait from now until the validity period of the request is over; with a `local_time` from that time in their
    zone on, at once where it is over.
    """
    places = [_place(delivery, one.person, is_local=bool(local_time)) for one in named]
    now = timezone.now()
    dues = timetables.due_in(local_time, {zone for zone, _label in places}) if local_time else {}
    rows = [
        _row(n, one) | {"zone": zone, "domain": domain, "due": max(now, dues.get(zone, now))}
        for n, (one, (zone, domain)) in enumerate(zip(named, places, strict=True))
    ]
    values: dict[str, Any] = {
        "named": msgspec.json.encode(rows).decode(),
        "request": request.pk,
        "delivery": delivery.pk,
        "validity": delivery.validity_s,
    }
    if is_new:
        columns = {field.column: getattr(request, field.attname) for field in request._meta.local_concrete_fields}
        statements.run(_WITH_REQUEST, {**values, "columns": msgspec.json.encode(columns).decode()})
        request._state.adding = False
    else:
        statements.run(_OF_REQUEST, values)


def refuse(delivery: Delivery, request_no: int, refused: Sequence[Named]) -> None:
    """Write those who get nothing, each somebody we know, into the log."""
    people = [(one.person, one) for one in refused if one.person is not None]
    if not people:
        return
    with translation.override(settings.LANGUAGE_CODE):
        sentences = [reasons.whole_sentence(one.reason, one.detail[:200]) for _person, one in people]
    now, ids = timezone.now(), [person.id for person, _one in people]
    log: list[Any] = [
        *(delivery.opened_month, delivery.pk, request_no, now, ids),
        *(
            [person.email if delivery.channel == EMAIL else "" for person, _one in people],
            [one.reason for _person, one in people],
            sentences,
        ),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_LOG, log)
        cursor.execute(_OVER, {"delivery": delivery.pk, "request": request_no, "ids": sorted(ids), "now": now})


def _row(place: int, one: Named) -> dict[str, object]:
    return {
        "place": place,
        "named_by": one.named_by,
        "name": one.name[:320],
        "profile_id": one.person.id if one.person else None,
        "trigger": one.trigger,
        "reason": one.reason,
        "detail": one.detail[:200],
    }


def _place(delivery: Delivery, person: Judged | None, *, is_local: bool) -> tuple[str, str]:
    """The zone that quiet hours and local times go by, and the domain whose limit holds; "" where there are none."""
    if person is None:
        return "", ""
    limits = domain_limits.recent() if delivery.channel == EMAIL else None
    limit = limits.get(person.email_key.partition("@")[2]) if limits else None
    return _zone(delivery, person) if delivery.quiet_hours or is_local else "", limit.label if limit else ""


def _zone(delivery: Delivery, one: Judged) -> str:
    return one.time_zone if one.time_zone in walltimes.zones() else timetables.zone_of(delivery, settings.TIME_ZONE)
