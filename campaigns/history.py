"""The timeline of one campaign: versions with what was sent of them, drafts with their autosaves in stretches, and what
people did. Newest first; the audit trail in words.
"""

import datetime as dt
from dataclasses import dataclass, field

from django.db.models import Q
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from accounts.models import AuditEntry
from campaigns import document as documents
from campaigns import sends
from campaigns.models import Campaign, CampaignSend, CampaignVersion, Draft, DraftSnapshot
from delivery.models import Delivery

# Saves of one person with pauses no longer than this are one line.
_STRETCH = dt.timedelta(minutes=15)
_MOST = 500

# Audit rows that a timeline entry of its own already tells.
_TOLD = frozenset(
    {"campaign.published", "draft.discarded", "campaign.activated", "campaign.deactivated", "delivery.opened"}
)
_WORDS = {
    "campaign.created": gettext_lazy("Created"),
    "campaign.stopped": gettext_lazy("Campaign stopped"),
    "campaign.resumed": gettext_lazy("Campaign resumed"),
    "campaign.archived": gettext_lazy("Archived"),
    "campaign.unarchived": gettext_lazy("Restored from the archive"),
    "campaign.tested": gettext_lazy("Test sent"),
    "draft.created": gettext_lazy("Draft created"),
    "draft.restored": gettext_lazy("Draft restored from history"),
    "delivery.preparing": gettext_lazy("Preparation started"),
    "delivery.preparation_aborted": gettext_lazy("Preparation stopped"),
    "delivery.prepared": gettext_lazy("Prepared"),
    "delivery.failed": gettext_lazy("Preparation failed"),
    "delivery.confirmed": gettext_lazy("Send confirmed"),
    "delivery.cancelled": gettext_lazy("Confirmation cancelled"),
    "delivery.started": gettext_lazy("Sending started"),
    "delivery.missed": gettext_lazy("Start time missed"),
    "delivery.paused": gettext_lazy("Paused"),
    "delivery.resumed": gettext_lazy("Resumed"),
    "delivery.stopped": gettext_lazy("Send stopped"),
    "delivery.finished": pgettext_lazy("send", "Sent"),
    "delivery.discarded": gettext_lazy("Prepared send discarded"),
}


@dataclass(frozen=True)
class Save:
    """One autosave inside a stretch."""

    snapshot_id: int
    at: dt.datetime
    revision: int
    changed: str


@dataclass(frozen=True)
class Entry:
    """One line. `kind`: version, draft, saves, discarded, event. The ids say what can be viewed or restored."""

    kind: str
    at: dt.datetime
    title: str
    who: str
    note: str = ""
    since: dt.datetime | None = None
    is_live: bool = False
    version: CampaignVersion | None = None
    snapshot_id: int | None = None
    delivery: Delivery | None = None
    saves: tuple[Save, ...] = ()
    sends: tuple[CampaignSend, ...] = field(default=())


def timeline(campaign: Campaign) -> list[Entry]:
    """All entries, newest first. Seven queries, whatever the length; documents are not loaded."""
    of_campaign = sends.history(campaign)
    found = [*_versions(campaign, of_campaign), *_snapshots(campaign), *_events(campaign, of_campaign)]
    draft = Draft.objects.filter(campaign=campaign).select_related("saved_by", "created_by").defer("document").first()
    if draft is not None:
        found.append(_current(draft))
    # A draft stands above the saves it consists of.
    return sorted(found, key=lambda entry: (entry.at, entry.kind == "draft"), reverse=True)


def saves(campaign: Campaign, *, limit: int = 5) -> list[Save]:
    """The last saves, for the indicator's popover."""
    rows = (
        DraftSnapshot.objects.filter(campaign=campaign, cause="saved").defer("document").order_by("-at", "-id")[:limit]
    )
    return [_save(row) for row in rows]


def _versions(campaign: Campaign, of_campaign: list[CampaignSend]) -> list[Entry]:
    versions = CampaignVersion.objects.filter(campaign=campaign).select_related("published_by").defer("document")
    return [
        Entry(
            "version",
            version.published_at,
            _("Version %(n)d") % {"n": version.number},
            str(version.published_by),
            note=version.note,
            is_live=version.pk == campaign.live_version_id,
            version=version,
            sends=tuple(send for send in of_campaign if send.version_id == version.pk),
        )
        for version in versions
    ]


def _current(draft: Draft) -> Entry:
    people = dict.fromkeys(str(user) for user in (draft.created_by, draft.saved_by) if user)
    return Entry("draft", draft.saved_at, _("Draft"), ", ".join(people), since=draft.created_at)


def _snapshots(campaign: Campaign) -> list[Entry]:
    rows = list(
        DraftSnapshot.objects.filter(campaign=campaign, cause__in=["saved", "discarded"])
        .select_related("by")
        .defer("document")
        .order_by("-at", "-id")[:_MOST]
    )
    entries = [
        Entry("discarded", row.at, _("Discarded draft"), str(row.by or ""), snapshot_id=row.pk)
        for row in rows
        if row.cause == "discarded"
    ]
    stretch: list[DraftSnapshot] = []
    for row in rows:
        if row.cause != "saved" or (stretch and not _continues(stretch[-1], row)):
            entries += _stretch(stretch)
            stretch = []
        if row.cause == "saved":
            stretch.append(row)
    return entries + _stretch(stretch)


def _continues(newer: DraftSnapshot, older: DraftSnapshot) -> bool:
    return newer.by_id == older.by_id and newer.at - older.at <= _STRETCH


def _stretch(rows: list[DraftSnapshot]) -> list[Entry]:
    if not rows:
        return []
    newest, n = rows[0], len(rows)
    names = list(dict.fromkeys(name for row in reversed(rows) for name in row.changed_fields))
    title = ngettext("%(n)d autosave", "%(n)d autosaves", n) % {"n": n}
    return [
        Entry(
            "saves",
            newest.at,
            title,
            str(newest.by or ""),
            note=documents.summary(names),
            since=rows[-1].at,
            snapshot_id=newest.pk,
            saves=tuple(_save(row) for row in rows),
        )
    ]


def _save(row: DraftSnapshot) -> Save:
    return Save(row.pk, row.at, row.revision, documents.summary(row.changed_fields))


def _events(campaign: Campaign, of_campaign: list[CampaignSend]) -> list[Entry]:
    deliveries = {str(send.delivery.public_id): send.delivery for send in of_campaign}
    about = Q(subject_kind="campaign", subject_id=str(campaign.public_id))
    about |= Q(subject_kind="delivery", subject_id__in=list(deliveries))
    rows = (
        AuditEntry.objects.filter(about)
        .exclude(action__in=_TOLD)
        .select_related("actor")
        .order_by("-at", "-id")[:_MOST]
    )
    return [
        Entry(
            "event",
            row.at,
            str(_WORDS.get(row.action, row.action)),
            str(row.actor or _("Chappe")),
            note=_detail(row),
            delivery=deliveries.get(row.subject_id),
        )
        for row in rows
    ]


def _detail(row: AuditEntry) -> str:
    """The one number or sentence that matters about an event."""
    detail = row.detail
    if row.action == "delivery.confirmed" or row.action == "delivery.prepared":
        n = int(detail.get("n_to_send") or 0)
        return ngettext("%(n)s email", "%(n)s emails", n) % {"n": number_format(n, force_grouping=True)}
    return str(detail.get("trouble") or detail.get("failure") or "")
