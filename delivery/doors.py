"""Who changes a standing delivery waits for the calls that are being taken, and later calls wait behind them.

PostgreSQL lets a shared lock of a row pass whoever waits for an exclusive one: where calls come without a break, a stop
would wait for as long as they do, and the tick with it. Advisory locks are given in turn, so each call takes a shared
one before its lock of the row, and whoever changes the delivery the exclusive one before theirs. Always in this order:
doors of deliveries by their ids, then their rows.
"""

from collections.abc import Iterable

from django.db import connection

from delivery.models import Delivery

# Class of the locks; the second number is the delivery's.
CLASS = 0x43680D04
_CLOSE = """
SELECT pg_advisory_xact_lock(%s, id::int)
FROM (SELECT id FROM delivery_delivery WHERE id = ANY(%s) AND is_standing ORDER BY id) AS d
"""


def lock(delivery_id: int) -> Delivery:
    """A delivery, locked until the transaction ends. Raises Delivery.DoesNotExist."""
    close([delivery_id])
    return Delivery.objects.select_for_update(no_key=True).get(pk=delivery_id)


def close(delivery_ids: Iterable[int]) -> None:
    """Let no call into these deliveries until the transaction ends; returns once those that are in are through."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [CLASS, list(delivery_ids)])
