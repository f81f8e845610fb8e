"""What is going to be sent by itself: confirmed sends with a time, and the next one of each repeating campaign.

Schedules that calls made are not in it: who made them has their ids.
"""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from campaigns import document as documents
from campaigns import occurrences
from campaigns.models import Campaign, CampaignSend, CampaignState
from delivery.models import DeliveryState


@dataclass(frozen=True)
class Upcoming:
    """One campaign with its next send. `zone` is where its time was chosen; `is_local`: each person has their own."""

    campaign: Campaign
    at: dt.datetime
    zone: str
    is_local: bool


def until(end: dt.datetime) -> list[Upcoming]:
    """Everything due from now to `end`, soonest first, each campaign once. Three queries."""
    now = timezone.now()
    found: dict[int, Upcoming] = {}
    planned = CampaignSend.objects.filter(
        delivery__state=DeliveryState.CONFIRMED, delivery__start_at__gt=now, delivery__start_at__lte=end
    )
    for send in planned.select_related("campaign", "delivery").order_by("-delivery__start_at"):
        delivery = send.delivery
        assert delivery.start_at is not None
        zone = delivery.scheduled_zone or settings.TIME_ZONE
        found[send.campaign_id] = Upcoming(send.campaign, delivery.start_at, zone, bool(delivery.local_time))
    repeating = Campaign.objects.filter(
        state=CampaignState.ACTIVE, archived_at__isnull=True, live_version__document__delivery__kind="repeat"
    )
    for campaign in repeating.select_related("live_version"):
        assert campaign.live_version is not None
        section = documents.normalise(campaign.live_version.document)["delivery"]
        plan = occurrences.calendar(section)
        coming = occurrences.after(plan, now, limit=1) if plan else []
        if coming and coming[0].at <= end and campaign.pk not in found:
            found[campaign.pk] = Upcoming(campaign, coming[0].at, section["zone"], False)
    return sorted(found.values(), key=lambda one: (one.at, one.campaign.pk))
