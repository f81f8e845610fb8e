"""Reading people, by ids, aliases and addresses, and erasing them."""

from typing import Any

from django.db.models import Q
from rest_framework import serializers

from api import limiting, profile_facts, recipients, refusals, shapes
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from audiences import addresses, erasure, identities
from audiences.identities import Name
from audiences.models import Profile

_MOST = 50
# People with one address; nobody has as many, and an answer must end somewhere.
_MOST_FOUND = 200


class Fifty(shapes.Many):
    """Up to 50 names of people."""

    def __init__(self, child: Any, **kwargs: Any) -> None:
        super().__init__(child, most=_MOST, too_many=refusals.TOO_MANY_IDS, required=False, **kwargs)


class Export(shapes.Shape):
    external_ids = Fifty(shapes.UserId(), help_text="Up to 50 of your own ids.")
    braze_id = shapes.Text(required=False, help_text="Chappe's id of one profile.")
    email_address = shapes.Text(required=False, max_length=320, help_text="Everybody with this mailbox.")
    user_aliases = Fifty(recipients.Alias(), help_text="Up to 50 aliases.")
    fields_to_export = shapes.Many(
        shapes.Text(),
        required=False,
        allow_empty=False,
        help_text=f"All unless given. There are {', '.join(profile_facts.FIELDS)}; others are passed over.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not any(attrs.get(name) for name in ("external_ids", "user_aliases", "braze_id", "email_address")):
            raise serializers.ValidationError("Give external_ids, user_aliases, braze_id or email_address.")
        return attrs


class ExportUsers(Endpoint):
    """Read people by your own ids, by aliases, by Chappe's id or by an address.

    Names of nobody are in invalid_user_ids. The answer is never kept, so an Idempotency-Key has no effect here.
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
        asked = _names(entered)
        found = identities.find(asked)
        wanted = Q(pk__in=found.values())
        if key := addresses.key(entered.get("email_address", "")):
            wanted |= Q(email_key=key)
        # By id, so that two calls have the same order.
        people = Profile.objects.filter(wanted).order_by("pk")[:_MOST_FOUND]
        unknown = [name.shown for name in dict.fromkeys(asked) if name not in found]
        told = profile_facts.rows(people, entered.get("fields_to_export", profile_facts.FIELDS))
        return Answer({"users": told, "invalid_user_ids": unknown})


class Delete(shapes.Shape):
    external_ids = Fifty(shapes.UserId(), help_text="Up to 50 of your own ids.")
    braze_ids = Fifty(shapes.Text(max_length=200), help_text="Up to 50 of Chappe's ids.")
    user_aliases = Fifty(recipients.Alias(), help_text="Up to 50 aliases.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(bool(attrs.get(name)) for name in ("external_ids", "user_aliases", "braze_ids")) != 1:
            raise serializers.ValidationError("Give one of external_ids, user_aliases, braze_ids.")
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
        found = identities.find(_names(entered))
        return Answer({"deleted": erasure.erase(set(found.values()), label=f"API key {call.key.prefix}"[:60])})


def _names(entered: dict[str, Any]) -> list[Name]:
    braze_ids = [*entered.get("braze_ids", []), *([entered["braze_id"]] if "braze_id" in entered else [])]
    return [
        *(Name(identities.EXTERNAL_ID, one) for one in entered.get("external_ids", [])),
        *(recipients.alias(one) for one in entered.get("user_aliases", [])),
        *(Name(identities.BRAZE_ID, one) for one in braze_ids),
    ]
