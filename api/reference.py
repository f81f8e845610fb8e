"""The documentation page's content: every endpoint with its fields and examples, out of the OpenAPI file, so that both
always say the same."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.conf import settings
from django.utils import timezone

from api import envelope, examples, lookup, paths, schema
from api.endpoint import Endpoint
from api.views import messages, segments, subscriptions, triggers
from api.views.triggers import CAMPAIGN
from audiences.models import Segment, SubscriptionGroup
from messaging import senders

# Kind of value → what many of them are called.
_MANY = {"object": "objects", "text": "texts", "id": "ids", "": "values"}


@dataclass(frozen=True)
class FieldRow:
    """One field of a body or a query; `depth` says how deep it lies in others."""

    name: str
    kind: str
    is_required: bool
    told: str
    depth: int = 0


@dataclass(frozen=True)
class Example:
    label: str
    code: str


@dataclass(frozen=True)
class Entry:
    """One endpoint."""

    anchor: str
    method: str
    path: str
    summary: str
    more: str
    scope: str
    limit: str
    fields: tuple[FieldRow, ...]
    calls: tuple[Example, ...]
    answer: str

    @property
    def steps(self) -> list[str]:
        """The path in pieces, between which a narrow column may break it."""
        return re.findall(r"/[^/]*", self.path)


@dataclass(frozen=True)
class Section:
    slug: str
    label: str
    entries: tuple[Entry, ...]


def sections(own: Mapping[str, str] | None = None) -> list[Section]:
    """Everything, in the order of api.paths. `own`: texts of the examples → those that work here, see own_ids."""
    document = schema.document()
    found = []
    for group in paths.GROUPS:
        views = [(f"/{one.pattern}", one.callback.view_class) for one in group.patterns]  # type: ignore[attr-defined]
        entries = [_entry(path, view, document, own or {}) for path, view in views]
        found.append(Section(group.slug, group.label, tuple(entries)))
    return found


def own_ids() -> dict[str, str]:
    """For the ids, the sender and the days of the examples those that work here and now. Four queries.

    Of ids the newest of the same kind, as far as there is one; days that are to come.
    """
    found = {
        CAMPAIGN: lookup.example(),
        segments.SEGMENT: Segment.objects.filter(deleted_at=None).order_by("-pk").first(),
        subscriptions.GROUP: SubscriptionGroup.objects.order_by("-pk").first(),
    }
    ids = {example: str(one.public_id) for example, one in found.items() if one is not None}
    today = timezone.now().date()
    days = {triggers.SOON: today + dt.timedelta(days=7), messages.LATER: today + dt.timedelta(days=30)}
    return ids | {example: day.isoformat() for example, day in days.items()} | _own_sender()


def _own_sender() -> dict[str, str]:
    """With the name where it needs no quotes."""
    sender = senders.default()
    if sender is None:
        return {}
    is_plain = re.fullmatch(r"[\w -]+", sender.name) is not None
    return {messages.FROM: f"{sender.name} <{sender.address}>" if is_plain else sender.address}


def _exchanged(value: Any, own: Mapping[str, str]) -> Any:
    """`value` of an example with everything in it that `own` has another text for."""
    if isinstance(value, Mapping):
        return {name: _exchanged(one, own) for name, one in value.items()}
    if isinstance(value, list):
        return [_exchanged(one, own) for one in value]
    if isinstance(value, str):
        for example, real in own.items():
            value = value.replace(example, real)
    return value


def _entry(path: str, view: type[Endpoint], document: Mapping[str, Any], own: Mapping[str, str]) -> Entry:
    method = "POST" if "act" in view.offered() else "GET"
    shown = schema.readable(path)
    operation = document["paths"][shown][method.lower()]
    url, is_post = f"{settings.PUBLIC_URL}{shown}", method == "POST"
    url = url.replace("{campaign_id}", own.get(CAMPAIGN, CAMPAIGN))
    asks = _exchanged(view.asks, own)
    return Entry(
        anchor=operation["operationId"],
        method=method,
        path=shown,
        summary=schema.summary(view),
        more=schema.more(view),
        scope=view.scope,
        limit=f"{view.pool.most:,} calls in {_span(view.pool.window_s)}" if view.pool else "",
        fields=tuple(_fields(operation, document)),
        calls=(
            Example("cURL", examples.curl(url, asks, is_post=is_post)),
            Example("Python", examples.python(url, asks, is_post=is_post)),
            Example("JavaScript", examples.javascript(url, asks, is_post=is_post)),
        ),
        answer=msgspec.json.format(msgspec.json.encode(envelope.Answer(view.answers).content()), indent=2).decode(),
    )


def _span(seconds: int) -> str:
    words = {60: "a minute", 3_600: "an hour", 86_400: "a day"}
    return words.get(seconds, f"{seconds} seconds")


def _fields(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[FieldRow]:
    for one in operation.get("parameters", []):
        if one["in"] != "header":
            yield FieldRow(
                one["name"], _kind(one["schema"], document), one.get("required", False), one.get("description", "")
            )
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if content:
        yield from _properties(content["schema"], document, 0)


def _properties(given: Mapping[str, Any], document: Mapping[str, Any], depth: int) -> Iterator[FieldRow]:
    found = _resolved(given, document)
    required = found.get("required", [])
    for name, one in found.get("properties", {}).items():
        inner = _resolved(one, document)
        told = one.get("description", inner.get("description", ""))
        yield FieldRow(name, _kind(inner, document), name in required, told if "properties" not in inner else "", depth)
        below = _resolved(inner.get("items", inner), document)
        if "properties" in below:
            yield from _properties(below, document, depth + 1)


def _resolved(given: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference inside the file leads to."""
    if "allOf" in given:
        return _resolved(given["allOf"][0], document)
    if "$ref" not in given:
        return given
    name = given["$ref"].rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name]
    return found


def _kind(given: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    given = _resolved(given, document)
    if "oneOf" in given:
        return " or ".join(dict.fromkeys(_kind(one, document) for one in given["oneOf"]))
    if "enum" in given:
        return " | ".join(str(one) for one in given["enum"])
    if given.get("type") == "array":
        inner = _kind(given.get("items", {}), document)
        return f"list of {_MANY.get(inner, inner)}"
    if "format" in given and given.get("type") == "string":
        return {"uuid": "id", "date-time": "time, ISO 8601"}.get(given["format"], "text")
    words = {
        "string": "text", "boolean": "true | false", "integer": "whole number", "number": "number", "object": "object",
    }  # fmt: skip
    return words.get(str(given.get("type", "")), "object" if "properties" in given else "")
