"""Which messages show which file of the library.

A file is recognised by its public address, /m/<token>/…, wherever it stands in a body. Published messages are noted
when they are frozen, so that asking costs no search; drafts lie in rooms above, which tell by `register` how to search
them, and the templates, whose pages are up there too.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from django.db import connection

from messaging.models import Message

# The regular expression also runs inside PostgreSQL, over drafts.
ADDRESS = "/m/([A-Za-z0-9_-]{16})/"


@dataclass(frozen=True)
class Use:
    """One thing that shows the file `token`: what people call it, and where its page is."""

    token: str
    label: str
    url: str


Find = Callable[[Collection[str]], Iterable[Use]]
_drafts: list[Find] = []
_published: list[Find] = []


def register(*, drafts: Find, published: Find) -> None:
    """Add two ways to name who uses some tokens, at start-up, from a room above. Each is one query for all tokens."""
    for found, find in ((_drafts, drafts), (_published, published)):
        if find not in found:
            found.append(find)


def tokens(text: str) -> set[str]:
    """The files whose address stands in `text`."""
    return set(re.findall(ADDRESS, text))


def drafts_of(some: Collection[str]) -> list[Use]:
    """The drafts that show one of `some` tokens."""
    return [use for find in _drafts for use in find(some)] if some else []


def published_of(some: Collection[str]) -> list[Use]:
    """What was published with one of `some` tokens, by name."""
    return [use for find in _published for use in find(some)] if some else []


def note(message: Message) -> None:
    """Write down which files a new message shows, in the transaction that stores it.

    The files are locked against deletion until that transaction ends; others may publish with them meanwhile.
    """
    found = tokens("\n".join((message.body, message.html, message.text, *message.links)))
    if not found:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO messaging_mediause (message_id, file_id)"
            " SELECT %s, id FROM messaging_mediafile WHERE token = ANY(%s) FOR KEY SHARE",
            [message.pk, sorted(found)],
        )
