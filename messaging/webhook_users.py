"""What else signs with the secrets of webhooks: pages of rooms above, which register them for Settings, Webhooks."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise


@dataclass(frozen=True)
class _User:
    title: str | Promise
    text: str | Promise


_USERS: dict[str, _User] = {}


def register(url_name: str, *, title: str | Promise, text: str | Promise) -> None:
    """Name a page by its address's name; for apps.ready. Repeating changes nothing."""
    _USERS[url_name] = _User(title, text)


def shown() -> list[dict[str, object]]:
    """What the page shows of each: id, title, text and url."""
    return [
        {"id": name.replace(":", "-"), "title": one.title, "text": one.text, "url": reverse(name)}
        for name, one in _USERS.items()
    ]
