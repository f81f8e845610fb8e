"""What a document says, in words: the cards of Review and of the live version, and the sentences under the steps.

Nothing is decided here; a value nobody can use is shown as it was typed, campaigns.alerts says what to do about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audiences import groups, wording
from campaigns import document as documents
from campaigns import rhythms, schedules, spreads

# Hours offered for "Keep retrying for", in the order of the list.
VALIDITY_HOURS = (1, 4, 12, 24, 48, 72, 120, 168, 336)
# Hours offered for the confirmation of a repeating send.
CONFIRM_WITHIN_HOURS = (1, 2, 4, 8, 12, 18)
# The periods whose repeating sends can be counted together.
AGGREGATES: dict[str, str | Promise] = {
    "day": gettext_lazy("By day"),
    "week": gettext_lazy("By week"),
    "month": gettext_lazy("By month"),
    "year": gettext_lazy("By year"),
}


@dataclass(frozen=True)
class Card:
    """One step in a few rows of (label, value); `is_empty` says that there is nothing to tell yet."""

    step: str
    title: str
    rows: tuple[tuple[str, str], ...]
    is_empty: bool = False


def cards(document: documents.Document) -> list[Card]:
    """The four cards, in the order of the editor. Queries the sender and the names of segments."""
    return [card(document, step) for step in documents.STEPS]


def card(document: documents.Document, step: str) -> Card:
    """The card of one step."""
    return {"compose": _message, "delivery": _delivery, "audience": _audience, "tracking": _tracking}[step](document)


def when(document: documents.Document, *, reader_zone: str = "") -> str:
    """The send time with its zone, and in the reader's own zone where that differs."""
    section = document["delivery"]
    if section["kind"] == "repeat":
        return capfirst(rhythms.words(section)) or _("Repeatedly, not complete yet")
    if section["kind"] == "api":
        return _("When your system asks (API)")
    if section["kind"] != "at":
        return _("Once confirmed")
    moment = schedules.moment(section)
    if moment is None:
        return _("At a date and time, not chosen yet")
    if spreads.is_local(section):
        return _("%(time)s in each person's time zone") % {"time": date_format(moment.shown, _("D j M, H:i"))}
    text = _("%(time)s %(zone)s") % {"time": date_format(moment.shown, _("D j M, H:i")), "zone": place(moment.zone)}
    if not reader_zone or reader_zone == moment.zone:
        return text
    local = timezone.localtime(moment.at)
    if local.replace(tzinfo=None) == moment.shown:
        return text
    return _("%(text)s (%(time)s your time)") % {"text": text, "time": date_format(local, _("j M, H:i"))}


def effect(document: documents.Document, *, is_stopped: bool) -> str:
    """From when a version of this document is used, for the publish dialog: "after preparation and confirmation"."""
    if is_stopped:
        return _("when the campaign is resumed; it stays stopped")
    kind = document["delivery"]["kind"]
    if kind == "api":
        return _("from the next API call")
    if kind == "repeat":
        coming = rhythms.upcoming(document["delivery"], now=timezone.now())
        return _("from the next send, %(when)s") % {"when": coming[0]} if coming else _("from the next send")
    if kind == "at":
        return _("%(when)s, after preparation and confirmation") % {
            "when": when(document, reader_zone=timezone.get_current_timezone_name())
        }
    return _("after preparation and confirmation")


def place(zone: str) -> str:
    """ "Europe/Paris" → "Paris"."""
    return rhythms.place(zone)


def again(section: dict[str, Any]) -> str:
    """Who can get it again, in a few words."""
    if section["reeligibility"] == "always":
        return _("Every time")
    if section["reeligibility"] == "after":
        return _("After %(time)s") % {"time": span(section["reeligible_after"], section["reeligible_unit"])}
    return _("Never again")


def hours(n: object) -> str:
    """72 → "3 days"; 4 → "4 hours"; what is no number as it was typed."""
    if isinstance(n, int) and n >= 24 and n % 24 == 0:
        return span(n // 24, "days")
    return span(n, "hours")


def sentence(document: documents.Document, *, reader_zone: str = "") -> str:
    """The Delivery step in one sentence, whatever the kind."""
    section = document["delivery"]
    parts = {"start": _start(document, reader_zone), "people": _people(section)}
    if spreads.waves(section) is not None:
        words = spreads.words(section)
        return _("%(start)s, %(waves)s, %(people)s.") % (parts | {"waves": words[:1].lower() + words[1:]})
    return _("%(start)s, %(people)s.") % parts


def _start(document: documents.Document, reader_zone: str) -> str:
    section = document["delivery"]
    if section["kind"] == "api":
        return _("Sends each time your system asks")
    if section["kind"] == "repeat":
        return _repeated(section)
    if section["kind"] != "at":
        return _("Sends as soon as an operator confirms")
    if schedules.moment(section) is None:
        return _("Sends at the time you choose, after an operator confirms")
    return _("Sends on %(when)s, after an operator confirms") % {"when": when(document, reader_zone=reader_zone)}


def _repeated(section: dict[str, Any]) -> str:
    rhythm = rhythms.words(section)
    if not rhythm:
        return _("Sends again and again at the times you choose")
    if not schedules.asks(section):
        return _("Sends %(rhythm)s, without confirmation") % {"rhythm": rhythm}
    if section["if_unconfirmed"] == "send":
        return _("Sends %(rhythm)s, after an operator confirms or when the time to confirm is over") % {
            "rhythm": rhythm
        }
    return _("Sends %(rhythm)s, after an operator confirms") % {"rhythm": rhythm}


def _people(section: dict[str, Any]) -> str:
    if section["reeligibility"] == "always":
        return _("to everybody in the audience, each time")
    if section["reeligibility"] == "after":
        time = span(section["reeligible_after"], section["reeligible_unit"])
        return _("to people who haven't had it in %(time)s") % {"time": time}
    return _("to people who never had it")


def audience(document: documents.Document) -> str:
    """The Audience step in one sentence; "" while nothing is chosen."""
    section = document["audience"]
    if not section["segments"] and not section["conditions"]:
        return ""
    return wording.describe(section)


def body(document: documents.Document) -> str:
    """ "HTML, 12 KB", or that there is none."""
    compose = document["compose"]
    if not compose["body"].strip():
        return _("Empty")
    kind = {"html": _("HTML"), "mjml": _("MJML"), "blocks": _("Blocks")}.get(compose["body_kind"], compose["body_kind"])
    n_kb = max(1, round(len(compose["body"].encode()) / 1024))
    return _("%(kind)s, %(size)s KB") % {"kind": kind, "size": number_format(n_kb, force_grouping=True)}


def is_untouched(document: documents.Document, step: str) -> bool:
    """Whether a step still holds nothing but defaults."""
    return bool(document[step] == documents.blank()[step])


def _message(document: documents.Document) -> Card:
    compose = document["compose"]
    sender = documents.sender(document)
    preheader = _("None, on purpose") if compose["no_preheader"] else compose["preheader"]
    own = _("Written by hand") if compose["text_mode"] == "own" else _("Generated from the message")
    rows = (
        (_("From"), str(sender) if sender else ""),
        (_("Subject"), compose["subject"]),
        (_("Preheader"), preheader),
        (_("Message"), body(document)),
        (_("Plain text"), own),
    )
    return Card("compose", _("Message"), _filled(rows), is_empty=is_untouched(document, "compose"))


def _delivery(document: documents.Document) -> Card:
    section = document["delivery"]
    rate = section["rate_per_minute"]
    speed = _("%(n)s per minute") % {"n": _grouped(rate)} if rate else _("As fast as the mail server takes it")
    rows = [(_("When"), when(document, reader_zone=timezone.get_current_timezone_name()))]
    if section["kind"] == "repeat":
        rows.append((_("Confirmation"), confirmation(section)))
        if schedules.aggregate(section):
            rows.append((_("Count sends together"), str(AGGREGATES[schedules.aggregate(section)])))
    rows += [
        (_("Who can get it again"), again(section)),
        (_("Keep retrying for"), hours(section["validity_hours"])),
        (_("Speed"), speed),
    ]
    if spreads.is_local(section):
        rows.append(
            (_("People without a time zone"), _("By the clock in %(place)s") % {"place": place(section["zone"])})
        )
    elif spreads.words(section):
        rows.append((_("Who gets it when"), spreads.words(section)))
    if section["ignores_quiet_hours"]:
        rows.append((_("Quiet hours"), _("Sent in them too")))
    if section["ignores_cap"]:
        rows.append((_("Sending limit"), _("Ignored")))
    return Card("delivery", _("Delivery"), tuple(rows))


def confirmation(section: dict[str, Any]) -> str:
    """Who is asked before each send of a repeating campaign, and what happens without an answer."""
    if not schedules.asks(section):
        return _("Not asked, sends on its own")
    time = hours(section["confirm_within_hours"])
    if section["if_unconfirmed"] == "send":
        return _("Before each send; after %(time)s it is sent anyway") % {"time": time}
    return _("Before each send; after %(time)s it is skipped") % {"time": time}


def _audience(document: documents.Document) -> Card:
    section = document["audience"]
    words = audience(document)
    if not words:
        return Card("audience", _("Audience"), ((_("Send to"), _("None yet")),), is_empty=True)
    rows = [(_("Send to"), capfirst(words))]
    if group := groups.of(section):
        rows.append((_("Sent under"), group.name))
    if section["limit"]:
        rows.append((_("Limit"), _("%(n)s people") % {"n": _grouped(section["limit"])}))
    if section["control_percent"]:
        rows.append((_("Control group"), _("%(n)s %%") % {"n": section["control_percent"]}))
    return Card("audience", _("Audience"), tuple(rows))


def _tracking(document: documents.Document) -> Card:
    section = document["tracking"]
    if section["opens"] and section["clicks"]:
        tracked = _("Opens and clicks")
    else:
        tracked = _("Opens") if section["opens"] else _("Clicks") if section["clicks"] else _("Nothing")
    rows = [(_("Track"), tracked)]
    if section["utm"]:
        parts = [section[key] for key in ("utm_source", "utm_medium", "utm_campaign") if section[key]]
        rows.append((_("UTM tags"), " · ".join(parts)))
    rows += [(_("Conversion"), one) for one in conversions(document)[:1]]
    rows += [(_("Second conversion"), one) for one in conversions(document)[1:]]
    return Card("tracking", _("Tracking"), tuple(rows))


def conversions(document: documents.Document) -> list[str]:
    """ "placed_order within 3 days of the message", for each conversion that was chosen."""
    section = document["tracking"]
    return [
        _("%(event)s within %(time)s of the message")
        % {"event": section[f"{key}_event"], "time": span(section[f"{key}_within"], section[f"{key}_unit"])}
        for key in ("conversion", "conversion2")
        if section[f"{key}_event"].strip()
    ]


def _filled(rows: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((label, value or _("None yet")) for label, value in rows)


def _grouped(n: object) -> str:
    return number_format(n, force_grouping=True) if isinstance(n, int) else str(n)


def span(n: object, unit: str) -> str:
    """7, "days" → "7 days"; 1, "hours" → "1 hour"."""
    count = n if isinstance(n, int) else 0
    shown = {"n": _grouped(n)}
    if unit == "hours":
        return ngettext("%(n)s hour", "%(n)s hours", count) % shown
    return ngettext("%(n)s day", "%(n)s days", count) % shown
