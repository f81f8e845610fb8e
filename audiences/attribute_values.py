"""Values of custom attributes: their types, and what an operation makes of the value there is. No database."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from audiences.mapping import MAX_ITEMS
from audiences.models import AttributeType

SET, REMOVE, ADD_NUMBER, ADD_ITEMS, DROP_ITEMS = "set", "remove", "inc", "add", "drop"
# Beyond this, whole numbers are no longer exact in the programs that read them.
MOST_NUMBER = 10**15


@dataclass(frozen=True)
class Operation:
    """What becomes of one attribute: `value` is the new one, the number to add, or the items to add or drop."""

    do: str
    value: Any = None

    @property
    def type(self) -> str:
        """The type of attribute that this makes; "" where any will do."""
        return "" if self.do == REMOVE else type_of(self.value)


def type_of(value: Any) -> str:
    """The type of a value out of JSON. A text that is a day or a moment in ISO 8601 is a date."""
    if isinstance(value, bool):
        return AttributeType.BOOLEAN
    if isinstance(value, int | float):
        return AttributeType.NUMBER
    if isinstance(value, list):
        return AttributeType.LIST
    return AttributeType.DATE if iso(value) else AttributeType.TEXT


def iso(text: str) -> str:
    """`text` as we keep days and moments; "" when it is neither."""
    if len(text) < 10 or text[4] != "-":
        return ""
    try:
        return date.fromisoformat(text).isoformat() if len(text) == 10 else datetime.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def fits(operation: Operation, kind: str) -> bool:
    """Whether an attribute of the type `kind` can take it. Any text fits a text, also one that looks like a date."""
    is_text = operation.type == AttributeType.DATE and kind == AttributeType.TEXT
    return is_text or operation.type in ("", kind)


def applied(operation: Operation, current: Any, kind: str) -> Any:
    """The new value; None when the attribute goes. Raises ValueError when it would be larger than we keep."""
    if operation.do == REMOVE:
        return None
    if operation.do == ADD_NUMBER:
        is_number = isinstance(current, int | float) and not isinstance(current, bool)
        value = (current if is_number else 0) + operation.value
        if abs(value) > MOST_NUMBER:
            raise ValueError(f"at most {MOST_NUMBER}")
        return value
    if operation.do == SET and not isinstance(operation.value, list):
        return iso(operation.value) if kind == AttributeType.DATE else operation.value
    return _items(operation, current if isinstance(current, list) else [])


def _items(operation: Operation, current: list[str]) -> list[str]:
    if operation.do == DROP_ITEMS:
        return [one for one in current if one not in operation.value]
    kept = current if operation.do == ADD_ITEMS else []
    found = list(dict.fromkeys([*kept, *operation.value]))
    if len(found) > MAX_ITEMS:
        raise ValueError(f"at most {MAX_ITEMS} items")
    return found
