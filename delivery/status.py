"""What people see as the status of one recipient, derived from the log outcome and the events that came later.

Pure: no queries, never stored. Whether events arrive twice or in the wrong order makes no difference, because only
their presence counts: a hard bounce beats a confirmed delivery, a confirmed delivery beats a soft bounce.
Complaints and automatic replies never change a status. `rollups` counts by the same rules in SQL.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from delivery.models import EventKind, Outcome
from messaging.models import Feedback


class Status(models.TextChoices):
    """In the words of the sending log."""

    PENDING = "pending", _("Pending")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")
    NOT_SENT = "not_sent", _("Not sent")
    CANCELLED = "cancelled", _("Cancelled")
    UNKNOWN = "unknown", _("Unknown")


TONES = {
    Status.PENDING: ("info", "clock"),
    Status.SENT: ("ok", "check"),
    Status.FAILED: ("err", "x"),
    Status.NOT_SENT: ("warn", "circle-minus"),
    Status.CANCELLED: ("neutral", "ban"),
    Status.UNKNOWN: ("warn", "circle-question-mark"),
}


@dataclass(frozen=True)
class Facts:
    """Which kinds of answers came back for one sent message."""

    is_delivered: bool = False
    has_hard_bounce: bool = False
    has_soft_bounce: bool = False


def is_soft(detail: str) -> bool:
    """A bounce is soft when its text starts with a class 4 status code (RFC 3463: persistent transient failure)."""
    return detail.startswith("4")


def facts(events: Iterable[tuple[str, str]]) -> Facts:
    """The facts in (kind, detail) pairs, in any order, repeated or not."""
    delivered = hard = soft = False
    for kind, detail in events:
        delivered = delivered or kind == EventKind.DELIVERED
        if kind == EventKind.BOUNCED:
            soft = soft or is_soft(detail)
            hard = hard or not is_soft(detail)
    return Facts(delivered, hard, soft)


def derive(outcome: str, known: Facts, *, feedback: str, is_final: bool) -> Status:
    """The status of one recipient. `is_final` is true once the validity period is over.

    With feedback in real time a message is pending until its server answers; a soft bounce is a failure until a retry
    works. With bounces only a message counts as sent until it bounces for good, or softly past the validity period.
    """
    if outcome != Outcome.SENT:
        return Status(outcome)
    if known.has_hard_bounce:
        return Status.FAILED
    if known.is_delivered:
        return Status.SENT
    if feedback == Feedback.REAL_TIME:
        return Status.FAILED if known.has_soft_bounce else Status.PENDING
    return Status.FAILED if known.has_soft_bounce and is_final else Status.SENT


def badge(status: Status) -> dict[str, str]:
    """What the `badge` tag shows for a status."""
    tone, icon = TONES[status]
    return {"label": str(status.label), "tone": tone, "icon": icon}
