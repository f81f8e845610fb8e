"""Reading people, by ids and addresses, and erasing them."""

import uuid
from typing import Any

from django.db.models import Q
from rest_framework import serializers

from api import limiting, profile_facts, recipients, refusals, shapes
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from api.refusals import Refused
from audiences import addresses, erasure, fields
from audiences.models import Profile

_MOST = 50
# People with one address; nobody has as many, and an answer must end somewhere.
_MOST_FOUND = 200
_NO_ALIASES = "Leave it out: Chappe keeps no aliases."


class Ids(shapes.Many):
    """Up to 50 ids."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(shapes.Text(max_length=200), required=False, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and len(data) > _MOST:
            raise Refused(refusals.TOO_MANY_USERS, f"{self.field_name}: Give at most {_MOST}, not {len(data)}.")
        return super().to_internal_value(data)


class Export(shapes.Shape):
    external_ids = Ids(help_text="Up to 50 of your own ids.")
    braze_id = shapes.Text(required=False, help_text="Chappe's id of one profile.")
    email_address = shapes.Text(required=False, max_length=320, help_text="Everybody with this mailbox.")
    user_aliases = shapes.Many(recipients.Alias(), required=False, help_text="Refused: there are no aliases.")
    fields_to_export = shapes.Many(
        shapes.Text(),
        required=False,
        allow_empty=False,
        help_text=f"All unless given. There are {', '.join(profile_facts.FIELDS)}; others are passed over.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("user_aliases"):
            raise serializers.ValidationError({"user_aliases": [_NO_ALIASES]})
        if not any(attrs.get(name) for name in ("external_ids", "braze_id", "email_address")):
            raise serializers.ValidationError("Give external_ids, braze_id or email_address.")
        return attrs


class ExportUsers(Endpoint):
    """Read people by your own ids, by Chappe's id or by an address.

    Ids of nobody are in invalid_user_ids. The answer is never kept, so an Idempotency-Key has no effect here.
    """

    scope = "users.export.ids"
    pool = limiting.USER_EXPORTS
    takes = Export
    keeps_answers = False
    asks = {"external_ids": ["u1", "u9"], "fields_to_export": ["external_id", "email", "custom_events"]}
    answers = {
        "users": [
            {
                "external_id": "u1",
                "email": "lea@example.com",
                "custom_events": [
                    {
                        "name": "signed_up",
                        "first": "2026-11-25T09:00:00+00:00",
                        "last": "2026-11-25T09:00:00+00:00",
                        "count": 1,
                    }
                ],
            }
        ],
        "invalid_user_ids": ["u9"],
    }

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        people = _people(entered)
        known = {one for person in people for one in (person.external_id, str(person.public_id))}
        asked = [*entered.get("external_ids", []), *([entered["braze_id"]] if "braze_id" in entered else [])]
        wanted = entered.get("fields_to_export", profile_facts.FIELDS)
        unknown = [name for name in dict.fromkeys(asked) if name not in known and name.lower() not in known]
        return Answer({"users": profile_facts.rows(people, wanted), "invalid_user_ids": unknown})


class Delete(shapes.Shape):
    external_ids = Ids(help_text="Up to 50 of your own ids.")
    braze_ids = Ids(help_text="Up to 50 of Chappe's ids.")
    user_aliases = shapes.Many(recipients.Alias(), required=False, help_text="Refused: there are no aliases.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("user_aliases"):
            raise serializers.ValidationError({"user_aliases": [_NO_ALIASES]})
        if bool(attrs.get("external_ids")) == bool(attrs.get("braze_ids")):
            raise serializers.ValidationError("Give either external_ids or braze_ids.")
        return attrs


class DeleteUsers(Endpoint):
    """Erase up to 50 people for good. deleted says how many there were; ids of nobody are passed over.

    They still count in the figures of what was sent. That an address had unsubscribed, or was in
    quarantine, stays as a keyed hash, so that nobody writes to it when it comes again.
    """

    scope = "users.delete"
    pool = limiting.USER_DELETES
    takes = Delete
    asks = {"external_ids": ["u1", "u2"]}
    answers = {"deleted": 2}

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        ids = [str(uuid.UUID(one)) for one in entered.get("braze_ids", []) if fields.is_public_id(one)]
        wanted = Q(external_id__in=entered.get("external_ids", [])) | Q(public_id__in=ids)
        found = Profile.objects.filter(wanted).values_list("pk", flat=True)
        return Answer({"deleted": erasure.erase(list(found), label=f"API key {call.key.prefix}"[:60])})


def _people(entered: dict[str, Any]) -> list[Profile]:
    """By id, so that two calls have the same order."""
    wanted = Q(external_id__in=entered.get("external_ids", []))
    if fields.is_public_id(braze_id := entered.get("braze_id", "")):
        wanted |= Q(public_id=braze_id)
    if key := addresses.key(entered.get("email_address", "")):
        wanted |= Q(email_key=key)
    return list(Profile.objects.filter(wanted).order_by("pk")[:_MOST_FOUND])
