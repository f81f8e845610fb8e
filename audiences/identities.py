"""Who is meant: how outside programs name people, the profiles those names stand for, and making whoever isn't there.

Four kinds of names: the id of their system, an alias under a label, an address, and our own id. Of several people with
one address the name says who comes first; without a word those with an id of their own, then who was changed last.
People are made one transaction at a time, together with imports: the address is unique by agreement, not by a
constraint.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction

from audiences import addresses, turns
from audiences.models import Profile, ProfileAlias
from lib import statements

EXTERNAL_ID, ALIAS, BRAZE_ID, EMAIL = "external_user_id", "user_alias", "braze_id", "email"
# In the order of the reference.
KINDS = (EXTERNAL_ID, ALIAS, BRAZE_ID, EMAIL)
# Who wins where several people have one address; in the order of `prioritization` the first that tells two apart.
IDENTIFIED, UNIDENTIFIED = "identified", "unidentified"
NEWEST, OLDEST = "most_recently_updated", "least_recently_updated"
PRIORITIES = (IDENTIFIED, UNIDENTIFIED, NEWEST, OLDEST)


@dataclass(frozen=True)
class Name:
    """One name of one person. `label` belongs to an alias, `priorities` (of PRIORITIES) to an address."""

    kind: str
    text: str
    label: str = ""
    priorities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind

    @property
    def key(self) -> str:
        """What is looked for; "" when nobody can have it."""
        if self.kind == EMAIL:
            return addresses.key(self.text)
        return _uuid(self.text) if self.kind == BRAZE_ID else self.text

    @property
    def shown(self) -> str:
        """As people read it."""
        return f"{self.label}: {self.text}" if self.label else self.text


Found = dict[Name, int]


class _Person(NamedTuple):
    id: int
    is_identified: bool
    updated_at: datetime | None


# One look-up for each kind of name. Together they are one statement; one condition with OR would read all people.
_LOOK_UPS = {
    EXTERNAL_ID: """
SELECT 'external_user_id', '', p.external_id, p.id, true, NULL::timestamptz FROM audiences_profile p
WHERE p.external_id = ANY(%(external_user_id)s)""",
    ALIAS: """
SELECT 'user_alias', a.label, a.name, a.profile_id, true, NULL::timestamptz
FROM unnest(%(labels)s::text[], %(user_alias)s::text[]) AS w (label, name)
JOIN audiences_profilealias a ON a.label = w.label AND a.name = w.name""",
    EMAIL: """
SELECT 'email', '', p.email_key, p.id, p.external_id IS NOT NULL, p.updated_at FROM audiences_profile p
WHERE p.email_key = ANY(%(email)s)""",
    BRAZE_ID: """
SELECT 'braze_id', '', p.public_id::text, p.id, true, NULL::timestamptz FROM audiences_profile p
WHERE p.public_id = ANY(%(braze_id)s::uuid[])""",
}


def find(names: Collection[Name]) -> Found:
    """The profile ids of those who are there. One query for any mix of names, none when nobody can be there."""
    wanted = {name: (name.kind, name.label, name.key) for name in names}
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for kind, label, key in dict.fromkeys(wanted.values()):
        if key:
            by_kind.setdefault(kind, []).append((label, key))
    if not by_kind:
        return {}
    values = {kind: [key for _label, key in some] for kind, some in by_kind.items()}
    labels = [label for label, _key in by_kind.get(ALIAS, ())]
    people: dict[tuple[str, str, str], list[_Person]] = {}
    sql = " UNION ALL ".join(look_up for kind, look_up in _LOOK_UPS.items() if kind in by_kind)
    for kind, label, key, *person in statements.run(sql, {**values, "labels": labels}):
        people.setdefault((kind, label, key), []).append(_Person(*person))
    return {name: _first(people[one], name.priorities) for name, one in wanted.items() if one in people}


def find_or_make(
    names: Collection[Name], *, makeable: Collection[Name], brought: Mapping[str, Name] | None = None
) -> tuple[Found, frozenset[Name]]:
    """The same, after those of `makeable` who are not there were made; and the names they were made by.

    Subscribed, as an import makes people. In a transaction, before it locks anybody: who makes people waits for others
    who do, to the end of theirs, so that two at once make one. Nobody can be made by our id. `brought`: mailboxes that
    nobody has yet and that come with one of `names`, who is meant by their addresses too.
    """
    assert connection.in_atomic_block
    brought = brought or {}
    found = find(names)
    if not _missing(makeable, found):
        return _with_brought(names, found, brought), frozenset()
    turns.take()
    again = find(names)
    missing = _missing(makeable, again)
    there = {*again, *missing}
    missing = [one for one in missing if one.kind != EMAIL or brought.get(one.key) not in there]
    by_alias = [one for one in missing if one.kind == ALIAS]
    with transaction.atomic():
        # Rows of whoever makes people without waiting are found afterwards.
        others = (_profile(one) for one in missing if one.kind != ALIAS)
        Profile.objects.bulk_create(others, ignore_conflicts=True)
        made = Profile.objects.bulk_create(Profile() for _one in by_alias)
        ProfileAlias.objects.bulk_create(
            ProfileAlias(profile=profile, label=one.label, name=one.text)
            for one, profile in zip(by_alias, made, strict=True)
        )
    return _with_brought(names, find(names), brought), frozenset(missing)


def _with_brought(names: Iterable[Name], found: Found, brought: Mapping[str, Name]) -> Found:
    coming = {one: found.get(brought[one.key]) for one in names if one.kind == EMAIL and one.key in brought}
    return {**{name: pk for name, pk in coming.items() if pk is not None}, **found}


def _missing(makeable: Iterable[Name], found: Found) -> list[Name]:
    """Once each, as the first one has it, in the order of their names."""
    lacking: dict[tuple[str, str, str], Name] = {}
    for one in makeable:
        if one not in found and one.kind != BRAZE_ID and one.key:
            lacking.setdefault((one.kind, one.label, one.key), one)
    return [lacking[key] for key in sorted(lacking)]


def _profile(one: Name) -> Profile:
    if one.kind == EXTERNAL_ID:
        return Profile(external_id=one.text)
    return Profile(email=one.text.strip(), email_key=one.key)


def _first(people: list[_Person], priorities: tuple[str, ...]) -> int:
    if len(people) == 1:
        return people[0].id

    def place(person: _Person) -> tuple[float, ...]:
        changed = person.updated_at.timestamp() if person.updated_at else 0.0
        ranks = {IDENTIFIED: float(not person.is_identified), UNIDENTIFIED: float(person.is_identified)}
        keys = {**ranks, NEWEST: -changed, OLDEST: changed}
        return (*(keys[one] for one in priorities or (IDENTIFIED, NEWEST)), float(person.id))

    return min(people, key=place).id


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""
