"""One state of a campaign's content that can be looked at, compared and taken up again: a version, the draft, or what
the draft was at a save or when it was discarded.

Each has a key for addresses: "4" for a version, "draft", and a signed token for a kept draft, so that the integer key
of a snapshot can't be guessed. Nothing is written here; called by views.
"""

import datetime as dt
from dataclasses import dataclass

from django.core import signing
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from campaigns import document as documents
from campaigns.models import Campaign, CampaignVersion, Draft, DraftSnapshot

# What discarded and autosaved drafts were is kept this long.
KEPT = dt.timedelta(days=30)
LIVE, DRAFT = "live", "draft"
# The form of a key in a path.
PATTERN = r"[0-9]+(?::[A-Za-z0-9_-]+)?|live|draft"
_SIGNER = signing.Signer(salt="campaigns.snapshot")
_MOST_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class Source:
    """A state of the content. `label` names it in a heading, `who` published, saved or discarded it at `at`.

    `number` and `version` only for a version, `cause` ("saved", "discarded") only for a kept draft.
    """

    key: str
    label: str
    document: documents.Document
    at: dt.datetime
    who: str
    note: str = ""
    version: CampaignVersion | None = None
    is_live: bool = False
    cause: str = ""

    @property
    def number(self) -> int | None:
        return self.version.number if self.version else None

    @property
    def kept_until(self) -> dt.datetime | None:
        """Until when a kept draft can be restored; None for what is kept for ever."""
        return self.at + KEPT if self.cause else None


def find(campaign: Campaign, key: str) -> Source | None:
    """The state that `key` names, of this campaign only; None when there is none, or the key was made up."""
    if key == DRAFT:
        draft = Draft.objects.select_related("saved_by").filter(campaign=campaign).first()
        return of_draft(draft) if draft else None
    if key == LIVE:
        return of_version(campaign, campaign.live_version) if campaign.live_version else None
    if key.isascii() and key.isdigit():
        number = int(key) if len(key) < 11 else 0
        known = CampaignVersion.objects.filter(campaign=campaign).select_related("published_by")
        version = known.filter(number=number).first() if number <= _MOST_NUMBER else None
        return of_version(campaign, version) if version else None
    snapshot = snapshot_of(campaign, key)
    return of_snapshot(snapshot) if snapshot else None


def of_version(campaign: Campaign, version: CampaignVersion) -> Source:
    """A version of `campaign` as it will stay for ever."""
    return Source(
        key=str(version.number),
        label=_("Version %(n)d") % {"n": version.number},
        document=documents.normalise(version.document),
        at=version.published_at,
        who=str(version.published_by),
        note=version.note,
        version=version,
        is_live=version.pk == campaign.live_version_id,
    )


def of_draft(draft: Draft) -> Source:
    """The draft as it is now."""
    document = documents.normalise(draft.document)
    return Source(DRAFT, _("Draft"), document, draft.saved_at, str(draft.saved_by or ""))


def of_snapshot(snapshot: DraftSnapshot) -> Source:
    """What a draft was."""
    at = date_format(timezone.localtime(snapshot.at), _("j M, H:i"))
    label = _("Discarded draft of %(time)s") if snapshot.cause == "discarded" else _("Draft of %(time)s")
    return Source(
        key=token(snapshot.pk),
        label=label % {"time": at},
        document=documents.normalise(snapshot.document),
        at=snapshot.at,
        who=str(snapshot.by or ""),
        cause=snapshot.cause,
    )


def snapshot_of(campaign: Campaign, given: str) -> DraftSnapshot | None:
    """The kept draft behind a token; None for another campaign's, for one that is gone, and for a forged token."""
    try:
        snapshot_id = int(_SIGNER.unsign(given))
    except (signing.BadSignature, ValueError):
        return None
    return DraftSnapshot.objects.filter(campaign=campaign, pk=snapshot_id).select_related("by").first()


def token(snapshot_id: int) -> str:
    """The key of a kept draft in addresses."""
    return _SIGNER.sign(str(snapshot_id))
