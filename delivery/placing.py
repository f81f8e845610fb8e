"""Put the people of a prepared list into shards: those of one wave, one zone and one limited domain together.

Zones are told apart only where they matter (local times, quiet hours), domains only where one is limited, so that a
plain list has full shards in the order of ids. Called by preparation, in the transaction that replaces the shards.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.backends.utils import CursorWrapper

from delivery import domain_limits, quiet, timetables
from delivery.models import EMAIL, Delivery
from lib import walltimes

SHARD_SIZE = 4000

# People of one place are cut out of one array of them all. In a list of more people than this it is one array for each
# range of as many ids, so that the memory it takes is bounded: about 100 MB.
_PART = 1 << 22
# Limited domains come first: they take longest. A shard's hash covers its place and each of its people.
_INSERT = """
INSERT INTO delivery_shard (delivery_id, number, attempt, request_no, wave, zone, domain, ids, n_ids, state, due_at,
    fence, n_authorised, n_sent, n_failed, n_not_sent, n_unknown, n_cancelled, n_retried, lease_owner)
SELECT %(delivery)s, row_number() OVER (ORDER BY wave, zone, domain = '', domain, part, start), 1, %(request)s, wave,
    zone, domain, ids, cardinality(ids), 'waiting', now(), 0, 0, 0, 0, 0, 0, 0, 0, ''
FROM (
    SELECT wave, zone, domain, part, start, everybody[start:start + %(size)s - 1] AS ids
    FROM (
        SELECT wave, zone, domain, {part} AS part, array_agg(id ORDER BY id) AS everybody
        FROM (
            SELECT c.id, {wave} AS wave, {zone} AS zone, {domain} AS domain FROM chosen c {joins} WHERE c.reason IS NULL
        ) AS kept
        GROUP BY wave, zone, domain, part
    ) AS placed, generate_series(1, cardinality(everybody), %(size)s) AS start
    -- Cut before they are put in order: else everybody would be carried through it with each shard.
    OFFSET 0
) AS cut
ORDER BY 2
RETURNING n_ids, encode(
    sha256(convert_to(concat_ws('|', wave, zone, domain, ''), 'UTF8') || array_send(ids)), 'hex')
"""
# Random, and the same each time this delivery is prepared.
_WAVE = "width_bucket(row_number() OVER (ORDER BY hashint8extended(c.id, -%(delivery)s), c.id) - 1, %(ends)s::bigint[])"
_ZONE = "CASE WHEN p.time_zone = ANY(%(zones)s::text[]) THEN p.time_zone ELSE %(zone)s END"
# Who is deleted by now keeps the place that was counted, and is let go at the window.
_PROFILES = "LEFT JOIN audiences_profile p ON p.id = c.id"
_DOMAINS = (
    "LEFT JOIN unnest(%(names)s::text[], %(labels)s::text[]) AS g(name, label)"
    " ON g.name = split_part(p.email_key, '@', 2)"
)


@dataclass(frozen=True)
class Placed:
    """How many people were placed, the hash of each shard, in order, and what they were made for: see delivery.quiet
    and delivery.timetables."""

    n: int
    hashes: list[str]
    quiet_hours: dict[str, str]
    timetable: list[dict[str, Any]]


def place(delivery: Delivery, cursor: CursorWrapper, *, n: int) -> Placed:
    """Store the `n` people of the temporary table `chosen` who have no reason to be left out.

    Raises DomainError when the last wave would come too late.
    """
    timetables.check_waves(delivery, n)
    quiet_hours = quiet.pin(delivery)
    parts = {"wave": "0", "zone": "''", "domain": "''", "joins": "", "part": "0" if n <= _PART else f"id / {_PART}"}
    values: dict[str, Any] = {"delivery": delivery.pk, "size": SHARD_SIZE, "request": delivery.request_no}
    waves = timetables.waves(delivery)
    if waves is not None and len(ends := waves.ends(n)) > 1:
        parts["wave"] = _WAVE
        values["ends"] = ends[:-1]
    if quiet_hours or delivery.local_time:
        parts |= {"zone": _ZONE, "joins": _PROFILES}
        values |= {"zones": sorted(walltimes.zones()), "zone": timetables.zone_of(delivery, settings.TIME_ZONE)}
    limits = domain_limits.current() if delivery.channel == EMAIL else ()
    if limits:
        labels = {domain: limit.label for domain, limit in domain_limits.by_domain(limits).items()}
        parts |= {"domain": "COALESCE(g.label, '')", "joins": f"{_PROFILES} {_DOMAINS}"}
        values |= {"names": list(labels), "labels": list(labels.values())}
    cursor.execute(_INSERT.format(**parts), values)
    shards = cursor.fetchall()
    return Placed(
        sum(n for n, _hash in shards), [str(digest) for _n, digest in shards], quiet_hours, timetables.lay(delivery)
    )
