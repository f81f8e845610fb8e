"""Bars of several parts, finished for components/_bar.html. Pure."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from delivery import headlines, kpi
from delivery.models import Delivery
from messaging.models import Feedback


@dataclass(frozen=True)
class BarPart:
    """One part of a bar, for components/_bar.html: x and width in per cent, as text with a point."""

    label: str
    text: str
    tone: str
    x: str
    width: str


def of_panel(delivery: Delivery, panel: kpi.Panel) -> list[BarPart]:
    """The parts of To send: with feedback in real time, delivered, waiting for an answer and failed."""
    if delivery.feedback == Feedback.REAL_TIME:
        amounts = [
            (_("Delivered"), panel.delivered, "ok"),
            (_("Waiting for an answer"), panel.pending, "pending"),
            (_("Failed"), panel.failed, "err"),
        ]
    else:
        amounts = [(_("Delivered"), panel.delivered, "ok"), (_("Bounces + errors"), panel.failed, "err")]
    rest = [
        (_("Not sent"), panel.not_sent, "warn"),
        (_("Unknown"), panel.unknown, "warn"),
        (_("Cancelled"), panel.cancelled, "pending"),
    ]
    return parts(panel.to_send or 0, amounts + [part for part in rest if part[1]])


def parts(whole: int, amounts: list[tuple[str, int, str]]) -> list[BarPart]:
    drawn, at = [], 0.0
    for label, n, tone in amounts:
        width = 100 * n / whole if whole else 0.0
        drawn.append(BarPart(label, headlines.count(n), tone, f"{at:.3f}", f"{width:.3f}"))
        at += width
    return drawn
