"""Turns what went wrong into what people and programs read: one place for JSON, htmx fragments and pages.

Views raise lib.errors.DomainError and build no error texts. Installed as middleware; `not_found`, `forbidden`,
`csrf_failed` and `broken` are the project's error views.
"""

import logging
import secrets
import sys
from collections.abc import Callable

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from lib.errors import DomainError

logger = logging.getLogger(__name__)


class DomainErrorMiddleware:
    """Answers a DomainError that left a view, in the form the request asked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, DomainError):
            return answer(request, exception)
        return None


def answer(request: HttpRequest, error: DomainError) -> HttpResponse:
    """JSON for programs, a banner for htmx (into #shout, or the open dialog), otherwise a page inside the shell."""
    if _wants_json(request):
        body = {"code": error.code, "message": error.message, "fields": error.fields}
        return JsonResponse(body, status=error.status)
    if _is_htmx(request):
        return _shout(request, error.message, status=error.status)
    if error.status == 403:
        return _page(request, 403, title=_("You can't see this page."), text=error.message)
    return _page(request, error.status, title=_("That can't be done."), text=error.message)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler404. A view may say more: `raise Http404(_("This campaign was deleted."))`."""
    text = str(exception) if _is_ours(exception) else ""
    if _wants_json(request):
        return JsonResponse(
            {"code": "not_found", "message": text or _("This doesn't exist."), "fields": {}}, status=404
        )
    if _is_htmx(request):
        return _shout(request, text or _("This doesn't exist any more."), status=404)
    return _page(request, 404, title=_("This page doesn't exist."), text=text)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler403: rights that Django itself refused; our own views raise NotAllowed, which names role and person."""
    text = str(exception) if isinstance(exception, PermissionDenied) else ""
    if _wants_json(request):
        return JsonResponse(
            {"code": "not_allowed", "message": text or _("You can't do this."), "fields": {}}, status=403
        )
    if _is_htmx(request):
        return _shout(request, text or _("You can't do this."), status=403)
    return _page(request, 403, title=_("You can't see this page."), text=text)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: mostly a form that was open since before the last sign-in."""
    text = _(
        "This form was open for too long or since before you signed in. Go back, reload the page and send it again."
    )
    if _wants_json(request):
        return JsonResponse({"code": "csrf", "message": text, "fields": {}}, status=403)
    if _is_htmx(request):
        return _shout(request, text, status=403)
    return _page(request, 403, title=_("Nothing was changed."), text=text)


def broken(request: HttpRequest) -> HttpResponse:
    """handler500. The error id is in the log beside the traceback; the page needs neither database nor session."""
    if _is_away(sys.exc_info()[1]):
        return _away(request)
    error_id = secrets.token_hex(4)
    logger.error("error id %s: %s %s", error_id, request.method, request.path, exc_info=sys.exc_info())
    message = _("Something broke on our side. Nothing you saved was lost. Error id %(id)s.") % {"id": error_id}
    if _wants_json(request):
        return JsonResponse({"code": "broken", "message": message, "fields": {}}, status=500)
    if _is_htmx(request):
        return _retarget(
            loader.render_to_string("components/_banner.html", {"tone": "err", "text": message}), status=500
        )
    return HttpResponse(loader.render_to_string("errors/500.html", {"error_id": error_id}), status=500)


def _is_away(error: BaseException | None) -> bool:
    """Whether PostgreSQL could not be reached; a statement that took too long is an error of ours."""
    return isinstance(error, OperationalError | InterfaceError) and not isinstance(error.__cause__, QueryCanceled)


def _away(request: HttpRequest) -> HttpResponse:
    """503 in the form the request asked for; programs and the editor's autosave try again by themselves."""
    logger.error("no database: %s %s", request.method, request.path)
    message = _("The database doesn't answer. Nothing you saved was lost. Try again in a few seconds.")
    if _wants_json(request):
        answer: HttpResponse = JsonResponse({"code": "away", "message": message, "fields": {}}, status=503)
    elif _is_htmx(request):
        banner = loader.render_to_string("components/_banner.html", {"tone": "err", "text": message})
        answer = _retarget(banner, status=503)
    else:
        answer = HttpResponse(loader.render_to_string("errors/500.html", {"away": message}), status=503)
    answer["Retry-After"] = "5"
    return answer


def _page(request: HttpRequest, status: int, *, title: str, text: str) -> HttpResponse:
    template = "errors/page.html" if request.user.is_authenticated else "errors/stranger.html"
    return render(request, template, {"status": status, "title": title, "text": text}, status=status)


def _shout(request: HttpRequest, message: str, *, status: int) -> HttpResponse:
    return _retarget(
        loader.render_to_string("components/_banner.html", {"tone": "err", "text": message}, request), status=status
    )


def _retarget(html: str, *, status: int) -> HttpResponse:
    """A fragment for the alert region, whatever the request wanted to swap; static/js/shell.js lets it in."""
    return HttpResponse(html, status=status, headers={"HX-Retarget": "#shout", "HX-Reswap": "innerHTML"})


def _is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _wants_json(request: HttpRequest) -> bool:
    return (
        request.path.startswith("/api/")
        or request.content_type == "application/json"
        or "application/json" in request.headers.get("Accept", "").split(";")[0]
    )


def _is_ours(exception: Exception | None) -> bool:
    """Whether a 404 carries a sentence of ours, and not the resolver's table or a "No X matches the given query."."""
    if not isinstance(exception, Http404) or not exception.args:
        return False
    text = exception.args[0]
    return isinstance(text, str) and " matches the given query" not in text
