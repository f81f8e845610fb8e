"""What the logs keep of somebody who was erased: the row with its outcome, and the domain, because figures are counted
from them. Not the address, and no answer of a server that names it. What requests keep is in delivery.forgetting."""

from django.db import connection
from django.db.models.functions import Lower

from audiences import erasure
from audiences.erasure import Trace
from messaging.models import CaughtMessage

# Whatever is cleared already is passed over, so that it may run again.
_LOG = """
UPDATE delivery_sendlog SET address = '@' || split_part(address, '@', 2),
    detail = CASE WHEN strpos(lower(detail), lower(split_part(address, '@', 1))) > 0 THEN '' ELSE detail END
WHERE profile_id = ANY(%s) AND split_part(address, '@', 1) <> ''
"""
# A webhook has no address here, and whoever it reached may have named the person in any words.
_CALLS = """
UPDATE delivery_sendlog l SET detail = '' FROM delivery_delivery d
WHERE l.profile_id = ANY(%s) AND d.id = l.delivery_id AND d.channel = 'webhook' AND l.detail <> ''
"""
# Answers to single attempts and of bounces, by the index that each table has.
_ATTEMPTS = """
UPDATE delivery_attempt a SET reply = '' FROM delivery_sendlog l
WHERE l.profile_id = ANY(%s) AND a.opened_month = l.opened_month AND a.delivery_id = l.delivery_id
    AND a.request_no = l.request_no AND a.profile_id = l.profile_id AND a.reply <> ''
"""
_EVENTS = """
UPDATE delivery_event e SET detail = '' FROM delivery_sendlog l
WHERE l.profile_id = ANY(%s) AND e.opened_month = l.opened_month AND e.delivery_id = l.delivery_id
    AND e.kind IN ('bounced', 'deferred', 'delivered', 'complained', 'unsubscribed')
    AND e.profile_id = l.profile_id AND e.detail <> ''
"""
_TESTS = """
UPDATE delivery_testmessage SET address = '@' || split_part(address, '@', 2), detail = ''
WHERE lower(address) = ANY(%s)
"""


def register() -> None:
    """Called once when Django starts."""
    erasure.register(clear)


def clear(trace: Trace) -> None:
    """Clear all rows of these people. In the caller's transaction; safe to repeat."""
    ids = list(trace.ids)
    with connection.cursor() as cursor:
        for statement in (_ATTEMPTS, _EVENTS, _LOG, _CALLS):
            cursor.execute(statement, [ids])
        cursor.execute(_TESTS, [list(trace.names)])
    caught = CaughtMessage.objects.alias(reader=Lower("envelope_to"))
    caught.filter(reader__in=trace.names).delete()
