"""One recipient of one delivery: what became of them, every attempt and event, and the message as they got it."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case, When
from django.utils import timezone
from django.utils.translation import gettext as _

from audiences import profiles
from audiences.models import Profile
from delivery import origins, reasons, rollups, status, triggers
from delivery.models import EMAIL, Attempt, Delivery, Event, EventKind, Outcome, SendLog
from messaging import links, personalization, preview, verdicts
from messaging.verdicts import Kind

_TONES: dict[str, str] = {EventKind.BOUNCED: "err", EventKind.COMPLAINED: "err", EventKind.DEFERRED: "warn"}
# Attempts and events shown of one recipient.
_MOST = 200
_ANSWERS_FIRST = Case(
    When(kind__in=[EventKind.BOUNCED, EventKind.DELIVERED], then=0), When(kind=EventKind.DEFERRED, then=1), default=2
)


@dataclass(frozen=True)
class Step:
    """One thing that happened, for the timeline."""

    at: dt.datetime
    title: str
    detail: str
    tone: str
    is_automatic: bool = False


@dataclass(frozen=True)
class Recipient:
    """The full record of one person in one delivery."""

    profile_id: int
    request_no: int
    address: str
    status: status.Status
    at: dt.datetime
    n_attempts: int
    code: str
    answer: str
    steps: list[Step]
    # When the person's data changed after the message was made: what is shown may differ from what they got.
    changed_at: dt.datetime | None = None


def delivery(delivery_id: int) -> Delivery | None:
    """A delivery with its message, or None."""
    return Delivery.objects.select_related("message").filter(pk=delivery_id).first()


def find(of: Delivery, profile_id: int, request_no: int = 0) -> Recipient | None:
    """The record of one person; None while they have no outcome. Four queries."""
    mine = {"opened_month": of.opened_month, "delivery": of, "request_no": request_no, "profile_id": profile_id}
    row = SendLog.objects.filter(**mine).first()
    if row is None:
        return None
    # Answers first: however often somebody opened, the status is the one that the lists show.
    events = list(Event.objects.filter(**mine).order_by(_ANSWERS_FIRST, "at", "id")[:_MOST])
    attempts = list(Attempt.objects.filter(**mine).order_by("at", "id")[:_MOST])
    known = status.facts((event.kind, event.verdict, event.code) for event in events)
    is_final = rollups.is_final(of, timezone.now(), handed_at=row.at)
    steps = [_attempt(attempt) for attempt in attempts] + [_outcome(row, of)] + [_event(event, of) for event in events]
    return Recipient(
        profile_id=profile_id,
        request_no=request_no,
        address=row.address,
        status=status.derive(row.outcome, known, feedback=of.feedback, is_final=is_final),
        at=row.at,
        n_attempts=row.n_attempts,
        code=row.code,
        answer=answer(row),
        steps=sorted(steps, key=lambda step: step.at),
        changed_at=Profile.objects.filter(pk=profile_id, updated_at__gt=row.at)
        .values_list("updated_at", flat=True)
        .first(),
    )


def answer(row: SendLog) -> str:
    """The server's words, or why nothing was handed over, in words."""
    detail = reasons.told(row.code, row.detail)
    if row.outcome in {Outcome.NOT_SENT, Outcome.CANCELLED, Outcome.UNKNOWN} and row.code in reasons.NOT_SENT:
        sentence = reasons.not_sent_sentence(row.code)
        if row.request_no and detail:
            # Of somebody who was not even queued it says why.
            return detail
        return f"{sentence} {detail}".strip() if detail and detail != sentence else sentence
    return detail or row.code


def bounce_answer(events: Iterable[Event]) -> str:
    """Why a message that was handed over failed later, of one recipient's events by time; "" when none says so.

    The reason in words and what their server wrote; a final bounce before one that came after it.
    """
    told = [
        one for one in events if one.kind in {EventKind.BOUNCED, EventKind.DEFERRED} and one.verdict != Kind.IGNORED
    ]
    final = [one for one in told if one.kind == EventKind.BOUNCED and not status.is_soft(one.verdict, one.code)]
    if not told:
        return ""
    last = (final or told)[-1]
    label = str(verdicts.REASONS.get(last.reason, "")) if last.reason != verdicts.UNDETERMINED else ""
    return (
        _("{reason}: {answer}").format(reason=label, answer=last.detail)
        if label and last.detail
        else (last.detail or label or last.code)
    )


def message_html(of: Delivery, profile_id: int, request_no: int = 0, *, is_theirs: bool = False) -> str:
    """The message of `of` rendered for one person as known now, without tracking; a sentence when it can't be.

    `is_theirs`: the person themselves looks, so the unsubscribe link is their own; for others it leads nowhere.
    """
    try:
        person = profiles.person(profile_id)
    except Profile.DoesNotExist:
        return _("This profile was deleted, so the message can't be shown.")
    urls = {}
    if is_theirs:
        token = links.page_token(of.pk, profile_id, request_no)
        urls = {"unsubscribe_url": links.unsubscribe_url(token), "mirror_url": links.mirror_url(token)}
    try:
        trigger = triggers.for_reader(request_no, profile_id)
        return preview.render(of.message, person, campaign=origins.campaign(of), urls=urls, trigger=trigger).html
    except (personalization.RenderProblem, personalization.Aborted) as error:
        return str(error)


def _attempt(attempt: Attempt) -> Step:
    title = _("Attempt {number} deferred") if attempt.result == "deferred" else _("Attempt {number} refused")
    return Step(attempt.at, title.format(number=attempt.attempt), attempt.reply or attempt.code, "warn")


def _outcome(row: SendLog, of: Delivery) -> Step:
    is_mail = of.channel == EMAIL
    failed = _("Refused by the mail server") if is_mail else _("Failed")
    titles = {
        Outcome.SENT: (_("Handed to the mail server") if is_mail else _("Called"), "ok"),
        Outcome.FAILED: (failed, "err"),
        Outcome.NOT_SENT: (_("Not sent"), "warn"),
        Outcome.CANCELLED: (_("Cancelled"), "neutral"),
        Outcome.UNKNOWN: (_("Unknown"), "warn"),
    }
    title, tone = titles[Outcome(row.outcome)]
    return Step(row.at, title, answer(row), tone)


def _event(event: Event, of: Delivery) -> Step:
    detail = event.detail
    if event.kind == EventKind.CLICKED and event.link_no is not None:
        detail = link(of, event.link_no)
    tone = _TONES.get(event.kind, "ok")
    if event.kind in {EventKind.BOUNCED, EventKind.DEFERRED}:
        detail = bounce_answer([event]) or detail
    return Step(event.at, str(event.get_kind_display()), detail, tone, event.is_automatic)


def link(of: Delivery, number: int) -> str:
    """The address of link `number` of the message, as written."""
    return of.message.links[number] if 0 <= number < len(of.message.links) else ""
