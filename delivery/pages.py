"""Finished values for the pages and fragments of one delivery. Everything a template asks is answered here.

`context` is what a page of a higher room includes `delivery/_delivery.html` with. It decides rights once: templates get
`may` and sentences, never a user. Pages that change by themselves poll `delivery:panel`; see `poll_ms`.
"""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from accounts import installation, roles
from accounts.models import User
from audiences import rules
from delivery import breakdowns, forms, headlines, kpi, left_out, lifecycle, options, rollups
from delivery.models import ENDED, RUNNING, Delivery, DeliveryState
from messaging.models import Feedback

# Bounces + errors of Sent from which the tile says so, as shares of 1.
_HIGH_WARN, _HIGH_ERR = 0.02, 0.05
# The panel still polls for this long after the end.
_BUSY_AFTER_END = dt.timedelta(hours=1)

# Milliseconds between two looks at the chart of a running delivery.
_CHART_MS = 15_000

TABS = {
    "sending": pgettext_lazy("log", "Sending"),
    "exclusions": gettext_lazy("Exclusions"),
    "tracking": gettext_lazy("Tracking"),
    "links": gettext_lazy("Top links"),
    "failures": gettext_lazy("Failures by reason"),
    "activity": gettext_lazy("Activity"),
}

_BADGES = {
    DeliveryState.NEW: ("neutral", "circle"),
    DeliveryState.PREPARING: ("info", "loader"),
    DeliveryState.PREPARED: ("info", "circle-check"),
    DeliveryState.CONFIRMED: ("info", "clock"),
    DeliveryState.SENDING: ("teal", "loader"),
    DeliveryState.PAUSED: ("warn", "circle-pause"),
    DeliveryState.FINISHED: ("ok", "circle-check"),
    DeliveryState.STOPPED: ("neutral", "octagon-x"),
    DeliveryState.CANCELLED: ("neutral", "ban"),
    DeliveryState.FAILED: ("err", "circle-alert"),
    DeliveryState.MISSED: ("warn", "triangle-alert"),
}


@dataclass(frozen=True)
class Rights:
    """What this person may do with this delivery. The work functions check again."""

    start: bool
    edit: bool
    pause: bool
    cancel: bool
    export: bool


@dataclass(frozen=True)
class BarPart:
    """One part of a bar, for components/_bar.html: x and width in per cent, as text with a point."""

    label: str
    text: str
    tone: str
    x: str
    width: str


def context(
    delivery: Delivery,
    user: User,
    *,
    confirm_url: str,
    cancel_url: str,
    back_url: str,
    stale: Sequence[str] = (),
    fix_urls: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything `delivery/_delivery.html` and `_confirm_form.html` need. `stale`: why the list must be prepared again,
    in sentences of the room above; too old is found here. `fix_urls`: where each place of delivery.controls is put
    right."""
    now = timezone.now()
    may = rights(delivery, user)
    rollups.freshen(delivery)
    return {
        **live(delivery, now),
        "may": may,
        "urls": _urls(delivery) | {"confirm": confirm_url, "cancel": cancel_url, "back": back_url},
        "stale": [*stale, *_too_old(delivery, now)],
        "prepared": prepared(delivery) if delivery.seal else None,
        "details": left_out.details(delivery, fix_urls or {}),
        "confirm": _confirm(delivery) if delivery.state == DeliveryState.PREPARED else None,
        "deputies": [] if may.start else [str(person) for person in roles.holders(roles.START)],
        "start_role": _(roles.role_with(roles.START)),
        "owner_may_cancel": may.cancel,
    }


def live(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """The part that changes by itself: what `delivery:panel` returns again and again."""
    has_started = delivery.started_at is not None
    panel = kpi.panel(delivery) if has_started else None
    return {
        "delivery": delivery,
        "state": delivery.state,
        "stage": stage(delivery),
        "panel": panel,
        "headline": headlines.headline(delivery, panel, now) if panel else None,
        "bar": _bar(delivery, panel) if panel else None,
        "failed_note": _failed_note(panel) if panel else "",
        "failed_tone": "err" if panel and (panel.failed_rate or 0) >= _HIGH_ERR else "warn",
        "valid_until": headlines.stamp(delivery.valid_until),
        "preparing": _preparing(delivery, now) if delivery.state == DeliveryState.PREPARING else None,
        "start": _start(delivery, now) if delivery.state == DeliveryState.CONFIRMED else None,
        "tabs": tabs(delivery, panel),
        "urls": _urls(delivery),
        "poll_ms": poll_ms(delivery, now),
        "announce": _announce(delivery, panel),
        "is_real_time": delivery.feedback == Feedback.REAL_TIME,
        "rest": panel.waiting + panel.retrying if panel else 0,
    }


def stage(delivery: Delivery) -> str:
    """Which of the five faces the page shows: prepare, preparing, ready, countdown or panel."""
    if delivery.started_at is not None:
        return "panel"
    stages = {
        DeliveryState.PREPARING: "preparing",
        DeliveryState.PREPARED: "ready",
        DeliveryState.CONFIRMED: "countdown",
    }
    return stages.get(DeliveryState(delivery.state), "prepare")


def badge(delivery: Delivery) -> dict[str, str]:
    """The state of a delivery in icon and words."""
    tone, icon = _BADGES[DeliveryState(delivery.state)]
    return {"label": str(delivery.get_state_display()), "tone": tone, "icon": icon}


def rights(delivery: Delivery, user: User) -> Rights:
    """By the permissions of accounts.roles; the owner may also pause and cancel."""
    may_start = user.has_perm(roles.START)
    is_owner = delivery.owner_id == user.pk
    return Rights(
        start=may_start,
        edit=user.has_perm(roles.EDIT),
        pause=may_start or (is_owner and user.has_perm(roles.EDIT)),
        cancel=may_start or (is_owner and user.has_perm(roles.EDIT)),
        export=user.has_perm(roles.EXPORT),
    )


def poll_ms(delivery: Delivery, now: dt.datetime) -> int | None:
    """Milliseconds until a page should ask again; None when nothing changes any more."""
    if delivery.state == DeliveryState.PREPARING:
        return 1000
    if delivery.state == DeliveryState.SENDING:
        return 2000
    if delivery.state == DeliveryState.PAUSED:
        return 4000
    if delivery.state == DeliveryState.CONFIRMED:
        is_near = delivery.start_at is not None and delivery.start_at - now < dt.timedelta(minutes=1)
        return 1000 if is_near else 15_000
    if delivery.state not in ENDED:
        return 15_000
    if delivery.ended_at and now - delivery.ended_at < _BUSY_AFTER_END:
        return 15_000
    return 60_000 if delivery.valid_until and delivery.valid_until > now else None


def tabs(delivery: Delivery, panel: kpi.Panel | None, current: str = "") -> list[dict[str, Any]]:
    """The log tabs, with counts where they are known without counting."""
    counts = {
        "sending": panel.processed if panel else None,
        "exclusions": delivery.n_excluded if delivery.seal else None,
        "failures": panel.failed if panel else None,
    }
    return [
        {
            "label": label,
            "url": reverse("delivery:log", args=[delivery.public_id, name]),
            "is_current": name == current,
            "count": counts.get(name),
        }
        for name, label in TABS.items()
    ]


def _urls(delivery: Delivery) -> dict[str, str]:
    names = ("prepare", "abort", "pause", "resume", "stop", "start-now", "compute", "panel", "chart", "samples")
    return {name.replace("-", "_"): reverse(f"delivery:{name}", args=[delivery.public_id]) for name in names}


def _too_old(delivery: Delivery, now: dt.datetime) -> list[str]:
    is_old = delivery.prepared_at and now - delivery.prepared_at > lifecycle.MAX_AGE
    return [_("Prepared more than 24 h ago.")] if delivery.state == DeliveryState.PREPARED and is_old else []


def _preparing(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """Progress of a preparation. The whole is the estimate; without one, only how many are found so far is known."""
    done = delivery.n_prepared
    whole = max(delivery.n_estimated, done) if delivery.n_estimated else 0
    since = (now - delivery.preparing_since).total_seconds() if delivery.preparing_since else 0
    left = ""
    if whole and done and since >= 3:
        left = _("about %(time)s left") % {"time": headlines.duration(since / done * (whole - done))}
    figures = _("%(n)s of %(all)s") % {"n": headlines.count(done), "all": headlines.count(whole)} if whole else ""
    if done and not whole:
        figures = ngettext("%(n)s person so far", "%(n)s people so far", done) % {"n": headlines.count(done)}
    return {"n": done, "whole": whole, "text": " · ".join(part for part in (figures, left) if part)}


def prepared(delivery: Delivery) -> dict[str, Any]:
    """The sum targeted − excluded = to send, with its parts in the fixed order of the reasons."""
    targeted = delivery.n_targeted or 0
    return {
        "targeted": targeted,
        "excluded": delivery.n_excluded or 0,
        "to_send": delivery.n_to_send or 0,
        "reasons": left_out.rows(delivery),
        "bar": _parts(
            targeted,
            [(_("To send"), delivery.n_to_send or 0, "ok"), (_("Excluded"), delivery.n_excluded or 0, "pending")],
        ),
        "n_samples": len(delivery.samples),
    }


def _confirm(delivery: Delivery) -> dict[str, Any]:
    """The facts of the confirm dialog and page."""
    message = delivery.message
    n = delivery.n_to_send or 0
    return {
        "seal": delivery.seal,
        "n": n,
        "asks_number": forms.asks_number(n),
        **_subject(delivery),
        "sender": f"{message.sender_name} <{message.sender_address}>"
        if message.sender_name
        else message.sender_address,
        "audience": rules.describe(delivery.audience),
        "when": _when(delivery.scheduled_at, delivery.scheduled_zone),
        "validity": headlines.duration(delivery.validity_s),
        "grace": installation.number(options.GRACE_S),
    }


def _subject(delivery: Delivery) -> dict[str, str]:
    """The subject somebody reads, and who, where it is personal and a sample was rendered; else as it was written."""
    written = delivery.message.subject
    if "{{" in written or "{%" in written:
        for sample in delivery.samples:
            if sample.get("subject"):
                return {"subject": str(sample["subject"]), "subject_for": str(sample["email"])}
    return {"subject": written, "subject_for": ""}


def _start(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """The countdown: when it starts, in the zone it was chosen in and in the reader's own."""
    assert delivery.start_at is not None
    seconds = max(0, (delivery.start_at - now).total_seconds())
    is_scheduled = bool(delivery.scheduled_at and delivery.scheduled_at >= delivery.start_at)
    return {
        "at": delivery.start_at,
        "now": now,
        "seconds": round(seconds),
        "text": f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if seconds < 600 else headlines.duration(seconds),
        "is_scheduled": is_scheduled,
        "when": _when(delivery.start_at, delivery.scheduled_zone) if is_scheduled else "",
    }


def _when(moment: dt.datetime | None, zone: str) -> str:
    """Tue 25 Nov, 09:00 Paris (03:00 your time); "" for None."""
    if moment is None:
        return ""
    name = zone if zone in zoneinfo.available_timezones() else timezone.get_current_timezone_name()
    there = moment.astimezone(zoneinfo.ZoneInfo(name))
    city = name.split("/")[-1].replace("_", " ")
    text = f"{formats.date_format(there, pgettext('date format', 'D j M'))}, {formats.date_format(there, 'H:i')} {city}"
    here = timezone.localtime(moment)
    if here.utcoffset() == there.utcoffset():
        return text
    mine = headlines.stamp(moment) if here.date() != there.date() else formats.time_format(here, "H:i")
    return _("%(there)s (%(here)s your time)") % {"there": text, "here": mine}


def _bar(delivery: Delivery, panel: kpi.Panel) -> list[BarPart]:
    """The parts of To send: with feedback in real time, delivered, waiting for an answer and failed."""
    if delivery.feedback == Feedback.REAL_TIME:
        parts = [
            (_("Delivered"), panel.delivered, "ok"),
            (_("Waiting for an answer"), panel.pending, "pending"),
            (_("Failed"), panel.failed, "err"),
        ]
    else:
        parts = [(_("Delivered"), panel.delivered, "ok"), (_("Bounces + errors"), panel.failed, "err")]
    rest = [
        (_("Not sent"), panel.not_sent, "warn"),
        (_("Unknown"), panel.unknown, "warn"),
        (_("Cancelled"), panel.cancelled, "pending"),
    ]
    return _parts(panel.to_send or 0, parts + [part for part in rest if part[1]])


def _parts(whole: int, parts: list[tuple[str, int, str]]) -> list[BarPart]:
    drawn, at = [], 0.0
    for label, n, tone in parts:
        width = 100 * n / whole if whole else 0.0
        drawn.append(BarPart(label, headlines.count(n), tone, f"{at:.3f}", f"{width:.3f}"))
        at += width
    return drawn


def _failed_note(panel: kpi.Panel) -> str:
    return _("High") if (panel.failed_rate or 0) >= _HIGH_WARN else ""


def _announce(delivery: Delivery, panel: kpi.Panel | None) -> str:
    """What screen readers hear: the state, and quarters of the way. The page speaks only when it changes."""
    if panel is None:
        return str(delivery.get_state_display()) if delivery.state != DeliveryState.PREPARING else ""
    if delivery.state not in RUNNING:
        return str(delivery.get_state_display())
    quarter = int(4 * (panel.processed_rate or 0)) * 25
    return _("%(state)s, %(n)s%% of %(all)s") % {
        "state": delivery.get_state_display(),
        "n": quarter,
        "all": headlines.count(panel.to_send or 0),
    }


def chart_end(delivery: Delivery) -> dt.datetime:
    """Where the chart ends: now, or when the validity period was over, after which little happens."""
    now = timezone.now()
    is_over = delivery.state in ENDED and delivery.valid_until is not None
    return min(now, delivery.valid_until) if is_over and delivery.valid_until else now


def chart(delivery: Delivery, points: Sequence[breakdowns.Point], span: str) -> dict[str, Any]:
    """The chart fragment: numbers for the drawing, names for its lines, and rows for the table."""
    here = reverse("delivery:chart", args=[delivery.public_id])
    labels = [_("Sent"), _("Bounces + errors"), _("Opened"), _("Clicked")]
    return {
        "delivery": delivery,
        "points": points if points and points[-1].sent else [],
        "here": f"{here}?span={span}",
        "every_ms": _CHART_MS if delivery.state in RUNNING or delivery.started_at is None else _CHART_MS * 4,
        "data": {
            "labels": labels,
            "x": [round(point.at.timestamp()) for point in points],
            "series": [
                [point.sent for point in points],
                [point.failed for point in points],
                [point.opened for point in points],
                [point.clicked for point in points],
            ],
        },
        "spans": [
            {"label": label, "url": f"{here}?span={name}", "is_current": name == span}
            for name, label in (("1h", _("1 h")), ("24h", _("24 h")), ("all", _("All")))
        ],
    }
