"""The tabs of Settings: pages with views of their own, registered by their rooms, beside the generic ones."""

from dataclasses import dataclass

from django.urls import reverse

from accounts import installation


@dataclass(frozen=True)
class _Tab:
    order: int
    label: installation.Text
    url_name: str


_TABS: dict[str, _Tab] = {}


def register(url_name: str, *, label: installation.Text, order: int) -> None:
    """Add a page by the name of its address; for apps.ready. Repeating changes nothing."""
    _TABS[url_name] = _Tab(order, label, url_name)


def tabs(current: str) -> list[dict[str, object]]:
    """What components/_tabs.html shows. `current` is an address's name, or the slug of a generic page."""
    found = [(tab.order, tab.label, tab.url_name, reverse(tab.url_name)) for tab in _TABS.values()]
    found += [
        (page.order, page.label, page.slug, reverse("accounts:installation", args=[page.slug]))
        for page in installation.pages()
    ]
    return [
        {"label": label, "url": url, "is_current": name == current}
        for _order, label, name, url in sorted(found, key=lambda tab: tab[0])
    ]
