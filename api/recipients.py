"""How calls name people and times: the recipients, the alias and the schedule object of the reference, as shapes.

What is checked here needs no database: that a recipient has exactly one name, and that what excludes each other does
not come together. Who is meant and who may get it is decided below.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework import serializers

from api import refusals, shapes
from audiences import addresses, identities

MOST = 50
# Of a list of people.
AT_MOST: dict[str, Any] = {"most": MOST, "too_many": refusals.TOO_MANY_USERS}
MOST_ID = 200
_USUAL = frozenset({"external_user_id", "trigger_properties"})


class Alias(shapes.Shape):
    alias_name = shapes.Text(max_length=200)
    alias_label = shapes.Text(max_length=100)


def alias(entered: Mapping[str, str]) -> identities.Name:
    return identities.Name(identities.ALIAS, entered["alias_name"], label=entered["alias_label"])


class Recipient(shapes.Shape):
    """One person, by exactly one of external_user_id, user_alias, braze_id and email."""

    external_user_id = shapes.UserId(required=False, help_text="Your own id of the person.")
    user_alias = Alias(required=False)
    braze_id = shapes.Text(required=False, help_text="Chappe's id of the profile.")
    email = shapes.Text(required=False, max_length=320, help_text="Needs prioritization.")
    prioritization = shapes.Many(
        shapes.OneOf(identities.PRIORITIES),
        most=len(identities.PRIORITIES),
        required=False,
        help_text="Who is meant when several have the address.",
    )
    trigger_properties = shapes.Properties(
        required=False, help_text="For this person; they win over those of the call. At most 50 KB."
    )
    send_to_existing_only = shapes.Flag(default=True, help_text="false makes the profile; needs attributes.")
    attributes = shapes.Properties(
        required=False, help_text="Written to the profile first, as by /users/track. A wrong one refuses the call."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(name in attrs for name in identities.KINDS) != 1:
            raise serializers.ValidationError(f"Give exactly one of {', '.join(identities.KINDS)}.")
        if "email" in attrs and not attrs.get("prioritization"):
            raise serializers.ValidationError({"prioritization": ["Give this field; an email needs it."]})
        if attrs["send_to_existing_only"]:
            return attrs
        if "user_alias" in attrs or "braze_id" in attrs:
            told = f"Leave it out: nobody can be made by {'an alias alone' if 'user_alias' in attrs else 'a braze_id'}."
            raise serializers.ValidationError({"send_to_existing_only": [told]})
        if "email" in attrs and not addresses.is_valid(attrs["email"]):
            raise serializers.ValidationError({"email": ["This is no address that a message can be sent to."]})
        if not attrs.get("attributes"):
            raise serializers.ValidationError({"attributes": ["Give this field; send_to_existing_only is false."]})
        return attrs


class Recipients(shapes.Many):
    """Up to 50 people."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Recipient(), **{"required": False, **AT_MOST, **kwargs})

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and 0 < len(data) <= MOST:
            quick = [_usual(one) for one in data]
            if None not in quick:
                return quick
        return super().to_internal_value(data)


def _usual(one: Any) -> dict[str, Any] | None:
    """What Recipient makes of one with an ordinary id and perhaps properties, which most are; None for any other."""
    if not isinstance(one, dict) or not one.keys() <= _USUAL:
        return None
    name, properties = one.get("external_user_id"), one.get("trigger_properties")
    if not isinstance(name, str) or not 0 < len(name) <= MOST_ID:
        return None
    if not name.isascii() or not name.isprintable() or " " in name:
        return None
    found: dict[str, Any] = {"external_user_id": name, "send_to_existing_only": True}
    if properties is None:
        return found
    if not isinstance(properties, dict) or len(msgspec.json.encode(properties)) > shapes.MOST_PROPERTIES:
        return None
    return {**found, "trigger_properties": properties}


class Schedule(shapes.Shape):
    """When a call is sent. Another one replaces it whole."""

    time = shapes.Text(max_length=40, help_text="ISO 8601, UTC unless it has an offset.")
    in_local_time = shapes.Flag(default=False, help_text="At this time of day of each person; without an offset.")
    at_optimal_time = shapes.Flag(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        at = shapes.Moment()
        try:
            at.run_validation(attrs["time"])
        except serializers.ValidationError as problem:
            raise serializers.ValidationError({"time": problem.detail}) from problem
        if attrs["in_local_time"] and attrs["at_optimal_time"]:
            raise serializers.ValidationError("Give in_local_time or at_optimal_time, not both.")
        is_local = attrs["in_local_time"] or attrs["at_optimal_time"]
        if is_local and _has_offset(attrs["time"]):
            raise serializers.ValidationError({"time": ["Leave out the offset: the time is each person's own."]})
        return attrs


def _has_offset(text: str) -> bool:
    time = text.partition("T")[2]
    return text.endswith("Z") or "+" in time or "-" in time
