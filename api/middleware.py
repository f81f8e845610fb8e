"""Keeps pages away from programs: whatever fails before or beside an endpoint is answered in the API's own form.

Some prefixes belong to the API alone. Campaigns and segments have pages too; there a call is one that brings a key, and
so is a call to where nothing is: clients know endpoints that are not offered, and read every answer as JSON.
"""

import json
import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse

from api import authentication, bodies, envelope, noting, paths, refusals
from api.refusals import Refused

logger = logging.getLogger(__name__)

_OWN = ("/messages/", "/sends/", "/users/", "/transactional/", "/canvas/", "/subscription/", "/v2/", "/api/")
_SHARED = ("/campaigns", "/segments")
_ROUTES = frozenset(str(one.pattern) for one in paths.ENDPOINTS)


class ApiMiddleware:
    """Stands outside of everything that may answer with a page or send to the sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self._answer(request)
        # While the database is away there is nowhere to note anything.
        if answer.status_code >= 400 and answer.status_code != 503 and getattr(answer, envelope.MARK, False):
            _note(request, answer)
        return answer

    def _answer(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if getattr(answer, envelope.MARK, False):
            return answer
        if answer.status_code in (301, 302) and answer.get("Location", "").startswith("https://"):
            return _unencrypted() if _is_call(request) else answer
        if f"{request.path}/".startswith(_OWN) and answer.status_code >= 400:
            return _enveloped(request, answer)
        if (request.path.startswith(_SHARED) or answer.status_code == 404) and _is_call(request):
            return _enveloped(request, answer)
        return answer


class EndpointMiddleware:
    """Answers calls to endpoints before sessions, languages and cookies are looked at: programs have none of them.

    Behind it stands what pages need; before it what holds for every answer, such as that it is encrypted.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._endpoints = {f"/{one.pattern}": one for one in paths.ENDPOINTS if "<" not in str(one.pattern)}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        endpoint = self._endpoints.get(request.path_info)
        if endpoint is None:
            return self.get_response(request)
        # Refuses hosts that are not ours, as CommonMiddleware does for pages.
        request.get_host()
        request.resolver_match = endpoint.resolve(request.path_info[1:])
        answer: HttpResponse = endpoint.callback(request)
        if isinstance(answer, SimpleTemplateResponse):
            answer = answer.render()
        answer["Content-Length"] = str(len(answer.content))
        return answer


def _is_call(request: HttpRequest) -> bool:
    return request.headers.get("Authorization", "").lower().startswith("bearer ")


def _note(request: HttpRequest, answer: HttpResponse) -> None:
    """A line in the activity log, and its id in the answer. Whatever goes wrong here, the answer stays what it is."""
    is_endpoint = request.resolver_match is not None and request.resolver_match.route in _ROUTES
    if not is_endpoint and not _is_call(request):
        return
    try:
        told = json.loads(answer.content)
        asked = getattr(request, bodies.READ, None) or request.GET.dict()
        named = request.resolver_match.kwargs.get("campaign_id", "") if request.resolver_match else ""
        noted = noting.note(
            noting.Refused(
                method=str(request.method),
                path=request.path,
                status=answer.status_code,
                code=str(told["code"]),
                sentences=tuple(told["errors"]),
                is_endpoint=is_endpoint,
                key=authentication.key_of(request),
                address=authentication.address_of(request),
                campaign_id=str(named or asked.get("campaign_id", "")),
                asked=asked,
            )
        )
    except Exception:
        logger.exception("a refused call is not in the activity log")
    else:
        if noted:
            answer["X-Request-Id"] = noted


def _unencrypted() -> HttpResponse:
    """Instead of a redirect, which most clients follow with another method and without a body."""
    told = "Use https. This API key went over the network unencrypted: revoke it and create another one."
    return envelope.plain(refusals.denied(told))


def _enveloped(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    status = answer.status_code
    if status < 400 or status == 404:
        told = f"There is no endpoint {request.method} {request.path[:100]}. Endpoints have no slash at their end."
        return envelope.plain(Refused(refusals.NOT_FOUND, told, status=404))
    if status == 503:
        told = "The database doesn't answer. Nothing was done. Repeat the call after the time in Retry-After."
        return envelope.plain(
            Refused(refusals.AWAY, told, status=503, headers={"Retry-After": answer.get("Retry-After", "5")})
        )
    if status >= 500:
        # What broke is in the log already, where the page was made.
        return envelope.plain(Refused(refusals.BROKEN, "Something broke on our side. Nothing was done.", status=status))
    told = "This call could not be read. Check its address, its host and its headers."
    return envelope.plain(Refused(refusals.LABELS.get(status, refusals.BAD_REQUEST), told, status=status))
