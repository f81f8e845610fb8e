"""Publishing: the draft becomes a numbered, immutable version with its message, and the campaign's live one.

Rendering and compiling happen before the transaction; inside it the revision is compared once more, so what becomes
live is exactly what was checked. A message frozen for a publication that then lost the race is an unused row, no harm.
"""

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import access, roles
from accounts.models import User
from campaigns import alerts, drafts, lifecycle
from campaigns import document as documents
from campaigns.models import Campaign, CampaignVersion, Draft
from lib.errors import DomainError
from messaging import content


class PublishBlocked(DomainError):
    """Alerts of level "error" stand against it; `alerts` has them all, in the order of the editor."""

    code = "publish_blocked"
    status = 422

    def __init__(self, found: Sequence[alerts.Alert]) -> None:
        self.alerts = list(found)
        n = sum(alert.level == alerts.ERROR for alert in found)
        super().__init__(ngettext("%(n)d problem must be fixed.", "%(n)d problems must be fixed.", n) % {"n": n})


def publish(draft_id: int, *, base_revision: int, note: str = "", by: User) -> CampaignVersion:
    """Freeze the draft at `base_revision` into the next version and make it live for the next execution.

    Raises PublishBlocked, drafts.DraftConflict (saved since), drafts.DraftGone (published or discarded since).
    A repeated request finds no draft any more and raises DraftGone, which names the version.
    """
    access.check(by, roles.EDIT)
    draft = _read(draft_id, base_revision, by)
    document = documents.normalise(draft.document)
    found = alerts.compute(draft.campaign, document, by=access.fresh(by))
    if any(alert.level == alerts.ERROR for alert in found):
        raise PublishBlocked(found)
    message = content.freeze(documents.content_spec(document))
    with transaction.atomic():
        campaign = drafts.lock_campaign(draft.campaign_id)
        current = Draft.objects.select_for_update(no_key=True).filter(pk=draft_id).first()
        if current is None:
            raise drafts.gone(campaign)
        if current.revision != base_revision:
            raise drafts.conflict(current, base_revision=base_revision, by=by)
        version = CampaignVersion.objects.create(
            campaign=campaign,
            number=next_number(campaign),
            document=document,
            sha256=documents.sha256(document),
            message=message,
            note=note.replace("\0", "").strip()[:500],
            published_by=by,
        )
        drafts.end(current, cause="replaced", by=by)
        lifecycle.publish(campaign.pk, version=version, by=by)
    return version


def next_number(campaign: Campaign) -> int:
    """The number the next version will have."""
    last = (
        CampaignVersion.objects.filter(campaign=campaign).order_by("-number").values_list("number", flat=True).first()
    )
    return (last or 0) + 1


def _read(draft_id: int, base_revision: int, by: User) -> Draft:
    """The draft as it is now, if that still is `base_revision`."""
    draft = Draft.objects.select_related("campaign", "campaign__live_version", "saved_by").filter(pk=draft_id).first()
    if draft is None:
        raise drafts.DraftGone(_("This draft was published or discarded."))
    if draft.revision != base_revision:
        raise drafts.conflict(draft, base_revision=base_revision, by=by)
    return draft
