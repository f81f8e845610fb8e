"""What people see as the status of one recipient, derived from the log outcome and the events that came later.

Pure: no queries, never stored. Whether events arrive twice or in the wrong order makes no difference, because only
their presence counts: a final bounce beats a confirmed delivery, a confirmed delivery beats a soft bounce.
Complaints and automatic replies never change a status. `rollups` counts by the same rules in SQL.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from delivery.models import EventKind, Outcome
from messaging.models import Feedback
from messaging.verdicts import Kind


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
# Events whose presence can change a status.
KINDS = (EventKind.DELIVERED, EventKind.DEFERRED, EventKind.BOUNCED)


@dataclass(frozen=True)
class Facts:
    """Which kinds of answers came back for one sent message."""

    is_delivered: bool = False
    has_final_bounce: bool = False
    has_soft_bounce: bool = False
    # The relay still tried when it said so.
    is_deferred: bool = False


def is_soft(verdict: str, code: str) -> bool:
    """Whether a bounce leaves hope for this message: a soft verdict, or a refusal about us or about the message whose
    code is of class 4 (RFC 3463: persistent transient failure). The address is judged elsewhere, by the verdict alone.
    """
    return verdict == Kind.SOFT or (verdict != Kind.HARD and code.startswith("4"))


def facts(events: Iterable[tuple[str, str, str]]) -> Facts:
    """The facts in (kind, verdict, code) triples, in any order, repeated or not."""
    delivered = final = soft = deferred = False
    for kind, verdict, code in events:
        delivered = delivered or kind == EventKind.DELIVERED
        deferred = deferred or kind == EventKind.DEFERRED
        if kind == EventKind.BOUNCED and verdict != Kind.IGNORED:
            soft = soft or is_soft(verdict, code)
            final = final or not is_soft(verdict, code)
    return Facts(delivered, final, soft, deferred)


def derive(outcome: str, known: Facts, *, feedback: str, is_final: bool) -> Status:
    """The status of one recipient. `is_final` is true once the validity period is over.

    With feedback in real time a message is pending until its server answers; a soft bounce, or a relay that says that
    it still tries, is a failure until a retry works. With bounces only a message counts as sent until it bounces for
    good, or softly past the validity period; that a relay still tries means nothing, for its success is silent.
    """
    if outcome != Outcome.SENT:
        return Status(outcome)
    if known.has_final_bounce:
        return Status.FAILED
    if known.is_delivered:
        return Status.SENT
    if feedback == Feedback.REAL_TIME:
        return Status.FAILED if known.has_soft_bounce or known.is_deferred else Status.PENDING
    return Status.FAILED if known.has_soft_bounce and is_final else Status.SENT


def badge(status: Status) -> dict[str, str]:
    """What the `badge` tag shows for a status."""
    tone, icon = TONES[status]
    return {"label": str(status.label), "tone": tone, "icon": icon}
