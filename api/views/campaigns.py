"""Campaigns: which there are, what one is, and a copy of one."""

from typing import Any

from rest_framework import serializers

from accounts import access, audit
from api import campaign_facts, limiting, lookup, shapes
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from campaigns import drafts

PAGE_SIZE = 100


class ListQuery(shapes.Shape):
    page = shapes.Whole(least=0, most=1_000_000, default=0, help_text="100 campaigns each, from 0.")
    include_archived = shapes.Flag(default=False)
    sort_direction = shapes.OneOf(("asc", "desc"), default="asc", help_text="By creation.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        told = "Only campaigns edited after this time."
        edited = shapes.Moment(required=False, source="edited_after", help_text=told)
        return {**super().get_fields(), "last_edit.time[gt]": edited}


class ListCampaigns(Endpoint):
    """List campaigns, 100 to a page."""

    scope = "campaigns.list"
    takes = ListQuery
    asks = {"page": 0, "sort_direction": "desc"}
    answers = {
        "campaigns": [
            {
                "id": "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f",
                "last_edited": "2026-11-25T09:00:00+00:00",
                "name": "Order shipped",
                "is_api_campaign": True,
                "tags": ["orders"],
            }
        ]
    }

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        found = lookup.campaigns()
        if not entered["include_archived"]:
            found = found.filter(archived_at=None)
        if (after := entered.get("edited_after")) is not None:
            found = found.filter(edited_at__gt=after)
        found = found.order_by("created_at" if entered["sort_direction"] == "asc" else "-created_at", "pk")
        start = entered["page"] * PAGE_SIZE
        return Answer({"campaigns": [campaign_facts.row(one) for one in found[start : start + PAGE_SIZE]]})


class DetailsQuery(shapes.Shape):
    campaign_id = shapes.PublicId()
    post_launch_draft_version = shapes.Flag(default=False, help_text="The draft beside what is live.")


class CampaignDetails(Endpoint):
    """Read a campaign with its message."""

    scope = "campaigns.details"
    takes = DetailsQuery
    asks = {"campaign_id": "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f"}
    answers = {
        "name": "Order shipped",
        "created_at": "2026-11-01T09:00:00+00:00",
        "enabled": True,
        "schedule_type": "api_triggered",
        "channels": ["email"],
        "messages": {"0c9a…": {"channel": "email", "subject": "Your order is on its way", "from": "Shop <a@ex.org>"}},
    }

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        campaign = lookup.campaign(entered["campaign_id"])
        return Answer(campaign_facts.details(campaign, of_draft=entered["post_launch_draft_version"]))


class Copy(shapes.Shape):
    campaign_id = shapes.PublicId()
    name = shapes.Text(max_length=200, help_text="What the copy is called.")
    description = shapes.Text(max_length=2000, required=False, allow_blank=True, help_text="Not kept.")


class DuplicateCampaign(Endpoint):
    """Make a draft out of what is live in a campaign, or out of its draft when nothing is.

    Date and time are not copied, nor who got it.
    """

    scope = "campaigns.duplicate"
    pool = limiting.DUPLICATE
    takes = Copy
    succeeds_with = 202
    asks = {"campaign_id": "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f", "name": "Order shipped, spring"}
    answers = {"campaign_id": "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f"}

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        original = lookup.campaign(entered["campaign_id"])
        by = access.fresh(call.user)
        made = drafts.duplicate(original.pk, by=by, name=entered["name"])
        audit.record(
            "campaign.duplicated",
            subject=("campaign", str(made.public_id)),
            by=by,
            detail={"of": str(original.public_id), "api_key": str(call.key.public_id)},
        )
        return Answer({"campaign_id": str(made.public_id)}, status=self.succeeds_with)
