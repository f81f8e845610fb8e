"""The documentation page's content: every endpoint with its fields and examples, out of the OpenAPI file, so that both
always say the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.conf import settings

from api import envelope, examples, paths, refusals, schema
from api.endpoint import Endpoint


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


@dataclass(frozen=True)
class Section:
    slug: str
    label: str
    entries: tuple[Entry, ...]


# Label, status and what to do; in the order of statuses. The labels are those of the reference where it has one.
ERRORS = (
    (refusals.BAD_REQUEST, 400, "Each line of errors names the field and what to put there."),
    (refusals.NO_RECIPIENTS, 400, "Name people, a segment or an audience."),
    (refusals.NO_MESSAGE, 400, "Give a message."),
    (refusals.INVALID_CAMPAIGN, 400, "Take the id from the campaign's page, or from /campaigns/list."),
    (refusals.NO_VARIANT, 400, "Give message_variation_id with each message, because there is a campaign_id."),
    (refusals.INVALID_VARIANT, 400, "Take the id from the campaign's API tab, or from /campaigns/details."),
    (refusals.OTHER_TYPE, 400, "Use the id with a message of its own channel."),
    (refusals.INVALID_SEGMENT, 400, "Take the id from /segments/list."),
    (refusals.INVALID_SCHEDULE, 400, "It was sent, deleted, or belongs to another campaign."),
    (refusals.INVALID_GROUP, 400, "Take the id from the page of the subscription group."),
    (refusals.TOO_MANY_USERS, 400, "Name at most 50 people in one call."),
    (refusals.TOO_LONG, 400, "Give at most 75 attributes, 75 events and 75 purchases in one call."),
    (refusals.TOO_MANY_IDS, 400, "Name at most 50 in one call."),
    (refusals.NO_CAMPAIGN, 400, "Take the id from the campaign's page, or from /campaigns/list."),
    (refusals.NOT_TRANSACTIONAL, 400, "Use a campaign that is sent by API."),
    (refusals.PAUSED, 400, "Start the campaign again. Nothing was sent."),
    (refusals.ARCHIVED, 400, "Unarchive the campaign and start it. Nothing was sent."),
    (refusals.NOT_OFFERED, 400, "Chappe does not have this endpoint of the reference."),
    (refusals.UNAUTHORIZED, 401, "Send a whole, unrevoked key in the header Authorization."),
    (refusals.ACCESS_DENIED, 403, "Create a key with this permission, or call from an allowed address."),
    (refusals.NOT_FOUND, 404, "Check the path; it has no slash at its end."),
    (refusals.NOT_ALLOWED, 405, "Use the method that the header Allow names."),
    (refusals.CONFLICT, 409, "Wait a second and repeat the call, or read its errors."),
    (refusals.TOO_LARGE, 413, "Split the call: a body has at most 4 MB."),
    (refusals.UNSUPPORTED, 415, "Send Content-Type: application/json."),
    (refusals.OTHER_BODY, 422, "Use a new Idempotency-Key for each thing to do."),
    (refusals.RATE_LIMITED, 429, "Repeat the call after the seconds in Retry-After."),
    (refusals.BROKEN, 500, "Nothing was done. Tell your admin the error id."),
    (refusals.AWAY, 503, "Nothing was done. Repeat the call with the same Idempotency-Key after Retry-After."),
)


def errors() -> list[dict[str, Any]]:
    return [
        {"label": label, "status": status, "told": told, "code": envelope.code(label)} for label, status, told in ERRORS
    ]


def sections() -> list[Section]:
    """Everything, in the order of api.paths."""
    document = schema.document()
    found = []
    for group in paths.GROUPS:
        entries = [_entry(f"/{one.pattern}", one.callback.view_class, document) for one in group.patterns]  # type: ignore[attr-defined]
        found.append(Section(group.slug, group.label, tuple(entries)))
    return found


def _entry(path: str, view: type[Endpoint], document: Mapping[str, Any]) -> Entry:
    method = "POST" if "act" in view.offered() else "GET"
    shown = schema.readable(path)
    operation = document["paths"][shown][method.lower()]
    url, is_post = f"{settings.PUBLIC_URL}{shown}", method == "POST"
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
            Example("cURL", examples.curl(url, view.asks, is_post=is_post)),
            Example("Python", examples.python(url, view.asks, is_post=is_post)),
            Example("JavaScript", examples.javascript(url, view.asks, is_post=is_post)),
        ),
        answer=msgspec.json.format(msgspec.json.encode(envelope.Answer(view.answers).content()), indent=2).decode(),
    )


def _span(seconds: int) -> str:
    words = {60: "a minute", 3_600: "an hour", 86_400: "a day"}
    return words.get(seconds, f"{seconds} seconds")


def _fields(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[FieldRow]:
    for one in operation.get("parameters", []):
        if one["in"] != "header":
            yield FieldRow(one["name"], _kind(one["schema"]), one.get("required", False), one.get("description", ""))
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if content:
        yield from _properties(content["schema"], document, 0)


def _properties(given: Mapping[str, Any], document: Mapping[str, Any], depth: int) -> Iterator[FieldRow]:
    found = _resolved(given, document)
    required = found.get("required", [])
    for name, one in found.get("properties", {}).items():
        inner = _resolved(one, document)
        told = one.get("description", inner.get("description", ""))
        yield FieldRow(name, _kind(inner), name in required, told if "properties" not in inner else "", depth)
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


def _kind(given: Mapping[str, Any]) -> str:
    if "enum" in given:
        return " | ".join(str(one) for one in given["enum"])
    if given.get("type") == "array":
        return f"list of {_kind(given.get('items', {})) or 'objects'}"
    if "format" in given and given.get("type") == "string":
        return {"uuid": "id", "date-time": "time, ISO 8601"}.get(given["format"], "text")
    words = {
        "string": "text", "boolean": "true | false", "integer": "whole number", "number": "number", "object": "object",
    }  # fmt: skip
    return words.get(str(given.get("type", "")), "object" if "$ref" in given else "")
