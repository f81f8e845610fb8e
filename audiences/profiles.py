"""People: reading one, finding some, and every change of consent or quarantine outside an import.

Consent belongs to a mailbox: unsubscribing one person unsubscribes everybody with the same address, because the reader
of that mailbox said so. Each change leaves a ConsentChange row in the same transaction.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from audiences import addresses
from audiences import fields as field_lists
from audiences.models import AttributeDefinition, Consent, ConsentChange, Profile, QuarantineEntry
from lib.errors import DomainError


class Person(NamedTuple):
    """What a message can say about its reader; the order of PERSON_COLUMNS."""

    id: int
    public_id: str
    email: str
    email_key: str
    external_id: str
    first_name: str
    last_name: str
    phone: str
    country: str
    city: str
    language: str
    time_zone: str
    attributes: dict[str, Any]


PERSON_COLUMNS = (
    "p.id, p.public_id::text, p.email, p.email_key, COALESCE(p.external_id, ''), p.first_name, p.last_name, p.phone,"
    " p.country, p.city, p.language, p.time_zone, p.attributes"
)


def of_row(row: Sequence[Any]) -> Person:
    """The person of a row of PERSON_COLUMNS. Django leaves jsonb as text in plain cursors."""
    *columns, attributes = row
    return Person._make((*columns, json.loads(attributes) if isinstance(attributes, str) else attributes))


def person(profile_id: int) -> Person:
    """Raises Profile.DoesNotExist."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {PERSON_COLUMNS} FROM audiences_profile p WHERE p.id = %s", [profile_id])
        row = cursor.fetchone()
    if row is None:
        raise Profile.DoesNotExist(profile_id)
    return of_row(row)


def find(query: str, limit: int = 20) -> list[Profile]:
    """People for a search box: the exact address or id first, then addresses and names that start with `query`."""
    text = query.strip()[:320]
    if not text or "\x00" in text:
        return []
    people = Profile.objects.alias(first_name_lower=Lower("first_name"), last_name_lower=Lower("last_name"))
    found: dict[int, Profile] = {}
    for condition in _searches(text):
        if len(found) >= limit:
            break
        for profile in people.filter(condition).order_by("id")[:limit]:
            found.setdefault(profile.pk, profile)
    return list(found.values())[:limit]


def _searches(text: str) -> list[Q]:
    searches = []
    if key := addresses.key(text):
        searches.append(Q(email_key=key))
    searches.append(Q(external_id=text))
    if field_lists.is_public_id(text):
        searches.append(Q(public_id=text))
    lowered = text.lower()
    searches.append(Q(email_key__startswith=lowered))
    first, _space, last = lowered.partition(" ")
    if last:
        searches.append(Q(first_name_lower__startswith=first, last_name_lower__startswith=last.strip()))
    return [*searches, Q(last_name_lower__startswith=lowered), Q(first_name_lower__startswith=lowered)]


def unsubscribe(profile_id: int, *, source: str, reference: str = "", by: User | None = None) -> bool:
    """Stop marketing email to this person's mailbox; False when they were unsubscribed already. Safe to repeat."""
    return _set_consent(profile_id, Consent.UNSUBSCRIBED, source=source, reference=reference, by=by)


def resubscribe(profile_id: int, *, source: str, reference: str = "", by: User | None = None) -> bool:
    """Allow marketing email again; False when nothing changed. Said by the person themselves it counts as opted in."""
    state = Consent.SUBSCRIBED if by is not None else Consent.OPTED_IN
    return _set_consent(profile_id, state, source=source, reference=reference, by=by)


@transaction.atomic
def _set_consent(profile_id: int, state: Consent, *, source: str, reference: str, by: User | None) -> bool:
    """Rows are locked in the order of their ids, so two changes never wait for each other."""
    key = Profile.objects.values_list("email_key", flat=True).get(pk=profile_id)
    same = Profile.objects.filter(email_key=key) if key else Profile.objects.filter(pk=profile_id)
    changed = []
    for profile in same.select_for_update(no_key=True).order_by("id"):
        is_there = profile.email_consent == state or (
            state != Consent.UNSUBSCRIBED and profile.email_consent != Consent.UNSUBSCRIBED
        )
        if not is_there:
            changed.append(profile)
    if not changed:
        return False
    now = datetime.now(UTC)
    for profile in changed:
        profile.email_consent = state
        profile.consent_changed_at = now
        profile.save(update_fields=["email_consent", "consent_changed_at", "updated_at"])
    ConsentChange.objects.bulk_create(
        ConsentChange(profile=profile, state=state, source=source, reference=reference[:80], by=by)
        for profile in changed
    )
    if by is not None:
        for profile in changed:
            audit.record(f"profile.{state}", subject=("profile", str(profile.public_id)), by=by)
    return any(profile.pk == profile_id for profile in changed)


def quarantine(address_key: str, reason: str, evidence: str) -> QuarantineEntry:
    """Put an address where nobody is sent to; the entry that is active already wins. Safe to repeat and to race."""
    assert address_key, "an address without a key is not mailable anyway"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audiences_quarantineentry (address_key, reason, evidence, since, release_note)"
            " VALUES (%s, %s, %s, now(), '') ON CONFLICT (address_key) WHERE released_at IS NULL DO NOTHING",
            [address_key, reason, evidence],
        )
    return QuarantineEntry.objects.get(address_key=address_key, released_at=None)


def quarantined(address_key: str) -> QuarantineEntry | None:
    """The active entry of an address."""
    return QuarantineEntry.objects.filter(address_key=address_key, released_at=None).first() if address_key else None


@transaction.atomic
def release(entry: QuarantineEntry, by: User, note: str) -> QuarantineEntry:
    """Take an address out of quarantine. Raises NotAllowed; DomainError when the note is missing or it is out."""
    access.check(access.fresh(by), roles.RELEASE)
    if not note.strip():
        sentence = _("Say why the address can be released.")
        raise DomainError(sentence, code="note_missing", status=422, fields={"note": sentence})
    locked = QuarantineEntry.objects.select_for_update(no_key=True).get(pk=entry.pk)
    if locked.released_at is not None:
        raise DomainError(_("This address was released already."), code="already_released")
    locked.released_at, locked.released_by, locked.release_note = datetime.now(UTC), by, note.strip()[:300]
    locked.save(update_fields=["released_at", "released_by", "release_note"])
    audit.record(
        "quarantine.released", subject=("address", locked.address_key[:60]), by=by, detail={"note": locked.release_note}
    )
    return locked


def known_fields() -> dict[str, str]:
    """What messages can say about people, with its type: "profile.first_name" → "text"; attributes likewise."""
    known = {f"profile.{name}": kind for name, kind, _label in field_lists.PROFILE_FIELDS}
    for name, kind in AttributeDefinition.objects.order_by("name").values_list("name", "type"):
        known.setdefault(f"profile.{name}", kind)
    return known


def coverage(field: str) -> int:
    """How many people have no value for a field of `known_fields`."""
    name = field.removeprefix("profile.")
    assert field in known_fields(), field
    columns = {column for column, _kind, _label in field_lists.PROFILE_FIELDS}
    with connection.cursor() as cursor:
        if name in columns:
            cursor.execute(f"SELECT count(*) FROM audiences_profile p WHERE COALESCE(p.{name}, '') = ''")
        else:
            cursor.execute(
                "SELECT count(*) FROM audiences_profile p WHERE COALESCE(p.attributes ->> %s::text, '') = ''", [name]
            )
        return int(cursor.fetchone()[0])
