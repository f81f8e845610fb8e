"""Pages for people who work on Chappe; not there in production."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


@dataclass(frozen=True)
class _Badge:
    label: str
    tone: str
    icon: str


_BADGES = (
    _Badge("Draft", "neutral", "pencil-line"),
    _Badge("Published", "outline", "circle-check-big"),
    _Badge("Awaiting confirmation", "warn", "hourglass"),
    _Badge("Scheduled", "info", "calendar-clock"),
    _Badge("Live", "ok", "radio"),
    _Badge("Sending", "teal", "loader"),
    _Badge("Paused", "warn", "pause"),
    _Badge("Sent", "ok", "check"),
    _Badge("Stopped", "neutral", "octagon-x"),
    _Badge("Failed", "err", "triangle-alert"),
    _Badge("Archived", "outline", "archive"),
)


class _SampleForm(forms.Form):
    """Two fields that fail and two that don't."""

    name = forms.CharField(label="Name", help_text="Only your team sees it.")
    subject = forms.CharField(label="Subject", error_messages={"required": "The subject is empty. Enter a subject."})
    list = forms.ChoiceField(label="List", choices=[("a", "Newsletter list"), ("b", "VIP customers")])
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"rows": 3}))


def components(request: HttpRequest) -> HttpResponse:
    """Every component in every state, for looking at and for the accessibility tests."""
    if settings.IS_PRODUCTION:
        raise Http404
    return render(request, "dev/components.html", {"samples": _samples(timezone.now())})


def _samples(now: datetime) -> dict[str, Any]:
    return {
        "badges": _BADGES,
        "saves": [
            {"state": "saved", "icon": "cloud-check", "text": "Saved 14:02"},
            {"state": "saving", "icon": "cloud-upload", "text": "Saving…"},
            {"state": "retrying", "icon": "cloud-alert", "text": "Not saved. Retrying in 8 s"},
            {"state": "offline", "icon": "cloud-off", "text": "Offline. Kept on this device"},
            {"state": "conflict", "icon": "cloud-off", "text": "Not saved"},
            {"state": "read-only", "icon": "lock", "text": "Read-only"},
        ],
        "tabs": [
            {"label": label, "url": "#tab", "count": count, "is_current": label == "All"}
            for label, count in (
                ("All", 48),
                ("Drafts", 9),
                ("Needs attention", 2),
                ("Scheduled", 4),
                ("Sent", 1027),
                ("Archived", 0),
            )
        ],
        "steps": [
            {"label": label, "url": "#step", "state": state, "is_current": label == "Delivery"}
            for label, state in (
                ("Compose", "ok"),
                ("Delivery", "ok"),
                ("Audience", ""),
                ("Tracking", ""),
                ("Review", "err"),
            )
        ],
        "now": now,
        "before": now - timedelta(minutes=5),
        "yesterday": now - timedelta(hours=20),
        "long_ago": now - timedelta(days=400),
        "later": now + timedelta(hours=3),
        "parts": [
            {"label": "Accepted", "text": "7,186", "tone": "ok", "x": "0", "width": "72.6"},
            {"label": "Failed", "text": "154", "tone": "err", "x": "72.8", "width": "1.6"},
        ],
        "tiles": _tiles(),
        "rows": _rows(now),
        "menu": [
            {"label": "Open", "url": "#open", "icon": "external-link"},
            {"label": "Duplicate", "url": "#copy", "icon": "copy"},
            {"label": "Archive", "url": "#archive", "icon": "archive", "is_disabled": True, "reason": "Stop it first."},
        ],
        "chips": [
            {"label": "Owner: Me", "remove_url": "#x"},
            {"label": "Unknown filter: colour", "remove_url": "#y", "is_unknown": True},
        ],
        "page": Paginator(range(48), 25).page(1),
        "form": _SampleForm({"name": "Autumn sale", "list": "a", "note": "", "subject": ""}),
        "banner_actions": [
            {"label": "Copy my changes", "url": "#copy"},
            {"label": "Refresh", "url": "#refresh", "is_primary": True},
        ],
    }


def _tiles() -> list[dict[str, str]]:
    return [
        {"label": "To send", "value": "9,892", "sub": "of 12,480 targeted"},
        {"label": "Sent", "value": "7,340", "sub": "74.2% of to send"},
        {"label": "Delivered", "value": "97.9%", "sub": "7,186 · provisional"},
        {
            "label": "Bounces + errors",
            "value": "2.1%",
            "sub": "154 of sent",
            "note": "High",
            "note_tone": "warn",
            "note_icon": "triangle-alert",
        },
        {"label": "Opened", "value": "18.4%", "sub": "1,322 of delivered"},
        {"label": "Clicked", "value": "", "reason": "Clicks aren't tracked"},
    ]


def _rows(now: datetime) -> list[dict[str, Any]]:
    table = (
        ("Autumn sale", "Newsletter list", 5, "7,340 / 9,892 sent", 0.184, "Marie Leroy", 0, "", 74),
        ("Order shipped", "API-triggered", 4, "1,204 this week", 0.62, "Adam Berg", 2, "Draft changes", 0),
        (
            "Weekly digest with a name that is much longer than others",
            "Newsletter list",
            2,
            "Mon 24 Nov, 09:00",
            0.441,
            "Adam Berg",
            1,
            "",
            0,
        ),
        ("Black Friday teaser", "No audience yet", 0, "", None, "Ines Karim", 30, "", 0),
        ("Password policy", "All customers", 9, "Stopped at 31%", None, "Adam Berg", 300, "", 0),
    )
    return [
        {
            "name": name,
            "sub": sub,
            "badge": _BADGES[badge],
            "delivery": delivery,
            "opened": opened,
            "owner": owner,
            "edited_at": now - timedelta(hours=hours),
            "marker": marker,
            "share": share,
            "menu_id": f"row-menu-{number}",
            "menu_label": f"More actions for {name}",
        }
        for number, (name, sub, badge, delivery, opened, owner, hours, marker, share) in enumerate(table)
    ]
