"""What a call gets to know of a person, in the words of the reference."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from django.db.models import prefetch_related_objects

from api.campaign_facts import moment
from audiences import activity
from audiences.activity import Summary
from audiences.models import Consent, Profile

# Attributes that the reference has as fields of their own.
_STANDARD = ("dob", "gender", "date_of_first_session", "date_of_last_session")
_ALIASES, _EVENTS, _PURCHASES = "user_aliases", "custom_events", "purchases"
_FACTS: dict[str, Callable[[Profile], Any]] = {
    "external_id": lambda person: person.external_id,
    "braze_id": lambda person: str(person.public_id),
    # Read together by `rows`.
    _ALIASES: lambda person: [
        {"alias_label": one.label, "alias_name": one.name} for one in sorted(person.aliases.all(), key=str)
    ],
    "created_at": lambda person: moment(person.created_at),
    "updated_at": lambda person: moment(person.updated_at),
    "email": lambda person: person.email or None,
    "first_name": lambda person: person.first_name or None,
    "last_name": lambda person: person.last_name or None,
    "phone": lambda person: person.phone or None,
    "country": lambda person: person.country or None,
    "home_city": lambda person: person.city or None,
    "language": lambda person: person.language or None,
    "time_zone": lambda person: person.time_zone or None,
    "email_subscribe": lambda person: person.email_consent,
    "email_opted_in_at": lambda person: _since(person, Consent.OPTED_IN),
    "email_unsubscribed_at": lambda person: _since(person, Consent.UNSUBSCRIBED),
    "custom_attributes": lambda person: {
        name: value for name, value in person.attributes.items() if name not in _STANDARD
    },
}
FIELDS = (*_FACTS, *_STANDARD, _EVENTS, _PURCHASES)


def rows(people: Iterable[Profile], wanted: Collection[str]) -> list[dict[str, Any]]:
    """One object for each person with the `wanted` of FIELDS; three queries at most."""
    found = list(people)
    if _ALIASES in wanted:
        prefetch_related_objects(found, "aliases")
    ids = [person.pk for person in found]
    did = activity.summaries(ids) if _EVENTS in wanted else {}
    bought = activity.purchase_summaries(ids) if _PURCHASES in wanted else {}
    told = []
    for person in found:
        row = {name: fact(person) for name, fact in _FACTS.items() if name in wanted}
        row |= {name: person.attributes.get(name) for name in _STANDARD if name in wanted}
        row |= {_EVENTS: _summaries(did.get(person.pk, []))} if _EVENTS in wanted else {}
        row |= {_PURCHASES: _summaries(bought.get(person.pk, []))} if _PURCHASES in wanted else {}
        told.append(row)
    return told


def _since(person: Profile, state: str) -> str | None:
    return moment(person.consent_changed_at) if person.email_consent == state else None


def _summaries(found: Iterable[Summary]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "first": moment(one.first_at), "last": moment(one.last_at), "count": one.count}
        for one in found
    ]
