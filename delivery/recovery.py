"""Take up what a dead worker left: classify the people of its window, give the rest back, fence it out.

How the people of the window who have no row are classified:

- Same boot, the journal is there and its lock is free, so the worker is dead: by their mark. Accepted → sent, refused →
  failed, on the wire → unknown, untried → waiting again. An owner that lives and whose lease ran out stands still; it
  is killed, and then the same holds.
- Another machine or boot, the journal gone, or its owner can't be killed from here; only after the lease ran out:
  unknown, for they may have it.

Unknown people are never sent to again by themselves. Runs in the tick of every machine; safe to repeat and to race.
"""

import datetime as dt
from dataclasses import dataclass

from django.db import connection, transaction

from delivery import journal, reasons

# Before a foreign lease counts as lost, seconds after it ran out: the owner's own machine should have the first go.
_PATIENCE_S = 15
_REFUSED = "refused"

_LEASED = """
SELECT id, fence, lease_owner, lease_until < now() - make_interval(secs => %s) FROM delivery_shard
WHERE state = 'leased' ORDER BY id
"""
_LOCK = """
SELECT s.ids, s.n_ids, s.n_authorised, s.attempt, s.request_no, s.delivery_id, d.opened_month
FROM delivery_shard s JOIN delivery_delivery d ON d.id = s.delivery_id
WHERE s.id = %(shard)s AND s.fence = %(fence)s AND s.state = 'leased'
    AND (%(is_dead)s OR s.lease_until < now() - make_interval(secs => %(patience_s)s))
FOR UPDATE OF s SKIP LOCKED
"""
_SETTLED = """
SELECT profile_id FROM delivery_sendlog
WHERE opened_month = %(month)s AND delivery_id = %(delivery)s AND request_no = %(request)s AND profile_id = ANY(%(ids)s)
UNION SELECT profile_id FROM delivery_attempt
WHERE opened_month = %(month)s AND delivery_id = %(delivery)s AND request_no = %(request)s AND profile_id = ANY(%(ids)s)
    AND shard_id = %(shard)s
"""
_LOG = """
INSERT INTO delivery_sendlog
    (opened_month, delivery_id, request_no, profile_id, outcome, at, address, n_attempts, code, detail)
SELECT %(month)s, %(delivery)s, %(request)s, u.profile_id, %(outcome)s, now(),
    CASE WHEN d.channel = 'email' THEN COALESCE(p.email, '') ELSE '' END, %(attempt)s,
    %(code)s, %(detail)s
FROM unnest(%(ids)s::bigint[]) AS u(profile_id) JOIN delivery_delivery d ON d.id = %(delivery)s
LEFT JOIN audiences_profile p ON p.id = u.profile_id
"""
_RETURN = """
UPDATE delivery_shard SET ids = %(order)s::bigint[], n_authorised = %(n_done)s, fence = fence + 1,
    n_sent = n_sent + %(sent)s, n_failed = n_failed + %(failed)s, n_unknown = n_unknown + %(unknown)s,
    state = CASE WHEN %(n_done)s = n_ids THEN 'done' ELSE 'waiting' END, lease_owner = '', lease_until = NULL
WHERE id = %(shard)s
"""


@dataclass(frozen=True)
class Recovered:
    """What became of one lost lease, in people."""

    shard_id: int
    n_sent: int
    n_failed: int
    n_unknown: int
    n_returned: int


def recover_all() -> list[Recovered]:
    """Recover every lease whose worker is known to be dead or has run out; usually none."""
    with connection.cursor() as cursor:
        cursor.execute(_LEASED, [_PATIENCE_S])
        leased = cursor.fetchall()
    found = [_recover(*row) for row in leased]
    return [one for one in found if one is not None]


def _recover(shard_id: int, fence: int, owner: str, is_over: bool) -> Recovered | None:
    boot, _, name = owner.partition(":")
    notes = None
    if boot == journal.boot_id():
        try:
            notes = journal.adopt(name)
            if notes is None and is_over and journal.end_owner(name):
                notes = journal.adopt(name)
        except journal.Unknown:
            notes = None
    if notes is None and not is_over:
        return None
    try:
        result = _classify(shard_id, fence, bytes(notes.marks[:]) if notes else None)
    except BaseException:
        if notes is not None:
            notes.abandon()
        raise
    if notes is not None:
        notes.remove()
    return result


@transaction.atomic
def _classify(shard_id: int, fence: int, marks: bytes | None) -> Recovered | None:
    # Asked again under the lock: an owner that stood still may have gone on, renewed its lease and opened a window.
    lost = {"shard": shard_id, "fence": fence, "is_dead": marks is not None, "patience_s": _PATIENCE_S}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, lost)
        row = cursor.fetchone()
        if row is None:
            return None
        ids, n_ids, n_authorised, attempt, request_no, delivery_id, month = row
        window = ids[:n_authorised]
        keys = {"month": month, "delivery": delivery_id, "request": request_no, "shard": shard_id, "attempt": attempt}
        cursor.execute(_SETTLED, {**keys, "ids": window})
        has_row = {found[0] for found in cursor.fetchall()}
        groups: dict[str, list[int]] = {"sent": [], "failed": [], "unknown": [], "": []}
        for position, profile_id in enumerate(window):
            if profile_id not in has_row:
                groups[_outcome(marks, position)].append(profile_id)
        for outcome, code, detail in (
            ("sent", "", "The worker ended after the server accepted it; its words are lost."),
            ("failed", _REFUSED, "The worker ended after the server refused it; its words are lost."),
            ("unknown", reasons.WORKER_LOST, reasons.not_sent_sentence(reasons.WORKER_LOST)),
        ):
            if groups[outcome]:
                cursor.execute(
                    _LOG, {**keys, "ids": groups[outcome], "outcome": outcome, "code": code, "detail": detail}
                )
        untried = set(groups[""])
        done = [profile_id for profile_id in window if profile_id not in untried]
        counts = {outcome: len(people) for outcome, people in groups.items() if outcome}
        order = done + groups[""] + ids[n_authorised:n_ids]
        cursor.execute(_RETURN, {**keys, **counts, "order": order, "n_done": len(done)})
    return Recovered(shard_id, counts["sent"], counts["failed"], counts["unknown"], len(untried))


def _outcome(marks: bytes | None, position: int) -> str:
    """The outcome that a journal byte proves; "" for certainly not handed over."""
    if marks is None:
        return "unknown"
    mark = marks[position] if position < len(marks) else journal.UNTRIED
    return {journal.UNTRIED: "", journal.ACCEPTED: "sent", journal.REFUSED: "failed"}.get(mark, "unknown")


def remove_orphans(*, older_than: dt.timedelta = dt.timedelta(days=1)) -> int:
    """Delete journals of dead processes that no lease names any more; how many."""
    limit = (dt.datetime.now(dt.UTC) - older_than).timestamp()
    n_removed = 0
    for path in journal.folder().iterdir():
        if path.stat().st_mtime > limit or _is_named(path.name):
            continue
        notes = journal.adopt(path.name)
        if notes is not None:
            notes.remove()
            n_removed += 1
    return n_removed


def _is_named(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM delivery_shard WHERE state = 'leased' AND lease_owner = %s)",
            [f"{journal.boot_id()}:{name}"],
        )
        return bool(cursor.fetchone()[0])
