"""The pages of templates: the grid, one template with its editor, and small moves. Content is messaging's."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, roles
from accounts.models import User
from campaigns import document as documents
from campaigns import starting, summaries
from campaigns.views import choices, header, template_forms
from messaging import samples, starters, templates
from messaging.models import Template

_Menu = list[dict[str, object]]


@require_safe
@access.requires(roles.VIEW)
def index(request: HttpRequest) -> HttpResponse:
    """The templates that a search (?q=) found, last edited first; ?archived shows those that are offered no more."""
    query, is_archived = request.GET.get("q", "").strip(), "archived" in request.GET
    page = templates.page(query=query, number=request.GET.get("page", "1"), is_archived=is_archived)
    counts = starting.counts(page.object_list)
    can_edit = header.user_of(request).has_perm(roles.EDIT)
    n_archived = templates.n_archived()
    kept = {"q": query} if query else {}
    context = {
        "page": page,
        "cards": [_card(one, counts.get(one.pk, 0), can_edit=can_edit) for one in page.object_list],
        "query": query,
        "is_archived": is_archived,
        "kept": urlencode({**kept, "archived": "1"} if is_archived else kept),
        "tabs": _tabs(n_archived, is_archived=is_archived) if n_archived or is_archived else [],
        "starters": starters.every(),
        "can_edit": can_edit,
        "has_any": bool(page.paginator.count) or templates.has_any(),
    }
    return render(request, "campaigns/template_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.requires(roles.EDIT)
def new(request: HttpRequest) -> HttpResponse:
    """A template that is not stored before Save; ?starter= says what it begins with."""
    if request.method != "POST":
        starter = starters.find(request.GET.get("starter", "")) or starters.every()[0]
        return _page(request, None, template_forms.from_starter(starter))
    return _create(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@access.requires(roles.VIEW)
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One template; POST saves it, "as_new" saves what was written as another one."""
    template = find(public_id)
    if request.method != "POST":
        return _page(request, template, template_forms.of(template))
    user = header.user_of(request)
    access.check(user, roles.EDIT)
    if "as_new" in request.POST:
        return _create(request, template)
    fields = template_forms.posted(request.POST)
    try:
        saved = templates.save(template.pk, base_revision=_base(request), fields=fields, by=user)
    except templates.TemplateInvalid as problem:
        return _page(request, template, template_forms.typed(request.POST), problems=problem.fields, status=422)
    except templates.TemplateConflict as conflict:
        return _page(request, template, template_forms.typed(request.POST), conflict=conflict, status=409)
    messages.success(request, _("Template “%(name)s” saved.") % {"name": saved.name})
    return redirect("campaigns:template", public_id=public_id)


@require_POST
@access.requires(roles.EDIT)
def duplicate(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A new template with this one's content, opened."""
    copied = templates.duplicate(find(public_id).pk, by=header.user_of(request))
    messages.success(request, _("“%(name)s” is a new template.") % {"name": copied.name})
    return redirect("campaigns:template", public_id=copied.public_id)


@require_POST
@access.requires(roles.EDIT)
def archive(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Offer the template no more; the next page offers to undo."""
    template = templates.archive(find(public_id).pk, by=header.user_of(request))
    undo = reverse("campaigns:template-restore", args=[public_id])
    messages.success(request, _("Template “%(name)s” archived.") % {"name": template.name}, extra_tags=undo)
    return redirect("campaigns:templates")


@require_POST
@access.requires(roles.EDIT)
def restore(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Offer an archived template again."""
    template = templates.restore(find(public_id).pk, by=header.user_of(request))
    messages.success(request, _("Template “%(name)s” restored.") % {"name": template.name})
    return redirect("campaigns:templates")


def find(public_id: UUID) -> Template:
    """The template of an address, or the 404 page."""
    template = templates.find(public_id)
    if template is None:
        raise Http404(_("There is no such template."))
    return template


def menu(template: Template, *, can_edit: bool) -> _Menu:
    """What can be done with one template, in the words of components/_menu.html."""
    url = {name: reverse(f"campaigns:template-{name}", args=[template.public_id]) for name in _MOVES}
    if not can_edit:
        return []
    if template.archived_at is not None:
        return [{"label": _("Restore"), "url": url["restore"], "icon": "archive-restore", "method": "post"}]
    return [
        {"label": _("Duplicate"), "url": url["duplicate"], "icon": "copy", "method": "post"},
        {"label": _("Archive"), "url": url["archive"], "icon": "archive", "method": "post"},
    ]


_MOVES = ("duplicate", "archive", "restore")


def _create(request: HttpRequest, template: Template | None) -> HttpResponse:
    try:
        made = templates.create(template_forms.posted(request.POST), by=header.user_of(request))
    except templates.TemplateInvalid as problem:
        return _page(request, template, template_forms.typed(request.POST), problems=problem.fields, status=422)
    messages.success(request, _("Template “%(name)s” saved.") % {"name": made.name})
    return redirect("campaigns:template", public_id=made.public_id)


def _page(
    request: HttpRequest, template: Template | None, values: dict[str, str], *, status: int = 200, **wrong: Any
) -> HttpResponse:
    """One template with `values` in its form. `wrong`: problems (field → sentence) or conflict (TemplateConflict)."""
    user = header.user_of(request)
    may_edit = user.has_perm(roles.EDIT)
    document = template_forms.document(values, by=user)
    problems = wrong.get("problems", {})
    context = {
        "template": template,
        "v": values,
        "revision": request.POST.get("revision") or (template.revision if template else 0),
        "conflict": wrong.get("conflict"),
        "problems": problems,
        "errors": [{"text": text, "target": f"template-{field}"} for field, text in problems.items()],
        "is_unsaved": bool(wrong),
        "can_edit": may_edit and (template is None or template.archived_at is None),
        "body_words": summaries.body(document),
        "alerts": template_forms.alerts(document),
        # What the preview shows before anything is typed.
        "preview_of": f"?{urlencode({'template': template.public_id})}" if template else "",
        "people": choices.people(user),
        "picker": choices.personalization_groups(samples.names(documents.content_spec(document))),
        "networks": choices.NETWORKS,
        **(_around(template, user) if template else {}),
    }
    return render(request, "campaigns/template_detail.html", context, status=status)


def _around(template: Template, user: User) -> dict[str, Any]:
    return {"menu": menu(template, can_edit=user.has_perm(roles.EDIT)), "uses": starting.campaigns_from(template)}


def _card(template: Template, n_campaigns: int, *, can_edit: bool) -> dict[str, Any]:
    items: _Menu = [
        {"label": _("Open"), "url": reverse("campaigns:template", args=[template.public_id]), "icon": "eye"}
    ]
    if template.archived_at is None:
        start = f"{reverse('campaigns:new')}?{urlencode({'template': template.public_id})}"
        items.append({"label": _("Use in a new campaign"), "url": start, "icon": "send", "method": "post"})
    return {
        "template": template,
        "n_campaigns": n_campaigns,
        "menu": [*items, *menu(template, can_edit=True)] if can_edit else [],
        "menu_id": f"template-{template.public_id}",
        "menu_label": _("Actions for %(name)s") % {"name": template.name},
    }


def _tabs(n_archived: int, *, is_archived: bool) -> list[dict[str, object]]:
    url = reverse("campaigns:templates")
    return [
        {"label": _("In use"), "url": url, "is_current": not is_archived, "count": None},
        {"label": _("Archived"), "url": f"{url}?archived=1", "is_current": is_archived, "count": n_archived},
    ]


def _base(request: HttpRequest) -> int:
    """The revision that the page showed; "over" is the one that the person decided to replace."""
    typed = request.POST.get("over") or request.POST.get("revision", "")
    return int(typed) if typed.isdecimal() and len(typed) < 10 else 0
