"""Who else has a draft open. A hint for people, never a lock.

A tab opens a session, pings while it is visible, releases it when it goes; one that stops pinging is gone after 60 s.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

from django.utils import timezone

from accounts.models import User
from campaigns.models import Draft, EditingSession

# Seconds without a ping after which a tab no longer counts.
GONE_AFTER_S = 60


@dataclass(frozen=True)
class Present:
    """One other tab. `is_self`: the same person in another tab; `state`: editing (saved here lately), viewing, idle."""

    name: str
    is_self: bool
    state: str
    seen_at: dt.datetime


def open_session(draft_id: int, *, by: User) -> EditingSession:
    """A session for one tab; forgets the draft's sessions of yesterday."""
    now = timezone.now()
    EditingSession.objects.filter(draft_id=draft_id, seen_at__lt=now - dt.timedelta(days=1)).delete()
    return EditingSession.objects.create(draft_id=draft_id, user=by, seen_at=now)


def presence(session_id: uuid.UUID, *, is_idle: bool) -> list[Present]:
    """Say that this tab is still here; return the others, people who edit first. [] when the draft is gone."""
    now = timezone.now()
    if not EditingSession.objects.filter(public_id=session_id).update(seen_at=now, is_idle=is_idle):
        return []
    mine = EditingSession.objects.get(public_id=session_id)
    others = (
        EditingSession.objects.filter(draft_id=mine.draft_id, seen_at__gt=now - dt.timedelta(seconds=GONE_AFTER_S))
        .exclude(pk=mine.pk)
        .select_related("user")
        .order_by("user__name", "-last_save_revision", "-seen_at")
    )
    people: dict[int, Present] = {}
    for session in others:
        people.setdefault(session.user_id, _present(session, mine.user_id))
    return sorted(people.values(), key=lambda one: ("editing", "viewing", "idle").index(one.state))


def release(session_id: uuid.UUID) -> None:
    """The tab was closed or hidden: it no longer counts. Kept, so that a save on its way still finds its memory."""
    gone = timezone.now() - dt.timedelta(seconds=GONE_AFTER_S)
    EditingSession.objects.filter(public_id=session_id, seen_at__gt=gone).update(seen_at=gone)


def revision(session_id: uuid.UUID) -> int | None:
    """The draft's revision now, for a tab to compare with its own; None when the draft is gone."""
    return Draft.objects.filter(sessions__public_id=session_id).values_list("revision", flat=True).first()


def _present(session: EditingSession, user_id: int) -> Present:
    state = "idle" if session.is_idle else "editing" if session.last_save_id else "viewing"
    return Present(str(session.user), session.user_id == user_id, state, session.seen_at)
