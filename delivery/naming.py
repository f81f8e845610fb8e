"""Which message a text from outside names: the signed tokens of `messaging.links`, None for what is none of ours."""

from collections.abc import Callable

from messaging import links, tokens

# (delivery_id, profile_id, request_no); the delivery is 0 in a test message.
Numbers = tuple[int, int, int]


def message(text: str) -> Numbers | None:
    """The message whose public token `text` is."""
    return _read(links.read, text)


def page(text: str) -> Numbers | None:
    """The message whose reader's page has the token `text`."""
    return _read(links.read_page, text)


def return_path(address: str) -> Numbers | None:
    """The message whose bounces go to `address`."""
    return _read(links.of_return_path, address.strip("<> "))


def unsubscribe_address(address: str) -> Numbers | None:
    """The message whose reader unsubscribes by a mail to `address`; the public token does not do."""
    return _read(links.of_unsubscribe_address, address.strip("<> "))


def _read(read: Callable[[str], Numbers], text: str) -> Numbers | None:
    try:
        return read(text)
    except tokens.BadToken:
        return None
