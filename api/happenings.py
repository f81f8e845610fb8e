"""Events and purchases in the words of the reference, as shapes; each is right as a whole, or left out and told."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api import recipients, refusals, shapes, user_items
from api.refusals import Refused
from audiences.activity import Bought, Happening
from audiences.updates import Wrong

MOST = 75
_MOST_TEXT = 255
_RESERVED = ("time", "event_name")
_MOST_PRICE = 10**9
_CURRENCY = re.compile(r"[A-Z]{3}\Z")


class Props(shapes.Properties):
    """Properties of an event or a purchase: names and texts of at most 255 characters, at every depth."""

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        if reserved := [name for name in _RESERVED if name in found]:
            raise serializers.ValidationError(f"Use another name than {reserved[0]}.")
        _check(found)
        return found


def _check(value: Any) -> None:
    """Depth is bounded by the body."""
    if isinstance(value, str) and len(value) > _MOST_TEXT:
        raise serializers.ValidationError(f"Use texts of at most {_MOST_TEXT} characters.")
    if isinstance(value, dict):
        for name, inner in value.items():
            if not name or len(name) > _MOST_TEXT or name.startswith("$"):
                raise serializers.ValidationError(f"Use names of 1 to {_MOST_TEXT} characters that don't begin with $.")
            _check(inner)
    elif isinstance(value, list):
        for inner in value:
            _check(inner)


@extend_schema_field({"type": "number"})
class Price(serializers.Field[Decimal, Any, str, Any]):
    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("Give a number.")
        if not abs(data) <= _MOST_PRICE:
            raise serializers.ValidationError(f"Give at most {_MOST_PRICE}.")
        return Decimal(str(data)).quantize(Decimal("0.0001"))

    def to_representation(self, value: Any) -> str:
        return str(value)


class Person(shapes.Shape):
    """Whom an item is about, by one name."""

    external_id = shapes.UserId(required=False, help_text="Your own id of the person.")
    braze_id = shapes.Text(required=False, help_text="Chappe's id of the profile.")
    email = shapes.Text(required=False, max_length=320, help_text="Only where there is no other name.")
    user_alias = recipients.Alias(required=False, help_text="Makes nobody unless _update_existing_only is false.")
    _update_existing_only = shapes.Flag(required=False, help_text="true makes nobody.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            attrs["who"] = user_items.who(attrs)
        except Wrong as wrong:
            raise serializers.ValidationError(str(wrong)) from wrong
        return attrs


class Event(Person):
    name = shapes.Text(max_length=_MOST_TEXT)
    time = shapes.Moment(help_text="When it happened. A time to come counts as now.")
    properties = Props(required=False, most_bytes=100 * 1024, help_text="At most 100 KB.")


class Purchase(Person):
    product_id = shapes.Text(max_length=_MOST_TEXT)
    currency = shapes.Text(max_length=3, help_text="ISO 4217.")
    price = Price(help_text="Of one.")
    quantity = shapes.Whole(least=1, most=100, default=1)
    time = shapes.Moment(help_text="When it happened. A time to come counts as now.")
    properties = Props(required=False, help_text="At most 50 KB.")

    def validate_currency(self, value: str) -> str:
        if not _CURRENCY.match(value):
            raise serializers.ValidationError("Give three capital letters, such as EUR.")
        return value


class Items(shapes.Many):
    """Up to 75 items, each judged alone: becomes a list of what is right, or of the error's detail."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        if len(data) > MOST:
            raise Refused(refusals.TOO_LONG, f"{self.field_name}: Give at most {MOST}, not {len(data)}.")
        return [self._judged(item) for item in data]

    def _judged(self, item: Any) -> Any:
        try:
            return self.child.run_validation(item)
        except serializers.ValidationError as error:
            return error


def happening(item: dict[str, Any], now: dt.datetime) -> Happening:
    return Happening(
        item["who"], item["name"], min(item["time"], now), item.get("properties", {}), may_make=_may_make(item)
    )


def bought(item: dict[str, Any], now: dt.datetime) -> Bought:
    return Bought(
        item["who"],
        item["product_id"],
        item["currency"],
        item["price"],
        min(item["time"], now),
        quantity=item["quantity"],
        properties=item.get("properties", {}),
        may_make=_may_make(item),
    )


def _may_make(item: dict[str, Any]) -> bool:
    return user_items.may_make(item["who"], item.get("_update_existing_only"))
