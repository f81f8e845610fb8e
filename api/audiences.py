"""The connected audience of a call: {"AND": […]}, {"OR": […]} or one filter, as the reference has them, read into a
document of audiences.rules.

Days are compared as days of the installation; a time is compared as an instant with times, and by its day with days.
Filters on what Chappe doesn't know, such as push tokens and apps, are refused by their name: none is ever dropped,
because an audience would grow by it. Regular expressions are those of audiences.patterns.
"""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from api import refusals, shapes
from api.refusals import Refused
from audiences import patterns, rules
from audiences.models import AttributeDefinition, AttributeType, Consent

_JOINS = {"AND": "all", "OR": "any"}
_KNOWN = {"exists": "is_set", "does_not_exist": "is_not_set"}
# Comparisons of the reference by type of the attribute, and what they are in our rules.
_OPS: dict[str, dict[str, str]] = {
    AttributeType.TEXT: {
        "equals": "is",
        "not_equal": "is_not",
        "matches_regex": "matches",
        "does_not_match_regex": "not_matches",
        **_KNOWN,
    },
    AttributeType.LIST: {"includes_value": "contains", "does_not_include_value": "not_contains", **_KNOWN},
    AttributeType.NUMBER: {
        "equals": "is",
        "not_equal": "is_not",
        "greater_than": "gt",
        "greater_than_or_equal_to": "gte",
        "less_than": "lt",
        "less_than_or_equal_to": "lte",
        **_KNOWN,
    },
    AttributeType.BOOLEAN: {"equals": "is", "does_not_equal": "is_not", "not_equal": "is_not", **_KNOWN},
    AttributeType.DATE: {
        "less_than_x_days_ago": "in_last_days",
        "less_than_x_days_in_the_future": "in_next_days",
        "greater_than_x_days_ago": "before",
        "greater_than_x_days_in_the_future": "after",
        "before": "before",
        "after": "after",
        **_KNOWN,
    },
}
_NOT_OFFERED = {"push_subscription_status": "push messages", "last_used_app": "the use of apps"}
_STATUS = "email_subscription_status"
_ATTRIBUTE = "custom_attribute"
_MOST_DAYS = 3650


def read(given: Mapping[str, Any], *, at: dt.datetime) -> dict[str, object]:
    """The audience document; `at`: when it is sent, from which days are counted. Raises Refused with the place."""
    reader = _Reader(dict(AttributeDefinition.objects.values_list("name", "type")), at)
    node = reader.node(given, "audience", 1)
    doc: dict[str, object] = {"conditions": node if "rules" in node else {"match": "all", "rules": [node]}}
    for problem in rules.validate(doc):
        raise _wrong(_place(given, problem.path), problem.message)
    return doc


class _Reader:
    def __init__(self, kinds: Mapping[str, str], at: dt.datetime) -> None:
        self.kinds = kinds
        self.today = at.astimezone(zoneinfo.ZoneInfo(settings.TIME_ZONE)).date()

    def node(self, given: object, place: str, depth: int) -> dict[str, object]:
        """A group or a rule."""
        if not isinstance(given, Mapping) or len(given) != 1:
            raise _wrong(place, f"Give an object with one of AND, OR, {_ATTRIBUTE}, {_STATUS}.")
        ((name, inner),) = given.items()
        if name in _JOINS:
            if not isinstance(inner, list) or not inner:
                raise _wrong(f"{place}.{name}", "Give a list of at least one filter.")
            if depth > rules.MAX_DEPTH:
                raise _wrong(place, f"Groups can be at most {rules.MAX_DEPTH} deep.")
            found = [self.node(one, f"{place}.{name}[{n}]", depth + 1) for n, one in enumerate(inner)]
            return {"match": _JOINS[name], "rules": found}
        place = f"{place}.{str(name)[:60]}"
        if name in _NOT_OFFERED:
            raise _wrong(place, f"Chappe knows nothing of {_NOT_OFFERED[name]}. Leave it out.")
        if name not in (_ATTRIBUTE, _STATUS):
            raise _wrong(place, f"There is no such filter. Use {_ATTRIBUTE} or {_STATUS}.")
        if not isinstance(inner, Mapping):
            raise _wrong(place, "Give an object {…}.")
        return self.status(inner, place) if name == _STATUS else self.attribute(inner, place)

    def status(self, given: Mapping[str, Any], place: str) -> dict[str, object]:
        op = _one_of(given.get("comparison"), {"is": "is", "is_not": "is_not"}, f"{place}.comparison")
        value = _one_of(given.get("value"), {one: one for one in Consent.values}, f"{place}.value")
        return {"field": "consent.email", "op": op, "value": value}

    def attribute(self, given: Mapping[str, Any], place: str) -> dict[str, object]:
        name, comparison, value = (given.get(one) for one in ("custom_attribute_name", "comparison", "value"))
        kind = self.kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            raise _wrong(f"{place}.custom_attribute_name", "There is no custom attribute with this name.")
        op = _one_of(comparison, _OPS[kind], f"{place}.comparison")
        rule: dict[str, object] = {"field": f"attributes.{name}", "op": op}
        if op in _KNOWN.values():
            return rule
        if value is None:
            raise _wrong(f"{place}.value", "Give this field; the comparison needs it.")
        if kind == AttributeType.DATE:
            found = self.day(str(comparison), value, place)
            return {**rule, "op": f"{op}_moment" if isinstance(found, str) and "T" in found else op, "value": found}
        if op in ("matches", "not_matches"):
            _check_pattern(value, f"{place}.value")
        return {**rule, "value": value}

    def day(self, comparison: str, value: object, place: str) -> object:
        """The value of a comparison of days: a number of them, a day, or an instant with its offset."""
        place = f"{place}.value"
        if comparison in ("before", "after"):
            found = shapes.Moment._parsed(value) if isinstance(value, str) else None
            if found is None:
                raise _wrong(place, "Give a time in ISO 8601, such as 2030-01-15T09:00:00Z.")
            if len(str(value).strip()) == 10:
                return found.date().isoformat()
            # PostgreSQL takes no offset of 16 hours.
            is_far = abs(found.utcoffset() or dt.timedelta()) > dt.timedelta(hours=14)
            moment = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
            return (moment.astimezone(dt.UTC) if is_far else moment).isoformat()
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_DAYS:
            raise _wrong(place, f"Give a whole number from 1 to {_MOST_DAYS}.")
        if comparison == "greater_than_x_days_ago":
            return (self.today - dt.timedelta(days=value)).isoformat()
        if comparison == "greater_than_x_days_in_the_future":
            return (self.today + dt.timedelta(days=value)).isoformat()
        return value


def _check_pattern(value: object, place: str) -> None:
    try:
        pattern = patterns.translate(value)
    except patterns.PatternInvalid as invalid:
        raise _wrong(place, str(invalid)) from invalid
    if not patterns.is_usable(pattern):
        raise _wrong(place, f"The pattern {value!r} can't be compiled. Use a simpler one.")


def _one_of(given: object, choices: Mapping[str, str], place: str) -> str:
    if not isinstance(given, str) or given not in choices:
        raise _wrong(place, f"Give one of {', '.join(choices)}.")
    return choices[given]


def _place(given: Any, path: str) -> str:
    """Where in the call a problem is, from its path in the document, such as conditions.rules.0.value."""
    place = "audience"
    for part in path.split("."):
        join = next((name for name in _JOINS if isinstance(given, Mapping) and name in given), "")
        if part.isdigit() and join:
            place, given = f"{place}.{join}[{part}]", given[join][int(part)]
    return place if join else f"{place}.{next(iter(given))}"


def _wrong(place: str, sentence: str) -> Refused:
    return Refused(refusals.BAD_REQUEST, f"{place}: {sentence}")
