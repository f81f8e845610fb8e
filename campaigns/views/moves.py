"""Small moves of one campaign: stop, resume, archive, restore, duplicate, delete."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, roles
from campaigns import drafts, lifecycle
from campaigns.models import CampaignState
from campaigns.views import bulk, header


@require_http_methods(["GET", "POST"])
@access.requires(roles.START)
def stop(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask, then stop the campaign with its sends."""
    campaign = header.find(public_id)
    if request.method == "GET":
        return _ask(request, "campaigns/stop", {"campaign": campaign, "dialog_id": "stop-campaign-dialog"})
    lifecycle.stop(campaign.pk, by=header.user_of(request))
    messages.success(request, _("%(name)s is stopped.") % {"name": campaign.name})
    return redirect("campaigns:detail", public_id=public_id)


@require_POST
@access.requires(roles.START)
def resume(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Let a stopped campaign send again; nothing missed is caught up."""
    campaign = lifecycle.resume(header.find(public_id).pk, by=header.user_of(request))
    messages.success(request, _("%(name)s is active again. Nothing missed is caught up.") % {"name": campaign.name})
    return redirect("campaigns:detail", public_id=public_id)


@require_POST
@access.requires(roles.EDIT)
def archive(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Hide the campaign; the next page offers to undo."""
    campaign = lifecycle.archive(header.find(public_id).pk, by=header.user_of(request))
    undo = reverse("campaigns:unarchive", kwargs={"public_id": public_id})
    messages.success(request, _("%(name)s is archived.") % {"name": campaign.name}, extra_tags=undo)
    return redirect(bulk.list_address(request.headers.get("Referer", "")))


@require_POST
@access.requires(roles.EDIT)
def unarchive(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show the campaign again."""
    campaign = lifecycle.unarchive(header.find(public_id).pk, by=header.user_of(request))
    words = _("%(name)s is restored from the archive. Nothing is sent until somebody confirms a send.")
    if campaign.state == CampaignState.STOPPED:
        words = _("%(name)s is restored from the archive. It is stopped and sends nothing.")
    messages.success(request, words % {"name": campaign.name})
    came_from = request.headers.get("Referer", "")
    if bulk.is_list(came_from):
        return redirect(bulk.list_address(came_from))
    return redirect("campaigns:detail", public_id=public_id)


@require_POST
@access.requires(roles.EDIT)
def duplicate(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A new campaign with what is live in this one, or `of` its draft, opened in Compose."""
    original = header.find(public_id)
    live = original.live_version
    is_of_draft = request.GET.get("of") == "draft" and header.draft_of(original) is not None
    campaign = drafts.duplicate(original.pk, by=header.user_of(request), of_draft=is_of_draft)
    if live is None or is_of_draft:
        of = _("This is a copy of the draft.")
    else:
        of = _("This is a copy of version %(n)d.") % {"n": live.number}
    what = _("The schedule was not copied, so it will send once confirmed.")
    messages.warning(request, f"{of} {what}")
    return redirect("campaigns:edit", public_id=campaign.public_id, step="compose")


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def delete(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask, then delete a campaign that was never published."""
    campaign = header.find(public_id)
    if request.method == "GET":
        return _ask(request, "campaigns/delete", {"campaign": campaign, "dialog_id": "delete-dialog"})
    lifecycle.delete(campaign.pk, by=header.user_of(request))
    messages.success(request, _("%(name)s is deleted.") % {"name": campaign.name})
    return redirect("campaigns:list")


def _ask(request: HttpRequest, name: str, context: dict[str, object]) -> HttpResponse:
    template = f"{name}_dialog.html" if request.headers.get("HX-Request") else f"{name}_page.html"
    return render(request, template, context)
