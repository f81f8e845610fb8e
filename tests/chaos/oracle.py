"""What must be true of a delivery whatever happened to it: the log against the sink's journal, at the end and between.

Every function returns sentences about what is wrong; none is good. They read with SQL of their own.
"""

import bisect
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

Database = psycopg.Connection[tuple[object, ...]]
# Seconds after a stop or an unsubscription in which a message that was authorised before may still begin.
DOOR_S = 5.0


@dataclass
class Journal:
    """What the sink saw: acceptances by address, and when MAIL was said. `read` takes up what is new."""

    path: Path
    n: Counter[str] = field(default_factory=Counter)
    # Of each address the last time.
    mail_at: dict[str, float] = field(default_factory=dict)
    # In the order of acceptance, which is almost that of time.
    mails: list[float] = field(default_factory=list)
    # By address, of those whose message carried a file.
    files: dict[str, str] = field(default_factory=dict)
    _offset: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> "Journal":
        if not self.path.exists():
            return self
        with self._lock, self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                mail_at, _accepted_at, address, file = line.decode().rstrip("\n").split(" ")
                self.n[address] += 1
                self.mail_at[address] = float(mail_at)
                self.mails.append(float(mail_at))
                if file != "-":
                    self.files[address] = file
        return self

    def first_after(self, moments: list[float]) -> list[float]:
        """For each moment, how many seconds later a message began; without those after which none did."""
        mails = sorted(self.mails)
        places = [(moment, bisect.bisect_right(mails, moment)) for moment in moments]
        return [mails[place] - moment for moment, place in places if place < len(mails)]

    def last_between(self, since: float, until: float) -> float:
        """How many seconds after `since` the last message before `until` began; 0.0 if none did."""
        return max((at - since for at in self.mails[-20_000:] if since < at < until), default=0.0)


_SUMS = """
SELECT d.n_to_send, coalesce(sum(s.n_ids - s.n_retried), 0), coalesce(sum(s.n_sent), 0), coalesce(sum(s.n_failed), 0),
    coalesce(sum(s.n_not_sent), 0), coalesce(sum(s.n_unknown), 0), coalesce(sum(s.n_cancelled), 0)
FROM delivery_delivery d LEFT JOIN delivery_shard s ON s.delivery_id = d.id WHERE d.id = %s GROUP BY d.id
"""
_LOGGED = "SELECT outcome, count(*) FROM delivery_sendlog WHERE delivery_id = %s GROUP BY outcome"


def sums(connection: Database, delivery_id: int) -> list[str]:
    """At any moment: everybody is in exactly one place, and the counters are what the log says. One snapshot."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = connection.execute(_SUMS, (delivery_id,)).fetchone()
        logged = dict(connection.execute(_LOGGED, (delivery_id,)).fetchall())
    assert row is not None
    # A standing delivery has no list.
    wrong = [] if row[0] in {None, row[1]} else [f"{row[1]} people in shards, {row[0]} to send"]
    names = ("sent", "failed", "not_sent", "unknown", "cancelled")
    wrong += [
        f"{count} {name} in the counters, {logged.get(name, 0)} in the log"
        for name, count in zip(names, row[2:], strict=True)
        if count != logged.get(name, 0)
    ]
    return wrong


_OUTCOMES = """
SELECT p.email, l.outcome FROM delivery_sendlog l JOIN audiences_profile p ON p.id = l.profile_id
WHERE l.delivery_id = %(id)s
"""


def agree(connection: Database, delivery_id: int, journal: Journal) -> list[str]:
    """At any moment: nobody twice, and each row of the log, which is final, is what the sink saw."""
    logged = dict(connection.execute(_OUTCOMES, {"id": delivery_id}).fetchall())
    # Read after the log: the sink writes before it answers.
    return _compare({str(address): str(outcome) for address, outcome in logged.items()}, journal.read())


def _compare(logged: dict[str, str], seen: Journal) -> list[str]:
    wrong = []
    if twice := [address for address, n in seen.n.copy().items() if n > 1]:
        wrong.append(f"{len(twice)} got it twice, such as {twice[0]}")
    if unseen := [address for address, outcome in logged.items() if outcome == "sent" and not seen.n[address]]:
        wrong.append(f"{len(unseen)} are logged as sent and never arrived, such as {unseen[0]}")
    arrived = {"sent", "unknown"}
    if strange := [a for a, outcome in logged.items() if outcome not in arrived and seen.n[a]]:
        wrong.append(f"{len(strange)} arrived and are logged otherwise, such as {strange[0]}")
    if unasked := [a for a, outcome in logged.items() if outcome == "failed" and not a.startswith("refuse-")]:
        wrong.append(f"{len(unasked)} failed although nobody refused them, such as {unasked[0]}")
    return wrong


_ROWS = """
SELECT p.email, l.outcome FROM audiences_profile p
JOIN (SELECT unnest(ids) AS id FROM delivery_shard WHERE delivery_id = %(id)s
      UNION SELECT profile_id FROM delivery_sendlog WHERE delivery_id = %(id)s) t ON t.id = p.id
LEFT JOIN delivery_sendlog l ON l.delivery_id = %(id)s AND l.profile_id = p.id
"""


def end(
    connection: Database, delivery_id: int, seen: Journal, *, most_unknown: int
) -> tuple[list[str], dict[str, str]]:
    """When it is over: nobody twice, everybody one outcome, log and sink agree. Also the outcome of each address."""
    rows = connection.execute(_ROWS, {"id": delivery_id}).fetchall()
    logged = {str(address): str(outcome) for address, outcome in rows if outcome is not None}
    n_unknown = Counter(logged.values())["unknown"]
    wrong = _compare(logged, seen)
    if without := [address for address, outcome in rows if outcome is None]:
        wrong.append(f"{len(without)} have no outcome, such as {without[0]}")
    if unlogged := [address for address in seen.n if seen.n[address] and address not in logged]:
        wrong.append(f"{len(unlogged)} arrived and are not logged, such as {unlogged[0]}")
    if n_unknown > most_unknown:
        wrong.append(f"{n_unknown} are unknown, at most {most_unknown} can be")
    return wrong + sums(connection, delivery_id), logged


def too_late(seen: Journal, limits: dict[str, float]) -> list[str]:
    """`limits`: address → the moment (seconds since 1970) after which it must not be written to."""
    late = [address for address, at in limits.copy().items() if seen.mail_at.get(address, 0) > at + DOOR_S]
    return [f"{len(late)} were written to after they must not be, such as {late[0]}"] if late else []


_WINDOWS = """
SELECT split_part(split_part(lease_owner, ':', 2), '-', 1)::int,
    sum(n_authorised - n_sent - n_failed - n_not_sent - n_unknown - n_cancelled - n_retried)::int
FROM delivery_shard WHERE state = 'leased' GROUP BY 1
"""


def windows(connection: Database) -> dict[int, int]:
    """Process id of each that has leases → how many people are authorised there and have no outcome yet."""
    return {int(str(pid)): int(str(n)) for pid, n in connection.execute(_WINDOWS).fetchall()}
