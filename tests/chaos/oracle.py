"""What must be true of a delivery whatever happened to it: the log against the sink's journal, at the end and between.

Every function returns sentences about what is wrong; none is good. They read with SQL of their own.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

# Seconds after a stop or an unsubscription in which a message that was authorised before may still begin.
DOOR_S = 5.0


@dataclass
class Journal:
    """What the sink saw: acceptances by address, and when MAIL was said for each."""

    n: Counter[str] = field(default_factory=Counter)
    mail_at: dict[str, float] = field(default_factory=dict)


def read(path: Path) -> Journal:
    found = Journal()
    for line in path.read_text().splitlines() if path.exists() else ():
        mail_at, _accepted_at, address = line.split(" ")
        found.n[address] += 1
        found.mail_at[address] = float(mail_at)
    return found


_SUMS = """
SELECT d.n_to_send, coalesce(sum(s.n_ids - s.n_retried), 0), coalesce(sum(s.n_sent), 0), coalesce(sum(s.n_failed), 0),
    coalesce(sum(s.n_not_sent), 0), coalesce(sum(s.n_unknown), 0), coalesce(sum(s.n_cancelled), 0)
FROM delivery_delivery d LEFT JOIN delivery_shard s ON s.delivery_id = d.id WHERE d.id = %s GROUP BY d.id
"""
_LOGGED = "SELECT outcome, count(*) FROM delivery_sendlog WHERE delivery_id = %s GROUP BY outcome"


def sums(connection: psycopg.Connection[tuple[object, ...]], delivery_id: int) -> list[str]:
    """At any moment: everybody is in exactly one place, and the counters are what the log says. One snapshot."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = connection.execute(_SUMS, (delivery_id,)).fetchone()
        logged = dict(connection.execute(_LOGGED, (delivery_id,)).fetchall())
    assert row is not None
    wrong = [] if row[0] == row[1] else [f"{row[1]} people in shards, {row[0]} to send"]
    names = ("sent", "failed", "not_sent", "unknown", "cancelled")
    wrong += [
        f"{count} {name} in the counters, {logged.get(name, 0)} in the log"
        for name, count in zip(names, row[2:], strict=True)
        if count != logged.get(name, 0)
    ]
    return wrong


_ROWS = """
SELECT p.email, l.outcome FROM audiences_profile p
JOIN (SELECT unnest(ids) AS id FROM delivery_shard WHERE delivery_id = %(id)s
      UNION SELECT profile_id FROM delivery_sendlog WHERE delivery_id = %(id)s) t ON t.id = p.id
LEFT JOIN delivery_sendlog l ON l.delivery_id = %(id)s AND l.profile_id = p.id
"""


def end(
    connection: psycopg.Connection[tuple[object, ...]], delivery_id: int, seen: Journal, *, most_unknown: int
) -> tuple[list[str], Counter[str]]:
    """When it is over: nobody twice, everybody one outcome, log and sink agree. Also how many had which outcome."""
    rows = connection.execute(_ROWS, {"id": delivery_id}).fetchall()
    logged = {str(address): str(outcome) for address, outcome in rows if outcome is not None}
    counts = Counter(logged.values())
    wrong = []
    if twice := [address for address, n in seen.n.items() if n > 1]:
        wrong.append(f"{len(twice)} got it twice, such as {twice[0]}")
    if without := [address for address, outcome in rows if outcome is None]:
        wrong.append(f"{len(without)} have no outcome, such as {without[0]}")
    if unseen := [address for address, outcome in logged.items() if outcome == "sent" and not seen.n[address]]:
        wrong.append(f"{len(unseen)} are logged as sent and never arrived, such as {unseen[0]}")
    if unlogged := [address for address in seen.n if logged.get(address) not in {"sent", "unknown"}]:
        wrong.append(f"{len(unlogged)} arrived and are logged otherwise, such as {unlogged[0]}")
    strange = [a for a, outcome in logged.items() if outcome == "failed" and not a.startswith("refuse-")]
    if strange:
        wrong.append(f"{len(strange)} failed although nobody refused them, such as {strange[0]}")
    if counts["unknown"] > most_unknown:
        wrong.append(f"{counts['unknown']} are unknown, at most {most_unknown} can be")
    return wrong + sums(connection, delivery_id), counts


def too_late(seen: Journal, limits: dict[str, float]) -> list[str]:
    """`limits`: address → the moment (seconds since 1970) after which it must not be written to."""
    late = [address for address, at in limits.items() if seen.mail_at.get(address, 0) > at + DOOR_S]
    return [f"{len(late)} were written to after they must not be, such as {late[0]}"] if late else []
