"""Shapes of bodies and queries: fields that take exactly one type and say in one sentence what to do instead.

A text is a text and no number, a flag is true or false and no "yes": a client's mistake is told, not guessed at. `null`
is like leaving an optional field out. Names that a shape does not have are passed over, as the reference does, so that
clients of a newer one keep working. drf-spectacular reads the same fields for the OpenAPI file.
"""

import datetime as dt
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api import refusals
from api.refusals import Refused

# Bytes of JSON of one object of properties.
MOST_PROPERTIES = 50 * 1024
# Things in a list that has no smaller limit.
MOST_ITEMS = 1000
_SEND_ID = re.compile(r"[A-Za-z0-9_-]+")
# In the context of a shape that reads queries.
IN_QUERY = "is_query"
_MISSING = "Give this field; it is required."
_TOLD: dict[str, Any] = {"required": _MISSING, "null": _MISSING}


class Shape(serializers.Serializer[Any]):
    # As the shape of a query it takes lists as name[]=a&name[]=b, name=a&name=b and name=a. No docstring: those of
    # shapes stand in the OpenAPI file, and this one would at each that has none.

    default_error_messages: ClassVar[dict[str, Any]] = {**_TOLD, "invalid": "Give an object {{…}}."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, QueryDict):
            data = self._from_query(data)
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if value is not None}
        return super().to_internal_value(data)

    def _from_query(self, query: QueryDict) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.fields.items():
            given = query.getlist(f"{name}[]") or query.getlist(name)
            if given:
                found[name] = given if isinstance(field, Many) else given[-1]
        return found


class Text(serializers.CharField):
    """A text; "" counts as missing unless `allow_blank`."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        **_TOLD,
        "invalid": "Give a text.",
        "blank": "Give a text that is not empty.",
    }

    def __init__(self, *, max_length: int = 255, **kwargs: Any) -> None:
        too_long = f"Use at most {max_length} characters."
        super().__init__(max_length=max_length, error_messages={"max_length": too_long}, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field({"oneOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "integer"}]})
class UserId(Text):
    """Somebody's external id. Clients write the number of an account without quotes: it is read as its digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=200, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        is_number = isinstance(data, int) and not isinstance(data, bool)
        return super().to_internal_value(str(data) if is_number else data)


class SendIdText(Text):
    """Up to 64 letters, digits, - and _."""

    def to_internal_value(self, data: Any) -> str:
        found = super().to_internal_value(data)
        if not _SEND_ID.fullmatch(found):
            raise serializers.ValidationError("Use letters, digits, - and _ only.")
        return found


class OneOf(serializers.ChoiceField):
    """One of some texts."""

    default_error_messages: ClassVar[dict[str, Any]] = _TOLD

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        told = f"Give one of {', '.join(choices)}."
        super().__init__(choices, error_messages={"invalid_choice": told}, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice")
        return super().to_internal_value(data)


def _is_of_query(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Whether a field reads a query, where everything is a text: its shape was made for one, or given one."""
    return bool(field.context.get(IN_QUERY)) or isinstance(getattr(field.root, "initial_data", None), QueryDict)


class Flag(serializers.BooleanField):
    """true or false; in a query the same as words."""

    default_error_messages: ClassVar[dict[str, Any]] = {**_TOLD, "invalid": "Give true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, str) and data.lower() in ("true", "false") and _is_of_query(self):
            # Python's clients write True.
            return data.lower() == "true"
        if not isinstance(data, bool):
            self.fail("invalid")
        return bool(data)


class Whole(serializers.IntegerField):
    """A whole number from `least` to `most`; in a query as digits."""

    default_error_messages: ClassVar[dict[str, Any]] = _TOLD

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        told = f"Give a whole number from {least} to {most}."
        names = ("invalid", "max_value", "min_value", "max_string_length")
        super().__init__(min_value=least, max_value=most, error_messages=dict.fromkeys(names, told), **kwargs)

    def to_internal_value(self, data: Any) -> int:
        is_text = isinstance(data, str) and _is_of_query(self)
        is_digits = is_text and data.isascii() and data.lstrip("-").isdigit()
        if isinstance(data, bool) or not (isinstance(data, int) or is_digits):
            self.fail("invalid")
        return super().to_internal_value(data)


class Many(serializers.ListField):
    """A list of one kind of thing. With `too_many` as the label of the error when there are more than `most`."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        **_TOLD,
        "not_a_list": "Give a list […].",
        "empty": "Give at least one.",
    }

    def __init__(
        self,
        child: serializers.Field[Any, Any, Any, Any],
        *,
        most: int = MOST_ITEMS,
        too_many: str = refusals.BAD_REQUEST,
        **kwargs: Any,
    ) -> None:
        self.most, self.too_many = most, too_many
        super().__init__(child=child, max_length=most, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        # Counted before anything in it is read: a body may have a million of them.
        if isinstance(data, list) and len(data) > self.most:
            if self.too_many != refusals.BAD_REQUEST:
                raise Refused(self.too_many, f"{self.field_name}: Give at most {self.most}, not {len(data)}.")
            raise serializers.ValidationError(f"Give at most {self.most}.")
        return super().to_internal_value(data)


class Properties(serializers.DictField):
    """Any JSON object of at most `most_bytes`, such as trigger properties; kept as it is, `null` inside included."""

    default_error_messages: ClassVar[dict[str, Any]] = {**_TOLD, "not_a_dict": "Give an object {{…}}."}

    def __init__(self, *, most_bytes: int = MOST_PROPERTIES, **kwargs: Any) -> None:
        self.most_bytes = most_bytes
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("not_a_dict")
        if len(msgspec.json.encode(data)) > self.most_bytes:
            raise serializers.ValidationError(f"Give at most {self.most_bytes // 1024} KB.")
        return data


class Texts(serializers.DictField):
    """An object whose values are texts."""

    child = Text(max_length=2000, allow_blank=True, trim_whitespace=False)
    default_error_messages: ClassVar[dict[str, Any]] = {**_TOLD, "not_a_dict": "Give an object {{…}}."}


@extend_schema_field({"type": "string", "format": "uuid"})
class PublicId(serializers.Field[uuid.UUID, Any, str, Any]):
    """An id of ours; None for a text that can't be one, so that the endpoint says which thing there isn't."""

    default_error_messages: ClassVar[dict[str, Any]] = {**_TOLD, "invalid": "Give an id as a text."}

    def to_internal_value(self, data: Any) -> uuid.UUID:
        if not isinstance(data, str) or not data:
            self.fail("invalid")
        try:
            return uuid.UUID(data)
        except ValueError:
            return uuid.UUID(int=0)  # nobody has it

    def to_representation(self, value: Any) -> str:
        return str(value)


@extend_schema_field({"type": "string", "format": "date-time"})
class Moment(serializers.Field[dt.datetime, Any, str, Any]):
    """A time in ISO 8601, UTC unless it has an offset; a day is its midnight."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        **_TOLD,
        "invalid": "Give a time in ISO 8601, such as 2030-01-15T09:00:00Z.",
    }

    def to_internal_value(self, data: Any) -> dt.datetime:
        found = self._parsed(data) if isinstance(data, str) else None
        if found is None:
            self.fail("invalid")
        assert found is not None
        # In UTC, because PostgreSQL takes no offset of 16 hours.
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)

    def to_representation(self, value: Any) -> str:
        return str(value.isoformat())

    @staticmethod
    def _parsed(data: str) -> dt.datetime | None:
        # A + in a query that was not escaped arrives as a space.
        text = data.strip()
        head, _space, offset = text.rpartition(" ")
        text = f"{head}+{offset}" if "T" in head and ":" in offset and len(offset) == 5 else text
        try:
            if (day := parse_date(text)) is not None:
                return dt.datetime.combine(day, dt.time.min)
            found = parse_datetime(text)
        except ValueError:
            return None
        is_sane = found is not None and 1970 <= found.year <= 9000 and math.isfinite(found.year)
        return found if is_sane else None
