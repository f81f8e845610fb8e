"""What the rooms below are told about campaigns at start-up, because they can't import this one."""

from django.db.models import Q
from django.urls import reverse

from audiences import segments
from audiences.models import Segment
from campaigns.models import Campaign, CampaignState
from delivery import origins
from delivery.models import Delivery


def register() -> None:
    """Where the page of a campaign's send is, and which campaigns use a segment. Safe to repeat."""
    origins.register("campaign", send_url)
    segments.register_users(segment_uses)


def send_url(delivery: Delivery) -> str:
    """The page of a delivery that a campaign opened."""
    return reverse("campaigns:send", kwargs={"public_id": delivery.origin_id, "delivery_id": delivery.public_id})


def segment_uses(segment: Segment) -> list[segments.Use]:
    """Campaigns, archived ones apart, whose draft or live version names `segment`. Two queries."""
    public_id = str(segment.public_id)
    in_draft = Q(draft__document__audience__icontains=public_id)
    in_live = Q(live_version__document__audience__icontains=public_id)
    users = Campaign.objects.filter(in_draft | in_live, archived_at__isnull=True).order_by("name")
    live_ids = set(users.filter(in_live).values_list("pk", flat=True))
    return [
        segments.Use(
            label=campaign.name,
            url=_page(campaign),
            is_live=campaign.pk in live_ids and campaign.state in {CampaignState.PUBLISHED, CampaignState.ACTIVE},
        )
        for campaign in users
    ]


def _page(campaign: Campaign) -> str:
    if campaign.live_version_id:
        return reverse("campaigns:detail", kwargs={"public_id": campaign.public_id})
    return reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": "audience"})
