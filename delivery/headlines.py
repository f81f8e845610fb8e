"""What the panel says in one line about a delivery that runs or has ended, and in which tone. Pure."""

import datetime as dt
from dataclasses import dataclass

from django.utils import formats, timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from delivery.kpi import Panel
from delivery.models import EMAIL, Delivery, DeliveryState

# Nothing handed over for this long while people wait: stalled.
STALLED = dt.timedelta(minutes=2)


@dataclass(frozen=True)
class Headline:
    """`title` in bold, `text` after it."""

    title: str
    text: str = ""
    tone: str = ""
    icon: str = ""


def headline(
    delivery: Delivery,
    panel: Panel,
    now: dt.datetime,
    *,
    slowed: tuple[str, int] | None = None,
    next_due: dt.datetime | None = None,
) -> Headline:
    """The line for a delivery that has started. `slowed`: what `slowdowns.current` says of it; `next_due`: when its
    next people are due, if nobody is now."""
    if delivery.state == DeliveryState.SENDING and next_due is not None and panel.waiting:
        return _waiting(panel, next_due)
    if delivery.state == DeliveryState.SENDING and delivery.is_standing and delivery.closed_at is None:
        return _standing(panel)
    if delivery.state == DeliveryState.SENDING:
        return _sending(delivery, panel, now, slowed)
    lines = {
        DeliveryState.PAUSED: _paused,
        DeliveryState.FINISHED: _finished,
        DeliveryState.STOPPED: _stopped,
    }
    return lines[DeliveryState(delivery.state)](delivery, panel)


def is_stalled(delivery: Delivery, panel: Panel, now: dt.datetime) -> bool:
    """Whether people wait and nothing was handed over for too long."""
    moved = delivery.progressed_at or delivery.started_at
    if delivery.is_standing:
        # Between two requests nothing moves; that one waits for long is told by mail.
        return False
    return delivery.state == DeliveryState.SENDING and bool(panel.waiting and moved and now - moved >= STALLED)


def count(number: int) -> str:
    """9,892"""
    return number_format(number, force_grouping=True)


def percent(rate: float | None) -> str:
    """18.4%; "" for None."""
    if rate is None:
        return ""
    # Translators: a percentage; French puts a non-breaking space before the sign.
    return pgettext("percentage", "%(number)s%%") % {"number": number_format(round(rate * 100, 1), 1)}


def stamp(moment: dt.datetime | None) -> str:
    """25 Nov 13:58, in the reader's zone; "" for None."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return f"{formats.date_format(local, pgettext('date format', 'j M'))} {formats.time_format(local, 'H:i')}"


def time(moment: dt.datetime | None) -> str:
    """14:06, with the day when it is not today."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localdate()
    return formats.time_format(local, "H:i") if is_today else stamp(moment)


def duration(seconds: float) -> str:
    """16 min, 2 h 14 min, 40 s."""
    whole = max(0, round(seconds))
    if whole < 60:
        return ngettext("%(n)d s", "%(n)d s", whole) % {"n": whole}
    if whole < 3600:
        return _("%(n)d min") % {"n": round(whole / 60)}
    hours, minutes = divmod(round(whole / 60), 60)
    if hours < 48:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    return _("%(n)d days") % {"n": round(hours / 24)}


def _standing(panel: Panel) -> Headline:
    n = panel.waiting + panel.retrying
    waiting = ngettext("%(n)s message waits.", "%(n)s messages wait.", n) % {"n": count(n)}
    return Headline(_("Ready to be triggered"), waiting if n else _("Nothing waits."), "", "radio")


def _sending(delivery: Delivery, panel: Panel, now: dt.datetime, slowed: tuple[str, int] | None) -> Headline:
    if not panel.waiting and panel.retrying:
        text = ngettext(
            "All handed over. %(n)s is being retried until %(until)s.",
            "All handed over. %(n)s are being retried until %(until)s.",
            panel.retrying,
        )
        return Headline(_("Finishing"), text % {"n": count(panel.retrying), "until": stamp(delivery.valid_until)})
    if is_stalled(delivery, panel, now):
        return _stalled(delivery, now)
    return _under_way(delivery, panel, slowed)


def _stalled(delivery: Delivery, now: dt.datetime) -> Headline:
    moved = delivery.progressed_at or delivery.started_at
    assert moved is not None, "what has not started can't be stalled"
    title = _("No message sent for %(gap)s.") % {"gap": duration((now - moved).total_seconds())}
    error = _("Last error: %(error)s") % {"error": sentence(delivery.trouble)} if delivery.trouble else ""
    return Headline(title, error or _("Press Retry now to start it again."), "warn", "triangle-alert")


def _under_way(delivery: Delivery, panel: Panel, slowed: tuple[str, int] | None) -> Headline:
    is_mail = delivery.channel == EMAIL
    handed = _("%(n)s of %(all)s handed to the mail server") if is_mail else _("%(n)s of %(all)s sent")
    parts = [handed % {"n": count(panel.sent), "all": count(panel.to_send or 0)}]
    if panel.rate_per_minute:
        parts.append(_("%(n)s per minute") % {"n": count(panel.rate_per_minute)})
    # With times of their own, people wait longer than the pace says.
    if panel.eta_s and panel.eta_s >= 5 and not delivery.timetable:
        parts.append(_("about %(time)s left") % {"time": duration(panel.eta_s)})
    if slowed is None:
        return Headline(_("Sending"), " · ".join(parts))
    title = _("Sending, slowed by %(domain)s limits: %(n)s per minute.")
    return Headline(title % {"domain": slowed[0], "n": count(slowed[1])}, " · ".join(parts), "", "hourglass")


def _waiting(panel: Panel, next_due: dt.datetime) -> Headline:
    """Between two waves or zones, or in quiet hours."""
    figures = {"n": count(panel.sent), "all": count(panel.to_send or 0), "time": time(next_due)}
    text = _("%(n)s of %(all)s handed to the mail server · the next people are due at %(time)s")
    return Headline(_("Waiting"), text % figures, "", "clock")


def _paused(delivery: Delivery, panel: Panel) -> Headline:
    left = panel.waiting + panel.retrying
    waiting = ngettext("%(n)s waiting.", "%(n)s waiting.", left) % {"n": count(left)}
    title = _("Paused: %(trouble)s")
    if delivery.pause_cause == "transport":
        trouble = sentence(delivery.trouble) or _("The mail server doesn't answer.")
        if delivery.channel != EMAIL:
            text = _("It resumes by itself when webhooks are on again. %(waiting)s") % {"waiting": waiting}
            return Headline(title % {"trouble": trouble}, text, "warn", "triangle-alert")
        text = _("It resumes by itself when the mail server answers. %(waiting)s") % {"waiting": waiting}
        return Headline(title % {"trouble": trouble}, text, "warn", "triangle-alert")
    if delivery.pause_cause == "errors":
        trouble = sentence(delivery.trouble) or _("Too many errors in a row.")
        return Headline(title % {"trouble": trouble}, waiting, "err", "octagon-x")
    values = {"name": delivery.paused_by or _("Chappe"), "time": time(delivery.paused_at)}
    return Headline(_("Paused by %(name)s at %(time)s.") % values, waiting, "warn", "circle-pause")


def _finished(delivery: Delivery, panel: Panel) -> Headline:
    text = _("%(n)s processed in %(time)s.")
    seconds = (
        (delivery.ended_at - delivery.started_at).total_seconds() if delivery.ended_at and delivery.started_at else 0
    )
    return Headline(_("Sent."), text % {"n": count(panel.processed), "time": duration(seconds)}, "ok", "circle-check")


def _stopped(delivery: Delivery, panel: Panel) -> Headline:
    by = {"name": delivery.ended_by or _("Chappe"), "time": time(delivery.ended_at)}
    # Nobody knows of the unknown whether they got it, so they are in neither.
    figures = {"sent": count(panel.sent), "rest": count((panel.to_send or 0) - panel.sent - panel.unknown)}
    text = _("%(sent)s sent, %(rest)s not sent.") % figures
    if panel.unknown:
        text = _("%(sent)s sent, %(rest)s not sent, %(unknown)s unknown.") % {
            **figures,
            "unknown": count(panel.unknown),
        }
    return Headline(_("Stopped by %(name)s at %(time)s.") % by, text, "neutral", "octagon-x")


def sentence(text: str) -> str:
    """With a full stop at its end."""
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."
