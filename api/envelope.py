"""The one form of every answer of the API: {"message": …} and what belongs to it, or {"message": …, "errors": […]}.

`code` and `docs` are additions to the reference: a short name of the error, and where its cause and fix are told.
Errors of any kind end here, so that no call ever gets a page or a stack trace.
"""

import itertools
import logging
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, JsonResponse
from psycopg.errors import IdleInTransactionSessionTimeout, QueryCanceled
from rest_framework import exceptions
from rest_framework.response import Response

from api import refusals
from api.refusals import Refused
from lib.errors import DomainError

logger = logging.getLogger(__name__)
SUCCESS = "success"
# Attribute of answers that have this form; api.middleware reads it.
MARK = "is_enveloped"
# Errors told of one call: a body may have a thousand of them.
_MOST_SENTENCES = 100
# Seconds after which a call is worth repeating while the database is away.
_AGAIN_S = 5


@dataclass(frozen=True)
class Answer:
    """What an accepted call gets. `body` goes beside `message`; `errors` are minor: everything else was done."""

    body: Mapping[str, Any] = field(default_factory=dict)
    status: int = 201
    errors: tuple[str, ...] = ()

    def content(self) -> dict[str, Any]:
        found = {"message": SUCCESS, **self.body}
        return {**found, "errors": list(self.errors)} if self.errors else found


def content(refused: Refused) -> dict[str, Any]:
    """The body of a fatal error."""
    found = {"message": refused.label, "code": code(refused.label), "errors": list(refused.sentences)}
    found["docs"] = f"{settings.PUBLIC_URL}/developers/#error-{found['code']}"
    return {"error": refusals.MALFORMED, **found} if isinstance(refused, refusals.Malformed) else found


def code(label: str) -> str:
    """ "Invalid Campaign ID" → "invalid_campaign_id"."""
    return "_".join("".join(char if char.isalnum() else " " for char in label.lower()).split())


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """EXCEPTION_HANDLER of the REST framework: whatever went wrong in an endpoint, as an answer."""
    refused = refusal(error)
    return Response(content(refused), status=refused.status, headers=refused.headers)


def plain(refused: Refused) -> HttpResponse:
    """The same for what never reached an endpoint."""
    answer = JsonResponse(content(refused), status=refused.status, headers=refused.headers)
    setattr(answer, MARK, True)
    return answer


def refusal(error: Exception) -> Refused:
    """What an error means to who called."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, DomainError):
        return _of_domain(error)
    if isinstance(error, exceptions.ValidationError):
        told = itertools.islice(sentences(error.detail), _MOST_SENTENCES)
        return Refused(refusals.BAD_REQUEST, *told)
    if isinstance(error, exceptions.MethodNotAllowed):
        return Refused(refusals.NOT_ALLOWED, str(error.detail), status=405)
    if isinstance(error, Http404 | exceptions.NotFound):
        return Refused(refusals.NOT_FOUND, "There is nothing at this address.", status=404)
    if isinstance(error, SuspiciousOperation):
        # Such as a query with thousands of names.
        return Refused(refusals.BAD_REQUEST, "This call could not be read. Check its address and its headers.")
    if isinstance(error, exceptions.APIException):
        return Refused(refusals.LABELS.get(error.status_code, refusals.BAD_REQUEST), status=error.status_code)
    stood_still = isinstance(error.__cause__, IdleInTransactionSessionTimeout)
    if isinstance(error, OperationalError | InterfaceError) or stood_still:
        return _away(error)
    return broken(error)


def sentences(detail: Any, path: str = "") -> Iterator[str]:
    """The errors of a serializer, one line each: "recipients[3].external_user_id: Give a text."."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from sentences(inner, path if name == "non_field_errors" else _below(path, name))
    elif isinstance(detail, list) and any(isinstance(one, Mapping | list) for one in detail):
        for number, inner in enumerate(detail):
            yield from sentences(inner, _below(path, number))
    else:
        for one in detail if isinstance(detail, list) else [detail]:
            yield f"{path}: {one}" if path else str(one)


def _below(path: str, name: object) -> str:
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else str(name)


def _of_domain(error: DomainError) -> Refused:
    """Rooms below speak of forms: what they can't take (422) is a bad request here."""
    status = 400 if error.status == 422 or error.code in refusals.OF_DOMAIN else error.status
    told = [f"{name}: {sentence}" for name, sentence in error.fields.items()] or [error.message]
    label = refusals.OF_DOMAIN.get(error.code) or refusals.LABELS.get(error.status, refusals.BAD_REQUEST)
    return Refused(label, *told, status=status)


def _away(error: Exception) -> Refused:
    """503: worth repeating, with the same Idempotency-Key, because nothing of the call was kept."""
    is_slow = isinstance(error.__cause__, QueryCanceled)
    logger.error("the API has no database", exc_info=error)
    told = "This took too long and was given up." if is_slow else "The database doesn't answer."
    sentence = f"{told} Nothing was done. Repeat the call after the time in Retry-After."
    return Refused(refusals.AWAY, sentence, status=503, headers={"Retry-After": str(_AGAIN_S)})


def broken(error: BaseException | None) -> Refused:
    """500 with an id that is in the log beside the traceback."""
    error_id = secrets.token_hex(4)
    logger.error("error id %s in the API", error_id, exc_info=error)
    return Refused(refusals.BROKEN, f"Something broke on our side. Nothing was done. Error id {error_id}.", status=500)
