"""The condition of a “Show only if…” group as Liquid: {"field", "operator", "value"}.

A value of the wrong type never fails a person's message: numbers and dates are compared after a filter has made both
sides alike, and a field that is missing is neither more nor less than anything.
"""

import re

from django.utils.translation import gettext as _

from messaging import personalization
from messaging.block_parts import Block

OPERATORS = ("set", "is", "is_not", "contains", "more", "less")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.+Z-]{1,30})?")
_SAME = {"is": ("==", " or "), "is_not": ("!=", " and ")}


def liquid(block: Block) -> tuple[str, str]:
    """The opening and the closing Liquid of a group. Raises TemplateProblem for a condition that is not complete."""
    path = _path(block.get("field"))
    operator = str(block.get("operator"))
    if operator == "set":
        return f"{{% if {path} != blank %}}", "{% endif %}"
    given = block.get("value")
    value = "" if given is None or isinstance(given, dict | list) else str(given).strip()
    if not value:
        raise _problem(_("Enter a value for “Show only if…”."))
    if operator in _SAME:
        sign, joint = _SAME[operator]
        tests = [f"{path} {sign} {literal}" for literal in _literals(value)]
        return f"{{% if {joint.join(tests)} %}}", "{% endif %}"
    if operator == "contains":
        return f"{{% if {path} contains {_quoted(value)} %}}", "{% endif %}"
    if operator in {"more", "less"}:
        return _compared(path, ">" if operator == "more" else "<", value), "{% endif %}"
    raise _problem(_("Choose a comparison for “Show only if…”."))


def _compared(path: str, sign: str, value: str) -> str:
    if _NUMBER.fullmatch(value):
        filtered, literal = "plus: 0", value
    elif _DATE.fullmatch(value):
        filtered, literal = 'append: ""', _quoted(value)
    else:
        raise _problem(_("“More than” and “less than” need a number or a date such as 2026-01-31."))
    name = "compared_value"
    return f"{{% assign {name} = {path} | {filtered} %}}{{% if {path} != blank and {name} {sign} {literal} %}}"


def _literals(value: str) -> list[str]:
    """The value as text and, where it looks like one, as number, yes or no: attributes may hold either."""
    lowered = value.lower()
    same = [value] if _NUMBER.fullmatch(value) else [lowered] if lowered in {"true", "false"} else []
    return [_quoted(value), *same]


def _path(field: object) -> str:
    """ "profile.plan" → profile.plan; a part that is no plain name → profile["shoe size"]."""
    parts = field.strip().split(".") if isinstance(field, str) else []
    if len(parts) < 2 or parts[0] not in personalization.GLOBALS or not all(parts):
        raise _problem(_("Choose a field for “Show only if…”."))
    return parts[0] + "".join(f".{part}" if _IDENTIFIER.fullmatch(part) else f"[{_quoted(part)}]" for part in parts[1:])


def _quoted(text: str) -> str:
    """`text` as a Liquid string, which knows no escapes. Raises TemplateProblem for what can't be in one."""
    quote = '"' if '"' not in text else "'"
    if quote in text or "\\" in text or re.search(r"%\}|\}\}|\{\{|\{%|[\r\n]", text):
        raise _problem(_("A condition can't contain “{text}”. Use letters, digits and spaces.").format(text=text[:40]))
    return f"{quote}{text}{quote}"


def _problem(sentence: str) -> personalization.TemplateProblem:
    return personalization.TemplateProblem(sentence, line=0, column=0)
