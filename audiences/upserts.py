"""What outside programs write to people, set-based: a call's people are locked, changed in memory and written at once.

The order of locks is the same everywhere: names of attributes, then the turn of making people, then people by id. A
handful of statements for any number of changes; those of one person are applied in their order. Everything happens in
the caller's transaction.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from audiences import addresses, erasure, profiles, quarantine, subscriptions
from audiences.arrivals import Found
from audiences.erasure import NOTHING, Recalled
from audiences.mapping import COLUMNS
from audiences.models import AttributeDefinition, GroupState, SubscriptionGroup
from audiences.reworking import Change, People, Problem, Row

# A program that makes a name of each order number would fill every list of attributes.
MOST_DEFINITIONS = 1000
_PLAIN = tuple(name for name in COLUMNS if name != "external_id")
_TEXTS = ", ".join(_PLAIN)


@dataclass(frozen=True)
class Source:
    """Where a change of consent comes from, as its history shows it."""

    name: str
    reference: str = ""


def define(changes: Iterable[Change]) -> dict[str, str]:
    """The types of all attributes that `changes` name; those nobody knew take the type of their first value.

    Two transactions that bring the same new name wait for each other, in the order of names. Names above
    MOST_DEFINITIONS are not made and missing in the result.
    """
    wanted: dict[str, str] = {}
    for change in changes:
        for name, operation in change.attributes.items():
            wanted[name] = wanted.get(name) or operation.type
    if not wanted:
        return {}
    named = AttributeDefinition.objects.filter(name__in=wanted).values_list("name", "type")
    known = dict(named)
    new = [AttributeDefinition(name=name, type=wanted[name]) for name in sorted(wanted) if name not in known]
    new = [one for one in new if one.type]
    room = MOST_DEFINITIONS - AttributeDefinition.objects.count() if new else 0
    if not new or room <= 0:
        return known
    AttributeDefinition.objects.bulk_create(new[:room], ignore_conflicts=True)
    return dict(named.all())


def write(
    changes: Sequence[Change], found: Found, *, types: Mapping[str, str], source: Source, recalled: Recalled = NOTHING
) -> list[Problem]:
    """Apply `changes` to people whom arrivals found; what was left out.

    Locks them and everybody with their mailboxes, old and new. `types` as `define` gives them, `recalled` as
    erasure.recall does.
    """
    assert connection.in_atomic_block
    ids = [found.get(change.who) for change in changes]
    rows = _lock({one for one in ids if one}, _new_keys(changes))
    people = People(rows, types, recalled.left)
    before = {row.id: row.consent for row in rows}
    done: list[tuple[int, Change, int]] = []
    for number, (change, profile_id) in enumerate(zip(changes, ids, strict=True)):
        if profile_id is None or profile_id not in people.rows:
            people.problems.append(Problem(number, "", "nobody"))
            continue
        people.apply(number, change, profile_id)
        done.append((number, change, profile_id))
    _store([row for row in rows if row.is_changed])
    _record([row for row in rows if row.consent != before[row.id]], source)
    erasure.leave_groups(recalled)
    problems = people.problems + _set_groups(done, source)
    _withhold({people.rows[pk].email_key for _number, change, pk in done if change.has_complained})
    return problems


def _new_keys(changes: Iterable[Change]) -> list[str]:
    keys = {addresses.key(change.columns.get("email", "")) for change in changes}
    return sorted(keys - {""})


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
    said: dict[tuple[int, int], tuple[str, int]] = {
        (group_id, profile_id): (state, number)
        for number, change, profile_id in done
        for group_id, state in change.groups.items()
    }
    groups = SubscriptionGroup.objects.in_bulk({group_id for group_id, _profile_id in said}) if said else {}
    problems: list[Problem] = []
    together: dict[tuple[int, str], list[int]] = {}
    for (group_id, profile_id), (state, number) in sorted(said.items()):
        if state == GroupState.SUBSCRIBED and groups[group_id].archived_at is not None:
            problems.append(Problem(number, "subscription_groups", "archived", groups[group_id].name))
            continue
        together.setdefault((group_id, state), []).append(profile_id)
    for (group_id, state), ids in together.items():
        subscriptions.set_state(groups[group_id], ids, state, source=source.name, reference=source.reference)
    return problems


def _withhold(keys: set[str]) -> None:
    for key in sorted(keys - {""}):
        profiles.quarantine(key, quarantine.COMPLAINT, "Told by a program.")
