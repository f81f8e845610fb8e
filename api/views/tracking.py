"""What programs tell of people: attributes, events and purchases, many in one call."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from api import envelope, happenings, limiting, recipients, shapes, user_items
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from api.happenings import Items
from audiences import identities, reworking, tracking, updates
from audiences.reworking import Problem
from audiences.updates import Wrong
from audiences.upserts import Source

_NOT_THERE = "There is nobody with this name. Nothing was stored."
_FREE = "Or null, which empties it."


class Attributes(shapes.Shape):
    """One person and what is known of them. Any other name is a custom attribute. null empties a field."""

    external_id = shapes.UserId(required=False, help_text="Your own id of the person.")
    braze_id = shapes.Text(required=False, help_text="Chappe's id of the profile.")
    email = shapes.Text(required=False, max_length=320, help_text="A field; without another name, who is meant.")
    user_alias = recipients.Alias(required=False, help_text="Makes nobody unless _update_existing_only is false.")
    _update_existing_only = shapes.Flag(required=False, help_text="true makes nobody.")
    first_name = shapes.Text(required=False, help_text=_FREE)
    last_name = shapes.Text(required=False, help_text=_FREE)
    phone = shapes.Text(required=False, help_text=_FREE)
    country = shapes.Text(required=False, help_text=_FREE)
    home_city = shapes.Text(required=False, help_text=_FREE)
    language = shapes.Text(required=False, help_text="ISO 639-1.")
    time_zone = shapes.Text(required=False, help_text="Such as Europe/Paris.")
    dob = shapes.Text(required=False, help_text="YYYY-MM-DD.")
    gender = shapes.OneOf(("M", "F", "O", "N", "P"), required=False)
    email_subscribe = shapes.OneOf(
        ("opted_in", "subscribed", "unsubscribed"), required=False, help_text="Counts for the whole mailbox."
    )
    subscription_groups = shapes.Many(
        shapes.Properties(), required=False, help_text="Objects with subscription_group_id and subscription_state."
    )
    marked_email_as_spam_at = shapes.Moment(required=False, help_text="Puts the address into quarantine.")

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Whom it is about and what is right of it; fields are judged one by one in audiences.updates."""
        if not isinstance(data, Mapping):
            self.fail("invalid")
        only = data.get("_update_existing_only")
        if only is not None and not isinstance(only, bool):
            raise serializers.ValidationError({"_update_existing_only": ["Give true or false."]})
        try:
            who = user_items.who(data)
        except Wrong as wrong:
            raise serializers.ValidationError(str(wrong)) from wrong
        read = updates.read(data, without=("email",) if who.kind == identities.EMAIL else ())
        if read.is_empty and read.problems:
            raise serializers.ValidationError({name: [told] for name, told in read.problems})
        return {"who": who, "read": read, "may_make": user_items.may_make(who, only)}


class Track(shapes.Shape):
    attributes = Items(Attributes(), required=False, help_text="Up to 75 people, or changes of one, in their order.")
    events = Items(happenings.Event(), required=False, help_text="Up to 75. The same one told twice is two.")
    purchases = Items(happenings.Purchase(), required=False, help_text="Up to 75.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not any(attrs.values()):
            raise serializers.ValidationError("Give attributes, events or purchases.")
        if all(isinstance(item, serializers.ValidationError) for items in attrs.values() for item in items):
            details: dict[str, Any] = {name: _details(items) for name, items in attrs.items() if items}
            raise serializers.ValidationError(details)
        return attrs


class TrackUsers(Endpoint):
    """Write to people: attributes first, then events, then purchases. Who isn't there yet is made.

    Any other name in attributes is a custom attribute: a text, a number, true or false, a list of texts, null to remove
    it, {"inc": 1} for numbers, {"add": ["a"]} or {"remove": ["a"]} for lists. It keeps the type of its first value.

    What is wrong is left out and told in errors, each line with its place; the rest is done. Where all of it is wrong
    nothing is done, and the answer is 400.
    """

    scope = "users.track"
    pool = limiting.TRACK
    takes = Track
    asks = {
        "attributes": [
            {
                "external_id": "u1",
                "email": "lea@example.com",
                "first_name": "Léa",
                "email_subscribe": "opted_in",
                "loyalty_points": {"inc": 20},
                "favourites": {"add": ["tea"]},
            }
        ],
        "events": [
            {
                "external_id": "u1",
                "name": "signed_up",
                "time": "2026-11-25T09:00:00Z",
                "properties": {"plan": "gold"},
            }
        ],
        "purchases": [
            {
                "external_id": "u1",
                "product_id": "tea-42",
                "currency": "EUR",
                "price": 12.5,
                "quantity": 2,
                "time": "2026-11-25T09:05:00Z",
            }
        ],
    }
    answers = {"attributes_processed": 1, "events_processed": 1, "purchases_processed": 1}
    may_answer = {"errors": ["attributes[0].time_zone: Give the name of a time zone, such as Europe/Paris."]}

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        now = timezone.now()
        changes = _right(entered.get("attributes", []))
        events = _right(entered.get("events", []))
        purchases = _right(entered.get("purchases", []))
        done = tracking.track(
            [item["read"].change(item["who"], may_make=item["may_make"]) for item in changes.values()],
            [happenings.happening(item, now) for item in events.values()],
            [happenings.bought(item, now) for item in purchases.values()],
            source=Source("api", call.key.prefix),
        )
        n_nobody = sum(problem.code == reworking.NOBODY for problem in done.problems)
        body = {
            "attributes_processed": len(changes) - n_nobody,
            "events_processed": len(done.events),
            "purchases_processed": len(done.purchases),
        }
        told = [
            *envelope.sentences({name: _details(items) for name, items in entered.items()}),
            *_told(changes, done.problems),
            *_not_there("events", events, done.events),
            *_not_there("purchases", purchases, done.purchases),
        ]
        return Answer(body, errors=tuple(told))


def _right(items: list[Any]) -> dict[int, Any]:
    """By their places in the call."""
    return {number: item for number, item in enumerate(items) if not isinstance(item, serializers.ValidationError)}


def _details(items: list[Any]) -> dict[int, Any]:
    return {number: item.detail for number, item in enumerate(items) if isinstance(item, serializers.ValidationError)}


def _told(changes: Mapping[int, Any], problems: Iterable[Problem]) -> Iterable[str]:
    """What was left out of items that were written: by their shape, and for what was there."""
    for number, item in changes.items():
        for name, told in item["read"].problems:
            yield f"attributes[{number}].{name}: {told}"
    places = list(changes)
    for problem in sorted(problems, key=lambda one: one.number):
        place = f"attributes[{places[problem.number]}]{f'.{problem.field}' if problem.field else ''}"
        yield f"{place}: {problem.sentence}"


def _not_there(name: str, items: Mapping[int, Any], stored: list[int]) -> Iterable[str]:
    for number, place in enumerate(items):
        if number not in stored:
            yield f"{name}[{place}]: {_NOT_THERE}"
