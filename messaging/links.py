"""Addresses of a message's tracking, unsubscribe and mirror pages, and where its numbered links lead.

Two signed tokens name one recipient of one send. One stands in the pixel, the links, the Message-ID and the return
path, all of which strangers may see; the other opens the unsubscribe and the mirror page, so that whoever knows the
first can't act for the reader. Link numbers are in clear, because they only choose among the message's own links (no
open redirect). The pages themselves are in delivery.tracking.
"""

from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from audiences import profiles
from lib import tokens
from messaging import personalization
from messaging.models import Message

_MESSAGE, _PAGE = b"message", b"page"


@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    return tokens.derive_key(secret)


def token(delivery_id: int, profile_id: int, request_no: int = 0) -> str:
    """The text that names one recipient of one send in its links, its Message-ID and its return path."""
    return tokens.sign((delivery_id, profile_id, request_no), key=_key(settings.SECRET_KEY), purpose=_MESSAGE)


def page_token(delivery_id: int, profile_id: int, request_no: int = 0) -> str:
    """The same for the pages of the reader alone: unsubscribe and mirror."""
    return tokens.sign((delivery_id, profile_id, request_no), key=_key(settings.SECRET_KEY), purpose=_PAGE)


def read(text: str) -> tuple[int, int, int]:
    """(delivery_id, profile_id, request_no) of a token. Raises lib.tokens.BadToken."""
    return _read(text, _MESSAGE)


def read_page(text: str) -> tuple[int, int, int]:
    """The same for a page token. Raises lib.tokens.BadToken, for a token of the other kind as well."""
    return _read(text, _PAGE)


def _read(text: str, purpose: bytes) -> tuple[int, int, int]:
    numbers = tokens.read(text, key=_key(settings.SECRET_KEY), purpose=purpose)
    if len(numbers) != 3:
        raise tokens.BadToken(text[:40])
    return numbers[0], numbers[1], numbers[2]


def open_url(text: str) -> str:
    """The open pixel."""
    return f"{settings.PUBLIC_URL}/o/{text}.gif"


def click_url(text: str, number: int) -> str:
    """Tracked link `number` of the message, counted from 0."""
    return f"{settings.PUBLIC_URL}/c/{text}/{number}"


def unsubscribe_url(text: str) -> str:
    """The unsubscribe page of a page token, also the target of one-click (RFC 8058)."""
    return f"{settings.PUBLIC_URL}/u/{text}/"


def mirror_url(text: str) -> str:
    """The message as a web page, of a page token."""
    return f"{settings.PUBLIC_URL}/v/{text}/"


def destination(message: Message, number: int, *, person: profiles.Person | None, campaign: dict[str, object]) -> str:
    """Where link `number` leads this person; "" when the message has no such link.

    A tracked link may contain Liquid after its host; it is rendered now, with what is known about the person now.
    When that fails, or when it would lead to another host than the author wrote, the link is given without it.
    """
    if not 0 <= number < len(message.links):
        return ""
    source = message.links[number]
    if "{" not in source:
        return source
    fixed = source[: source.index("{")]
    if person is None:
        return fixed
    try:
        template = personalization.parse(source, html=False)
        url = template.render(personalization.context(person, campaign=campaign))
    except (personalization.TemplateProblem, personalization.RenderProblem, personalization.Aborted):
        return fixed
    url = "".join(url.split())
    return url if urlsplit(url)[:2] == urlsplit(fixed)[:2] else fixed
