"""What a failure or a complaint does to an address, whoever has it. Called from above with facts; decides alone.

- An address that will never work goes into quarantine at once; so does one whose owner complained. The person stays
  subscribed: another address of theirs, or another channel, is not touched.
- A temporary failure is counted in AddressError and leads there with the Nth one that counts (Settings, Bounces and
  quarantine). Failures closer together than the set gap are one; the count starts anew after a success, and when the
  last one that counted is old.
- Everything else (about us, about the message) must not be given to this module.

Nobody leaves quarantine by itself; `profiles.release` lets them out.
"""

import datetime as dt
import enum
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from accounts import installation
from audiences import options
from audiences.models import AddressError
from lib import texts

# The reason of an entry that a complaint made; the others are keys of messaging.verdicts.REASONS.
COMPLAINT = "complaint"
_EVIDENCE_CHARACTERS = 500
_LOCK = 0x43680700


class Weight(enum.Enum):
    """How much one report weighs against an address."""

    PERMANENT = "permanent"
    TEMPORARY = "temporary"
    COMPLAINT = "complaint"


class Strike(NamedTuple):
    """One thing that speaks against an address. `reason` for programs, `evidence` the server's words."""

    address_key: str
    weight: Weight
    reason: str
    evidence: str
    at: dt.datetime


class Policy(NamedTuple):
    """The thresholds as they are set now."""

    most_errors: int
    gap: dt.timedelta
    memory: dt.timedelta


# One row per address, moved by one statement, so that two reports at once both count or one of them does not matter.
# A failure from before the last one (a late report) counts unless it is from before what is remembered.
_COUNT = """
INSERT INTO audiences_addresserror AS e (address_key, n_errors, first_error_at, last_error_at, reason, evidence)
SELECT %(key)s, 1, %(at)s, %(at)s, %(reason)s, %(evidence)s
WHERE NOT EXISTS (SELECT 1 FROM audiences_quarantineentry WHERE address_key = %(key)s AND released_at IS NULL)
ON CONFLICT (address_key) DO UPDATE SET
    n_errors = CASE WHEN EXCLUDED.last_error_at > e.last_error_at + %(memory)s THEN 1
                    ELSE LEAST(e.n_errors + 1, 32767) END,
    first_error_at = CASE WHEN EXCLUDED.last_error_at > e.last_error_at + %(memory)s THEN EXCLUDED.first_error_at
                          ELSE LEAST(e.first_error_at, EXCLUDED.first_error_at) END,
    last_error_at = GREATEST(e.last_error_at, EXCLUDED.last_error_at),
    reason = EXCLUDED.reason, evidence = EXCLUDED.evidence
WHERE EXCLUDED.last_error_at >= e.last_error_at + %(gap)s
   OR (EXCLUDED.last_error_at <= e.first_error_at - %(gap)s AND EXCLUDED.last_error_at > e.last_error_at - %(memory)s)
RETURNING n_errors
"""
_ENTER = """
INSERT INTO audiences_quarantineentry (address_key, reason, evidence, since, release_note)
VALUES (%(key)s, %(reason)s, %(evidence)s, now(), '')
ON CONFLICT (address_key) WHERE released_at IS NULL DO NOTHING
"""
_ENTER_ALL = """
INSERT INTO audiences_quarantineentry (address_key, reason, evidence, since, release_note)
SELECT key, reason, evidence, now(), ''
FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS s(key, reason, evidence, place) ORDER BY place
ON CONFLICT (address_key) WHERE released_at IS NULL DO NOTHING
"""
_BEGIN_ANEW = """
DELETE FROM audiences_addresserror WHERE address_key IN (
    SELECT address_key FROM audiences_addresserror WHERE address_key = ANY(%s) ORDER BY address_key FOR UPDATE
)
"""
# A complaint outlives other causes: who releases mailboxes that were full must not release it with them.
_SUPERSEDE = """
UPDATE audiences_quarantineentry SET released_at = now(), release_note = 'complaint'
WHERE address_key = %(key)s AND released_at IS NULL AND reason <> 'complaint'
"""


def policy() -> Policy:
    set_to = installation.values([options.MOST_ERRORS, options.ERROR_GAP_H, options.ERROR_MEMORY_DAYS])
    return Policy(
        int(set_to[options.MOST_ERRORS]),
        dt.timedelta(hours=set_to[options.ERROR_GAP_H]),
        dt.timedelta(days=set_to[options.ERROR_MEMORY_DAYS]),
    )


@transaction.atomic
def strike(strikes: Iterable[Strike]) -> int:
    """Hold reports against their addresses; how many addresses went into quarantine now.

    The caller gives each report once. Others who strike or forgive wait, to the end of the caller's transaction.
    Strikes without a key are left out: such an address is not mailable anyway.
    """
    ordered = sorted((one for one in strikes if one.address_key), key=lambda one: (one.address_key, one.at))
    if not ordered:
        return 0
    _take_turn()
    rules = policy()
    n_entered = 0
    for is_certain, part in itertools.groupby(ordered, key=lambda one: one.weight is Weight.PERMANENT):
        some = list(part)
        n_entered += _enter_all(some) if is_certain else sum(_hold(one, rules) for one in some)
    return n_entered


@transaction.atomic
def forgive(successes: Iterable[tuple[str, dt.datetime]]) -> int:
    """Start the count anew for (address key, time) of messages that arrived; how many rows went.

    Cheap for addresses that never failed: a look into a table of those that did. Waits as `strike` does.
    """
    latest: dict[str, dt.datetime] = {}
    for key, at in successes:
        latest[key] = max(at, latest.get(key, at))
    if not latest:
        return 0
    keys = sorted(latest)
    _take_turn()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM audiences_addresserror e USING unnest(%s::text[], %s::timestamptz[]) AS s(key, at)"
            " WHERE e.address_key = s.key AND e.last_error_at < s.at",
            [keys, [latest[key] for key in keys]],
        )
        return int(cursor.rowcount)


@transaction.atomic
def forget(*, now: dt.datetime | None = None) -> int:
    """Remove counts whose last error is old; how many. Safe to run at any time: an old count starts anew anyway."""
    oldest = (now or timezone.now()) - policy().memory
    _take_turn()
    return AddressError.objects.filter(last_error_at__lt=oldest).delete()[0]


def _take_turn() -> None:
    """One transaction at a time. A batch forgives some addresses and strikes others; two batches that name the same
    ones would each hold what the other waits for, whatever the order within a step."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_LOCK])


def _enter_all(ordered: list[Strike]) -> int:
    """What _hold does for each, in two statements: an old list gives thousands. The first of an address is kept."""
    keys, reasons = [one.address_key for one in ordered], [one.reason[:40] for one in ordered]
    evidence = [texts.storable(one.evidence)[:_EVIDENCE_CHARACTERS] for one in ordered]
    with connection.cursor() as cursor:
        cursor.execute(_ENTER_ALL, [keys, reasons, evidence])
        n_entered = int(cursor.rowcount)
        cursor.execute(_BEGIN_ANEW, [keys])
        return n_entered


def _hold(one: Strike, rules: Policy) -> int:
    reason, evidence = one.reason[:40], texts.storable(one.evidence)[:_EVIDENCE_CHARACTERS]
    values: dict[str, Any] = {"key": one.address_key, "reason": reason, "evidence": evidence, "at": one.at}
    with connection.cursor() as cursor:
        if one.weight is Weight.TEMPORARY:
            cursor.execute(_COUNT, values | {"gap": rules.gap, "memory": rules.memory})
            row = cursor.fetchone()
            if row is None or row[0] < rules.most_errors:
                return 0
        if one.weight is Weight.COMPLAINT:
            values["reason"] = COMPLAINT
            cursor.execute(_SUPERSEDE, values)
        cursor.execute(_ENTER, values)
        n_entered = int(cursor.rowcount)
        # After a release the count begins anew.
        cursor.execute("DELETE FROM audiences_addresserror WHERE address_key = %(key)s", values)
        return n_entered
