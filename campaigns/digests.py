"""What the list shows and searches of a campaign, kept beside it so that no list ever reads a document.

One row per campaign in CampaignDigest, written by `refresh` only: the functions that change a name, a draft or the live
version call it in their own transaction, with the campaign locked. Words are cut here and nowhere else, in the
same way for what is stored and for what is looked for: without case, without accents, letters and digits only.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connection

from campaigns.models import Campaign, CampaignVersion, Draft

# Characters of text that are searched, some ten pages; what no reader scrolls to would make each phrase slower.
_MAX_TEXT = 20_000
_MAX_MARKUP = 500_000
_MAX_WORD = 40
# Parts of Compose that are no text of the message.
_NO_TEXT = frozenset({"sender", "body_kind", "text_mode", "text_for"})
# Comments, styles, scripts and Liquid: nobody reads them in the message.
_UNSEEN = re.compile(r"<!--|\{\{|\{%|<(style|script)\b", re.IGNORECASE)
_UNSEEN_ENDS = {
    opening: re.compile(closing, re.IGNORECASE)
    for opening, closing in (
        ("<!--", "-->"),
        ("{{", r"\}\}"),
        ("{%", r"%\}"),
        ("style", r"</style\s*>"),
        ("script", r"</script\s*>"),
    )
}
_LINK = re.compile(r"""\bhref\s*=\s*["'](https?://[^"']*)["']""", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
# Accents that stand alone once letters are taken apart.
_MARKS = re.compile(r"[\u0300-\u036f]+")
_WORD = re.compile(r"[^\W_]+")

_STORE = """
INSERT INTO campaigns_campaigndigest (campaign_id, subject, kind, title, words) VALUES (%s, %s, %s, %s, %s::tsvector)
ON CONFLICT (campaign_id) DO UPDATE
SET subject = excluded.subject, kind = excluded.kind, title = excluded.title, words = excluded.words
"""


def refresh(campaign: Campaign) -> None:
    """Write the digest of `campaign` as its name, draft and live version are now. Two or three queries."""
    draft = Draft.objects.filter(campaign=campaign).values_list("document", flat=True).first()
    live = CampaignVersion.objects.filter(pk=campaign.live_version_id or 0).values_list("document", flat=True).first()
    store(campaign, draft=draft, live=live)


def store(campaign: Campaign, *, draft: Any, live: Any) -> None:
    """`refresh` for documents that are at hand; None for the one there is not. One statement."""
    subjects = [_value(document, "compose", "subject") for document in (draft, live) if document is not None]
    kind = _value(live, "delivery", "kind") if live is not None else ""
    title = fold("\n".join([campaign.name, *subjects]))
    text = " ".join(part for document in (draft, live) for part in _texts(document))
    values: list[int | str] = [campaign.pk, subjects[0] if subjects else "", kind[:10], title, _vector(words(text))]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, values)


def fold(text: str) -> str:
    """`text` without case and accents, with single spaces between lines: how titles are stored and looked for."""
    plain = text if text.isascii() else _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(plain.casefold().replace("\0", "").split())


def words(text: str) -> list[str]:
    """The words of `text`, folded, in order: runs of letters and digits."""
    return [word[:_MAX_WORD] for word in _WORD.findall(fold(text[:_MAX_TEXT]))]


def _vector(found: Iterable[str]) -> str:
    """A tsvector as text, each word with its places; written out, so that no parser of the database cuts words anew."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(found, start=1):
        places.setdefault(word, []).append(min(place, 16_383))
    return " ".join(f"'{word}':{','.join(map(str, at[:255]))}" for word, at in places.items())


def _texts(document: Any) -> Iterator[str]:
    """Everything of Compose that readers see, and where links lead, whatever the kind of body is."""
    compose = document.get("compose") if isinstance(document, dict) else None
    for key, value in (compose if isinstance(compose, dict) else {}).items():
        if key not in _NO_TEXT:
            yield from _strings(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith(("[", "{")):
            try:
                yield from _strings(json.loads(value))
                return
            except (ValueError, RecursionError):
                pass
        yield _visible(value[:_MAX_MARKUP])
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)


def _visible(markup: str) -> str:
    seen = _without_unseen(markup)
    # No tag begins after the last ">"; without this cut each "<" there would be followed to the end.
    end = seen.rfind(">") + 1
    return html.unescape(_TAG.sub(_tag_text, seen[:end]) + seen[end:])


def _tag_text(tag: re.Match[str]) -> str:
    """Where a link leads; nothing for any other tag."""
    link = _LINK.search(tag[0])
    return f" {link[1]} " if link else " "


def _without_unseen(markup: str) -> str:
    """`markup` without what is not read. Linear: an end that is missing once is not looked for again."""
    kept: list[str] = []
    endless: set[str] = set()
    copied = position = 0
    while opening := _UNSEEN.search(markup, position):
        position = opening.end()
        kind = (opening[1] or opening[0]).lower()
        end = None if kind in endless else _UNSEEN_ENDS[kind].search(markup, position)
        if end is None:
            endless.add(kind)
            continue
        kept += (markup[copied : opening.start()], " ")
        copied = position = end.end()
    kept.append(markup[copied:])
    return "".join(kept)


def _value(document: Any, step: str, key: str) -> str:
    section = document.get(step) if isinstance(document, dict) else None
    value = section.get(key, "") if isinstance(section, dict) else ""
    return value if isinstance(value, str) else ""
