"""The document of a draft or a version: one section per editor step, and what may stand in it.

Nothing here refuses a value for being wrong: what was typed is kept, campaigns.alerts says what to do about it. Refused
are only things that are no value at all: a field that does not exist, a list that is not one, a document too large.
"""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from lib.errors import DomainError
from messaging import content
from messaging.models import Sender

Document = dict[str, dict[str, Any]]

STEPS = ("compose", "delivery", "audience", "tracking")
# Bytes of JSON; a message of 2 MB with its own text fits, a video does not.
MAX_BYTES = 5_000_000
_MAX_DEPTH = 40


class DraftInvalid(DomainError):
    """What was sent is no edit of a draft; `fields` says where."""

    code = "draft_invalid"
    status = 422


@dataclass(frozen=True)
class Field:
    """One field of the document. `kind`: "text", "flag", "number", "list" of ids, "tree" of conditions."""

    name: str
    kind: str
    default: Any
    label: str | Promise


_FIELDS = {
    field.name: field
    for field in (
        Field("compose.sender", "text", "", gettext_lazy("From")),
        Field("compose.subject", "text", "", gettext_lazy("Subject")),
        Field("compose.preheader", "text", "", gettext_lazy("Preheader")),
        Field("compose.no_preheader", "flag", False, gettext_lazy("No preheader")),
        Field("compose.body_kind", "text", "html", gettext_lazy("Kind of body")),
        Field("compose.body", "text", "", gettext_lazy("Body")),
        Field("compose.text_mode", "text", "generated", gettext_lazy("Kind of plain text")),
        Field("compose.text", "text", "", gettext_lazy("Plain text")),
        Field("delivery.kind", "text", "once", gettext_lazy("When it is sent")),
        Field("delivery.date", "text", "", gettext_lazy("Date")),
        Field("delivery.time", "text", "", gettext_lazy("Time")),
        Field("delivery.zone", "text", "", gettext_lazy("Time zone")),
        Field("delivery.repeat_every", "number", 1, gettext_lazy("Repeat every")),
        Field("delivery.repeat_unit", "text", "week", gettext_lazy("Unit of repeating")),
        Field("delivery.repeat_weekdays", "list", [], gettext_lazy("Days of the week")),
        Field("delivery.repeat_month_day", "number", None, gettext_lazy("Day of the month")),
        Field("delivery.repeat_from", "text", "", gettext_lazy("Repeat from")),
        Field("delivery.repeat_ends", "text", "never", gettext_lazy("When repeating ends")),
        Field("delivery.repeat_until", "text", "", gettext_lazy("Repeat until")),
        Field("delivery.repeat_count", "number", 10, gettext_lazy("Number of sends")),
        Field("delivery.asks_confirmation", "flag", True, gettext_lazy("Ask for confirmation before each send")),
        Field("delivery.confirm_within_hours", "number", 4, gettext_lazy("Time to confirm")),
        Field("delivery.if_unconfirmed", "text", "skip", gettext_lazy("If nobody confirms")),
        Field("delivery.aggregate", "text", "", gettext_lazy("Count sends together")),
        Field("delivery.reeligibility", "text", "never", gettext_lazy("Who can get it again")),
        Field("delivery.reeligible_after", "number", 7, gettext_lazy("Get it again after")),
        Field("delivery.reeligible_unit", "text", "days", gettext_lazy("Unit of getting it again")),
        Field("delivery.validity_hours", "number", 72, gettext_lazy("Keep retrying for")),
        Field("delivery.rate_per_minute", "number", None, gettext_lazy("Rate per minute")),
        Field("delivery.spread", "text", "all", gettext_lazy("Who gets it when")),
        Field("delivery.wave_size", "number", 25, gettext_lazy("Size of a wave")),
        Field("delivery.wave_size_unit", "text", "percent", gettext_lazy("Unit of the size of a wave")),
        Field("delivery.wave_every", "number", 1, gettext_lazy("Time between waves")),
        Field("delivery.wave_every_unit", "text", "hours", gettext_lazy("Unit of the time between waves")),
        Field("delivery.ignores_quiet_hours", "flag", False, gettext_lazy("Send also in quiet hours")),
        Field("delivery.ignores_cap", "flag", False, gettext_lazy("Ignore the sending limit")),
        Field("audience.segments", "list", [], gettext_lazy("Segments")),
        Field("audience.segments_match", "text", "any", gettext_lazy("Any or all segments")),
        Field("audience.conditions", "tree", None, gettext_lazy("Conditions")),
        Field("audience.exclude", "list", [], gettext_lazy("Left out")),
        Field("audience.subscription_group", "text", "", gettext_lazy("Subscription group")),
        Field("audience.limit", "number", None, gettext_lazy("Limit")),
        Field("audience.control_percent", "number", 0, gettext_lazy("Control group")),
        Field("tracking.opens", "flag", True, gettext_lazy("Track opens")),
        Field("tracking.clicks", "flag", True, gettext_lazy("Track clicks")),
        Field("tracking.utm", "flag", False, gettext_lazy("Tag links with UTM")),
        Field("tracking.utm_source", "text", "", gettext_lazy("UTM source")),
        Field("tracking.utm_medium", "text", "email", gettext_lazy("UTM medium")),
        Field("tracking.utm_campaign", "text", "", gettext_lazy("UTM campaign")),
        Field("tracking.conversion_event", "text", "", gettext_lazy("Conversion")),
        Field("tracking.conversion_within", "number", 3, gettext_lazy("Time to convert")),
        Field("tracking.conversion_unit", "text", "days", gettext_lazy("Unit of the time to convert")),
        Field("tracking.conversion2_event", "text", "", gettext_lazy("Second conversion")),
        Field("tracking.conversion2_within", "number", 3, gettext_lazy("Time to convert, second")),
        Field("tracking.conversion2_unit", "text", "days", gettext_lazy("Unit of the time to convert, second")),
    )
}
# Set by `apply`, not by people: which body an own plain text was written for.
_TEXT_FOR = "text_for"


def blank() -> Document:
    """A document with every field at its default."""
    document: Document = {step: {} for step in STEPS}
    for name, field in _FIELDS.items():
        step, key = name.split(".")
        document[step][key] = copy.deepcopy(field.default)
    document["compose"][_TEXT_FOR] = ""
    return document


def normalise(raw: object) -> Document:
    """A complete document from whatever is stored: defaults for what is missing, odd values as typed."""
    document = blank()
    sections = raw if isinstance(raw, Mapping) else {}
    for name, field in _FIELDS.items():
        step, key = name.split(".")
        section = sections.get(step)
        if not isinstance(section, Mapping) or key not in section:
            continue
        try:
            document[step][key] = _coerce(field, section[key])
        except DraftInvalid:
            continue
    compose = sections.get("compose")
    if isinstance(compose, Mapping):
        document["compose"][_TEXT_FOR] = str(compose.get(_TEXT_FOR, ""))
    return document


def apply(document: Document, fields: Mapping[str, object]) -> Document:
    """A copy of `document` with `fields` ("compose.subject" → value) set; "audience" sets its whole section.

    Lists and trees may come as JSON text. Raises DraftInvalid for unknown fields, broken JSON and an oversized result.
    """
    changed = copy.deepcopy(document)
    problems: dict[str, str] = {}
    for name, value in _spread(fields).items():
        field = _FIELDS.get(name)
        if field is None:
            problems[name] = _("There is no field “%(name)s” in a draft.") % {"name": name[:60]}
            continue
        step, key = name.split(".")
        try:
            changed[step][key] = _coerce(field, value)
        except DraftInvalid as error:
            problems[name] = error.message
    if not problems and len(json.dumps(changed)) > MAX_BYTES:
        problems["compose.body"] = _("The draft is larger than 5 MB. Make the message smaller.")
    if problems:
        raise DraftInvalid(next(iter(problems.values())), fields=problems)
    if {"compose.text", "compose.text_mode"} & fields.keys():
        changed["compose"][_TEXT_FOR] = body_mark(changed)
    return changed


def differences(before: Document, after: Document) -> list[str]:
    """Names of the fields whose values differ, in the order of the editor."""
    return [name for name in _FIELDS if value(before, name) != value(after, name)]


def names() -> list[str]:
    """All field names, in the order of the editor."""
    return list(_FIELDS)


def value(document: Document, name: str) -> Any:
    """The value of the field `name` of a normalised document."""
    step, key = name.split(".")
    return document[step][key]


def label(name: str) -> str:
    """How people call a field: "compose.subject" → "Subject"; "name" is the campaign's name."""
    if name == "name":
        return _("Name")
    field = _FIELDS.get(name)
    return str(field.label) if field else name


def without_schedule(document: Document) -> Document:
    """A copy that is sent once confirmed: nothing of when, how often and who confirms is taken over."""
    copied = copy.deepcopy(document)
    fresh = blank()["delivery"]
    again = ("reeligibility", "reeligible_after", "reeligible_unit", "ignores_cap")
    kept = ("zone", *again, "validity_hours", "rate_per_minute", "ignores_quiet_hours")
    copied["delivery"] = fresh | {key: copied["delivery"][key] for key in kept}
    return copied


def body_mark(document: Document) -> str:
    """A short fingerprint of the body, by which an own plain text knows the body it was written for."""
    compose = document["compose"]
    return hashlib.sha256(f"{compose['body_kind']}\0{compose['body']}".encode()).hexdigest()[:16]


def sha256(document: Document) -> str:
    """The fingerprint of the whole document; equal documents have equal ones, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sender(document: Document) -> Sender | None:
    """The sender that was chosen; None when none was chosen, or when it is gone or archived."""
    chosen = _uuid(document["compose"]["sender"])
    return Sender.objects.filter(public_id=chosen, archived_at__isnull=True).first() if chosen else None


def content_spec(document: Document) -> content.ContentSpec:
    """What messaging needs to check, preview, test and freeze the message. One query, for the sender."""
    compose, tracking = document["compose"], document["tracking"]
    identity = sender(document)
    keys = ("utm_source", "utm_medium", "utm_campaign")
    return content.ContentSpec(
        sender_name=identity.name if identity else "",
        sender_address=identity.address if identity else "",
        reply_to=identity.reply_to if identity else "",
        subject=compose["subject"],
        preheader="" if compose["no_preheader"] else compose["preheader"],
        body_kind=compose["body_kind"],
        body=compose["body"],
        text=compose["text"] if compose["text_mode"] == "own" else None,
        tracks_opens=tracking["opens"],
        tracks_clicks=tracking["clicks"],
        utm={key: tracking[key].strip() for key in keys if tracking[key].strip()} if tracking["utm"] else {},
    )


def re_eligible_after_s(delivery: Mapping[str, Any]) -> int | None:
    """Seconds until somebody may get it again: None never, 0 every time. Days are exact: 7 days are 168 hours."""
    if delivery["reeligibility"] == "always":
        return 0
    if delivery["reeligibility"] != "after":
        return None
    return int(delivery["reeligible_after"]) * (86_400 if delivery["reeligible_unit"] == "days" else 3_600)


def summary(fields: Iterable[str]) -> str:
    """ "Subject, Body" for a list of changed fields; beyond five, how many more."""
    labels = list(dict.fromkeys(label(name) for name in fields))
    if len(labels) <= 5:
        return ", ".join(labels)
    more = len(labels) - 5
    rest = ngettext("and %(n)d more", "and %(n)d more", more) % {"n": more}
    return f"{', '.join(labels[:5])} {rest}"


def _spread(fields: Mapping[str, object]) -> dict[str, object]:
    """`fields` with a whole "audience" taken apart into its fields."""
    spread: dict[str, object] = {}
    for name, given in fields.items():
        if name == "audience":
            section = _parsed(given)
            if not isinstance(section, Mapping):
                raise _broken("audience")
            spread |= {f"audience.{key}": item for key, item in section.items()}
        else:
            spread[name] = given
    return spread


def _coerce(field: Field, given: object) -> Any:
    if field.kind == "flag":
        return given if isinstance(given, bool) else str(given).strip().lower() in {"1", "true", "on", "yes"}
    if field.kind == "number":
        return _number(given)
    if field.kind == "text":
        return "" if given is None else _clean(str(given))
    parsed = _parsed(given)
    if field.kind == "list":
        if not isinstance(parsed, list) or not all(isinstance(item, str) for item in parsed):
            raise _broken(field.name)
        return list(dict.fromkeys(_clean(item) for item in parsed))
    if parsed is None or parsed == {}:
        return None
    if not isinstance(parsed, Mapping):
        raise _broken(field.name)
    return _clean_tree(parsed, field.name)


def _number(given: object) -> int | str | None:
    """A whole number where it is one, None for nothing, else the text as typed, so that an alert can show it."""
    if given is None or isinstance(given, bool):
        return None
    if isinstance(given, int):
        return given
    typed = _clean(str(given)).strip()
    if not typed:
        return None
    digits = typed.replace(" ", "").replace("\u00a0", "").replace("\u202f", "")
    if digits.isascii() and digits.isdigit() and len(digits) < 12:
        return int(digits)
    return typed[:40]


def _parsed(given: object) -> object:
    if not isinstance(given, str):
        return given
    if not given.strip():
        return None
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        # Also a number of more digits than Python reads.
        return given


def _clean(text: str) -> str:
    """`text` without what PostgreSQL can't store: NUL and lone surrogates become the replacement character."""
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _clean_tree(node: Any, name: str, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise _broken(name)
    if isinstance(node, Mapping):
        return {_clean(str(key)): _clean_tree(item, name, depth + 1) for key, item in node.items()}
    if isinstance(node, list):
        return [_clean_tree(item, name, depth + 1) for item in node]
    if isinstance(node, str):
        return _clean(node)
    # NaN and infinity are no JSON.
    return None if (isinstance(node, float) and node != node) or node in (float("inf"), float("-inf")) else node


def _broken(name: str) -> DraftInvalid:
    sentence = _("The value of “%(field)s” can't be read.") % {"field": label(name)}
    return DraftInvalid(sentence, fields={name: sentence})


def _uuid(text: str) -> str:
    """`text` if it has the form of a UUID, else ""."""
    digits = text.replace("-", "")
    return text if len(digits) == 32 and all(c in "0123456789abcdefABCDEF" for c in digits) else ""
