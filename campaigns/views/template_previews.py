"""A template as it looks: its thumbnail, and the preview of what is on the screen. Nothing is stored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access, roles
from campaigns import document as documents
from campaigns import search, starting
from campaigns.views import choices, frames, header, template_forms
from lib.errors import DomainError
from messaging import frames as sandbox
from messaging import personalization, preview, templates

VARIANTS = ("html", "dark", "text")


@dataclass(frozen=True)
class _Shown:
    """What is previewed: the rendered message, or why there is none."""

    rendered: preview.Rendered | None
    problem: str = ""
    line: int | None = None


@require_safe
@access.requires(roles.VIEW)
def thumbnail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A stored template for nobody in particular."""
    template = templates.find(public_id)
    if template is None:
        raise Http404
    return _framed(_show(starting.document(template, by=header.user_of(request)), name=template.name), "html")


@require_http_methods(["GET", "HEAD", "POST"])
@access.requires(roles.VIEW)
def frame(request: HttpRequest, variant: str) -> HttpResponse:
    """What is on the screen, over the template of ?template=, as the content of a sandboxed frame."""
    if variant not in VARIANTS:
        raise Http404
    return _framed(_shown(request), variant)


@require_http_methods(["GET", "HEAD", "POST"])
@access.requires(roles.VIEW)
def head(request: HttpRequest) -> HttpResponse:
    """Sender, subject and preheader as this person sees them, the size, and what is wrong."""
    shown = _shown(request)
    context: dict[str, Any] = {"rendered": shown.rendered, "problem": shown.problem, "line": shown.line}
    if shown.rendered:
        context["n_kb"] = max(1, round(len(shown.rendered.html.encode()) / 1024))
    return render(request, "campaigns/_preview_head.html", context)


def _shown(request: HttpRequest) -> _Shown:
    template = templates.find(request.GET.get("template", ""))
    document = starting.document(template, by=header.user_of(request))
    try:
        document = documents.apply(document, _fields(request.POST.get("fields", "{}")))
    except DomainError as problem:
        return _Shown(None, problem.message)
    chosen = request.POST.get("as", "")
    return _show(document, name=template.name if template else _("New template"), chosen=chosen)


def _fields(text: str) -> Mapping[str, object]:
    """The compose fields of a posted JSON object; anything else is left out."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in (f"compose.{key}" for key in template_forms.COMPOSE) if name in fields}


def _show(document: documents.Document, *, name: str, chosen: str = "") -> _Shown:
    person = choices.chosen_person(chosen) if search.is_public_id(chosen) else None
    try:
        return _Shown(preview.render(documents.content_spec(document), person, campaign={"name": name}))
    except personalization.TemplateProblem as problem:
        return _Shown(None, problem.message, problem.line)
    except DomainError as problem:
        return _Shown(None, problem.message)


def _framed(shown: _Shown, variant: str) -> HttpResponse:
    if shown.rendered is None:
        return sandbox.response(frames.notice(shown.problem, shown.line))
    if variant == "text":
        return sandbox.response(frames.text_page(shown.rendered.text))
    html = shown.rendered.html
    return sandbox.response(frames.dark(html) if variant == "dark" else frames.light(html))
