"""What an editor of messages asks while somebody writes: problems by line, generated text, fields, people.

Of what is in the request, whether it is a campaign's message or a template; nothing is stored.
"""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts import access, roles
from audiences import completeness, profiles
from audiences.models import Profile
from campaigns import document as documents
from campaigns import search
from campaigns.views import choices
from messaging import compilation, content, personalization, unclosed

_FOUND = 12
# Characters of an example value.
_EXAMPLE = 40


@require_POST
@access.requires(roles.EDIT)
def lint(request: HttpRequest) -> JsonResponse:
    """Problems of the code in the request that have a line: {"problems": [{line, level, message}]}."""
    spec = _spec(request)
    found = [problem for problem in content.check(spec) if problem.field == "body" and problem.line]
    problems = [{"line": one.line, "level": one.level, "message": one.message} for one in found]
    if not any(one.level == "error" for one in found):
        problems += [{"line": line, "level": "warning", "message": text} for line, text in unclosed.find(spec)]
    return JsonResponse({"problems": problems})


@require_POST
@access.requires(roles.EDIT)
def plain_text(request: HttpRequest) -> JsonResponse:
    """The plain text made from the body in the request: {"text"}, or 422 with a sentence."""
    try:
        return JsonResponse({"text": compilation.compile_spec(_spec(request)).text})
    except personalization.TemplateProblem as problem:
        return JsonResponse({"message": problem.message}, status=422)


@require_GET
@access.requires(roles.VIEW)
def fields(request: HttpRequest) -> JsonResponse:
    """For each field of a profile how many have it and one person's value: {"profile.city": {share, example}}."""
    values = _values(request.GET.get("as", ""))
    shares = completeness.shares()
    return JsonResponse(
        {
            name: {"share": _percent(shares[name]) if name in shares else "", "example": _example(values, name)}
            for name in profiles.known_fields()
        }
    )


@require_GET
@access.requires(roles.VIEW)
def people(request: HttpRequest) -> JsonResponse:
    """People whose address or name begins with `q`: {"people": [{value, label}]}."""
    found = [choices.person(profile) for profile in profiles.find(request.GET.get("q", ""), _FOUND)]
    return JsonResponse({"people": [{"value": one.value, "label": one.label} for one in found]})


def _spec(request: HttpRequest) -> content.ContentSpec:
    """The body of the request as a message of which nothing else is known."""
    typed: dict[str, Any] = {
        "compose.body_kind": request.POST.get("kind", "html"),
        "compose.body": request.POST.get("body", "").replace("\r\n", "\n"),
        "compose.no_preheader": True,
    }
    return documents.content_spec(documents.apply(documents.blank(), typed))


def _values(public_id: str) -> dict[str, object]:
    """The values of the person who is previewed, else of the newest person; {} when there is nobody."""
    found = Profile.objects.filter(public_id=public_id).first() if search.is_public_id(public_id) else None
    found = found or Profile.objects.order_by("-created_at", "-id").first()
    return personalization.profile_values(profiles.person(found.pk)) if found else {}


def _example(values: dict[str, object], name: str) -> str:
    value = values.get(name.removeprefix("profile."))
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return text if len(text) <= _EXAMPLE else f"{text[: _EXAMPLE - 1]}…"


def _percent(share: float) -> str:
    """0.8249 → "82 %"; all but a few is never "100 %", a few never "0 %"."""
    n = min(max(round(share * 100), 1), 99) if 0 < share < 1 else round(share * 100)
    return _("%(n)s %%") % {"n": number_format(n)}
