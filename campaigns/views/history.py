"""The timeline of one campaign, and taking an old version or draft up again."""

from uuid import UUID

from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import access, roles
from campaigns import drafts
from campaigns import history as timelines
from campaigns.models import CampaignVersion, DraftSnapshot
from campaigns.views import header

_SIGNER = signing.Signer(salt="campaigns.snapshot")


@access.requires(roles.VIEW)
def history(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Versions, drafts, sends and what people did, newest first."""
    campaign = header.find(public_id)
    head = header.build(request, campaign, view="history")
    entries = [
        (entry, _SIGNER.sign(str(entry.snapshot_id)) if entry.snapshot_id else "")
        for entry in timelines.timeline(campaign)
    ]
    context = {"head": head, "campaign": campaign, "entries": entries}
    return render(request, "campaigns/campaign_history.html", context)


@require_POST
@access.requires(roles.EDIT)
def restore_version(request: HttpRequest, public_id: UUID, version_id: UUID) -> HttpResponse:
    """Make the draft what a version was."""
    campaign = header.find(public_id)
    version = get_object_or_404(CampaignVersion, campaign=campaign, public_id=version_id)
    drafts.restore(campaign.pk, version_id=version.pk, by=header.user_of(request))
    messages.success(request, _("The draft is now as version %(n)d was.") % {"n": version.number})
    return redirect("campaigns:edit", public_id=public_id, step="compose")


@require_POST
@access.requires(roles.EDIT)
def restore_snapshot(request: HttpRequest, public_id: UUID, token: str) -> HttpResponse:
    """Make the draft what an earlier draft was."""
    campaign = header.find(public_id)
    try:
        snapshot_id = int(_SIGNER.unsign(token))
    except signing.BadSignature as error:
        raise Http404 from error
    snapshot = get_object_or_404(DraftSnapshot, campaign=campaign, pk=snapshot_id)
    drafts.restore(campaign.pk, snapshot_id=snapshot.pk, by=header.user_of(request))
    messages.success(request, _("The earlier draft is restored."))
    return redirect("campaigns:edit", public_id=public_id, step="compose")
