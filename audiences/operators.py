"""The SQL of one condition, per type and question, and the check of its value.

Attributes are JSON: each expression first asks for the JSON type that the attribute's definition promises, so a value
of another type is like no value and never an error. A question in the negative includes people without a value.
Dates are compared by their day as text, `YYYY-MM-DD`, which sorts right and needs no cast that could fail.
"""

import json
import zoneinfo
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from audiences import addresses, fragments, patterns
from audiences.fields import FieldInfo, Op
from audiences.fragments import Fragment

MAX_TEXT = 500
MAX_VALUES = 500
MAX_DAYS = 3650
# Containment can use the index; beyond a few values one scan with ANY is quicker.
_FEW = 10
_DAY = r"'^\d{4}-\d{2}-\d{2}'"
# A day with a time, as audiences.attribute_values keeps it; without an offset it is UTC. Every text of this form can be
# cast once its day is the first.
_MOMENT = (
    r"'^[12]\d{3}-(0[1-9]|1[0-2])-[0-3]\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
    r"(Z|[+-](0\d|1[0-4]):[0-5]\d)?$'"
)


def problem(op: Op, value: object, *, choices: tuple[str, ...] = ()) -> str:
    """What is wrong with `value` for `op`, as a sentence; "" when it fits."""
    if op.value == "none":
        return ""
    return _CHECKS[op.value](value, choices)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _is_date(value: object) -> bool:
    if not isinstance(value, str) or len(value) != 10:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= MAX_TEXT and "\x00" not in value


def values(value: object) -> list[str]:
    """One or several texts as a list, blanks left out."""
    listed = value if isinstance(value, list) else [value]
    return [item.strip() if isinstance(item, str) else item for item in listed if item not in ("", None)]  # type: ignore[misc]


def _texts_problem(value: object, _choices: tuple[str, ...]) -> str:
    given = values(value)
    if not given:
        return _("Enter a value.")
    if len(given) > MAX_VALUES:
        return _("At most {n} values fit in one condition. Make a list segment instead.").format(n=MAX_VALUES)
    return (
        ""
        if all(_is_text(item) for item in given)
        else _("A value can have at most {n} characters.").format(n=MAX_TEXT)
    )


def _choices_problem(value: object, choices: tuple[str, ...]) -> str:
    given = values(value)
    if not given:
        return _("Choose a value.")
    return "" if all(isinstance(item, str) and item in choices for item in given) else _("This value can't be chosen.")


def _pair_problem(value: object, is_fit: Callable[[object], bool], sentence: str) -> str:
    if not isinstance(value, list) or len(value) != 2 or not all(is_fit(item) for item in value):
        return sentence
    return "" if value[0] <= value[1] else _("The first value is larger than the second.")


_CHECKS: dict[str, Callable[[object, tuple[str, ...]], str]] = {
    "text": lambda v, _c: "" if _is_text(v) else _("Enter a value with at most {n} characters.").format(n=MAX_TEXT),
    "texts": _texts_problem,
    "number": lambda v, _c: "" if _is_number(v) else _("Enter a number."),
    "numbers": lambda v, _c: _pair_problem(v, _is_number, _("Enter two numbers.")),
    "date": lambda v, _c: "" if _is_date(v) else _("Enter a date."),
    "dates": lambda v, _c: _pair_problem(v, _is_date, _("Enter two dates.")),
    "days": lambda v, _c: (
        ""
        if isinstance(v, int) and not isinstance(v, bool) and 1 <= v <= MAX_DAYS
        else _("Enter a number of days from 1 to {n}.").format(n=MAX_DAYS)
    ),
    "flag": lambda v, _c: "" if isinstance(v, bool) else _("Choose yes or no."),
    "choices": _choices_problem,
    "choice": lambda v, c: _choices_problem(v, c) if not isinstance(v, list) else _("Choose one value."),
    "pattern": lambda v, _c: patterns.problem(v),
    "moment": lambda v, _c: "" if _is_moment(v) else _("Enter a date."),
    "segments": lambda v, _c: _choices_problem(v, tuple(item for item in values(v) if isinstance(item, str))),
}


def compile_condition(field: FieldInfo, op: str, value: object) -> Fragment:
    """SQL of one checked condition on a built-in field or an attribute."""
    return _COMPILERS[field.type](field, op, value)


def _name(field: FieldInfo) -> str:
    return field.name.removeprefix("attributes.")


def _contains(field: FieldInfo, stored: object) -> Fragment:
    return Fragment("p.attributes @> %s::jsonb", (json.dumps({_name(field): stored}),))


def _text(field: FieldInfo) -> Fragment:
    if field.column:
        return Fragment(f"p.{field.column}")
    name = _name(field)
    return Fragment(
        "(CASE WHEN jsonb_typeof(p.attributes -> %s::text) = 'string' THEN p.attributes ->> %s::text END)", (name, name)
    )


def _equals_text(field: FieldInfo, given: list[str]) -> Fragment:
    if field.column == "email":
        return Fragment("p.email_key = ANY(%s::text[])", ([addresses.key(item) or item.lower() for item in given],))
    if not field.column and len(given) <= _FEW:
        return fragments.any_of(_contains(field, item) for item in given)
    left = _text(field)
    return fragments.certain(f"{left.sql} = ANY(%s::text[])", *left.params, given)


def _pattern(value: str) -> str:
    return value.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _compile_text(field: FieldInfo, op: str, value: object) -> Fragment:
    left = _text(field)
    if op in {"is", "is_not"}:
        found = _equals_text(field, values(value))
    elif op in {"is_set", "is_not_set"}:
        found = fragments.certain(f"{left.sql} <> ''", *left.params)
    elif op in {"matches", "not_matches"}:
        found = fragments.certain(f"{left.sql} ~ %s::text", *left.params, patterns.translate(value))
    else:
        body = _pattern(str(value).strip())
        pattern = {"starts_with": f"{body}%", "ends_with": f"%{body}"}.get(op, f"%{body}%")
        found = fragments.certain(f"{left.sql} ILIKE %s::text", *left.params, pattern)
    return fragments.negate(found) if op in {"is_not", "is_not_set", "not_contains", "not_matches"} else found


def _pair(value: object) -> tuple[Any, Any]:
    assert isinstance(value, list)
    return value[0], value[1]


_SIGNS = {"is": "=", "is_not": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def _compile_number(field: FieldInfo, op: str, value: object) -> Fragment:
    name = _name(field)
    left = "(CASE WHEN jsonb_typeof(p.attributes -> %s::text) = 'number' THEN (p.attributes ->> %s::text)::numeric END)"
    if op in {"is_set", "is_not_set"}:
        found = fragments.certain(f"{left} IS NOT NULL", name, name)
    elif op == "between":
        low, high = _pair(value)
        found = fragments.certain(f"{left} BETWEEN %s::numeric AND %s::numeric", name, name, low, high)
    else:
        found = fragments.certain(f"{left} {_SIGNS[op]} %s::numeric", name, name, value)
    return fragments.negate(found) if op in {"is_not", "is_not_set"} else found


def _compile_boolean(field: FieldInfo, op: str, value: object) -> Fragment:
    if op in {"is_set", "is_not_set"}:
        found = fragments.certain("jsonb_typeof(p.attributes -> %s::text) = 'boolean'", _name(field))
    elif field.column:
        found = Fragment(f"p.{field.column} = %s::boolean", (value,))
    else:
        found = _contains(field, value)
    return fragments.negate(found) if op in {"is_not", "is_not_set"} else found


def _day(field: FieldInfo) -> Fragment:
    if field.column:
        return Fragment(
            f"to_char(p.{field.column} AT TIME ZONE %s::text, 'YYYY-MM-DD') COLLATE \"C\"", (settings.TIME_ZONE,)
        )
    name = _name(field)
    return Fragment(
        f"(CASE WHEN jsonb_typeof(p.attributes -> %s::text) = 'string' AND (p.attributes ->> %s::text) ~ {_DAY}"
        ' THEN left(p.attributes ->> %s::text, 10) END) COLLATE "C"',
        (name, name, name),
    )


def _compile_date(field: FieldInfo, op: str, value: object) -> Fragment:
    left = _day(field)
    if op in {"is_set", "is_not_set"}:
        found = fragments.certain(f"{left.sql} IS NOT NULL", *left.params)
        return found if op == "is_set" else fragments.negate(found)
    if op in {"before_moment", "after_moment"}:
        return _compile_moment(field, "<" if op == "before_moment" else ">", str(value))
    if op in {"before", "after"}:
        return fragments.certain(f"{left.sql} {'<' if op == 'before' else '>'} %s::text", *left.params, value)
    low, high = _span(op, value)
    found = fragments.certain(f"{left.sql} BETWEEN %s::text AND %s::text", *left.params, low, high)
    return fragments.negate(found) if op == "not_in_last_days" else found


def _compile_moment(field: FieldInfo, sign: str, value: str) -> Fragment:
    """Instants where a time is kept, days where only a day is."""
    day, name = _day(field), _name(field)
    kept = "p.attributes ->> %s::text"
    at = (
        f"(left({kept}, 8) || '01' || substr({kept}, 11))::timestamptz"
        f" + make_interval(days => substr({kept}, 9, 2)::int - 1)"
    )
    sql = (
        f"CASE WHEN jsonb_typeof(p.attributes -> %s::text) = 'string' AND ({kept}) ~ {_MOMENT}"
        f" THEN {at} {sign} %s::timestamptz ELSE {day.sql} {sign} %s::text END"
    )
    return fragments.certain(sql, name, name, name, name, name, value, *day.params, value[:10])


def _span(op: str, value: object) -> tuple[str, str]:
    """The first and last day, inclusive, that `op` means; today is the installation's day."""
    if op == "between":
        low, high = _pair(value)
        return low, high
    if op == "is":
        return str(value), str(value)
    assert isinstance(value, int)
    today = datetime.now(zoneinfo.ZoneInfo(settings.TIME_ZONE)).date()
    if op == "in_next_days":
        return today.isoformat(), (today + timedelta(days=value)).isoformat()
    return (today - timedelta(days=value)).isoformat(), today.isoformat()


def _compile_list(field: FieldInfo, op: str, value: object) -> Fragment:
    if op in {"is_set", "is_not_set"}:
        found = fragments.certain(
            "jsonb_typeof(p.attributes -> %s::text) = 'array' AND p.attributes -> %s::text <> '[]'::jsonb",
            _name(field),
            _name(field),
        )
    else:
        found = fragments.any_of(_contains(field, [item]) for item in values(value))
    return fragments.negate(found) if op in {"not_contains", "is_not_set"} else found


def _compile_choice(field: FieldInfo, op: str, value: object) -> Fragment:
    assert field.column
    found = Fragment(f"p.{field.column} = ANY(%s::text[])", (values(value),))
    return fragments.negate(found) if op == "is_not" else found


_COMPILERS: dict[str, Callable[[FieldInfo, str, object], Fragment]] = {
    "text": _compile_text,
    "number": _compile_number,
    "boolean": _compile_boolean,
    "date": _compile_date,
    "list": _compile_list,
    "choice": _compile_choice,
}
