"""What outside programs say about one person: attributes written to a profile, or to one that is made for them.

A value replaces what is known, null removes it. Consent belongs to the mailbox: whoever gets an address that
unsubscribed is unsubscribed with it, and an address is never subscribed again by being mentioned. Called in the
transaction of whoever needs it; people are locked one by one, so callers go by profile id.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audiences import addresses, erasure, identities, profiles
from audiences.models import AttributeDefinition, AttributeType, Consent, Profile
from lib.errors import DomainError

# Their word → our column; every other word is a custom attribute.
_COLUMNS = {
    "email": "email",
    "first_name": "first_name",
    "last_name": "last_name",
    "phone": "phone",
    "country": "country",
    "home_city": "city",
    "city": "city",
    "language": "language",
    "time_zone": "time_zone",
}
_CONSENT = "email_subscribe"
# Names of people, not facts about them.
_IGNORED = frozenset({"external_id", "user_alias", "braze_id", "_update_existing_only"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ .-]{0,59}\Z")
_MAX_TEXT = 2000


class AttributesInvalid(DomainError):
    """Something in `attributes` can't be stored; the sentence names it."""

    code = "attributes_invalid"
    status = 400


def check(attributes: Mapping[str, object]) -> None:
    """Raise AttributesInvalid for what `write` could not store; without a query."""
    for name, value in attributes.items():
        if name in _IGNORED:
            continue
        if name in _COLUMNS:
            _text(name, value)
        elif name == _CONSENT:
            if value not in Consent.values:
                raise AttributesInvalid(_("email_subscribe must be opted_in, subscribed or unsubscribed."))
        elif not _NAME.match(name):
            raise AttributesInvalid(_("“%(name)s” can't be the name of an attribute.") % {"name": name[:60]})
        else:
            _custom(name, value)


def write(profile_id: int, attributes: Mapping[str, object]) -> None:
    """Store `attributes`, which `check` has let pass. Safe to repeat; nothing is written when nothing changes."""
    profile = Profile.objects.select_for_update(no_key=True).get(pk=profile_id)
    changed = _set_columns(profile, attributes)
    custom = {n: v for n, v in attributes.items() if n not in _COLUMNS and n not in _IGNORED and n != _CONSENT}
    if custom:
        _define(custom)
        known = {**profile.attributes, **{name: _custom(name, value) for name, value in custom.items()}}
        known = {name: value for name, value in known.items() if value is not None}
        if known != profile.attributes:
            profile.attributes = known
            changed.append("attributes")
    if changed:
        profile.save(update_fields=[*changed, "updated_at"])
    if "email_key" in changed:
        _recall(profile)
    if attributes.get(_CONSENT) == Consent.UNSUBSCRIBED:
        profiles.unsubscribe(profile.pk, source="api")
    elif attributes.get(_CONSENT):
        profiles.resubscribe(profile.pk, source="api")


def create(name: identities.Name, attributes: Mapping[str, object]) -> int:
    """The person with this name, made if nobody has it, with `attributes`.

    `name` is an id of their system or an address; people are not made by an alias or by our id. The caller has taken
    the turn of making people (`turns.take`), before it locked anybody: so two at once make one, and an address that was
    erased meets its hash.
    """
    assert name.kind in {identities.EXTERNAL_ID, identities.EMAIL}, name.kind
    if name.kind == identities.EXTERNAL_ID:
        Profile.objects.bulk_create([Profile(external_id=name.text)], ignore_conflicts=True)
        found = Profile.objects.values_list("pk", flat=True).get(external_id=name.text)
    else:
        known = identities.find([name])[0]
        found = known if known is not None else Profile.objects.create().pk
        attributes = {"email": name.text, **attributes}
    write(found, attributes)
    return found


def _set_columns(profile: Profile, attributes: Mapping[str, object]) -> list[str]:
    """The columns that changed."""
    changed = []
    for name, column in _COLUMNS.items():
        if name not in attributes:
            continue
        value = _text(name, attributes[name])
        if getattr(profile, column) != value:
            setattr(profile, column, value)
            changed.append(column)
    if "email" in changed:
        profile.email_key = addresses.key(profile.email)
        changed.append("email_key")
    return changed


def _recall(profile: Profile) -> None:
    """What is known of the mailbox they got now: that somebody left it, also somebody who was erased since."""
    recalled = erasure.recall([profile.email_key])
    if profile.email_key in recalled.left or _is_unsubscribed(profile):
        profiles.unsubscribe(profile.pk, source="api")
    erasure.leave_groups(recalled)


def _is_unsubscribed(profile: Profile) -> bool:
    """Whether somebody else who has the mailbox left it."""
    same = Profile.objects.filter(email_key=profile.email_key, email_consent=Consent.UNSUBSCRIBED)
    return bool(profile.email_key) and same.exclude(pk=profile.pk).exists()


def _define(custom: Mapping[str, object]) -> None:
    """A definition for each attribute that is new, of the type of its first value."""
    known = set(AttributeDefinition.objects.filter(name__in=custom).values_list("name", flat=True))
    made = [
        AttributeDefinition(name=name, type=_type(value))
        for name, value in sorted(custom.items())
        if name not in known and value is not None
    ]
    AttributeDefinition.objects.bulk_create(made, ignore_conflicts=True)


def _type(value: object) -> str:
    if isinstance(value, bool):
        return AttributeType.BOOLEAN
    if isinstance(value, int | float):
        return AttributeType.NUMBER
    if isinstance(value, list):
        return AttributeType.LIST
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return AttributeType.TEXT
    return AttributeType.DATE


def _text(name: str, value: object) -> str:
    """A value of a column: text that fits, "" for null."""
    if value is None:
        return ""
    most = int(getattr(Profile._meta.get_field(_COLUMNS[name]), "max_length", None) or _MAX_TEXT)
    if not isinstance(value, str) or "\x00" in value or len(value.strip()) > most:
        sentence = _("%(name)s must be a text of at most %(n)d characters.")
        raise AttributesInvalid(sentence % {"name": name, "n": most})
    return value.strip()


def _custom(name: str, value: object) -> Any:
    """A value of a custom attribute: text, number, yes or no, or a list of texts; None removes it."""
    if value is None or isinstance(value, bool):
        return value
    if (isinstance(value, int) and abs(value) < 2**53) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, str) and "\x00" not in value and len(value) <= _MAX_TEXT:
        return value
    if isinstance(value, list) and len(value) <= 100 and all(isinstance(item, str) for item in value):
        return [str(item)[:_MAX_TEXT] for item in dict.fromkeys(value) if "\x00" not in str(item)]
    sentence = _("%(name)s must be a text, a number, true or false, or a list of texts.")
    raise AttributesInvalid(sentence % {"name": name})
