"""A template as it looks: its thumbnail, and the preview of what is on the screen. Nothing is stored."""

import json
from collections.abc import Mapping
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access, roles
from campaigns import document as documents
from campaigns import search, starting
from campaigns.views import choices, header, previews, template_forms
from lib.errors import DomainError
from messaging import templates


@require_safe
@access.requires(roles.VIEW)
def thumbnail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A stored template for nobody in particular."""
    template = templates.find(public_id)
    if template is None:
        raise Http404
    shown = _show(request, starting.document(template, by=header.user_of(request)), name=template.name)
    return previews.frame(request, shown, "html")


@require_http_methods(["GET", "HEAD", "POST"])
@access.requires(roles.VIEW)
def frame(request: HttpRequest, variant: str) -> HttpResponse:
    """What is on the screen, over the template of ?template=, as the content of a sandboxed frame."""
    if variant not in previews.VARIANTS:
        raise Http404
    return previews.frame(request, _shown(request), variant)


@require_http_methods(["GET", "HEAD", "POST"])
@access.requires(roles.VIEW)
def head(request: HttpRequest) -> HttpResponse:
    """Sender, subject and preheader as this person sees them, the size, and what is wrong."""
    return previews.head(request, _shown(request), can_edit=header.user_of(request).has_perm(roles.EDIT))


def _shown(request: HttpRequest) -> previews.Shown:
    template = templates.find(request.GET.get("template", ""))
    document = starting.document(template, by=header.user_of(request))
    try:
        document = documents.apply(document, _fields(request.POST.get("fields", "{}")))
    except DomainError as problem:
        return previews.Shown(None, problem.message)
    chosen = request.POST.get("as", "")
    return _show(request, document, name=template.name if template else _("New template"), chosen=chosen)


def _fields(text: str) -> Mapping[str, object]:
    """The compose fields of a posted JSON object; anything else is left out."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in (f"compose.{key}" for key in template_forms.COMPOSE) if name in fields}


def _show(request: HttpRequest, document: documents.Document, *, name: str, chosen: str = "") -> previews.Shown:
    person = choices.chosen_person(chosen) if search.is_public_id(chosen) else None
    return previews.show(request, documents.content_spec(document), person, campaign={"name": name})
