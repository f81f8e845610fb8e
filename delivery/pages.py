"""Finished values for the pages and fragments of one delivery. Everything a template asks is answered here.

`context` is what a page of a higher room includes `delivery/_delivery.html` with. It decides rights once: templates get
`may` and sentences, never a user. Pages that change by themselves poll `delivery:panel`; see `polling`.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from accounts import installation, roles
from accounts.models import User
from audiences import rules
from delivery import (
    caution,
    gate,
    headlines,
    kpi,
    left_out,
    options,
    panels,
    polling,
    prepared,
    rollups,
    staleness,
    timing,
)
from delivery.models import EMAIL, Delivery, DeliveryState

TABS = {
    "sending": pgettext_lazy("log", "Sending"),
    "exclusions": gettext_lazy("Exclusions"),
    "tracking": gettext_lazy("Tracking"),
    "links": gettext_lazy("Top links"),
    "failures": gettext_lazy("Failures by reason"),
    "activity": gettext_lazy("Activity"),
}

# What comes back of emails only.
_TABS_OF_EMAIL = frozenset({"tracking", "links"})
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
    audience: bool
    pause: bool
    cancel: bool
    export: bool


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
    in sentences of the room above; what delivery.staleness finds is added here. `fix_urls`: where each place of
    delivery.controls is put right."""
    now = timezone.now()
    may = rights(delivery, user)
    rollups.freshen(delivery)
    must_wait = may.start and needs_another(delivery, user)
    return {
        **live(delivery, now),
        "may": may,
        "urls": _urls(delivery) | {"confirm": confirm_url, "cancel": cancel_url, "back": back_url},
        "stale": [*stale, *(reason.message for reason in staleness.reasons(delivery, now))],
        "prepared": prepared.sum_of(delivery) if delivery.seal else None,
        "details": left_out.details(delivery, fix_urls or {}),
        "confirm": _confirm(delivery) if delivery.state == DeliveryState.PREPARED else None,
        "needs_another": must_wait,
        "deputies": _deputies(delivery, user) if must_wait or not may.start else [],
        "start_role": _(roles.role_with(roles.START)),
        "owner_may_cancel": may.cancel,
    }


def needs_another(delivery: Delivery, user: User) -> bool:
    """Whether a prepared list must be confirmed by somebody else than `user`, who published what is sent."""
    return delivery.state == DeliveryState.PREPARED and gate.needs_another(delivery, user)


def _deputies(delivery: Delivery, user: User) -> list[str]:
    """Who can confirm it instead of `user`, by name; three at the most."""
    people = [person for person in roles.holders(roles.START, limit=5) if person.pk != user.pk]
    return [str(person) for person in people if not gate.needs_another(delivery, person)][:3]


def live(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """The part that changes by itself: what `delivery:panel` returns again and again."""
    face = panels.of(delivery, now) if delivery.started_at is not None else panels.NONE
    return {
        "delivery": delivery,
        "state": delivery.state,
        "stage": stage(delivery),
        **face,
        "preparing": prepared.progress(delivery, now) if delivery.state == DeliveryState.PREPARING else None,
        "start": timing.start(delivery, now) if delivery.state == DeliveryState.CONFIRMED else None,
        "timing": timing.shown(delivery, now),
        "tabs": tabs(delivery, face["panel"]),
        "urls": _urls(delivery),
        "poll_ms": polling.poll_ms(delivery, now),
        "announce": polling.announce(delivery, face["panel"]),
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
    # As the badge of its campaign says it.
    if delivery.state == DeliveryState.SENDING and delivery.is_standing and delivery.closed_at is None:
        return {"label": pgettext("campaign status", "Live"), "tone": "ok", "icon": "radio"}
    is_sent = delivery.state == DeliveryState.FINISHED
    label = pgettext("campaign status", "Sent") if is_sent else str(delivery.get_state_display())
    return {"label": label, "tone": tone, "icon": icon}


def rights(delivery: Delivery, user: User) -> Rights:
    """By the permissions of accounts.roles; the owner may also pause and cancel."""
    may_start = user.has_perm(roles.START)
    is_owner = delivery.owner_id == user.pk
    return Rights(
        start=may_start,
        edit=user.has_perm(roles.EDIT),
        audience=user.has_perm(roles.MANAGE_AUDIENCE),
        pause=may_start or (is_owner and user.has_perm(roles.EDIT)),
        cancel=may_start or (is_owner and user.has_perm(roles.EDIT)),
        export=user.has_perm(roles.EXPORT),
    )


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
        if delivery.channel == EMAIL or name not in _TABS_OF_EMAIL
    ]


def _urls(delivery: Delivery) -> dict[str, str]:
    control = ("prepare", "abort", "pause", "resume", "stop", "start-now", "refresh", "retry", "compute")
    names = (*control, "panel", "chart", "chart-csv", "samples")
    return {name.replace("-", "_"): reverse(f"delivery:{name}", args=[delivery.public_id]) for name in names}


def _confirm(delivery: Delivery) -> dict[str, Any]:
    """The facts of the confirm dialog and page."""
    message = delivery.message
    n = delivery.n_to_send or 0
    return {
        "seal": delivery.seal,
        "key": uuid.uuid4(),
        "n": n,
        "caution": caution.of(delivery),
        **_subject(delivery),
        "sender": f"{message.sender_name} <{message.sender_address}>"
        if message.sender_name
        else message.sender_address,
        "audience": rules.describe(delivery.audience),
        "when": timing.when(delivery, delivery.scheduled_at),
        "waves": timing.waves(delivery),
        "past": timing.past(delivery, timezone.now()),
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
