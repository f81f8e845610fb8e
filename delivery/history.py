"""What one person was sent, and what they were not and why: the Messages tab of a profile."""

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone

from delivery import reasons, recipients, rollups, status
from delivery.models import Delivery, Event, EventKind, Exclusion, SendLog

_MOST = 100


@dataclass(frozen=True)
class Entry:
    """One delivery in which this person was targeted."""

    at: dt.datetime
    delivery: Delivery
    subject: str
    status: status.Status
    # Why not, or what the person did with it.
    reason: str
    opened_at: dt.datetime | None
    clicked_at: dt.datetime | None
    is_sent: bool


def entries(profile_id: int, *, limit: int = _MOST) -> list[Entry]:
    """The newest `limit` of both kinds, newest first. Four queries."""
    found = _logged(profile_id, limit) + _excluded(profile_id, limit)
    return sorted(found, key=lambda entry: entry.at, reverse=True)[:limit]


def _logged(profile_id: int, limit: int) -> list[Entry]:
    rows = list(
        SendLog.objects.filter(profile_id=profile_id)
        .select_related("delivery__message")
        .order_by("-opened_month", "-delivery_id")[:limit]
    )
    events: dict[tuple[int, int], list[Event]] = {}
    of_person = Event.objects.filter(
        opened_month__in={row.opened_month for row in rows},
        profile_id=profile_id,
        delivery__in=[row.delivery_id for row in rows],
        kind__in=[*status.KINDS, EventKind.OPENED, EventKind.CLICKED],
    )
    for event in of_person.order_by("at"):
        events.setdefault((event.delivery_id, event.request_no), []).append(event)
    return [_entry(row, events.get((row.delivery_id, row.request_no), [])) for row in rows]


def _entry(row: SendLog, events: list[Event]) -> Entry:
    is_final = rollups.is_final(row.delivery, timezone.now(), handed_at=row.at)
    known = status.facts((event.kind, event.verdict, event.code) for event in events)
    seen = status.derive(row.outcome, known, feedback=row.delivery.feedback, is_final=is_final)
    reason = "" if seen in {status.Status.SENT, status.Status.PENDING} else recipients.answer(row)
    if seen == status.Status.FAILED:
        reason = recipients.bounce_answer(events) or reason
    return Entry(
        at=row.at,
        delivery=row.delivery,
        subject=row.delivery.message.subject,
        status=seen,
        reason=reason,
        opened_at=_first(events, EventKind.OPENED),
        clicked_at=_first(events, EventKind.CLICKED),
        is_sent=row.outcome == "sent",
    )


def _first(events: list[Event], kind: EventKind) -> dt.datetime | None:
    return next((event.at for event in events if event.kind == kind and not event.is_automatic), None)


def _excluded(profile_id: int, limit: int) -> list[Entry]:
    """Found delivery by delivery, through the primary key. A preparation that was never sent does not count."""
    rows = (
        Exclusion.objects.filter(profile_id=profile_id, delivery__started_at__isnull=False)
        .select_related("delivery__message")
        .order_by("-delivery_id")[:limit]
    )
    return [
        Entry(
            at=row.delivery.started_at or row.delivery.opened_at,
            delivery=row.delivery,
            subject=row.delivery.message.subject,
            status=status.Status.NOT_SENT,
            reason=reasons.whole_sentence(row.reason, row.detail),
            opened_at=None,
            clicked_at=None,
            is_sent=False,
        )
        for row in rows
    ]
