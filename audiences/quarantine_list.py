"""The quarantine as a list: finding, filtering and counting active entries, and what happened to one address.

Reads only. Pages are keyset pages over the index of active entries, newest first; counts are exact.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Reverse
from django.utils import timezone

from accounts import audit
from audiences import quarantine_words
from audiences.models import QuarantineEntry

PAGE = 50
_BATCH = 2000
_MOST_REASONS = 50
_MOST_HISTORY = 50


@dataclass(frozen=True)
class Filter:
    """What the reader asked for; "" and None mean everything. `search`: an address, its beginning, or "@" and a domain.

    `after` is the key of the row the page begins behind or, with `is_back`, before.
    """

    search: str = ""
    reason: str = ""
    domain: str = ""
    # Put in quarantine within the last so many days.
    days: int | None = None
    after: tuple[dt.datetime, int] | None = None
    is_back: bool = False

    @property
    def is_on(self) -> bool:
        return bool(self.search or self.reason or self.domain or self.days)


@dataclass(frozen=True)
class Page:
    """Up to PAGE entries, how many there are in all, and the keys of the neighbouring pages (None: no such page)."""

    rows: list[QuarantineEntry]
    n: int
    previous: tuple[dt.datetime, int] | None = None
    next: tuple[dt.datetime, int] | None = None


@dataclass(frozen=True)
class Past:
    """One stay of an address in quarantine. `added_by` is who put it there by hand, "" for everybody else."""

    entry: QuarantineEntry
    added_by: str


def active() -> QuerySet[QuarantineEntry]:
    return QuarantineEntry.objects.filter(released_at=None)


def page(wanted: Filter) -> Page:
    """One page and the exact number of all that match. Two queries."""
    rows = _matching(wanted)
    n = rows.count()
    is_rising = wanted.is_back
    part = rows
    if wanted.after is not None:
        since, pk = wanted.after
        sign = "gt" if is_rising else "lt"
        behind = Q(**{f"since__{sign}": since}) | Q(since=since, **{f"pk__{sign}": pk})
        part = rows.filter(behind, **{f"since__{sign}e": since})
    order = ("since", "pk") if is_rising else ("-since", "-pk")
    found = list(part.order_by(*order)[: PAGE + 1])
    has_more = len(found) > PAGE
    found = found[:PAGE]
    if is_rising:
        found.reverse()
    if not found:
        return Page([], n)
    has_previous = has_more if wanted.is_back else wanted.after is not None
    has_next = wanted.is_back or has_more
    return Page(found, n, _key(found[0]) if has_previous else None, _key(found[-1]) if has_next else None)


def reasons() -> list[tuple[str, str, int]]:
    """Every reason among the active entries with its words and count, the most frequent first."""
    counts = active().values_list("reason").annotate(n=Count("pk")).order_by("-n", "reason")[:_MOST_REASONS]
    return [(reason, quarantine_words.label(reason), n) for reason, n in counts]


def everything(wanted: Filter) -> Iterator[QuarantineEntry]:
    """All entries of a filter, in the order of their addresses, in batches: no transaction stays open meanwhile."""
    last = ""
    while True:
        found = list(_matching(wanted).filter(address_key__gt=last).order_by("address_key")[:_BATCH])
        if not found:
            return
        yield from found
        last = found[-1].address_key


def history(address_key: str) -> list[Past]:
    """The stays of one address, newest first."""
    entries = QuarantineEntry.objects.filter(address_key=address_key).select_related("released_by")
    adders = {
        entry.detail.get("entry"): str(entry.actor)
        for entry in audit.timeline("address", address_key[:60])
        if entry.action == "quarantine.added"
    }
    return [Past(entry, adders.get(entry.pk, "")) for entry in entries.order_by("-since", "-pk")[:_MOST_HISTORY]]


def of_domain(entries: QuerySet[QuarantineEntry], domain: str) -> QuerySet[QuarantineEntry]:
    """Those at one domain, found from the end of the address through an index."""
    ending = f"@{domain.lower().lstrip('@')}"[::-1]
    return entries.alias(backwards=Reverse("address_key")).filter(backwards__startswith=ending)


def _matching(wanted: Filter) -> QuerySet[QuarantineEntry]:
    rows = active()
    if wanted.search.startswith("@"):
        rows = of_domain(rows, wanted.search)
    elif wanted.search:
        rows = rows.filter(address_key__startswith=wanted.search.lower())
    if wanted.domain:
        rows = of_domain(rows, wanted.domain)
    if wanted.reason:
        rows = rows.filter(reason=wanted.reason)
    if wanted.days:
        rows = rows.filter(since__gte=timezone.now() - dt.timedelta(days=wanted.days))
    return rows


def _key(entry: QuarantineEntry) -> tuple[dt.datetime, int]:
    return entry.since, entry.pk
