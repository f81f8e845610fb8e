"""How much care a confirmation needs: whether the number must be typed, and whether it is far above the usual."""

from dataclasses import dataclass
from statistics import median

from django.db import connection

from accounts import installation
from delivery import options
from delivery.models import Delivery

# Sends whose median is "usual"; with fewer than the least nothing is.
_LAST, _LEAST = 10, 3


@dataclass(frozen=True)
class Caution:
    """`times`: how often the usual send fits into this one, when that is worth a warning; else None."""

    asks_number: bool
    times: int | None


def of(delivery: Delivery) -> Caution:
    """What confirming the prepared list asks for. Three queries at the most.

    The number is typed from the threshold of Settings on, for more than half of all profiles, and for a list that is
    far above the usual.
    """
    n = delivery.n_to_send or 0
    limits = installation.values([options.TYPED_FROM, options.UNUSUAL_TIMES])
    times = _times(delivery, n, int(limits[options.UNUSUAL_TIMES]))
    asks = times is not None or n >= int(limits[options.TYPED_FROM]) or _is_most(n)
    return Caution(asks_number=asks, times=times)


def _times(delivery: Delivery, n: int, least: int) -> int | None:
    # What single requests asked for says nothing about the size of a send.
    earlier = Delivery.objects.filter(started_at__isnull=False, n_to_send__gt=0, is_standing=False).exclude(
        pk=delivery.pk
    )
    sizes = [size or 0 for size in earlier.order_by("-started_at").values_list("n_to_send", flat=True)[:_LAST]]
    if len(sizes) < _LEAST:
        return None
    times = int(n / median(sizes))
    return times if times >= least else None


def _is_most(n: int) -> bool:
    """More than half of all profiles. Counts no further than that takes."""
    if n <= 0:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM (SELECT 1 FROM audiences_profile LIMIT %s) counted", [2 * n])
        return int(cursor.fetchone()[0]) < 2 * n
