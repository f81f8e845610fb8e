"""The documentation of the API for people, and the OpenAPI file for programs."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import access, roles
from api import error_docs
from api import reference as contents
from api import schema as openapi


@access.requires(roles.VIEW)
@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    context = {
        "sections": contents.sections(contents.own_ids()),
        "errors": error_docs.ERRORS,
        "base_url": settings.PUBLIC_URL,
        "may_make_keys": request.user.has_perm(roles.MANAGE_TRANSPORTS),
    }
    return render(request, "api/developers.html", context)


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1. For everybody: it says how to call, and nothing of what is here."""
    answer = JsonResponse(openapi.document(), json_dumps_params={"indent": 1})
    answer["Access-Control-Allow-Origin"] = "*"
    return answer
