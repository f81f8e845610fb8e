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
_TOKEN = re.compile(r"^([a-z]+):(.+)$", re.IGNORECASE)
_EDITED = re.compile(r"^([<>]?)(\d{4}-\d{2}-\d{2})$")


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
            filters.append(_filter(match[1].lower(), match[2], token))
        else:
            words.append(token)
    return Query(text, tuple(words), tuple(filters))


def without(query: Query, one: Filter) -> str:
    """The query text with one filter taken out, for the chip's ✕."""
    left = [_quoted(token) for token in _tokens(query.text) if token != one.text]
    return " ".join(left)


def edited_range(value: str) -> tuple[str, dt.date] | None:
    """(comparison, day) of an `edited:` value: "<", ">" or "" for that day; None when it is no date."""
    match = _EDITED.match(value)
    if not match:
        return None
    try:
        return match[1], dt.date.fromisoformat(match[2])
    except ValueError:
        return None


def is_public_id(text: str) -> bool:
    """Whether `text` is a UUID, as people paste them."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _filter(key: str, value: str, token: str) -> Filter:
    if key == "status":
        found = next((badge for badge in badges.ALL if badge.code == value.lower()), None)
        if found:
            return Filter(key, found.code, _("Status: %(value)s") % {"value": found.label}, token)
    elif key == "owner":
        shown = _("Me") if value.lower() == "me" else value
        return Filter(key, value, _("Owner: %(value)s") % {"value": shown}, token)
    elif key == "channel" and value.lower() in CHANNELS:
        return Filter(key, value.lower(), _("Channel: %(value)s") % {"value": value.lower()}, token)
    elif key == "tag":
        return Filter(key, value, _("Tag: %(value)s") % {"value": value}, token)
    elif key == "edited" and edited_range(value):
        return Filter(key, value, _("Edited: %(value)s") % {"value": value}, token)
    known = key in {"status", "channel", "edited"}
    shown = f"{key}:{value}" if known else key
    return Filter(key, value, _("Unknown filter: %(name)s") % {"name": shown}, token, is_known=False)


def _tokens(text: str) -> list[str]:
    """Words and quoted groups, in order; a quote may begin inside a token, as in `owner:"Milo Marketer"`."""
    return [token.replace('"', "") for token in re.findall(r'(?:[^\s"]|"[^"]*(?:"|$))+', text)]


def _quoted(token: str) -> str:
    return f'"{token}"' if " " in token else token
