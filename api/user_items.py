"""Whom an item about people means, in the words of the reference. What it says of them is read in audiences.updates."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from api import envelope, recipients
from audiences import addresses, identities
from audiences.identities import Name
from audiences.updates import Wrong

NAMES = ("external_id", "user_alias", "braze_id", "email")
_MOST_ID = 200


def who(item: Mapping[str, Any]) -> Name:
    """Whom an item is about. An address counts only without another name; beside one it is a field. Raises Wrong."""
    given = [name for name in NAMES if item.get(name) is not None]
    own = [name for name in given if name != "email"]
    if len(own) > 1 or not given:
        raise Wrong(f"Give one of {', '.join(NAMES)}." if not given else f"Give only one of {', '.join(own)}.")
    name = own[0] if own else "email"
    value = item[name]
    if name == "external_id" and isinstance(value, int) and not isinstance(value, bool):
        # Written without quotes, as in shapes.UserId.
        value = str(value)
    if name == "user_alias":
        return _alias(value)
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"{name}: Give a text that is not empty.")
    if name == "external_id":
        if len(value) > _MOST_ID:
            raise Wrong(f"external_id: Use at most {_MOST_ID} characters.")
        return Name(identities.EXTERNAL_ID, value.strip())
    if name == "email" and not addresses.is_valid(value):
        raise Wrong("email: This is no address that a message can be sent to.")
    return Name(identities.EMAIL if name == "email" else identities.BRAZE_ID, value)


def may_make(who: Name, only: bool | None) -> bool:
    """Whether who isn't there is made; `only`: `_update_existing_only` as it was said, which an alias has by itself."""
    return not (only if only is not None else who.kind == identities.ALIAS)


def _alias(value: Any) -> Name:
    try:
        return recipients.alias(recipients.Alias().run_validation(value))
    except serializers.ValidationError as error:
        raise Wrong(next(envelope.sentences(error.detail, "user_alias"))) from error
