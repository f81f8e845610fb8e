"""What outside programs write to people, set-based: a call's people are locked, changed in memory and written at once.

The order of locks is the same everywhere: names of attributes, then the turn of making people, then people by id, then
hashes of erased addresses. A handful of statements for any number of changes; those of one person are applied in their
order. Everything happens in the caller's transaction.
"""

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from audiences import addresses, erasure, identities, quarantine, reworking, subscriptions
from audiences.identities import Found, Name
from audiences.mapping import COLUMNS
from audiences.models import AttributeDefinition, GroupState, QuarantineEntry, SubscriptionGroup
from audiences.reworking import Change, People, Problem, Row

# A program that makes a name of each order number would fill every list of attributes.
MOST_DEFINITIONS = 1000
_PLAIN = tuple(name for name in COLUMNS if name != "external_id")
_TEXTS = ", ".join(_PLAIN)
_GROUPS = "subscription_groups"


@dataclass(frozen=True)
class Source:
    """Where a change of consent comes from, as its history shows it."""

    name: str
    reference: str = ""


@dataclass(frozen=True)
class Applied:
    """Who was named, with those who were made, and what was left out of the changes."""

    found: Found
    problems: list[Problem]


def apply(
    changes: Sequence[Change], *, source: Source, others: Collection[Name] = (), makeable: Collection[Name] = ()
) -> Applied:
    """Make and change people. `others` are looked up too, and those of them in `makeable` made.

    One query where there is only somebody to look up. Locks whoever is changed and everybody with their mailboxes, old
    and new. Safe to repeat, apart from numbers that are added.
    """
    assert connection.in_atomic_block
    types = _define(changes)
    names = {change.who for change in changes}
    may_make = [change.who for change in changes if change.may_make]
    found, made = identities.find_or_make(
        names | set(others), makeable=[*may_make, *makeable], brought=_brought(changes)
    )
    # Who is made by an address alone may have left before.
    arrived = [one for one in made if one.kind == identities.EMAIL]
    written = [*changes, *(Change(one) for one in arrived if one not in names)]
    if not written:
        return Applied(found, [])
    problems = _write(written, found, types=types, source=source, keys={one.key for one in arrived})
    return Applied(found, [one for one in problems if one.number < len(changes)])


def foresee(changes: Sequence[Change]) -> list[Problem]:
    """What `apply` would leave out whoever is meant, by types and groups as they are now. Two queries at most."""
    wanted = _types(changes)
    types = wanted | _known(wanted)
    kept = ((n, one) for n, change in enumerate(changes) for one in change.attributes.items())
    unfit = (reworking.unfit(n, name, operation, types.get(name, "")) for n, (name, operation) in kept)
    said = [(n, public_id, state) for n, change in enumerate(changes) for public_id, state in change.groups.items()]
    groups = _groups_of(public_id for _n, public_id, _state in said)
    closed = (_closed(n, groups.get(public_id), state) for n, public_id, state in said)
    return [one for one in (*unfit, *closed) if one is not None]


def _types(changes: Iterable[Change]) -> dict[str, str]:
    """The type that each attribute's first value would give it; "" where it has none."""
    wanted: dict[str, str] = {}
    for change in changes:
        for name, operation in change.attributes.items():
            wanted[name] = wanted.get(name) or operation.type
    return wanted


def _known(names: Collection[str]) -> dict[str, str]:
    if not names:
        return {}
    return dict(AttributeDefinition.objects.filter(name__in=names).values_list("name", "type"))


def _define(changes: Iterable[Change]) -> dict[str, str]:
    """The types of all attributes that `changes` name; those nobody knew take the type of their first value.

    Two transactions that bring the same new name wait for each other, in the order of names. Names above
    MOST_DEFINITIONS are not made and missing in the result.
    """
    wanted = _types(changes)
    known = _known(wanted)
    new = [AttributeDefinition(name=name, type=wanted[name]) for name in sorted(wanted) if name not in known]
    new = [one for one in new if one.type]
    room = MOST_DEFINITIONS - AttributeDefinition.objects.count() if new else 0
    if not new or room <= 0:
        return known
    AttributeDefinition.objects.bulk_create(new[:room], ignore_conflicts=True)
    return _known(wanted)


def _write(
    changes: Sequence[Change], found: Found, *, types: Mapping[str, str], source: Source, keys: set[str]
) -> list[Problem]:
    """Apply `changes` to people who are there; `keys`: mailboxes that came with those who were made."""
    ids = [found.get(change.who) for change in changes]
    keys = keys | _new_keys(changes)
    rows = _lock({one for one in ids if one}, sorted(keys))
    # After the lock: whoever is being erased meanwhile was waited for, and left their hash.
    recalled = erasure.recall(keys)
    people = People(rows, types, recalled.left)
    before = {row.id: row.consent for row in rows}
    done: list[tuple[int, Change, int]] = []
    for number, (change, profile_id) in enumerate(zip(changes, ids, strict=True)):
        if profile_id is None or profile_id not in people.rows:
            people.problems.append(Problem(number, "", reworking.NOBODY))
            continue
        people.apply(number, change, profile_id)
        done.append((number, change, profile_id))
    _store([row for row in rows if row.is_changed])
    _record([row for row in rows if row.consent != before[row.id]], source)
    erasure.settle(recalled)
    problems = people.problems + _set_groups(done, source)
    _withhold({people.rows[pk].email_key for _number, change, pk in done if change.has_complained})
    return problems


def _brought(changes: Iterable[Change]) -> dict[str, Name]:
    """Who brings which mailbox under another name; of several the first."""
    found: dict[str, Name] = {}
    for change in changes:
        if change.who.kind != identities.EMAIL and (key := addresses.key(change.columns.get("email", ""))):
            found.setdefault(key, change.who)
    return found


def _new_keys(changes: Iterable[Change]) -> set[str]:
    return {addresses.key(change.columns.get("email", "")) for change in changes} - {""}


# By a union: one condition with OR would read all people.
_LOCK = f"""
SELECT p.id, p.email_key, p.email_consent, p.attributes::text, {_TEXTS} FROM audiences_profile p
WHERE p.id IN (
    SELECT unnest(%(ids)s::bigint[])
    UNION SELECT new.id FROM audiences_profile new WHERE new.email_key = ANY(%(keys)s)
    UNION SELECT same.id FROM audiences_profile o JOIN audiences_profile same ON same.email_key = o.email_key
    WHERE o.id = ANY(%(ids)s) AND o.email_key <> '')
ORDER BY p.id FOR NO KEY UPDATE OF p
"""
_STORE = f"""
UPDATE audiences_profile p SET ({_TEXTS}, email_key, attributes, email_consent, consent_changed_at, updated_at) = (
    {", ".join(f"v.{name}" for name in _PLAIN)}, v.email_key, v.attributes, v.email_consent,
    CASE WHEN v.email_consent <> p.email_consent THEN now() ELSE p.consent_changed_at END, now())
FROM jsonb_to_recordset(%s::jsonb) AS v (id bigint, {", ".join(f"{name} text" for name in _PLAIN)}, email_key text,
    attributes jsonb, email_consent text)
WHERE p.id = v.id
"""
_RECORD = """
INSERT INTO audiences_consentchange (profile_id, at, state, source, reference)
SELECT id, now(), state, %s, %s FROM unnest(%s::bigint[], %s::text[]) AS s (id, state)
"""


def _lock(ids: Collection[int], keys: list[str]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, {"ids": sorted(ids), "keys": keys})
        return [
            Row(pk, key, consent, dict(zip(_PLAIN, texts, strict=True)), json.loads(attributes))
            for pk, key, consent, attributes, *texts in cursor.fetchall()
        ]


def _store(rows: list[Row]) -> None:
    if not rows:
        return
    given: list[dict[str, Any]] = [
        {
            "id": row.id, **row.columns, "email_key": row.email_key, "attributes": row.attributes,
            "email_consent": row.consent,
        }
        for row in rows
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [json.dumps(given)])


def _record(rows: list[Row], source: Source) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        states = [row.consent for row in rows]
        cursor.execute(_RECORD, [source.name, source.reference[:80], [row.id for row in rows], states])


def _set_groups(done: Iterable[tuple[int, Change, int]], source: Source) -> list[Problem]:
    """The last word on each person and group counts. The people are locked already, so no order matters here."""
    said: dict[tuple[uuid.UUID, int], tuple[str, int]] = {
        (public_id, profile_id): (state, number)
        for number, change, profile_id in done
        for public_id, state in change.groups.items()
    }
    groups = _groups_of(public_id for public_id, _profile_id in said)
    problems: list[Problem] = []
    together: dict[tuple[uuid.UUID, str], list[int]] = {}
    for (public_id, profile_id), (state, number) in said.items():
        if problem := _closed(number, groups.get(public_id), state):
            problems.append(problem)
            continue
        together.setdefault((public_id, state), []).append(profile_id)
    for (public_id, state), ids in together.items():
        subscriptions.set_state(groups[public_id], ids, state, source=source.name, reference=source.reference)
    return problems


def _groups_of(public_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, SubscriptionGroup]:
    wanted = set(public_ids)
    found = SubscriptionGroup.objects.filter(public_id__in=wanted) if wanted else ()
    return {group.public_id: group for group in found}


def _closed(number: int, group: SubscriptionGroup | None, state: str) -> Problem | None:
    """Why nothing can be said about this group."""
    if group is None:
        return Problem(number, _GROUPS, reworking.NO_GROUP)
    if state == GroupState.SUBSCRIBED and group.archived_at is not None:
        return Problem(number, _GROUPS, reworking.ARCHIVED, group.name)
    return None


def _withhold(keys: set[str]) -> None:
    """Into quarantine, unless they are there."""
    entries = [
        QuarantineEntry(address_key=key, reason=quarantine.COMPLAINT, evidence="Told by a program.")
        for key in sorted(keys - {""})
    ]
    if entries:
        QuarantineEntry.objects.bulk_create(entries, ignore_conflicts=True)
