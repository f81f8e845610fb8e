"""The OpenAPI 3.1 file, made from the endpoints themselves: their shapes, scopes and examples."""

import functools
import re
from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from api import envelope, paths, refusals
from api.endpoint import Endpoint
from api.refusals import Refused

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters. The same key with the same body gets the same answer for 24 h.",
)
# What may go wrong at every endpoint; the labels of single ones are in the documentation.
_ERRORS = {
    400: ("Something in the call is wrong. Nothing was done.", "campaign_id: Give this field; it is required."),
    401: ("No key, or one that is unknown, revoked or expired.", "Send your API key in the header Authorization."),
    403: ("The key lacks the permission, or can't be used from there.", "This API key lacks the permission."),
    429: ("More calls than allowed in this time; see Retry-After.", "Repeat the call after Retry-After."),
    503: ("The database is away. Nothing was done; see Retry-After.", "The database doesn't answer."),
}
# And where a body comes with the call.
_ERRORS_OF_POST = {
    409: ("What stands in the way may pass, such as the same call being under way.", "Repeat it later."),
    413: ("More than 4 MB.", "Send at most 4 MB. Split the call."),
    415: ("No JSON by its Content-Type.", "Send “Content-Type: application/json”, not text/plain."),
    422: ("The Idempotency-Key came with another call before.", "Use a new Idempotency-Key for each thing to do."),
}
_LIMIT_HEADERS = {
    "X-RateLimit-Limit": "Calls in one window of this limit, for all keys together.",
    "X-RateLimit-Remaining": "Those that are left.",
    "X-RateLimit-Reset": "When the next window begins, in seconds since 1970.",
}
_ERROR_SCHEMA = {
    "type": "object",
    "required": ["message", "errors"],
    "properties": {
        "message": {"type": "string", "description": "The label of the error."},
        "code": {"type": "string", "description": "The label as one word."},
        "errors": {"type": "array", "items": {"type": "string"}},
        "docs": {"type": "string", "format": "uri", "description": "What the error means, and what to do."},
    },
}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    target_class = "api.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class EndpointSchema(AutoSchema):
    """Reads what an Endpoint says of itself."""

    view: Endpoint  # type: ignore[override]  # a descriptor in the framework

    def get_operation_id(self) -> str:
        return "_".join(self.path.strip("/").replace("{", "").replace("}", "").split("/"))

    def get_tags(self) -> list[str]:
        found = (
            group.label for group in paths.GROUPS for one in group.patterns if readable(f"/{one.pattern}") == self.path
        )
        return [next(found, "Others")]

    def get_summary(self) -> str:
        return summary(type(self.view))

    def get_description(self) -> str:  # type: ignore[override]  # the framework has two of this name
        scope = f"Permission: `{self.view.scope}`."
        return "\n\n".join(part for part in (more(type(self.view)), scope) if part)

    def get_override_parameters(self) -> list[Any]:
        if self.method == "POST":
            asked: list[Any] = [_IDEMPOTENCY_KEY] if self.view.keeps_answers else []
        else:
            asked = [self.view.takes] if self.view.takes else []
        return [*asked, *self._headers()]

    def _headers(self) -> Iterator[OpenApiParameter]:
        """Those of answers."""
        done = self._status()
        yield _header("Retry-After", "Seconds to wait before the call is repeated.", [429, 503])
        if self.method == "POST" and self.view.keeps_answers:
            yield _header("Idempotent-Replayed", "true: the stored answer of the first call.", [done], kind=str)
        for name, told in _LIMIT_HEADERS.items() if self.view.pool else ():
            yield _header(name, told, [done, 400, 429])

    def _status(self) -> int:
        return self.view.succeeds_with if self.method == "POST" else 200

    def get_request_serializer(self) -> Any:
        return self.view.takes if self.method == "POST" else None

    def get_response_serializers(self) -> Any:
        example = OpenApiExample("Success", envelope.Answer(self.view.answers).content(), response_only=True)
        shape = _of({**example.value, **self.view.may_answer}, self.view.may_be_null)
        found = {self._status(): OpenApiResponse(shape, "Done, or accepted.", [example])}
        for code, (told, sentence) in (_ERRORS | (_ERRORS_OF_POST if self.method == "POST" else {})).items():
            label = envelope.content(Refused(refusals.LABELS[code], sentence))
            wrong = OpenApiExample("Error", label, response_only=True, status_codes=[str(code)])
            found[code] = OpenApiResponse(_ERROR_SCHEMA, told, [wrong])
        return found


@functools.cache
def document() -> dict[str, Any]:
    """The whole file. Made once in each process: it depends on nothing that changes."""
    generator = SchemaGenerator(patterns=list(paths.ENDPOINTS))  # type: ignore[no-untyped-call]
    return dict(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


def summary(view: type[Endpoint]) -> str:
    """The first sentence of an endpoint's docstring."""
    return " ".join((view.__doc__ or "").strip().split("\n\n")[0].split())


def more(view: type[Endpoint]) -> str:
    """What follows it."""
    return "\n\n".join(" ".join(part.split()) for part in (view.__doc__ or "").strip().split("\n\n")[1:])


def readable(pattern: str) -> str:
    """ "/v1/campaigns/<str:campaign_id>/send" → "/v1/campaigns/{campaign_id}/send", as in the file."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", pattern)


def _header(name: str, told: str, statuses: list[int], *, kind: type = int) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, description=told, response=statuses)


def _of(example: object, may_be_null: frozenset[str]) -> dict[str, Any]:
    """The shape of an example."""
    if isinstance(example, dict):
        found = {name: _of(value, may_be_null) for name, value in example.items()}
        for name in may_be_null & set(found):
            found[name]["type"] = [found[name]["type"], "null"]
        return {"type": "object", "properties": found}
    if isinstance(example, list):
        return {"type": "array", "items": _of(example[0], may_be_null) if example else {}}
    if isinstance(example, bool):
        return {"type": "boolean"}
    return {"type": "integer"} if isinstance(example, int) else {"type": "string"}
