"""Leases and windows: what a sending worker says to PostgreSQL, over its own connection, one short transaction each.

`lease` takes a shard; `advance` stores outcomes and, in the same transaction, authorises and reads the next people;
`release` gives a lease back. Every write carries the fence: whoever lost the lease gets LeaseLost and stops.
Before a byte for a person leaves, that person was authorised by a committed `advance` at most DOOR_S seconds ago, whose
statement checked the delivery's state and validity and the person's consent and quarantine, and, where the delivery
is sent under a subscription group, that they are still in it.
"""

import datetime as dt
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg

from audiences import mailable, profiles
from delivery import journal, logrows, reasons, retries, triggers
from delivery.models import Outcome
from messaging.channels.email import Program
from messaging.verdicts import Verdict

LEASE_S = 60
DOOR_S = 5.0
Connection = psycopg.Connection[tuple[object, ...]]


class LeaseLost(Exception):
    """Somebody else has the shard now; nothing of this transaction was stored."""


class Settled(NamedTuple):
    """The outcome of one person of a lease, to be stored. `outcome` None: deferred, comes again in a later shard."""

    position: int
    outcome: Outcome | None
    at: float
    address: str
    # True when the message was handed over (or refused), so that it counts as an attempt.
    is_attempt: bool = False
    code: str = ""
    detail: str = ""
    # What the answer to a deferred one means; None when there was none.
    verdict: Verdict | None = None


@dataclass
class Lease:
    """A shard in this worker's hands. `ids[:n_authorised]` may have been handed over."""

    shard_id: int
    delivery_id: int
    month: dt.date
    attempt: int
    request_no: int
    ids: list[int]
    n_ids: int
    n_authorised: int
    fence: int
    journal: journal.Journal
    # What is asked again at each window beside consent: the group it is sent under, or that it reaches who left.
    terms: mailable.Terms | None = None
    # Whether it needs an address that may be written to at all.
    is_mail: bool = True
    # Where quiet hours and limits by domain apply to its people; "" where none do.
    zone: str = ""
    domain: str = ""
    # The end of its own request, where it has one before the delivery's.
    valid_until: dt.datetime | None = None
    # What its request says about its people.
    asked: triggers.Triggers = triggers.NONE
    # What renders its messages where that isn't the program of the whole send.
    program: Program | None = None
    rows: logrows.Writer = field(init=False)
    # Outcomes stored so far, outcomes still to store, and positions that were authorised and not handed over.
    n_settled: int = field(init=False)
    settled: list["Settled"] = field(default_factory=list)
    untried: list[int] = field(default_factory=list)
    is_lost: bool = False

    @property
    def is_exhausted(self) -> bool:
        """Nobody is left to authorise."""
        return self.n_authorised >= self.n_ids and not self.untried

    @property
    def is_idle(self) -> bool:
        """Nobody of it is in a window or on the way."""
        return self.n_authorised == self.n_settled + len(self.settled) + len(self.untried)

    @property
    def is_complete(self) -> bool:
        """Everybody has an outcome, stored or not."""
        return self.n_settled + len(self.settled) >= self.n_ids

    def __post_init__(self) -> None:
        self.rows = logrows.Writer(month=self.month, delivery_id=self.delivery_id, request_no=self.request_no)
        # Everybody authorised by earlier leases has an outcome: `release` and recovery see to that.
        self.n_settled = self.n_authorised


@dataclass(frozen=True)
class Opened:
    """What `advance` found: whether sending may go on, and who may be sent to until `opened_at` + DOOR_S (`clock`)."""

    is_open: bool
    opened_at: float
    people: list[tuple[int, profiles.Person]]
    # (position, address, reason) of those who may not get it any more.
    refused: list[tuple[int, str, str]]


_LEASE = """
UPDATE delivery_shard s SET state = 'leased', fence = s.fence + 1, lease_owner = %(owner)s,
    lease_until = now() + make_interval(secs => %(lease_s)s)
FROM delivery_delivery d LEFT JOIN audiences_subscriptiongroup g
    ON g.public_id::text = d.audience ->> 'subscription_group'
WHERE d.id = %(delivery)s AND d.state = 'sending' AND s.id = (
    SELECT id FROM delivery_shard WHERE delivery_id = %(delivery)s AND state = 'waiting' AND due_at <= now()
        AND (valid_until IS NULL OR valid_until > now())
        AND zone <> ALL(%(quiet)s::text[]) AND domain <> ALL(%(busy)s::text[])
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING s.id, s.attempt, s.request_no, s.ids, s.n_ids, s.n_authorised, s.fence, d.opened_month,
    COALESCE(d.audience -> 'reaches_unsubscribed' = 'true', FALSE), g.id, g.default_state,
    s.zone, s.domain, s.valid_until
"""
_RECORD = """
UPDATE delivery_shard s SET
    n_sent = s.n_sent + %(sent)s, n_failed = s.n_failed + %(failed)s, n_not_sent = s.n_not_sent + %(not_sent)s,
    n_unknown = s.n_unknown + %(unknown)s, n_retried = s.n_retried + %(retried)s,
    n_authorised = CASE WHEN d.state = 'sending' AND COALESCE(s.valid_until, d.valid_until) > now()
        THEN GREATEST(s.n_authorised, LEAST(s.n_ids, %(target)s)) ELSE s.n_authorised END,
    state = CASE WHEN s.n_sent + s.n_failed + s.n_not_sent + s.n_unknown + s.n_retried + s.n_cancelled + %(n)s = s.n_ids
        THEN 'done' ELSE s.state END,
    lease_until = now() + make_interval(secs => %(lease_s)s)
FROM delivery_delivery d
WHERE s.id = %(shard)s AND s.fence = %(fence)s AND s.state = 'leased' AND d.id = s.delivery_id
RETURNING s.n_ids, s.n_authorised, d.state = 'sending' AND COALESCE(s.valid_until, d.valid_until) > now()
"""
_ATTEMPTS = """
INSERT INTO delivery_attempt
    (opened_month, delivery_id, request_no, profile_id, shard_id, attempt, at, result, code, reply)
SELECT %s, %s, %s, t.profile_id, %s, %s, to_timestamp(t.at), t.result, t.code, t.reply
FROM unnest(%s::bigint[], %s::float8[], %s::text[], %s::text[], %s::text[]) AS t(profile_id, at, result, code, reply)
"""
# A lost worker may come back from the dead: only the row it still holds may be rewritten.
_HELD = "SELECT n_ids FROM delivery_shard WHERE id = %s AND fence = %s AND state = 'leased' FOR UPDATE"
_RELEASE = """
UPDATE delivery_shard SET ids = %s::bigint[], n_authorised = %s, lease_owner = '', lease_until = NULL,
    state = CASE WHEN n_sent + n_failed + n_not_sent + n_unknown + n_retried + n_cancelled = n_ids
        THEN 'done' ELSE 'waiting' END
WHERE id = %s
"""
_PROGRESS = """
UPDATE delivery_delivery SET progressed_at = now() WHERE id = (
    SELECT id FROM delivery_delivery WHERE id = %s AND (progressed_at IS NULL OR progressed_at < now() - interval '1 s')
    FOR NO KEY UPDATE SKIP LOCKED
)
"""


def lease(
    connection: Connection,
    delivery_id: int,
    *,
    quiet: Sequence[str] = (),
    busy: Sequence[str] = (),
    is_mail: bool = True,
) -> Lease | None:
    """The next shard that is due, journal ready; None when there is none or the delivery does not send.

    None of the zones in `quiet` or of the domains in `busy`. `is_mail`: its people need an address.
    """
    notes = journal.create()
    try:
        values: dict[str, object] = {"delivery": delivery_id, "owner": notes.owner, "lease_s": LEASE_S}
        values |= {"quiet": list(quiet), "busy": list(busy)}
        row = connection.execute(_LEASE, values, prepare=True).fetchone()
        if row is None:
            notes.remove()
            return None
        shard_id, attempt, request_no, ids, n_ids, n_authorised, fence, month, reaches, group_id, default, *place = row
        terms = _terms(bool(reaches), group_id, default)
        notes.resize(n_ids)  # type: ignore[arg-type]
        asked = triggers.of(connection, int(request_no))  # type: ignore[call-overload]
    except BaseException:
        notes.abandon()
        raise
    held = (shard_id, delivery_id, month, attempt, request_no, ids, n_ids, n_authorised, fence, notes, terms)
    zone, domain, valid_until = place
    return Lease(*held, zone=zone, domain=domain, valid_until=valid_until, asked=asked, is_mail=is_mail)  # type: ignore[arg-type]


def advance(
    connection: Connection,
    held: Lease,
    settled: list[Settled],
    *,
    n_more: int,
    again: list[int],
    valid_until: dt.datetime,
) -> Opened:
    """Store `settled`; authorise up to `n_more` more people and, once more, the positions `again` (never handed over).

    One transaction. Raises LeaseLost, psycopg.Error: then what was stored is unknown until recovery looks.
    """
    lowest, target = held.n_authorised, min(held.n_ids, held.n_authorised + n_more)
    positions = [*again, *range(lowest, target)]
    opened_at = clock()
    batch = _sort(held, settled, valid_until)
    values: dict[str, object] = {**batch.counts, "n": len(settled), "shard": held.shard_id, "fence": held.fence}
    values |= {"lease_s": LEASE_S, "target": target, "ids": [held.ids[i] for i in positions], "positions": positions}
    with connection.transaction():
        # The shard's own row is locked first, before any retry shard: a stop locks in the order of ids.
        rows = connection.execute(
            _open(held.terms, is_mail=held.is_mail) if positions else _RECORD, values, prepare=True
        ).fetchall()
        if not rows:
            raise LeaseLost(held.shard_id)
        _store(connection, held, batch)
    held.n_ids, held.n_authorised, is_open = rows[0][:3]  # type: ignore[assignment]
    held.n_settled += len(settled)
    people, refused = [], []
    for row in rows if positions else ():
        if row[3] is None:
            continue
        if row[4] is None:
            people.append((row[3], profiles.Person._make(row[5:])))
        else:
            refused.append((row[3], row[7] or "", row[4]))
    return Opened(bool(is_open), opened_at, people, refused)  # type: ignore[arg-type]


def release(
    connection: Connection, held: Lease, settled: list[Settled], untried: list[int], *, valid_until: dt.datetime
) -> None:
    """Store `settled` and give the lease back. `untried` positions were authorised and certainly not handed over: they
    move behind the others, so that everybody before `n_authorised` has an outcome. Raises LeaseLost.
    """
    advance(connection, held, settled, n_more=0, again=[], valid_until=valid_until)
    with connection.transaction():
        row = connection.execute(_HELD, (held.shard_id, held.fence)).fetchone()
        if row is None:
            # `advance` may just have closed it; otherwise somebody else has it, and nothing is ours to write.
            return
        n_ids, waiting = int(row[0]), set(untried)  # type: ignore[call-overload]
        done = [held.ids[i] for i in range(held.n_authorised) if i not in waiting]
        order = done + [held.ids[i] for i in sorted(waiting)] + held.ids[held.n_authorised : n_ids]
        connection.execute(_RELEASE, (order, len(done), held.shard_id))


def note_progress(connection: Connection, delivery_id: int) -> None:
    """Say that a message was handed over just now; at most once a second, never waiting for a lock."""
    connection.execute(_PROGRESS, (delivery_id,), prepare=True)


def clock() -> float:
    """Seconds that also pass while the machine sleeps; doors are timed with it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _terms(reaches_unsubscribed: bool, group_id: object, default: object) -> mailable.Terms | None:
    if reaches_unsubscribed:
        return mailable.Terms(reaches_unsubscribed=True)
    return mailable.Terms(int(group_id), str(default)) if group_id is not None else None  # type: ignore[call-overload]


@functools.cache
def _open(terms: mailable.Terms | None, *, is_mail: bool) -> str:
    """The statement that records, authorises and reads; one text, and so one prepared statement, for each group."""
    reason = mailable.reason(terms).sql if is_mail else "NULL"
    return f"""
WITH w (n_ids, n_authorised, is_open) AS ({_RECORD})
SELECT w.n_ids, w.n_authorised, w.is_open, u.position,
    CASE WHEN p.id IS NULL THEN '{reasons.GONE}' ELSE {reason} END, {profiles.PERSON_COLUMNS}
FROM w
LEFT JOIN unnest(%(ids)s::bigint[], %(positions)s::int[]) AS u(profile_id, position)
    ON w.is_open AND u.position < w.n_authorised
LEFT JOIN audiences_profile p ON p.id = u.profile_id
"""


@dataclass(frozen=True)
class _Batch:
    """Outcomes sorted by what becomes of them: log rows, attempts, people of a later shard by when it is due."""

    counts: dict[str, int]
    rows: list[bytes]
    attempts: list[Settled]
    again: dict[dt.datetime, list[int]]


def _sort(held: Lease, settled: list[Settled], valid_until: dt.datetime) -> _Batch:
    counts = dict.fromkeys(("sent", "failed", "not_sent", "unknown", "cancelled", "retried"), 0)
    batch = _Batch(counts, [], [], {})
    due_by_verdict: dict[Verdict | None, dt.datetime | None] = {}
    for one in settled:
        profile_id, outcome = held.ids[one.position], one.outcome
        if outcome is Outcome.SENT and not one.code:
            counts["sent"] += 1
            batch.rows.append(held.rows.sent(profile_id, one.at, one.address, held.attempt, one.detail))
            continue
        if one.is_attempt and outcome in (None, Outcome.FAILED):
            batch.attempts.append(one)
        if outcome is None:
            if one.verdict not in due_by_verdict:
                due_by_verdict[one.verdict] = retries.next_due(
                    held.attempt,
                    now=dt.datetime.now(dt.UTC),
                    valid_until=held.valid_until or valid_until,
                    verdict=one.verdict,
                )
            due_at = due_by_verdict[one.verdict]
            if due_at is not None:
                batch.again.setdefault(due_at, []).append(profile_id)
                counts["retried"] += 1
                continue
        # Deferred, and the validity period ends before it could be tried again.
        outcome = outcome or Outcome.FAILED
        counts[outcome] += 1
        n_attempts = held.attempt if one.is_attempt else held.attempt - 1
        batch.rows.append(held.rows.row(profile_id, outcome, one.at, one.address, n_attempts, one.code, one.detail))
    return batch


def _store(connection: Connection, held: Lease, batch: _Batch) -> None:
    if batch.rows:
        with connection.cursor().copy(logrows.COPY) as copy:
            copy.write(b"".join((logrows.HEADER, *batch.rows, logrows.TRAILER)))
    if batch.attempts:
        _store_attempts(connection, held, batch.attempts)
    for due_at, ids in batch.again.items():
        retries.plan(
            connection,
            delivery_id=held.delivery_id,
            request_no=held.request_no,
            attempt=held.attempt + 1,
            ids=ids,
            due_at=due_at,
            place=(held.zone, held.domain),
            valid_until=held.valid_until,
        )


def _store_attempts(connection: Connection, held: Lease, attempts: list[Settled]) -> None:
    connection.execute(
        _ATTEMPTS,
        (
            held.month,
            held.delivery_id,
            held.request_no,
            held.shard_id,
            held.attempt,
            [held.ids[one.position] for one in attempts],
            [one.at for one in attempts],
            ["deferred" if one.outcome is None else "refused" for one in attempts],
            [one.code[:40] for one in attempts],
            [one.detail for one in attempts],
        ),
    )
