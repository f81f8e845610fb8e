"""The tags of one campaign: a dialog to add and remove them, as a page too for browsers without script."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import access, roles
from campaigns import tags
from campaigns.models import Campaign
from campaigns.views import header


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def edit(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show the tags; a POST with `add` or `remove` changes one and shows them again."""
    campaign = header.find(public_id)
    context: dict[str, object] = {}
    if request.method == "POST":
        try:
            context["full"] = _change(request, campaign)
        except tags.TagInvalid as refusal:
            context |= {"error": refusal.message, "typed": request.POST.get("add", "")}
        if not request.headers.get("HX-Request") and not any(context.values()):
            return redirect("campaigns:tags", public_id=public_id)
        campaign = header.find(public_id)
    known = [one for one, _n in tags.known() if one not in campaign.tags]
    context |= {"campaign": campaign, "known": known, "max_tags": tags.MAX_TAGS, "dialog_id": "tags-dialog"}
    context["tags"] = header.tag_links(campaign)
    template = "campaigns/tags_dialog.html" if request.headers.get("HX-Request") else "campaigns/tags_page.html"
    if request.headers.get("HX-Target") == "campaign-tag-editor":
        template = "campaigns/_tag_editor.html"
        context["is_fragment"] = True
    return render(request, template, context)


def _change(request: HttpRequest, campaign: Campaign) -> bool:
    """Whether the tag found no room."""
    user = header.user_of(request)
    if "remove" in request.POST:
        tags.remove([campaign.pk], tag=request.POST["remove"], by=user)
        return False
    return bool(tags.add([campaign.pk], tag=request.POST.get("add", ""), by=user).full)
