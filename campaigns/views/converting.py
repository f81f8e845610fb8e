"""From code to blocks and back, for the editors of messages and templates. Nothing is stored: it goes to the editor."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from accounts import access, roles
from messaging import blocks, compilation, personalization

_FRESH = [{"type": "header", "text": ""}, {"type": "text", "html": ""}, {"type": "footer", "html": ""}]


@require_POST
@access.requires(roles.EDIT)
def convert(request: HttpRequest) -> HttpResponse:
    """The body of a message or a template written in another way; 422 with a sentence when it can't be read."""
    kind, wanted = request.POST.get("kind", ""), request.POST.get("to", "")
    body = request.POST.get("body", "").replace("\r\n", "\n")
    try:
        return JsonResponse({"body": _converted(kind, body, wanted)})
    except personalization.TemplateProblem as problem:
        return JsonResponse({"message": problem.message, "line": problem.line}, status=422)


def _converted(kind: str, body: str, wanted: str) -> str:
    if kind == "blocks" and wanted == "mjml":
        source, raws = blocks.to_mjml(body)
        return blocks.place_raw(source, raws)
    if wanted != "blocks":
        return compilation.as_html(kind, body)
    if not body.strip():
        return json.dumps(_FRESH)
    return json.dumps([{"type": "html", "html": compilation.as_html(kind, body)}], ensure_ascii=False)
