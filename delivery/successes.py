"""Messages that arrived as far as anybody will ever say, for addresses whose failures are counted.

With bounces only nobody reports a delivery: a message arrived when its validity period is over and nothing came back.
That is asked for the few addresses that fail again, just before their failure counts; deliveries that are reported
reset a count at once, in `inbound`.
"""

import datetime as dt
from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

_QUIET = """
SELECT e.address_key, max(l.at)
FROM audiences_addresserror e
JOIN audiences_profile p ON p.email_key = e.address_key
JOIN delivery_sendlog l ON l.profile_id = p.id AND l.outcome = 'sent' AND l.at > e.last_error_at
JOIN delivery_delivery d ON d.id = l.delivery_id AND d.feedback = 'bounces_only' AND d.valid_until <= %s
WHERE e.address_key = ANY(%s) AND NOT EXISTS (
    SELECT 1 FROM delivery_event b
    WHERE b.opened_month = l.opened_month AND b.delivery_id = l.delivery_id AND b.request_no = l.request_no
      AND b.profile_id = l.profile_id AND b.kind = 'bounced' AND b.verdict <> 'ignored')
GROUP BY e.address_key
"""


def quiet(address_keys: Iterable[str]) -> list[tuple[str, dt.datetime]]:
    """(address key, time) of the newest message that arrived in silence after the last failure that counted.

    Only addresses with a count are looked up further; each by its person's few rows of the send log.
    """
    keys = sorted({key for key in address_keys if key})
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_QUIET, [timezone.now(), keys])
        return list(cursor.fetchall())
