"""The live version, read-only: the overview with the latest send, and the content step by step."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import access, roles
from campaigns import document as documents
from campaigns import summaries
from campaigns.views import choices, header, parts, sends, standing


@require_safe
@access.requires(roles.VIEW)
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What is live with its latest send; a campaign that was never published opens its draft, or shows it read-only."""
    campaign = header.find(public_id)
    head = header.build(request, campaign, view="live")
    if campaign.live_version is None and head.draft_url:
        return redirect(head.draft_url)
    source = campaign.live_version or head.draft
    context: dict[str, Any] = {"head": head, "campaign": campaign, "version": campaign.live_version}
    context["cards"] = summaries.cards(documents.normalise(source.document)) if source else []
    context["standing"] = standing.card(campaign, header.user_of(request))
    if head.delivery:
        context |= sends.delivery_context(request, campaign, head.delivery)
    return render(request, "campaigns/campaign_detail.html", context)


@require_safe
@access.requires(roles.VIEW)
def live(request: HttpRequest, public_id: UUID, step: str) -> HttpResponse:
    """One step of the live version with its values; the message with a preview."""
    campaign = header.find(public_id)
    version = campaign.live_version
    if version is None or step == "review":
        return redirect("campaigns:detail", public_id=public_id)
    document = documents.normalise(version.document)
    tabs = [
        {
            "label": parts.step_label(name),
            "url": reverse("campaigns:live", kwargs={"public_id": public_id, "step": name}),
            "is_current": name == step,
            "state": "ok",
        }
        for name in documents.STEPS
    ]
    context: dict[str, Any] = {
        "head": header.build(request, campaign, view="content"),
        "campaign": campaign,
        "version": version,
        "steps": tabs,
        "step": step,
        "card": summaries.card(document, step),
        "people": choices.people(header.user_of(request)) if step == "compose" else [],
        "links": choices.links(document) if step == "tracking" else None,
    }
    return render(request, "campaigns/campaign_live.html", context)
