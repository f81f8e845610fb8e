"""Whether a version was sent as a test before it was published, by whom and when. Read only."""

import datetime as dt
from dataclasses import dataclass

from accounts.models import AuditEntry, User
from campaigns.models import CampaignVersion, DraftSnapshot


@dataclass(frozen=True)
class Tested:
    """The last test of the draft that became the version; `is_outdated`: something was saved after it."""

    at: dt.datetime
    by: User | None
    is_outdated: bool


def of_version(version: CampaignVersion) -> Tested | None:
    """The last test between the version before and this one; None without any. Three queries."""
    subject = {"subject_kind": "campaign", "subject_id": str(version.campaign.public_id)}
    rows = AuditEntry.objects.filter(action="campaign.tested", at__lte=version.published_at, **subject)
    earlier = CampaignVersion.objects.filter(campaign=version.campaign, number__lt=version.number)
    since = earlier.order_by("-number").values_list("published_at", flat=True).first()
    if since is not None:
        rows = rows.filter(at__gt=since)
    row = rows.select_related("actor").order_by("-at").first()
    if row is None:
        return None
    return Tested(row.at, row.actor, _is_outdated(version, int(str(row.detail.get("revision", 0)))))


def _is_outdated(version: CampaignVersion, revision: int) -> bool:
    """Whether the draft that was published had a later revision than the one tested; False when it is kept no more."""
    replaced = DraftSnapshot.objects.filter(
        campaign=version.campaign, cause="replaced", at__gte=version.published_at - dt.timedelta(seconds=5)
    )
    last = replaced.order_by("at").values_list("revision", flat=True).first()
    return last is not None and last > revision
