"""Monthly partitions of the log tables: made before the first row of a month, dropped when retention ends.

The month is the delivery's opening month, carried in every key, so that nobody can stand in a delivery twice and
a month of logs is one DROP. The regular tasks make the coming months ahead of time; opening and confirming a delivery
make what is missing. There is no default partition: a row without its month is an error, not a row out of reach.

Nothing here takes a lock that those who write the log wait for: partitions are attached and detached concurrently.
"""

import datetime as dt
from dataclasses import dataclass

from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg import sql

from lib.errors import DomainError

TABLES = ("delivery_sendlog", "delivery_attempt", "delivery_event")
# Months made ahead of the current one.
N_AHEAD = 3
# Nobody removes a month that is younger, so it can be looked for without the lock.
_YOUNG = dt.timedelta(days=45)
# Removing gives way: to whoever holds a lock for longer it leaves the rest for the next run.
_LOCK_TIMEOUT = "2s"
_LOCK = "hashtext('delivery.partitions')"
ATTACHED, DETACHING, DETACHED = "attached", "detaching", "detached"

_FIND = f"""
SELECT p.relname, to_date(right(c.relname, 6), 'YYYYMM'),
       CASE WHEN i.inhrelid IS NULL THEN '{DETACHED}' WHEN i.inhdetachpending THEN '{DETACHING}' ELSE '{ATTACHED}' END,
       pg_total_relation_size(c.oid), GREATEST(c.reltuples, 0)::bigint
FROM pg_class p
JOIN pg_class c ON c.relnamespace = p.relnamespace AND c.relname ~ ('^' || p.relname || '_[0-9]{{6}}$')
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE p.oid = ANY(%s::regclass[]) AND c.relkind = 'r'
ORDER BY 2, 1
"""


class LogBusy(DomainError):
    """The month a send belongs to is being removed at this moment."""

    code = "log_busy"
    status = 409


@dataclass(frozen=True)
class Partition:
    """One month of one log table. `n_rows` is PostgreSQL's own estimate, 0 before the first ANALYZE."""

    table: str
    month: dt.date
    state: str
    n_bytes: int
    n_rows: int

    @property
    def name(self) -> str:
        return f"{self.table}_{self.month:%Y%m}"


def month_of(moment: dt.datetime | dt.date) -> dt.date:
    """The first day of the month of `moment` in UTC."""
    day = moment.astimezone(dt.UTC).date() if isinstance(moment, dt.datetime) else moment
    return day.replace(day=1)


def after(month: dt.date, n: int = 1) -> dt.date:
    """The first day of the month that is `n` later; earlier for a negative one."""
    number = month.year * 12 + month.month - 1 + n
    return dt.date(number // 12, number % 12 + 1, 1)


def ensure(month: dt.date) -> None:
    """Make the partitions of `month` (a first day) unless they are there; safe to repeat and to run in parallel.

    An old month is kept from being removed until the transaction ends. Raises LogBusy while it is being removed.
    """
    with connection.cursor() as cursor:
        is_young = timezone.now().date() - month < _YOUNG
        if is_young and not _missing(cursor, month):
            return
        # Two openings in a new month must not both create; the lock ends with the transaction.
        cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        for table in _missing(cursor, month):
            _make(cursor, table, month)


def make_ahead(now: dt.datetime | None = None) -> None:
    """The partitions of this month and of the coming ones. A regular task; a clock off by weeks does no harm."""
    this = month_of(now or timezone.now())
    for n in range(N_AHEAD + 1):
        ensure(after(this, n))


def found() -> list[Partition]:
    """Everything there is, oldest first; what is detached and not yet dropped, too."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [list(TABLES)])
        return [Partition(*row) for row in cursor.fetchall()]


def lock() -> bool:
    """Keep others from making and removing months until `unlock`; False when somebody else does. In no transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({_LOCK})")
        return bool(cursor.fetchone()[0])


def unlock() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_unlock({_LOCK})")


def detach(old: Partition) -> bool:
    """Take one partition out of its table; False when somebody was in the way, then the next call goes on where this
    ended. Outside of transactions. Writers of other months wait for nothing; whoever reads this month delays it.
    """
    assert not connection.in_atomic_block, "a partition is detached concurrently, in steps of its own"
    # An earlier run may have ended in the middle.
    how = {ATTACHED: "CONCURRENTLY", DETACHING: "FINALIZE"}.get(old.state)
    if how is None:
        return True
    child, parent = sql.Identifier(old.name), sql.Identifier(old.table)
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [_LOCK_TIMEOUT])
            cursor.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}").format(parent, child, sql.SQL(how)))
        except OperationalError:
            return False
        finally:
            cursor.execute("RESET lock_timeout")
    return True


def drop(old: Partition) -> None:
    """Remove a detached partition for good, in the transaction of the caller. Raises OperationalError after waiting for
    somebody who still reads it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
        cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(old.name)))


def _missing(cursor: CursorWrapper, month: dt.date) -> list[str]:
    cursor.execute(
        "SELECT c.relname, i.inhrelid IS NOT NULL AND NOT i.inhdetachpending FROM pg_class c"
        " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid WHERE c.oid = ANY(ARRAY(SELECT to_regclass(n)::oid"
        " FROM unnest(%s::text[]) AS n))",
        [[f"{table}_{month:%Y%m}" for table in TABLES]],
    )
    is_attached = dict(cursor.fetchall())
    if not all(is_attached.values()):
        raise LogBusy(_("The old log of this send is being removed. Try again in an hour."))
    return [table for table in TABLES if f"{table}_{month:%Y%m}" not in is_attached]


def _make(cursor: CursorWrapper, table: str, month: dt.date) -> None:
    """Attached when it is complete: CREATE … PARTITION OF would wait for everybody who writes, and they for it."""
    child, parent = sql.Identifier(f"{table}_{month:%Y%m}"), sql.Identifier(table)
    cursor.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)").format(
            child, parent
        )
    )
    cursor.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            parent, child, sql.Literal(month.isoformat()), sql.Literal(after(month).isoformat())
        )
    )
