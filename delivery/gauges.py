"""Where to draw the bars and threshold lines of the deliverability page, in units of the drawing. Pure."""

import datetime as dt
from dataclasses import dataclass

from delivery.deliverability import Day
from delivery.shares import Rate, Threshold

# Width and height of the chart's drawing; it is stretched to its place.
WIDTH, HEIGHT = 900, 160
_GAP = 0.2


@dataclass(frozen=True)
class Line:
    """One threshold: its place on the axis, and what it says beside it."""

    place: str
    label: str
    tone: str


@dataclass(frozen=True)
class Gauge:
    """One share on an axis of 100 units, with its thresholds."""

    width: str
    tone: str
    lines: list[Line]


@dataclass(frozen=True)
class Bar:
    date: dt.date
    x: str
    y: str
    width: str
    height: str
    tone: str
    rate: Rate
    n_sent: int


@dataclass(frozen=True)
class Chart:
    """Bars from left to right; `top` is the share at the upper edge."""

    bars: list[Bar]
    lines: list[Line]
    top: float


def gauge(rate: Rate) -> Gauge:
    """The axis ends at one and a half times the highest threshold, or behind a larger share."""
    top = max([1.5 * one.at for one in rate.thresholds] + [1.1 * (rate.share or 0.0)]) or 1.0
    lines = [Line(f"{100 * one.at / top:.2f}", one.label, one.tone) for one in rate.thresholds if one.at]
    return Gauge(f"{100 * (rate.share or 0.0) / top:.2f}", rate.tone or "ok", lines)


def complaints(days: list[Day], thresholds: tuple[Threshold, ...]) -> Chart:
    """One bar for each day, with lines at the thresholds."""
    top = (
        max([1.2 * one.at for one in thresholds] + [1.1 * (day.complaints.share or 0.0) for day in days], default=0)
        or 1.0
    )
    step = WIDTH / max(1, len(days))
    bars = []
    for i, day in enumerate(days):
        height = HEIGHT * (day.complaints.share or 0.0) / top
        bars.append(
            Bar(
                date=day.date,
                x=f"{(i + _GAP / 2) * step:.2f}",
                y=f"{HEIGHT - height:.2f}",
                width=f"{(1 - _GAP) * step:.2f}",
                height=f"{height:.2f}",
                tone=day.complaints.tone or "ok",
                rate=day.complaints,
                n_sent=day.n_sent,
            )
        )
    lines = [Line(f"{HEIGHT - HEIGHT * one.at / top:.2f}", one.label, one.tone) for one in thresholds if one.at]
    return Chart(bars, lines, top)
