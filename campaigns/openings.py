"""Deliveries out of versions: one for each occasion, and the standing one of a campaign that requests trigger.

A campaign that is active and triggered by the API has exactly one open standing delivery, of its live version; `follow`
sees to that in the transaction that changes either. One of an older version takes no more requests, and sends what it
took with the message it has. Locks: the campaign first, then deliveries; the caller holds the campaign's.
"""

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from campaigns import document as documents
from campaigns import schedules, spreads
from campaigns.models import Campaign, CampaignSend, CampaignState, CampaignVersion
from delivery import lifecycle as delivery_lifecycle
from delivery import opening


@dataclass(frozen=True)
class Occasion:
    """What a delivery is opened for: a planned time of a repeating campaign, a whole audience of a request, or
    (`is_standing`) whatever is asked for from now on. Nothing of it for a send that people confirm."""

    at: dt.datetime | None = None
    asks_because: str = ""
    is_standing: bool = False
    request_no: int = 0


ONCE = Occasion()


def open_one(
    campaign: Campaign,
    version: CampaignVersion,
    *,
    occasion: Occasion = ONCE,
    by: User | None = None,
    estimated: int | None = None,
) -> CampaignSend:
    """A new delivery of `version`, in state `new`."""
    document = documents.normalise(version.document)
    section = document["delivery"]
    chosen = schedules.moment(section) if section["kind"] == "at" else None
    rate = section["rate_per_minute"]
    delivery = opening.open_delivery(
        message=version.message,
        audience=document["audience"],
        label=_("%(name)s, version %(n)d") % {"name": campaign.name, "n": version.number},
        origin=("campaign", str(campaign.public_id)),
        validity_s=int(section["validity_hours"]) * 3600,
        re_eligible_after_s=documents.re_eligible_after_s(section),
        rate_per_minute=int(rate) if rate else None,
        scheduled_at=occasion.at or (chosen.at if chosen else None),
        scheduled_zone=section["zone"] if occasion.at else chosen.zone if chosen else "",
        spread=spreads.of(section),
        owner=campaign.owner,
        author=version.published_by,
        by=by,
        n_estimated=estimated,
        ignores_cap=section["ignores_cap"],
        is_standing=occasion.is_standing,
        request_no=occasion.request_no,
    )
    return CampaignSend.objects.create(
        campaign=campaign,
        version=version,
        delivery=delivery,
        occurrence_at=occasion.at or timezone.now(),
        asks_because=occasion.asks_because,
    )


def follow(campaign: Campaign, *, by: User) -> None:
    """Open and close standing deliveries so that they fit the campaign's state and live version. Safe to repeat.

    Waits for requests that are being taken: none of them is lost, and none is taken afterwards by what was closed.
    """
    version = campaign.live_version if _is_triggered(campaign) else None
    has_it = False
    standing = {"campaign": campaign, "delivery__is_standing": True, "delivery__closed_at": None}
    for send in CampaignSend.objects.filter(**standing).order_by("pk"):
        if version is not None and send.version_id == version.pk:
            has_it = True
        else:
            delivery_lifecycle.close(send.delivery_id, by=by)
    if version is not None and not has_it:
        send = open_one(campaign, version, occasion=Occasion(is_standing=True), by=by)
        delivery_lifecycle.stand(send.delivery_id, by=by)


def _is_triggered(campaign: Campaign) -> bool:
    version = campaign.live_version
    is_active = campaign.state == CampaignState.ACTIVE and campaign.archived_at is None
    return (
        is_active and version is not None and schedules.is_triggered(documents.normalise(version.document)["delivery"])
    )
