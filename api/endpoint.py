"""What every endpoint does in the same order: method, key, scope, limit, body, and then the one thing it is for.

An endpoint names its scope, pool and shapes, and has `act` (POST: in one transaction, once for each Idempotency-Key) or
`look` (GET). Both get finished values and return an Answer; whatever they raise becomes an answer in api.envelope, and
then nothing of the call was kept. 2xx is sent after the commit.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.utils import translation
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from api import authentication, bodies, envelope, idempotency, limiting, refusals, shapes
from api.envelope import Answer
from api.models import ApiKey
from api.refusals import Refused
from api.shapes import Shape


@dataclass(frozen=True)
class Call:
    """Who asks for what. `user` is the person in whose name the key acts, as they were a second ago (access.fresh)."""

    key: ApiKey
    user: User
    path: str


class OnlyJson(BaseContentNegotiation):
    """JSON whatever a client says it accepts: a program that can't read it can't read our errors either."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class Endpoint(APIView):
    """Base of all endpoints; see the module."""

    scope: ClassVar[str]
    pool: ClassVar[limiting.Pool | None] = limiting.OTHERS
    # Shape of the body of a POST, or of the query of a GET.
    takes: ClassVar[type[Shape] | None] = None
    # For the documentation: what is asked and answered in an example, and the status of success.
    asks: ClassVar[dict[str, Any]] = {}
    answers: ClassVar[dict[str, Any]] = {}
    # What some answers have besides, also as an example.
    may_answer: ClassVar[dict[str, Any]] = {}
    # Names in `answers` whose value may be null as well.
    may_be_null: ClassVar[frozenset[str]] = frozenset()
    succeeds_with: ClassVar[int] = 201
    # False for what only reads: its answer has personal data that must not lie about, and repeating it does nothing.
    keeps_answers: ClassVar[bool] = True

    authentication_classes = (authentication.KeyAuthentication,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = OnlyJson
    http_method_names = ("get", "head", "post")

    # How the pool that this call counted in stands; it goes into the headers of the answer.
    counted: limiting.Counted | None = None

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        """What a POST does, in a transaction; refused where an endpoint has none."""
        raise exceptions.MethodNotAllowed("POST")

    def before(self, entered: dict[str, Any]) -> Callable[[], None] | None:
        """What has to happen outside the transaction, just before `act`; it may add to `entered`. None: nothing."""
        return None

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        """What a GET finds; refused where an endpoint has none."""
        raise exceptions.MethodNotAllowed("GET")

    def counts_too(self, entered: dict[str, Any]) -> limiting.Pool | None:
        """Another pool that a call with this body counts in, such as that of broadcasts."""
        return None

    def count(self, pool: limiting.Pool) -> None:
        """Count this call in `pool`. Raises Refused (429)."""
        counted = limiting.count(pool)
        if counted is None:
            return
        self.counted = counted
        if counted.is_refused:
            sentence = f"More than {counted.limit} calls in {pool.window_s} seconds. Repeat the call after Retry-After."
            raise Refused(refusals.RATE_LIMITED, sentence, status=429)

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override("en"):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Before the method is called. Raises Refused."""
        wanted = "look" if request.method in ("GET", "HEAD") else "act" if request.method == "POST" else ""
        if wanted not in self.offered():
            raise exceptions.MethodNotAllowed(str(request.method), f"Use {' or '.join(self.allowed_methods)}.")
        self.perform_authentication(request)
        if self.scope not in _call(request).key.scopes:
            raise refusals.denied(f"This API key lacks the permission {self.scope}. Create one that has it.")
        if self.pool is not None:
            self.count(self.pool)

    @classmethod
    def offered(cls) -> set[str]:
        """ "act" and "look", as far as this endpoint has them."""
        return {name for name in ("act", "look") if getattr(cls, name) is not getattr(Endpoint, name)}

    @property
    def allowed_methods(self) -> list[str]:
        return [method for name, method in (("look", "GET"), ("act", "POST")) if name in self.offered()]

    def get(self, request: Request, **kwargs: Any) -> Response:
        answer = self.look(_call(request), self.checked(request.query_params), **kwargs)
        return Response(answer.content(), status=200)

    def post(self, request: Request, **kwargs: Any) -> HttpResponse:
        body = bodies.read(request._request)
        entered = self.checked(body)
        if (pool := self.counts_too(entered)) is not None:
            self.count(pool)
        call = _call(request)
        named = idempotency.read(request.headers.get("Idempotency-Key")) if self.keeps_answers else ""
        reply = idempotency.once(
            idempotency.Claim(call.key, named, call.path, body),
            lambda: self.act(call, entered, **kwargs),
            before=self.before(entered),
        )
        answer = HttpResponse(reply.content, status=reply.status, content_type="application/json")
        if reply.is_repeated:
            answer["Idempotent-Replayed"] = "true"
        return answer

    def checked(self, given: Any) -> dict[str, Any]:
        """`given` in the endpoint's shape. Raises ValidationError."""
        if self.takes is None:
            return {}
        return dict(_shape(self.takes, is_query=isinstance(given, QueryDict)).run_validation(given))

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        found = super().finalize_response(request, response, *args, **kwargs)
        for name, value in (self.counted.headers() if self.counted else {}).items():
            found[name] = value
        found["Content-Language"] = "en"
        found["Cache-Control"] = "no-store"
        setattr(found, envelope.MARK, True)
        return found


@functools.cache
def _shape(kind: type[Shape], *, is_query: bool) -> Shape:
    """One for all calls: making one copies all of its fields, and validating keeps nothing in it."""
    return kind(context={shapes.IN_QUERY: is_query})


def _call(request: Request) -> Call:
    assert isinstance(request.auth, ApiKey) and isinstance(request.user, User)
    return Call(request.auth, request.user, request.path)
