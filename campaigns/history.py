"""The timeline of one campaign: versions with what was sent of them, drafts with their autosaves in stretches, and what
people did. Newest first; the audit trail in words.

Read in pages by time. Each kind of entry is read a little further than a page; where one of them has more, the page
ends there, so that nothing is left out between two pages, however many of one kind there are.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django.db.models import Count, Min, Model, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from campaigns import document as documents
from campaigns import sources, stretches, trail
from campaigns.models import Campaign, CampaignSend, CampaignVersion, Draft, DraftSnapshot
from delivery.models import Delivery

# What the page can be narrowed to; "saves" is each autosave on a line of its own.
ALL, VERSIONS, DRAFTS, SENDS, EVENTS, SAVES = "all", "versions", "drafts", "sends", "events", "saves"
KINDS = (ALL, VERSIONS, DRAFTS, SENDS, EVENTS, SAVES)
# Entries of one kind on a page, and sends listed under a version.
PAGE = 50
_SENDS = 3


@dataclass(frozen=True)
class Save:
    """One autosave inside a stretch. `key` shows and restores it (campaigns.sources)."""

    key: str
    at: dt.datetime
    revision: int
    changed: str


@dataclass(frozen=True)
class Entry:
    """One line. `kind`: version, draft, saves, discarded, event. `key` says what can be viewed or restored.

    `n` counts what `saves` or `sends` list only the newest of.
    """

    kind: str
    at: dt.datetime
    title: str
    who: str
    note: str = ""
    since: dt.datetime | None = None
    is_live: bool = False
    version: CampaignVersion | None = None
    key: str = ""
    kept_until: dt.datetime | None = None
    delivery: Delivery | None = None
    n: int = 0
    saves: tuple[Save, ...] = ()
    sends: tuple[CampaignSend, ...] = field(default=())

    @property
    def is_one_day(self) -> bool:
        """Whether it began and ended on one day of the reader's."""
        return self.since is not None and _day(self.since) == _day(self.at)


_Row = TypeVar("_Row", bound=Model)
_Reader = Callable[[Campaign, dt.datetime | None, int], list[Entry]]


@dataclass(frozen=True)
class Page:
    """Some entries, newest first; `older` is where the next page begins, None when this is the last."""

    entries: list[Entry]
    older: dt.datetime | None


def page(campaign: Campaign, *, kind: str = ALL, until: dt.datetime | None = None, size: int = PAGE) -> Page:
    """Entries of one kind at `until` or before. At most ten queries, whatever the length; no document is read."""
    found: list[Entry] = []
    ends: list[dt.datetime] = []
    for read in _READERS[kind]:
        entries = read(campaign, until, size + 1)
        if len(entries) > size:
            ends.append(entries[-1].at)
        found += entries
    older = max(ends, default=None)
    shown = [entry for entry in found if older is None or entry.at > older or entry.kind == "draft"]
    # The draft stands above everything that became of it.
    return Page(sorted(shown, key=lambda entry: (entry.kind == "draft", entry.at), reverse=True), older)


def saves(campaign: Campaign, *, limit: int = 5) -> list[Save]:
    """The last saves, for the indicator's popover."""
    return [_save(row) for row in stretches.saves(campaign, until=None, limit=limit)]


def authors(draft: Draft) -> list[str]:
    """Who wrote the draft, first who began; who made it while nobody saved anything. Two queries."""
    saved = DraftSnapshot.objects.filter(campaign_id=draft.campaign_id, cause="saved", at__gte=draft.created_at)
    ids = saved.exclude(by=None).values_list("by").annotate(first=Min("id")).order_by("first")
    people = User.objects.in_bulk([pk for pk, _first in ids])
    return [str(people[pk]) for pk, _first in ids] or [str(draft.created_by)]


def _versions(campaign: Campaign, until: dt.datetime | None, limit: int) -> list[Entry]:
    rows = CampaignVersion.objects.filter(campaign=campaign).select_related("published_by").defer("document")
    versions = list(_until(rows, "published_at", until).order_by("-published_at", "-pk")[:limit])
    of_version: dict[int, list[CampaignSend]] = {}
    counts: dict[int, int] = {}
    for send in _newest_sends(versions):
        of_version.setdefault(send.version_id, []).append(send)
        counts[send.version_id] = send.n_of_version  # type: ignore[attr-defined]
    return [
        Entry(
            "version",
            version.published_at,
            _("Version %(n)d") % {"n": version.number},
            str(version.published_by),
            note=version.note,
            is_live=version.pk == campaign.live_version_id,
            version=version,
            key=str(version.number),
            n=counts.get(version.pk, 0),
            sends=tuple(of_version.get(version.pk, ())),
        )
        for version in versions
    ]


def _newest_sends(versions: list[CampaignVersion]) -> QuerySet[CampaignSend]:
    return (
        # Messages of calls are counted on the Sends page; here they would hide what the version itself sent.
        CampaignSend.objects.filter(version__in=versions, delivery__part="")
        .select_related("delivery", "delivery__confirmed_by")
        .annotate(
            rank=Window(RowNumber(), partition_by="version", order_by="-pk"),
            n_of_version=Window(Count("pk"), partition_by="version"),
        )
        .filter(rank__lte=_SENDS)
        .order_by("-pk")
    )


def _current(campaign: Campaign, until: dt.datetime | None, limit: int) -> list[Entry]:
    """The draft, at the head of the first page."""
    draft = Draft.objects.filter(campaign=campaign).select_related("created_by").defer("document").first()
    if draft is None or until is not None:
        return []
    who = ", ".join(authors(draft))
    return [Entry("draft", draft.saved_at, _("Draft"), who, since=draft.created_at, key=sources.DRAFT)]


def _stretches(campaign: Campaign, until: dt.datetime | None, limit: int) -> list[Entry]:
    found = stretches.find(campaign, until=until, limit=limit)
    listed = DraftSnapshot.objects.filter(pk__in=[pk for one in found for pk in one.newest]).defer("document")
    rows = {row.pk: row for row in listed}
    people = User.objects.in_bulk({one.by_id for one in found if one.by_id})
    entries = []
    for one in found:
        is_saves = one.cause == "saved"
        title = ngettext("%(n)s autosave", "%(n)s autosaves", one.n) % {"n": number_format(one.n, force_grouping=True)}
        entries.append(
            Entry(
                "saves" if is_saves else "discarded",
                one.until,
                title if is_saves else _("Discarded draft"),
                str(people.get(one.by_id or 0, "")),
                note=documents.summary(one.changed),
                since=one.since if one.n > 1 else None,
                key=sources.token(one.newest[0]),
                kept_until=one.until + sources.KEPT,
                n=one.n,
                saves=tuple(_save(rows[pk]) for pk in one.newest if pk in rows) if is_saves else (),
            )
        )
    return entries


def _each_save(campaign: Campaign, until: dt.datetime | None, limit: int) -> list[Entry]:
    return [
        Entry(
            "saves",
            row.at,
            _("Autosave"),
            str(row.by or ""),
            note=documents.summary(row.changed_fields),
            key=sources.token(row.pk),
            kept_until=row.at + sources.KEPT,
            n=1,
        )
        for row in stretches.saves(campaign, until=until, limit=limit)
    ]


def _day(at: dt.datetime) -> dt.date:
    return timezone.localtime(at).date()


def _save(row: DraftSnapshot) -> Save:
    return Save(sources.token(row.pk), row.at, row.revision, documents.summary(row.changed_fields))


def _events_of(*groups: str) -> _Reader:
    def read(campaign: Campaign, until: dt.datetime | None, limit: int) -> list[Entry]:
        found = trail.find(campaign, groups, until=until, limit=limit)
        return [Entry("event", one.at, one.title, one.who, note=one.note, delivery=one.delivery) for one in found]

    return read


def _until(rows: QuerySet[_Row], column: str, until: dt.datetime | None) -> QuerySet[_Row]:
    return rows if until is None else rows.filter(**{f"{column}__lte": until})


_READERS: dict[str, tuple[_Reader, ...]] = {
    ALL: (_versions, _current, _stretches, _events_of(trail.CAMPAIGN, trail.DRAFT, trail.DELIVERY)),
    VERSIONS: (_versions,),
    DRAFTS: (_current, _stretches, _events_of(trail.DRAFT)),
    SENDS: (_events_of(trail.DELIVERY),),
    EVENTS: (_events_of(trail.CAMPAIGN),),
    SAVES: (_each_save,),
}
