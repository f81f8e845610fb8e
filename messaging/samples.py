"""Sample values of api_trigger_properties for previews: which ones a message uses, and what somebody typed for them."""

import json
from collections.abc import Mapping
from typing import Any

from messaging import compilation, personalization
from messaging.compilation import ContentSpec

ROOT = "api_trigger_properties"
# Characters of all typed samples together.
MAX_CHARS = 100_000
_JSON_STARTS = tuple('[{"-0123456789')
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}


def names(spec: ContentSpec) -> list[str]:
    """The properties a message uses, in reading order: ["order.number", "items"]. What can't be read has none."""
    found: dict[str, None] = {}
    for source, html in ((spec.subject, False), (spec.preheader, False), (_body(spec), True), (spec.text or "", False)):
        try:
            uses = personalization.parse(source, html=html).fields()
        except personalization.TemplateProblem:
            continue
        for use in uses:
            root, _dot, rest = use.name.partition(".")
            if root == ROOT and rest:
                found[rest] = None
    return list(found)


def _body(spec: ContentSpec) -> str:
    if spec.body_kind != "blocks":
        return spec.body
    try:
        return compilation.as_html(spec.body_kind, spec.body)
    except personalization.TemplateProblem:
        return ""


def nested(typed: Mapping[str, object]) -> dict[str, Any]:
    """{"order.number": "7"} as templates see it: {"order": {"number": 7}}. Text that is JSON counts as its value."""
    result: dict[str, Any] = {}
    # Short names first, so that a whole object typed as JSON is there before a part of it is set.
    for name in sorted(typed, key=lambda name: name.count(".")):
        *path, last = str(name).split(".")
        place: Any = result
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                break
        if isinstance(place, dict):
            place[last] = _value(typed[name])
    return result


def _value(typed: object) -> object:
    text = typed.strip() if isinstance(typed, str) else typed
    if not isinstance(text, str):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if not text.startswith(_JSON_STARTS):
        return typed
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return typed
