"""What the rooms below are told about campaigns at start-up, because they can't import this one."""

from collections.abc import Collection

from django.db import connection
from django.db.models import F, Q
from django.urls import reverse

from audiences import segments, subscriptions
from audiences.models import Segment, SubscriptionGroup
from campaigns import search, settling
from campaigns.models import Campaign, CampaignState, CampaignVersion
from delivery import origins
from delivery.models import Delivery
from messaging import media_uses

_WRITTEN_WITH_MEDIA = f"""
SELECT DISTINCT found[1], written.name, written.public_id, written.kind
FROM (
    SELECT 'edit' AS kind, campaign.name, campaign.public_id,
        concat_ws(E'\\n', draft.document #>> '{{compose,body}}', draft.document #>> '{{compose,text}}') AS content
    FROM campaigns_draft draft JOIN campaigns_campaign campaign ON campaign.id = draft.campaign_id
    UNION ALL
    SELECT 'template', name, public_id, concat_ws(E'\\n', body, text) FROM messaging_template
    WHERE archived_at IS NULL
) written,
LATERAL regexp_matches(written.content, '{media_uses.ADDRESS}', 'g') found
WHERE found[1] = ANY(%s)
ORDER BY written.name
"""


def register() -> None:
    """Where the page of a campaign's send is and who is told of its moves; which campaigns use a segment or show an
    image. Safe to repeat."""
    origins.register("campaign", send_url, moved=settling.moved, home=campaign_url, names=campaign_names)
    segments.register_users(segment_uses)
    subscriptions.register_users(group_uses)
    media_uses.register(drafts=drafts_with_media, published=published_with_media)


def send_url(delivery: Delivery) -> str:
    """The page of a delivery that a campaign opened."""
    return reverse("campaigns:send", kwargs={"public_id": delivery.origin_id, "delivery_id": delivery.public_id})


def campaign_url(public_id: str) -> str:
    """The page of a campaign."""
    return reverse("campaigns:detail", kwargs={"public_id": public_id})


def campaign_names(ids: Collection[str]) -> dict[str, str]:
    """How these campaigns are called now. One query."""
    known = [one for one in ids if search.is_public_id(one)]
    found = Campaign.objects.filter(public_id__in=known).values_list("public_id", "name")
    return {str(public_id): name for public_id, name in found}


def segment_uses(segment: Segment) -> list[segments.Use]:
    """Campaigns, archived ones apart, whose draft or live version names `segment`. Two queries."""
    return _audience_uses(str(segment.public_id))


def group_uses(group: SubscriptionGroup) -> list[segments.Use]:
    """Campaigns, archived ones apart, whose draft or live version is sent under `group`. Two queries."""
    return _audience_uses(str(group.public_id))


def _audience_uses(public_id: str) -> list[segments.Use]:
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


def drafts_with_media(tokens: Collection[str]) -> list[media_uses.Use]:
    """The drafts and templates that show one of these files. One query, which reads the body of each."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITTEN_WITH_MEDIA, [list(tokens)])
        rows = cursor.fetchall()
    step = {"edit": {"step": "compose"}, "template": {}}
    return [
        media_uses.Use(token, name, reverse(f"campaigns:{kind}", kwargs={"public_id": public_id, **step[kind]}))
        for token, name, public_id, kind in rows
    ]


def published_with_media(tokens: Collection[str]) -> list[media_uses.Use]:
    """The campaigns of which some version shows one of these files. One query."""
    rows = (
        CampaignVersion.objects.filter(message__media_uses__file__token__in=tokens)
        .values_list(F("message__media_uses__file__token"), "campaign__name", "campaign__public_id")
        .distinct()
        .order_by("campaign__name")
    )
    return [
        media_uses.Use(token, name, reverse("campaigns:detail", kwargs={"public_id": public_id}))
        for token, name, public_id in rows
        if token in tokens
    ]


def _page(campaign: Campaign) -> str:
    if campaign.live_version_id:
        return reverse("campaigns:detail", kwargs={"public_id": campaign.public_id})
    return reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": "audience"})
