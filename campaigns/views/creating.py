"""New campaign: pick how to start; picking makes the draft and opens Compose. And a template made from a campaign."""

from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access, roles
from campaigns import document as documents
from campaigns import starting
from campaigns.models import Campaign
from campaigns.views import frames, header
from messaging import frames as sandbox
from messaging import personalization, preview, starters, templates


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def new(request: HttpRequest) -> HttpResponse:
    """Blank, own templates (?q= searches them) and starters; POST with `starter` or `template` creates the draft."""
    if request.method == "GET":
        return _choose(request)
    campaign = starting.create(_source(request), by=header.user_of(request))
    return redirect("campaigns:edit", public_id=campaign.public_id, step="compose")


@access.requires(roles.VIEW)
def starter(request: HttpRequest, slug: str) -> HttpResponse:
    """A starter as it looks, for its thumbnail."""
    found = starters.find(slug)
    if found is None:
        raise Http404
    spec = documents.content_spec(starting.filled(documents.blank(), found))
    try:
        rendered = preview.render(spec, None, campaign={"name": str(found.name)})
    except personalization.TemplateProblem as problem:
        return sandbox.response(frames.notice(problem.message, problem.line))
    return sandbox.response(frames.light(rendered.html))


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def save_as_template(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask for a name, then keep the content of the draft (with ?from=live: of the live version) as a template."""
    campaign = header.find(public_id)
    name, is_live = request.POST.get("name", campaign.name[: templates.NAME_LIMIT]), request.GET.get("from") == "live"
    if request.method == "GET":
        return _ask_name(request, campaign, name, is_live=is_live)
    try:
        made = starting.save_as_template(campaign.pk, name=name, is_live=is_live, by=header.user_of(request))
    except templates.TemplateInvalid as problem:
        return _ask_name(request, campaign, name, is_live=is_live, problem=problem.message)
    url = reverse("campaigns:template", args=[made.public_id])
    said = _("Saved as template “%(name)s”.") % {"name": made.name}
    messages.success(request, format_html('{} <a href="{}">{}</a>', said, url, _("Open template")))
    return redirect(_back(request, campaign, is_live=is_live))


def _choose(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()
    page = templates.page(query=query, number=request.GET.get("page", "1"))
    blank, *others = starters.every()
    context = {
        "blank": blank,
        "starters": others,
        "page": page,
        "query": query,
        "kept": urlencode({"q": query}) if query else "",
        "has_templates": bool(query) or page.paginator.count > 0,
        "has_search": bool(query) or page.paginator.count > _SEARCHED_FROM,
    }
    return render(request, "campaigns/campaign_new.html", context)


# With more templates than this the page offers to search them.
_SEARCHED_FROM = 8


def _source(request: HttpRequest) -> starting.Source | None:
    """What was picked; a menu posts the template in the address."""
    chosen = request.POST.get("template") or request.GET.get("template")
    if not chosen:
        return starters.find(request.POST.get("starter", ""))
    template = templates.find(chosen)
    if template is None:
        raise Http404(_("There is no such template."))
    return template


def _ask_name(request: HttpRequest, campaign: Campaign, name: str, *, is_live: bool, problem: str = "") -> HttpResponse:
    is_part = bool(request.headers.get("HX-Request"))
    context = {
        "campaign": campaign,
        "name": name,
        "limit": templates.NAME_LIMIT,
        "url": request.get_full_path(),
        "back": _back(request, campaign, is_live=is_live),
        "problem": problem,
        "dialog_id": "save-as-template-dialog",
    }
    template = "campaigns/save_as_template_dialog.html" if is_part else "campaigns/save_as_template_page.html"
    return render(request, template, context, status=422 if problem else 200)


def _back(request: HttpRequest, campaign: Campaign, *, is_live: bool) -> str:
    """The page of this campaign that the dialog was opened on; only our own address is followed."""
    path = urlsplit(request.POST.get("back") or request.headers.get("HX-Current-URL", "")).path
    at = {"public_id": campaign.public_id}
    if path.startswith(f"/campaigns/{campaign.public_id}/") and not path.endswith("/save-as-template/"):
        return path
    if is_live and campaign.live_version_id:
        return reverse("campaigns:detail", kwargs=at)
    return reverse("campaigns:edit", kwargs={**at, "step": "compose"})
