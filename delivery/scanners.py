"""Clicks by programs that look like people: who opens several links of one message within seconds is a link scanner.

Mail gateways fetch every link of a message, at any time after it came, with the user agents of browsers. A person reads
between two clicks. So when somebody's clicks within BURST_S seconds reach N_LINKS different links, all of them are
labelled automatic: kept, shown when asked for, and not counted. What a click was is never changed, only that label.
"""

import datetime as dt
from typing import Any

from django.db.backends.utils import CursorWrapper

BURST_S = 5
N_LINKS = 3

# Scanners ask for many links at once: one click of a person is looked at after the other.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_LABEL = """
WITH near AS (
    SELECT id, at, link_no, is_automatic FROM delivery_event
    WHERE opened_month = %(month)s AND delivery_id = %(delivery_id)s AND kind = 'clicked'
      AND profile_id = %(profile_id)s AND request_no = %(request_no)s AND link_no IS NOT NULL
      AND at BETWEEN %(low)s AND %(high)s
), bursts AS (
    SELECT first.at FROM near first
    JOIN near other ON other.at BETWEEN first.at AND first.at + make_interval(secs => %(burst_s)s)
    GROUP BY first.id, first.at HAVING count(DISTINCT other.link_no) >= %(n_links)s
)
UPDATE delivery_event e SET is_automatic = true FROM near
WHERE e.opened_month = %(month)s AND e.id = near.id AND NOT near.is_automatic
  AND EXISTS (SELECT 1 FROM bursts b WHERE near.at BETWEEN b.at AND b.at + make_interval(secs => %(burst_s)s))
"""


def take_turn(cursor: CursorWrapper, *, delivery_id: int, profile_id: int) -> None:
    """Wait until other clicks of this person are stored; call it before storing one, in the same transaction."""
    cursor.execute(_LOCK, [f"clicks {delivery_id} {profile_id}"])


def label(
    cursor: CursorWrapper, *, month: dt.date, delivery_id: int, profile_id: int, request_no: int, at: dt.datetime
) -> int:
    """Label the burst around a click that was just stored at `at`, if it is one; how many clicks became automatic.
    `month` is the delivery's opening month.

    Works in any order of arrival, also for clicks that waited elsewhere and come in late with their own time.
    """
    around = dt.timedelta(seconds=2 * BURST_S)
    values: dict[str, Any] = {
        "month": month,
        "delivery_id": delivery_id,
        "profile_id": profile_id,
        "request_no": request_no,
        "low": at - around,
        "high": at + around,
        "burst_s": BURST_S,
        "n_links": N_LINKS,
    }
    cursor.execute(_LABEL, values)
    return int(cursor.rowcount)
