"""Monthly partitions of the log tables: made before the first row of a month, dropped when retention ends.

The month is the delivery's opening month, carried in every key, so that nobody can stand in a delivery twice and
a month of logs is one DROP.
"""

import datetime as dt

from django.db import connection
from psycopg import sql

TABLES = ("delivery_sendlog", "delivery_attempt", "delivery_event")


def month_of(moment: dt.datetime | dt.date) -> dt.date:
    """The first day of the month of `moment` in UTC."""
    day = moment.astimezone(dt.UTC).date() if isinstance(moment, dt.datetime) else moment
    return day.replace(day=1)


def ensure(month: dt.date) -> None:
    """Make the partitions of `month` (a first day) unless they are there; safe to repeat and to run in parallel."""
    after = (month + dt.timedelta(days=32)).replace(day=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"delivery_sendlog_{month:%Y%m}"])
        row = cursor.fetchone()
        if row and row[0] is not None:
            return
        # Two openings in a new month must not both create; the lock ends with the transaction.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('delivery.partitions'))")
        for table in TABLES:
            cursor.execute(
                sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                    sql.Identifier(f"{table}_{month:%Y%m}"),
                    sql.Identifier(table),
                    sql.Literal(month.isoformat()),
                    sql.Literal(after.isoformat()),
                )
            )
