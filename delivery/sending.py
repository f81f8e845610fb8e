"""Send a delivery: `drain` works through its shards for a time slice, as many processes at once as there are slots.

Steps of a drain, over and over: lease a shard that is due; authorise a window of it (PostgreSQL re-checks state,
validity, consent and quarantine, and commits); render and hand over on several connections, marking each person in the
local journal just before the final dot; store the outcomes in the transaction that authorises the next people.

Which crash does what; nobody gets it twice in any of them:

- This process dies (kill -9) before a person's final dot: the journal says untried, recovery gives them back, they get
  it a moment later. Between the dot and its answer: the journal says on the wire, the person is *unknown* and a person
  decides. Between the answer and the commit: the journal says accepted or refused, the log gets sent or failed. After
  the commit: the log has it already.
- PostgreSQL, or the way to it, goes away: nothing is authorised without it. The drain ends after the messages on the
  way, recovery reads the journal, the tick goes on.
- The whole machine dies: its journal is not believed. The window (at most drains.MOST people a drain) becomes unknown
  once the lease ran out.
- This process stands still for minutes (SIGSTOP, swap): the door of its window closed after windows.DOOR_S seconds, and
  the fence keeps it from writing. On its own machine recovery kills it and reads the journal; elsewhere those of its
  window who had no row are unknown. PostgreSQL ends its session, and with it the slot and the locks it held.
- The broker is flushed or gone: Celery messages are hints, the tick sends new ones.
- The mail server is down: untried people go back, the delivery pauses itself with the cause and resumes by itself.
"""

import asyncio
import logging

import msgspec
import psycopg
import uvloop
from django.db import connection as django_connection
from psycopg.types import json as psycopg_json

from accounts import installation
from delivery import drains, fuses, lifecycle, options, recovery, windows
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError
from messaging import smtp, transports

logger = logging.getLogger(__name__)
# Drains of one delivery at a time, over all machines, as many as options.PROCESSES says: each holds one of these locks.
_SLOT_LOCKS = 0x43680000
# Seconds after which PostgreSQL takes back the locks of a drain that stands still within a transaction: stops and
# recovery wait for them.
_WRITE_S = 10.0
_END_WHEN_STILL = """
SELECT set_config('idle_in_transaction_session_timeout', %s, false), set_config('idle_session_timeout', %s, false)
"""


def drain(delivery_id: int, *, slice_s: float = 60.0, timeouts: smtp.Timeouts | None = None) -> None:
    """Send what is due of a delivery until nothing is, it may not send any more, or `slice_s` seconds are over.

    Returns at once when all slots are taken or it is not sending. May run at any time, any number of times. Ends
    quietly when PostgreSQL goes away: what was on the way is recovered from the journal.
    """
    delivery = (
        Delivery.objects.select_related("message", "transport")
        .filter(pk=delivery_id, state=DeliveryState.SENDING)
        .first()
    )
    if delivery is None:
        return
    recovery.recover_all()
    database = connect()
    try:
        if not _take_slot(database, delivery_id):
            return
        run = drains.Drain(delivery, database, slice_s=slice_s, timeouts=timeouts)
        run.outbox.fuse = fuses.of(delivery_id)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run.work())
    except DomainError as error:
        # Its server or its message can't be used at all.
        is_server = isinstance(error, transports.TransportInvalid)
        _pause(delivery_id, cause="transport" if is_server else "errors", trouble=error.message)
        return
    except psycopg.Error:
        logger.warning("delivery %s: the database went away; the drain ends", delivery_id, exc_info=True)
        return
    finally:
        database.close()
    _after(delivery_id, run)


def connect() -> windows.Connection:
    """A connection of our own, in autocommit, apart from Django's, that may be used in another thread.

    It ends after windows.LEASE_S without a word: a process that stands still, or a machine that is gone, would keep its
    slot as long as the network believes in it. A drain at work speaks more often than that.
    """
    connection: windows.Connection = django_connection.get_new_connection(django_connection.get_connection_params())
    connection.autocommit = True
    # Django binds on the client and never prepares; the few statements of a drain run thousands of times.
    connection.cursor_factory = psycopg.Cursor
    connection.prepare_threshold = 2
    psycopg_json.set_json_loads(msgspec.json.decode, connection)
    connection.execute(_END_WHEN_STILL, (f"{_WRITE_S * 1000:.0f}", f"{windows.LEASE_S * 1000:.0f}"))
    return connection


def _take_slot(database: windows.Connection, delivery_id: int) -> bool:
    """One of the delivery's slots, held until the connection closes."""
    for slot in range(n_slots()):
        row = database.execute("SELECT pg_try_advisory_lock(%s, %s)", (_SLOT_LOCKS + slot, delivery_id)).fetchone()
        if row and row[0]:
            return True
    return False


def n_slots() -> int:
    """How many drains may work on one delivery at a time."""
    return installation.number(options.PROCESSES)


def n_free_slots(delivery_id: int) -> int:
    """How many more drains could work on a delivery now; a hint, by the time it is read it may have changed."""
    most = n_slots()
    with django_connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND classid = ANY(%s)"
            " AND objsubid = 2 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [delivery_id, [_SLOT_LOCKS + slot for slot in range(most)]],
        )
        return max(0, most - int(cursor.fetchone()[0]))


def _after(delivery_id: int, run: drains.Drain) -> None:
    """What the drain learnt, once its leases are back: pause, or finish if that was the end."""
    if run.outbox.fuse.is_blown:
        # First: the tick would end a pause for trouble as soon as the server answers, and burn the next people.
        _pause(delivery_id, cause="errors", trouble=run.outbox.fuse.sentence)
    elif run.trouble is not None:
        _pause(delivery_id, cause="transport", trouble=run.trouble.message)
    else:
        finish_if_done(delivery_id)


def _pause(delivery_id: int, *, cause: str, trouble: str) -> None:
    try:
        lifecycle.pause(delivery_id, by=None, cause=cause, trouble=trouble)
    except lifecycle.WrongState as error:
        # Somebody paused, stopped or finished it in between: that counts.
        logger.info("delivery %s: %s", delivery_id, error.message)


def finish_if_done(delivery_id: int) -> bool:
    """Finish a sending delivery when everybody has an outcome."""
    try:
        lifecycle.finish(delivery_id)
    except lifecycle.WrongState:
        return False
    return True
