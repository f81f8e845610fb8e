"""Tabs of a campaign's page that rooms above bring: registered by them, because this room can't know their pages."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise

from campaigns.models import Campaign


@dataclass(frozen=True)
class _Tab:
    label: str | Promise
    url_name: str


_TABS: dict[str, _Tab] = {}


def register(view: str, *, label: str | Promise, url_name: str) -> None:
    """Add a tab; for apps.ready. `view` is what its page calls itself (views.header.build), `url_name` the name of an
    address that takes `public_id`. Repeating changes nothing."""
    _TABS[view] = _Tab(label, url_name)


def names(campaign: Campaign) -> list[tuple[str, str, str]]:
    """(view, label, address) of each, in the order they were registered."""
    at = {"public_id": campaign.public_id}
    return [(view, str(tab.label), reverse(tab.url_name, kwargs=at)) for view, tab in _TABS.items()]
