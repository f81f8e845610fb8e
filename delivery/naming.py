"""Which message a text from outside names: the signed tokens of `messaging.links`, in whatever form they come back.

A token stands as it is in links, Message-IDs and metadata; in addresses of mail it may stand in hexadecimal, because
some servers change the case of local parts.
"""

import base64
from collections.abc import Callable

from lib import tokens
from messaging import links

# (delivery_id, profile_id, request_no); the delivery is 0 in a test message.
Numbers = tuple[int, int, int]


def message(text: str) -> Numbers | None:
    """The message whose public token `text` is; None when it is none."""
    return _first(text, links.read)


def page(text: str) -> Numbers | None:
    """The message whose reader's page has the token `text`."""
    return _first(text, links.read_page)


def return_path(address: str) -> Numbers | None:
    """The message whose bounces go to `address`."""
    return message(_tagged(address, "bounce"))


def unsubscribe_address(address: str) -> Numbers | None:
    """The message whose reader unsubscribes by a mail to `address`; the public token does not do."""
    return page(_tagged(address, "unsubscribe"))


def _first(text: str, read: Callable[[str], Numbers]) -> Numbers | None:
    for form in (text, _from_hex(text)):
        try:
            return read(form)
        except tokens.BadToken:
            continue
    return None


def _from_hex(text: str) -> str:
    try:
        return base64.urlsafe_b64encode(bytes.fromhex(text)).rstrip(b"=").decode()
    except ValueError:
        return ""


def _tagged(address: str, name: str) -> str:
    """The token of <name>+<token>@domain, "" when the address is another one."""
    local = address.strip("<> ").rpartition("@")[0]
    tag, plus, token = local.partition("+")
    return token if plus and tag.lower() == name else ""
