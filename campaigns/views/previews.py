"""How a preview is answered, of a campaign's message or of a template: the frame, and the words beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from audiences.profiles import Person
from campaigns.views import frames
from lib.errors import DomainError
from messaging import content, personalization, preview, samples
from messaging import frames as sandbox

VARIANTS = ("html", "dark", "gmail", "text")
_LOOKS = {"dark": frames.dark, "gmail": frames.forced_dark}


@dataclass(frozen=True)
class Shown:
    """What is previewed: the rendered message, or why there is none, with the field and the line to blame."""

    rendered: preview.Rendered | None
    problem: str = ""
    line: int = 0
    field: str = ""
    # Properties of a trigger that the message uses, for sample values.
    trigger_names: tuple[str, ...] = ()

    @property
    def shown_line(self) -> int:
        """The line to name: a subject has only one."""
        return self.line if self.field in {"body", "text"} else 0


def show(
    request: HttpRequest, spec: content.ContentSpec, person: Person | None, *, campaign: Mapping[str, Any]
) -> Shown:
    """`spec` as `person` gets it (None: nobody, fallbacks are seen), with the sample properties of the request."""
    names = tuple(samples.names(spec))
    try:
        rendered = preview.render(spec, person, campaign=dict(campaign), trigger=trigger(request))
    except personalization.TemplateProblem as problem:
        return Shown(None, problem.message, problem.line, problem.field, names)
    except DomainError as problem:
        return Shown(None, problem.message, trigger_names=names)
    return Shown(rendered, trigger_names=names)


def frame(request: HttpRequest, shown: Shown, variant: str) -> HttpResponse:
    """The message alone, under a policy of its own, for a sandboxed frame. `variant`: one of VARIANTS."""
    if shown.rendered is None:
        return sandbox.response(frames.notice(shown.problem, shown.shown_line))
    if variant == "text":
        return sandbox.response(frames.text_page(shown.rendered.text))
    html = _LOOKS.get(variant, frames.light)(shown.rendered.html)
    return sandbox.response(html, shows_images=request.POST.get("images") != "off")


def head(request: HttpRequest, shown: Shown, *, can_edit: bool) -> HttpResponse:
    """Sender, subject and preheader as this person sees them, the figures, and what is wrong."""
    context: dict[str, Any] = {"rendered": shown.rendered, "problem": shown.problem, "line": shown.shown_line}
    context |= {"can_edit": can_edit, "field": shown.field}
    context["trigger_names"] = json.dumps(shown.trigger_names, ensure_ascii=False)
    if shown.rendered:
        context["n_kb"] = max(1, round(len(shown.rendered.html.encode()) / 1024))
    return render(request, "campaigns/_preview_head.html", context)


def trigger(request: HttpRequest) -> dict[str, Any]:
    """The sample values of trigger properties that came with the request; what can't be read is none."""
    typed = request.POST.get("trigger", "")
    try:
        values = json.loads(typed) if 0 < len(typed) <= samples.MAX_CHARS else {}
    except (ValueError, RecursionError):
        values = {}
    return samples.nested(values) if isinstance(values, dict) else {}
