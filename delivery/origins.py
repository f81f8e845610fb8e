"""What a delivery is a send of. This room knows it as text only; the rooms above say here where its page is.

`register` is called at start-up (AppConfig.ready) by the room that opens deliveries of a kind.
"""

from collections.abc import Callable

from django.urls import reverse

from delivery.models import Delivery

PageUrl = Callable[[Delivery], str]
_pages: dict[str, PageUrl] = {}


def register(kind: str, page_url: PageUrl) -> None:
    """Deliveries of `kind` have their page at `page_url(delivery)`; repeating it replaces."""
    _pages[kind] = page_url


def url(delivery: Delivery) -> str:
    """The page of a delivery; its sending log when nobody has registered a page."""
    page_url = _pages.get(delivery.origin_kind)
    return page_url(delivery) if page_url else reverse("delivery:log", args=[delivery.public_id, "sending"])


def campaign(delivery: Delivery) -> dict[str, object]:
    """What a message calls `campaign` when it is rendered for this delivery."""
    return {"id": delivery.origin_id, "name": delivery.label}
