"""What outside programs say about one person in the words of the reference → columns, custom attributes with their
operations, consent and groups. No database; `upserts` writes it.

One vocabulary for every call that brings attributes. Where each item stands alone, a field that is wrong is left out
and told; where a message depends on it, the caller refuses it with AttributesInvalid. Sentences are English: programs
read them, and people compare them with the documentation.
"""

import re
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from audiences import addresses, attribute_values, identities, mapping
from audiences.attribute_values import Operation
from audiences.models import Consent, GroupState, Profile
from audiences.reworking import Change
from lib.errors import DomainError

_COLUMNS = {
    **{
        name: name for name in ("first_name", "last_name", "country", "language", "phone", "time_zone", "email", "city")
    },
    "home_city": "city",
}
_LENGTHS = {name: int(getattr(Profile._meta.get_field(name), "max_length", 0)) for name in _COLUMNS.values()}
# Names of ours that templates and conditions would take for something else.
_TAKEN = {one.name for one in Profile._meta.get_fields()} - set(_COLUMNS)
_CONSENTS = {one.value: one for one in Consent}
_GENDERS = ("M", "F", "O", "N", "P")
# What conditions, and messages by profile["Favourite tea"], can name: a dot would lead into a value.
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_ -]{0,58}[A-Za-z0-9_-])?\Z")
# Told instead of passed over: who sets these counts on them.
_NOT_KEPT = {
    "current_location": "Chappe keeps no locations.",
    "email_open_tracking_disabled": "Chappe can't turn tracking off for one person.",
    "email_click_tracking_disabled": "Chappe can't turn tracking off for one person.",
    "push_subscribe": "Chappe sends no push messages.",
    "push_tokens": "Chappe sends no push messages.",
}
# Names of people, not facts about them, and what concerns other channels.
_PASSED_OVER = {
    "external_id", "user_alias", "braze_id", "app_id", "push_token_import", "_update_existing_only", "_merge_objects",
}  # fmt: skip
_OPERATIONS = {
    "inc": attribute_values.ADD_NUMBER, "add": attribute_values.ADD_ITEMS, "remove": attribute_values.DROP_ITEMS,
}  # fmt: skip
_KINDS = 'Give a text, a number, true or false, a list of texts, null, {"inc": 1}, {"add": […]} or {"remove": […]}.'


class Wrong(Exception):
    """A field that is left out; says what to do instead."""


class AttributesInvalid(DomainError):
    """What the attributes of a message's recipient say can't be stored, so nothing is stored and nothing is sent.

    `number`: which recipient. `message` begins with the field.
    """

    code = "attributes_invalid"
    status = 400

    def __init__(self, field: str, sentence: str, *, number: int = 0) -> None:
        super().__init__(f"{field}: {sentence}")
        self.number = number


@dataclass
class Read:
    """What an item says, as far as it is right. `groups` by public id. `problems`: (field, sentence)."""

    columns: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, Operation] = field(default_factory=dict)
    consent: str = ""
    groups: dict[uuid.UUID, str] = field(default_factory=dict)
    has_complained: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.columns or self.attributes or self.consent or self.groups or self.has_complained)

    def change(self, who: identities.Name, *, may_make: bool = True) -> Change:
        return Change(
            who, self.columns, self.attributes, self.consent, self.groups, self.has_complained, may_make=may_make
        )


def read(attributes: Mapping[str, Any], *, without: Collection[str] = ()) -> Read:
    """What `attributes` say; names of people are passed over, and so are the fields in `without`."""
    found = Read()
    for name, value in attributes.items():
        if name in _PASSED_OVER or name in without:
            continue
        try:
            _read_one(found, name, value)
        except Wrong as wrong:
            found.problems.append((name, str(wrong)))
    return found


def _read_one(found: Read, name: str, value: Any) -> None:
    if name in _NOT_KEPT:
        raise Wrong(_NOT_KEPT[name])
    if name in _COLUMNS:
        found.columns[_COLUMNS[name]] = _column(_COLUMNS[name], value)
    elif name in _SPECIAL:
        _SPECIAL[name](found, value)
    else:
        if not _NAME.match(name):
            raise Wrong(
                "Use a name of letters, digits, spaces, _ and - that begins with a letter, of at most 60 characters."
            )
        if name in _TAKEN:
            raise Wrong("Choose another name; Chappe keeps something else under this one.")
        found.attributes[name] = _operation(value)


def _column(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Wrong("Give a text.")
    # One line: a line break in a name would end up in a mail header.
    text = " ".join(value.split())
    if len(text) > _LENGTHS[name]:
        raise Wrong(f"Use at most {_LENGTHS[name]} characters.")
    if name == "email" and text and not addresses.is_valid(text):
        raise Wrong("This is no address that a message can be sent to.")
    if name == "time_zone" and text and not mapping.is_zone(text):
        raise Wrong("Give the name of a time zone, such as Europe/Paris.")
    return text


def _operation(value: Any) -> Operation:
    if value is None:
        return Operation(attribute_values.REMOVE)
    if not isinstance(value, dict):
        return Operation(attribute_values.SET, _value(value))
    ((name, inner),) = value.items() if len(value) == 1 else [("", None)]
    if name not in _OPERATIONS:
        raise Wrong(_KINDS)
    is_number = isinstance(inner, int | float) and not isinstance(inner, bool)
    if not (is_number if name == "inc" else isinstance(inner, list)):
        raise Wrong(f"{name}: Give a {'number' if name == 'inc' else 'list of texts'}.")
    return Operation(_OPERATIONS[name], _value(inner))


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not abs(value) <= attribute_values.MOST_NUMBER:
            raise Wrong(f"Give a number of at most {attribute_values.MOST_NUMBER}.")
        return value
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in texts):
        raise Wrong("Give a list of texts." if isinstance(value, list) else _KINDS)
    if len(texts) > mapping.MAX_ITEMS or any(len(one) > mapping.MAX_TEXT for one in texts):
        raise Wrong(f"Give at most {mapping.MAX_ITEMS} items, and texts of at most {mapping.MAX_TEXT} characters.")
    return value


def _consent(found: Read, value: Any) -> None:
    if not isinstance(value, str) or value not in _CONSENTS:
        raise Wrong(f"Give one of {', '.join(_CONSENTS)}.")
    found.consent = value


def _groups(found: Read, value: Any) -> None:
    told = 'Give a list of {"subscription_group_id": …, "subscription_state": "subscribed" or "unsubscribed"}.'
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Wrong(told)
    for one in value:
        state = one.get("subscription_state")
        if state not in GroupState.values:
            raise Wrong(told)
        try:
            found.groups[uuid.UUID(one.get("subscription_group_id"))] = state
        except (ValueError, AttributeError, TypeError):
            raise Wrong("There is no subscription group with this id.") from None


def _complaint(found: Read, value: Any) -> None:
    if value is None:
        raise Wrong("A complaint can't be taken back here. Release the address in Chappe.")
    if not isinstance(value, str) or not attribute_values.iso(value):
        raise Wrong("Give a time in ISO 8601.")
    found.has_complained = True


def _day(name: str) -> Callable[[Read, Any], None]:
    def read_one(found: Read, value: Any) -> None:
        if value is not None and not (isinstance(value, str) and attribute_values.iso(value)):
            raise Wrong("Give a day or a time in ISO 8601, or null.")
        found.attributes[name] = _operation(value)

    return read_one


def _gender(found: Read, value: Any) -> None:
    if value is not None and value not in _GENDERS:
        raise Wrong(f"Give one of {', '.join(_GENDERS)}, or null.")
    found.attributes["gender"] = _operation(value)


_SPECIAL: dict[str, Callable[[Read, Any], None]] = {
    "email_subscribe": _consent,
    "subscription_groups": _groups,
    "marked_email_as_spam_at": _complaint,
    "gender": _gender,
    **{name: _day(name) for name in ("dob", "date_of_first_session", "date_of_last_session")},
}
