"""Events that providers report by webhook: kept raw first, made into facts a moment later.

1. `keep` stores what came, each event once by its provider's id. That is all that happens while the provider waits.
2. `handle_waiting` (a task, every two seconds) takes what was not handled, oldest first, finds which message each is
   about by the signed token in it, and gives the facts to `inbound.record`, in the transaction that marks them handled.

Killed anywhere, what was kept is handled by the next call; what was handled twice is one event, by its source id.
Kinds that nobody knows are kept, counted by their result, and change nothing. `purge` deletes what is old.
"""

import datetime as dt
import enum
import hashlib
import json
import logging
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import DataError, connection, transaction
from django.utils import timezone

from delivery import inbound, naming, tracking
from delivery.models import EventKind, InboundEvent
from delivery.preferences import Wish
from lib import texts
from messaging import provider_events
from messaging.provider_events import Statement, What

logger = logging.getLogger(__name__)

# Events taken into one transaction, and seconds after which a call lets the next one go on.
_BATCH = 500
_SLICE_S = 20
# How long handled events are kept to look at.
KEEP = dt.timedelta(days=30)
_MOST_DEPTH = 50
# NUL, and what may be half of a surrogate pair, as they are written in JSON.
_ODD = re.compile(r"\x00|\\u0000|\\u[dD]")


class Result(enum.StrEnum):
    """What became of one event."""

    # Facts were stored, or the person was unsubscribed.
    RECORDED = "recorded"
    # Nothing follows from it: an open, a click, progress, a kind nobody knows.
    NO_ACTION = "no_action"
    # It names no message of ours.
    NOT_OURS = "not_ours"
    # It has not the form its provider documents.
    UNCLEAR = "unclear"


class BadBody(ValueError):
    """What came is no JSON, or none that could hold events."""


class Kept(NamedTuple):
    n_new: int
    n_known: int


def parse(provider: str, body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """(event id, event) of everything in the body of a request. Raises BadBody.

    Whatever PostgreSQL could not keep (NUL, halves of surrogates, infinite numbers) is taken out.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    try:
        # Walking every text of a large batch costs more than all the rest of it, so only where there is a cause.
        loaded = _clean(json.loads(text), has_odd_texts=_ODD.search(text) is not None)
    except (ValueError, RecursionError) as error:
        raise BadBody(str(error)[:100]) from error
    events = loaded if isinstance(loaded, list) else [loaded]
    whole = [one if isinstance(one, dict) else {"value": one} for one in events]
    return [(_event_id(provider, one), one) for one in whole]


_KEEP = """
INSERT INTO delivery_inboundevent (provider, event_id, body, received_at, result, note)
SELECT %s, event_id, body, now(), '', '' FROM jsonb_to_recordset(%s::jsonb) AS i(event_id text, body jsonb)
ON CONFLICT (provider, event_id) DO NOTHING
"""


def keep(provider: str, events: Sequence[tuple[str, dict[str, Any]]]) -> Kept:
    """Store events as they came, each once. Raises OperationalError, InterfaceError while PostgreSQL is away."""
    if not events:
        return Kept(0, 0)
    rows = [{"event_id": event_id, "body": body} for event_id, body in dict(events).items()]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_KEEP, [provider, json.dumps(rows)])
            return Kept(cursor.rowcount, len(events) - cursor.rowcount)
    except DataError as error:
        if len(rows) == 1:
            logger.error("An event of %s can't be kept: %s", provider, error)
            return Kept(0, 0)
    middle = len(rows) // 2
    listed = list(dict(events).items())
    first, second = keep(provider, listed[:middle]), keep(provider, listed[middle:])
    return Kept(first.n_new + second.n_new, first.n_known + second.n_known)


def handle_waiting(*, seconds: float = _SLICE_S) -> int:
    """Make facts of what waits, oldest first, for up to about `seconds`; how many events were handled.

    May run in several processes: each takes rows that no other holds.
    """
    deadline = time.monotonic() + seconds
    total = 0
    while True:
        n = _handle_batch()
        total += n
        if n < _BATCH or time.monotonic() > deadline:
            return total


def purge(*, now: dt.datetime | None = None) -> int:
    """Delete events that were handled long ago; how many."""
    return InboundEvent.objects.filter(handled_at__lt=(now or timezone.now()) - KEEP).delete()[0]


@transaction.atomic
def _handle_batch() -> int:
    waiting = list(
        InboundEvent.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(handled_at__isnull=True)
        .order_by("id")[:_BATCH]
    )
    facts: list[inbound.Feedback] = []
    for event in waiting:
        try:
            event.result, found = _judge(event)
        except tracking.AWAY:
            raise
        except Exception as error:
            # Whatever is in one event, it must not keep the others waiting.
            logger.exception("event %s of %s could not be read", event.event_id, event.provider)
            event.result, event.note, found = Result.UNCLEAR, f"{type(error).__name__}: {error}", []
        facts.extend(found)
    inbound.record(facts)
    _mark(waiting)
    odd = Counter(f"{event.provider} {event.result}" for event in waiting if event.result != Result.RECORDED)
    if odd:
        logger.info("Reported events without consequence: %s", dict(odd))
    return len(waiting)


def _mark(handled: Sequence[InboundEvent]) -> None:
    """One statement; Django's bulk_update takes longer than everything else together."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE delivery_inboundevent e SET handled_at = now(), result = i.result, note = i.note"
            " FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS i(id, result, note) WHERE e.id = i.id",
            [
                [event.pk for event in handled],
                [str(event.result) for event in handled],
                [texts.storable(event.note)[:300] for event in handled],
            ],
        )


def _judge(event: InboundEvent) -> tuple[Result, list[inbound.Feedback]]:
    """What an event says, with its facts; unsubscribes where it says so. Notes on `event` what is wrong with it."""
    try:
        said = provider_events.read(event.provider, event.body)
    except (provider_events.NotUnderstood, KeyError) as error:
        event.note = str(error)[:300]
        return Result.UNCLEAR, []
    if not said:
        return Result.NO_ACTION, []
    numbers = _about(event.body)
    if numbers is None or not numbers[0]:
        return Result.NOT_OURS, []
    at = provider_events.happened_at(event.provider, event.body, received_at=event.received_at)
    facts = []
    for number, one in enumerate(said):
        if one.what is What.UNSUBSCRIBED:
            _unsubscribe(numbers, at)
        else:
            facts.append(_fact(event, numbers, at, (number, one)))
    return Result.RECORDED, facts


def _fact(
    event: InboundEvent, numbers: naming.Numbers, at: dt.datetime, numbered: tuple[int, Statement]
) -> inbound.Feedback:
    number, one = numbered
    source_id = f"{event.provider}:{event.event_id}"
    return inbound.Feedback(
        *numbers,
        kind=EventKind(one.what.value),
        at=at,
        source_id=f"{source_id}:{number}" if number else source_id,
        verdict=one.verdict,
        code=one.code,
        detail=one.text,
    )


def _unsubscribe(numbers: naming.Numbers, at: dt.datetime) -> None:
    delivery_id, profile_id, request_no = numbers
    hit = tracking.Hit(delivery_id, profile_id, request_no, EventKind.UNSUBSCRIBED.value, at)
    # False only where even the database that this transaction is in is away: then it is rolled back and comes again.
    tracking.unsubscribe(hit, Wish("provider"))


def _about(body: Mapping[str, Any]) -> naming.Numbers | None:
    """The message an event is about, by the first valid token anywhere in it; either token will do from a provider."""
    for text in provider_events.possible_tokens(body):
        numbers = naming.message(text) or naming.page(text)
        if numbers is not None:
            return numbers
    return None


def _event_id(provider: str, event: Mapping[str, Any]) -> str:
    """What is the same when a provider sends the same event again. Where it gives no id: a hash of all of it."""
    data = event.get("event-data")
    given: list[Any] = {
        "sendgrid": [event.get("sg_event_id")],
        # Unique within a day only.
        "mailgun": [data.get("id"), data.get("timestamp")] if isinstance(data, Mapping) else [None],
        "postmark": [event.get("RecordType"), event.get("ID")],
    }.get(provider, [None])
    if all(isinstance(one, str | int | float) and one != "" for one in given):
        name = ":".join(str(one) for one in given)
        if len(name) <= 100:
            return name
    whole = event.get("event-data", event) if provider == "mailgun" else event
    return "sha:" + hashlib.blake2b(json.dumps(whole, sort_keys=True).encode(), digest_size=20).hexdigest()


def _clean(value: Any, *, has_odd_texts: bool, depth: int = 0) -> Any:
    """The value without what can't be stored; what is nested deeper than anybody reads becomes null."""
    if isinstance(value, str):
        return texts.storable(value) if has_odd_texts else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict | list):
        return value
    if depth > _MOST_DEPTH:
        return None
    if isinstance(value, list):
        return [_clean(one, has_odd_texts=has_odd_texts, depth=depth + 1) for one in value]
    return {
        texts.storable(name) if has_odd_texts else name: _clean(one, has_odd_texts=has_odd_texts, depth=depth + 1)
        for name, one in value.items()
    }
