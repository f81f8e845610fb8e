"""The turn of making people: one transaction at a time, because an address is unique by agreement, not by a constraint.

Taken by imports, by calls that make somebody, and by erasures; before any person is locked, and held to the end. Who
stands still with it loses it.
"""

from django.db import connection

from lib import statements

_LOCK = 7_203_100_001


def take() -> None:
    """Wait for whoever has it. In a transaction."""
    assert connection.in_atomic_block
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock(%s), {statements.limited()}", [_LOCK])
