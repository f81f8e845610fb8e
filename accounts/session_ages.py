"""How long the session of a signed-in person still lasts, so that a page can warn before it ends."""

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.utils import timezone


def seconds_left(session: SessionBase) -> int:
    """Seconds until the session ends, 0 when it is gone. One query: its age counts from its last save."""
    ends_at = Session.objects.filter(session_key=session.session_key).values_list("expire_date", flat=True).first()
    return max(0, int((ends_at - timezone.now()).total_seconds())) if ends_at else 0


def extend(session: SessionBase) -> int:
    """Let the session last its whole age again from now on; that age in seconds."""
    session.modified = True
    return session.get_expiry_age()
