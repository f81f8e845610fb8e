"""What the card of a prepared list says: who is left out, by reason, and what the control rules found. Finished values.

The reasons are those of the seal, in their fixed order, zeros not among them; they add up to the number excluded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiences import groups
from delivery import controls, headlines, reasons
from delivery.models import Delivery

_LEVELS = {
    controls.ERROR: ("err", "circle-x"),
    controls.WARNING: ("warn", "triangle-alert"),
    controls.INFO: ("info", "info"),
}


@dataclass(frozen=True)
class Excluded:
    """One reason with its people: `share` of everybody targeted, `url` of the log that lists them."""

    code: str
    label: str
    n: int
    share: float
    url: str


@dataclass(frozen=True)
class Finding:
    """One line of Details: its level in icon and word, the sentence, and the page where it is put right."""

    level: str
    word: str
    tone: str
    icon: str
    text: str
    url: str
    link: str


def rows(delivery: Delivery) -> list[Excluded]:
    """Why people are left out, in the order of the reasons. One query, when it is sent under a group."""
    by_reason, targeted = delivery.excluded_by_reason, delivery.n_targeted or 0
    log = reverse("delivery:log", args=[delivery.public_id, "exclusions"])
    codes = [code for code in reasons.EXCLUSIONS if by_reason.get(code)]
    codes += [code for code in by_reason if code not in reasons.EXCLUSIONS and by_reason[code]]
    return [
        Excluded(code, label(delivery, code), by_reason[code], by_reason[code] / targeted, f"{log}?reason={code}")
        for code in codes
    ]


def label(delivery: Delivery, code: str) -> str:
    """The words of a reason in this delivery: with the group's name, and the time somebody has to wait."""
    group = groups.of(delivery.audience) if code == reasons.UNSUBSCRIBED_GROUP else None
    if group is not None:
        return _("Unsubscribed from {group}").format(group=group.name)
    if code == reasons.NOT_ELIGIBLE_AGAIN and delivery.re_eligible_after_s:
        return _("Had it in the last {time}").format(time=_span(delivery.re_eligible_after_s))
    return reasons.exclusion_sentence(code)


def findings(delivery: Delivery, pages: Mapping[str, str]) -> list[Finding]:
    """What was checked at preparation, the worst first. `pages` has the address where each place is put right."""
    words = {controls.ERROR: _("Error"), controls.WARNING: _("Warning"), controls.INFO: _("Information")}
    links = {
        controls.COMPOSE: _("Go to Compose"),
        controls.AUDIENCE: _("Go to Audience"),
        controls.DELIVERY: _("Go to Delivery"),
        controls.SENDERS: _("Go to Senders"),
    }
    found = []
    for line in delivery.controls:
        level, place = str(line["level"]), str(line["place"])
        tone, icon = _LEVELS[level]
        found.append(
            Finding(level, words[level], tone, icon, str(line["text"]), pages.get(place, ""), links.get(place, ""))
        )
    return found


def details(delivery: Delivery, pages: Mapping[str, str]) -> dict[str, Any]:
    """The part "Details": its lines, what they are together, and whether somebody should look now."""
    found = findings(delivery, pages)
    n_errors = sum(line.level == controls.ERROR for line in found)
    n_warnings = sum(line.level == controls.WARNING for line in found)
    parts = [ngettext("{n} error", "{n} errors", n_errors).format(n=n_errors)] if n_errors else []
    parts += [ngettext("{n} warning", "{n} warnings", n_warnings).format(n=n_warnings)] if n_warnings else []
    first = next((line for line in found if line.level == controls.ERROR and line.url), None)
    return {"lines": found, "summary": ", ".join(parts), "is_open": bool(parts), "fix": first}


def _span(seconds: int) -> str:
    """7 days, 1 day, 12 h."""
    days, rest = divmod(seconds, 86_400)
    if days and not rest:
        return ngettext("{n} day", "{n} days", days).format(n=days)
    hours, rest = divmod(seconds, 3_600)
    return _("{n} h").format(n=hours) if not rest else headlines.duration(seconds)
