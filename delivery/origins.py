"""What a delivery is a send of. This room knows it as text only; the rooms above say here where its page is.

`register` is called at start-up (AppConfig.ready) by the room that opens deliveries of a kind. It may also ask to be
told of every move of such a delivery, in the transaction that makes it.
"""

from collections.abc import Callable, Collection, Mapping

from django.urls import reverse

from accounts.models import User
from delivery.callformat import OWN_MESSAGE
from delivery.models import Delivery
from lib import memory

PageUrl = Callable[[Delivery], str]
# (delivery, what happened as in the audit trail: "delivery.confirmed", who did it; None for machines)
Moved = Callable[[Delivery, str, User | None], None]
# The page of what is sent itself, by its id.
HomeUrl = Callable[[str], str]
# How origins are called now, by their ids; without those that are not there.
Names = Callable[[Collection[str]], Mapping[str, str]]
_pages: dict[str, PageUrl] = {}
_names: dict[str, Names] = {}
_homes: dict[str, HomeUrl] = {}
_listeners: dict[str, Moved] = {}
# Asked for by each slice of a drain.
_called: memory.Memory[str] = memory.Memory()


def register(
    kind: str,
    page_url: PageUrl,
    *,
    moved: Moved | None = None,
    home: HomeUrl | None = None,
    names: Names | None = None,
) -> None:
    """Deliveries of `kind` have their page at `page_url(delivery)`; repeating it replaces.

    `moved` is called under the delivery's lock after each move: it must be quick and lock nothing that comes first.
    """
    _pages[kind] = page_url
    if home is not None:
        _homes[kind] = home
    if names is not None:
        _names[kind] = names
    if moved is not None:
        _listeners[kind] = moved


def tell(delivery: Delivery, action: str, by: User | None) -> None:
    """A delivery was moved; by delivery.lifecycle only."""
    listener = _listeners.get(delivery.origin_kind)
    if listener is not None:
        listener(delivery, action, by)


def url(delivery: Delivery) -> str:
    """The page of a delivery; its sending log when nobody has registered a page."""
    page_url = _pages.get(delivery.origin_kind)
    return page_url(delivery) if page_url else reverse("delivery:log", args=[delivery.public_id, "sending"])


def has_page(delivery: Delivery) -> bool:
    """Whether there is more than its sending log."""
    return delivery.origin_kind in _pages


def names(kind: str, ids: Collection[str]) -> Mapping[str, str]:
    """How they are called now; nothing of a kind that has no names."""
    return _names[kind](ids) if kind in _names else {}


def kinds_with_home() -> list[str]:
    """Kinds of origins that people know by a page of their own."""
    return sorted(_homes)


def home(kind: str, origin_id: str) -> str:
    """The page of an origin; "" for a kind that has none."""
    return _homes[kind](origin_id) if kind in _homes and origin_id else ""


def campaign(delivery: Delivery) -> dict[str, object]:
    """What a message calls `campaign` when it is rendered for this delivery. `api_id` is a name of the reference.

    A message of a call without a campaign has no name there: its label is its subject, unrendered.
    """
    if delivery.origin_kind == OWN_MESSAGE:
        return {"id": delivery.origin_id, "api_id": "", "name": ""}
    kind, origin_id = delivery.origin_kind, delivery.origin_id
    named = _called.get((kind, origin_id), lambda: names(kind, [origin_id]).get(origin_id, ""))
    # The label says which version it is, which is not for readers.
    return {"id": origin_id, "api_id": origin_id, "name": named or delivery.label}
