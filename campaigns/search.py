"""What people type into the list's search: words, and typed filters such as `status:live owner:me edited:>2025-11-01`.

Pure. A filter that is not understood is kept as an unknown one and shown, never ignored in silence.
"""

import datetime as dt
import re
import uuid
from dataclasses import dataclass

from django.utils.translation import gettext as _

from campaigns import badges

CHANNELS = ("email",)
STATUSES = tuple(badge.code for badge in badges.ALL)
# In the order of the help text of the search field.
KEYS = ("status", "owner", "tag", "channel", "edited", "created", "sent", "is")
DATES = ("edited", "created", "sent")
_TOKEN = re.compile(r"^([a-z]+):(.+)$", re.IGNORECASE)
_DAY = r"\d{4}-\d{2}-\d{2}"
_COMPARED = re.compile(rf"^(<=|>=|<|>|)({_DAY})$")
_RANGE = re.compile(rf"^({_DAY}|\*)\.\.({_DAY}|\*)$")
_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Filter:
    """One typed filter. `label` is the chip; `text` is what to take out of the query to remove it."""

    key: str
    value: str
    label: str
    text: str
    is_known: bool = True


@dataclass(frozen=True)
class Query:
    """The words to look for, all of them, and the filters, all of them."""

    text: str
    words: tuple[str, ...]
    filters: tuple[Filter, ...]

    def values(self, key: str) -> list[str]:
        """The values of the known filters of one kind."""
        return [one.value for one in self.filters if one.key == key and one.is_known]


def parse(text: str) -> Query:
    """Take `text` apart; quotes keep words together. Never fails."""
    text = text.replace("\0", "").strip()[:300]
    words: list[str] = []
    filters: list[Filter] = []
    for token in _tokens(text):
        match = _TOKEN.match(token)
        if match and not token.startswith(("http:", "https:")):
            filters.append(_filter(match[1].lower(), match[2].strip(), token))
        elif token.strip():
            words.append(token)
    return Query(text, tuple(words), tuple(filters))


def without(query: Query, one: Filter) -> str:
    """The query text with one filter taken out, for the chip's ✕."""
    left = [_quoted(token) for token in _tokens(query.text) if token != one.text]
    return " ".join(left)


def within(query: Query, key: str, value: str) -> str:
    """The query text with one more filter, for the menus; the same text when it is there already."""
    token = f"{key}:{value}"
    tokens = _tokens(query.text)
    return " ".join(_quoted(one) for one in ([*tokens, token] if token not in tokens else tokens))


def days(value: str) -> tuple[dt.date | None, dt.date | None] | None:
    """(first day, day after the last) of a date filter, None for no bound; None alone when it is no date.

    `2026-11-01` is that day, `>` and `<` leave it out, `>=` and `<=` take it in;
    `2026-11-01..2026-11-30` has both ends.
    """
    try:
        if match := _COMPARED.match(value):
            return _compared(match[1], dt.date.fromisoformat(match[2]))
        if match := _RANGE.match(value):
            first, last = (None if end == "*" else dt.date.fromisoformat(end) for end in match.groups())
            if first and last and first > last:
                return None
            return first, last + _ONE_DAY if last else None
    except (ValueError, OverflowError):
        pass
    return None


def is_public_id(text: str) -> bool:
    """Whether `text` is a UUID, as people paste them."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _compared(sign: str, day: dt.date) -> tuple[dt.date | None, dt.date | None]:
    after = day + _ONE_DAY
    return {"": (day, after), ">": (after, None), ">=": (day, None), "<": (None, day), "<=": (None, after)}[sign]


def _filter(key: str, value: str, token: str) -> Filter:
    found = _known(key, value)
    if found:
        return Filter(found[0], found[1], found[2] % {"value": found[3]}, token)
    shown = f"{key}:{value}" if key in KEYS else key
    return Filter(key, value, _("Unknown filter: %(name)s") % {"name": shown}, token, is_known=False)


def _known(key: str, value: str) -> tuple[str, str, str, object] | None:
    """(key, value, chip, what the chip says) of a filter that is understood."""
    low = value.lower()
    if key == "status" or (key == "is" and low == badges.ARCHIVED.code):
        found = next((badge for badge in badges.ALL if badge.code == low), None)
        return ("status", found.code, _("Status: %(value)s"), found.label) if found else None
    if key == "owner":
        return key, value, _("Owner: %(value)s"), _("Me") if low == "me" else value
    if key == "channel" and low in CHANNELS:
        return key, low, _("Channel: %(value)s"), _("Email")
    if key == "tag" and value:
        return key, value, _("Tag: %(value)s"), value
    if key in DATES and days(value):
        labels = {
            "edited": _("Edited: %(value)s"),
            "created": _("Created: %(value)s"),
            "sent": _("Sent: %(value)s"),
        }
        return key, value, labels[key], value
    return None


def _tokens(text: str) -> list[str]:
    """Words and quoted groups, in order; a quote may begin inside a token, as in `owner:"Milo Marketer"`."""
    return [token.replace('"', "") for token in re.findall(r'(?:[^\s"]|"[^"]*(?:"|$))+', text)]


def _quoted(token: str) -> str:
    return f'"{token}"' if " " in token else token
