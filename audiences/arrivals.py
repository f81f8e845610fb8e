"""People whom a program tells us about: which person it means, and making those who are not there yet.

`identities` only looks people up, by more kinds of names.

A person is called by our public id, by the program's own id, or by an address. Of several people with one address those
with an id of their own come first, then who was changed last. People are made one transaction at a time, together with
imports: the address is unique by agreement, not by a constraint.
"""

import enum
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import connection, transaction

from audiences import addresses, fields, turns
from audiences.models import Profile


class Name(enum.Enum):
    """What kind of name it is."""

    EXTERNAL_ID = "external_id"
    PUBLIC_ID = "public_id"
    EMAIL = "email"


@dataclass(frozen=True)
class Named:
    """One person by one name. Of an address, `value` is as it was given."""

    by: Name
    value: str

    @property
    def key(self) -> str:
        """What is looked for; "" when nobody can have it."""
        if self.by is Name.EMAIL:
            return addresses.key(self.value)
        if self.by is Name.PUBLIC_ID:
            return str(uuid.UUID(self.value)) if fields.is_public_id(self.value) else ""
        return self.value


Found = dict[Named, int]
_FIND = """
SELECT p.id, p.external_id, p.public_id::text, p.email_key FROM audiences_profile p
WHERE p.external_id = ANY(%s) OR p.public_id = ANY(%s::uuid[]) OR p.email_key = ANY(%s)
ORDER BY p.external_id IS NULL, p.updated_at DESC, p.id DESC
"""


def find(wanted: Collection[Named]) -> Found:
    """The ids of those who are there. One query."""
    keys = {by: sorted({one.key for one in wanted if one.by is by and one.key}) for by in Name}
    if not any(keys.values()):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [keys[Name.EXTERNAL_ID], keys[Name.PUBLIC_ID], keys[Name.EMAIL]])
        rows = cursor.fetchall()
    ids: dict[tuple[Name, str], int] = {}
    for pk, external_id, public_id, email_key in rows:
        for found in ((Name.EXTERNAL_ID, external_id), (Name.PUBLIC_ID, public_id), (Name.EMAIL, email_key)):
            ids.setdefault(found, pk)
    return {one: ids[one.by, one.key] for one in wanted if one.key and (one.by, one.key) in ids}


def find_or_make(wanted: Collection[Named], *, makeable: Collection[Named]) -> Found:
    """The same, after those of `makeable` who are not there were made, subscribed as an import makes people.

    In a transaction, before it locks anybody: who makes people waits for others who do, to the end of theirs. Nobody
    can be made by a public id.
    """
    assert connection.in_atomic_block
    found = find(wanted)
    if not _missing(makeable, found):
        return found
    turns.take()
    missing = _missing(makeable, find(wanted))
    with transaction.atomic():
        # Rows of whoever makes people without waiting are found afterwards.
        Profile.objects.bulk_create((_profile(one) for one in missing), ignore_conflicts=True)
    return find(wanted)


def _missing(makeable: Iterable[Named], found: Found) -> list[Named]:
    """Once each, as the first one has it, in the order of their names."""
    lacking: dict[tuple[str, str], Named] = {}
    for one in makeable:
        if one not in found and one.key and one.by is not Name.PUBLIC_ID:
            lacking.setdefault((one.by.value, one.key), one)
    return [lacking[key] for key in sorted(lacking)]


def _profile(one: Named) -> Profile:
    if one.by is Name.EXTERNAL_ID:
        return Profile(external_id=one.value)
    return Profile(email=one.value.strip(), email_key=one.key)
