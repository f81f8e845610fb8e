"""Addresses of a message's tracking, unsubscribe and mirror pages, the two that mail comes back to, and where its
numbered links lead.

Two signed tokens name one recipient of one send. One stands in the pixel, the links, the Message-ID and the return
path, all of which strangers may see; the other opens the unsubscribe and the mirror page, so that whoever knows the
first can't act for the reader. Link numbers are in clear, because they only choose among the message's own links (no
open redirect). The pages themselves are in delivery.tracking.

In addresses of mail the same token stands in hexadecimal, because some servers change the case of local parts. Nobody
can make a bounce or an unsubscription up: whoever reads one asks `of_return_path` or `of_unsubscribe_address`.
"""

import base64
import binascii
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from audiences import profiles
from messaging import personalization, tokens
from messaging.models import Message

_MESSAGE, _PAGE = b"message", b"page"
_BOUNCE, _UNSUBSCRIBE = "bounce+", "unsubscribe+"
# The longest local part (RFC 5321 §4.5.3.1.1).
_LOCAL_MOST = 64


@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    return tokens.derive_key(secret)


def token(delivery_id: int, profile_id: int, request_no: int = 0) -> str:
    """The text that names one recipient of one send in its links, its Message-ID and its return path."""
    return tokens.sign((delivery_id, profile_id, request_no), key=_key(settings.SECRET_KEY), purpose=_MESSAGE)


def page_token(delivery_id: int, profile_id: int, request_no: int = 0) -> str:
    """The same for the pages of the reader alone: unsubscribe and mirror."""
    return tokens.sign((delivery_id, profile_id, request_no), key=_key(settings.SECRET_KEY), purpose=_PAGE)


class Names(NamedTuple):
    """What names one recipient of one send: `token`, its two pages, and the local parts that mail comes back to."""

    token: str
    unsubscribe_url: str
    mirror_url: str
    return_path: str
    unsubscribe: str


class Namer:
    """Names the recipients of one send: what `token` and its neighbours give, for a fraction of their price."""

    def __init__(self, delivery_id: int) -> None:
        self._signer = tokens.Signer((delivery_id,), key=_key(settings.SECRET_KEY), purposes=(_MESSAGE, _PAGE))
        self._unsubscribe_url = unsubscribe_url("{}").format
        self._mirror_url = mirror_url("{}").format

    def names(self, profile_id: int, request_no: int = 0) -> Names:
        """Those of one person."""
        message, page = self._signer.raw((profile_id, request_no))
        token, page_token = tokens.as_text(message).decode(), tokens.as_text(page).decode()
        pages = self._unsubscribe_url(page_token), self._mirror_url(page_token)
        if 2 * len(message) > _LOCAL_MOST - len(_UNSUBSCRIBE):
            return Names(token, *pages, _local(_BOUNCE, token), _local(_UNSUBSCRIBE, page_token))
        return Names(token, *pages, _BOUNCE + message.hex(), _UNSUBSCRIBE + page.hex())


def read(text: str) -> tuple[int, int, int]:
    """(delivery_id, profile_id, request_no) of a token. Raises messaging.tokens.BadToken."""
    return _read(text, _MESSAGE)


def read_page(text: str) -> tuple[int, int, int]:
    """The same for a page token. Raises messaging.tokens.BadToken, for a token of the other kind as well."""
    return _read(text, _PAGE)


def _read(text: str, purpose: bytes) -> tuple[int, int, int]:
    numbers = tokens.read(text, key=_key(settings.SECRET_KEY), purpose=purpose)
    if len(numbers) != 3:
        raise tokens.BadToken(text[:40])
    return numbers[0], numbers[1], numbers[2]


def return_path(text: str, domain: str) -> str:
    """Where bounces of the message with this token go (VERP)."""
    return f"{_local(_BOUNCE, text)}@{domain}"


def unsubscribe_address(text: str, domain: str) -> str:
    """Where a mail unsubscribes the reader of this page token (RFC 2369)."""
    return f"{_local(_UNSUBSCRIBE, text)}@{domain}"


def of_return_path(address: str) -> tuple[int, int, int]:
    """(delivery_id, profile_id, request_no) of an address that `return_path` made, in any case and at any domain.

    Raises messaging.tokens.BadToken for any other. Addresses of messages sent with the token as it is are read as well.
    """
    return _of_address(address, _BOUNCE, _MESSAGE)


def of_unsubscribe_address(address: str) -> tuple[int, int, int]:
    """The same for an address that `unsubscribe_address` made; one of the other kind is a BadToken too."""
    return _of_address(address, _UNSUBSCRIBE, _PAGE)


def _local(prefix: str, text: str) -> str:
    """`prefix` and a token in hexadecimal; as it is where that would be too long, which takes numbers above 2**42."""
    shown = binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "==").hex()
    return prefix + (shown if len(prefix) + len(shown) <= _LOCAL_MOST else text)


def _of_address(address: str, prefix: str, purpose: bytes) -> tuple[int, int, int]:
    local = address.strip().rpartition("@")[0]
    if local[: len(prefix)].lower() != prefix:
        raise tokens.BadToken(address[:80])
    shown = local[len(prefix) :]
    try:
        text = base64.urlsafe_b64encode(bytes.fromhex(shown)).rstrip(b"=").decode()
        return _read(text, purpose)
    except ValueError:
        # Not hexadecimal, or by chance: BadToken is a ValueError.
        return _read(shown, purpose)


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
