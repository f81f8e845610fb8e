"""Statements that are asked many times a second: prepared once for each connection, so that they are planned once.

Over Django's own connection and in its transaction. Values are bound by the server, so a statement says the types that
can't be seen from where a value stands (`%s::bigint[]`).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection

# How long a transaction that others wait for may stand still between two of its statements, which compute little: its
# process was stopped, or the machine is gone, which PostgreSQL would find out after the two hours that TCP waits.
STILL_S = 30.0
# Times a statement comes before it is prepared where nothing else says so; here it is prepared at once.
_THRESHOLD = 5


def run(sql: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement; [] for one that returns none. Raises what Django's cursors raise."""
    connection.ensure_connection()
    raw = connection.connection
    assert isinstance(raw, psycopg.Connection)
    raw.prepare_threshold = raw.prepare_threshold or _THRESHOLD
    started = time.monotonic()
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.execute(sql, values, prepare=True)
        found = cursor.fetchall() if cursor.description else []
    if connection.queries_logged:
        connection.queries_log.append({"sql": sql, "time": f"{time.monotonic() - started:.3f}"})
    return found


def literal(sql: str, values: Sequence[Any]) -> str:
    """`sql` with its values written into it, as a part of a statement that gets other values afterwards."""
    connection.ensure_connection()
    raw = connection.connection
    assert isinstance(raw, psycopg.Connection)
    return psycopg.ClientCursor(raw).mogrify(sql, values).replace("%", "%%")


def array(numbers: Iterable[int]) -> str:
    """Whole numbers for a place that says `::bigint[]`, at a fraction of what a list costs."""
    return f"{{{','.join(map(str, numbers))}}}"


def limited() -> str:
    """SQL beside the taking of a lock: PostgreSQL ends this transaction, and its session, when it stands still."""
    return f"set_config('idle_in_transaction_session_timeout', '{STILL_S * 1000:.0f}', true)"
