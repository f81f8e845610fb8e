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
from campaigns.views import header


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
    return redirect("campaigns:list")


@require_POST
@access.requires(roles.EDIT)
def unarchive(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show the campaign again."""
    campaign = lifecycle.unarchive(header.find(public_id).pk, by=header.user_of(request))
    messages.success(request, _("%(name)s is restored from the archive.") % {"name": campaign.name})
    return redirect("campaigns:detail", public_id=public_id)


@require_POST
@access.requires(roles.EDIT)
def duplicate(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A new campaign with this one's content, opened in Compose."""
    campaign = drafts.duplicate(header.find(public_id).pk, by=header.user_of(request))
    messages.warning(request, _("This is a copy. The schedule was not copied, so it will send once confirmed."))
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
