"""What people did, as programs tell it: profile events and purchases are stored, and read back by person."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Min, QuerySet

from audiences.identities import Found, Name
from audiences.models import ProfileEvent, Purchase


@dataclass(frozen=True)
class Happening:
    """A profile event. `may_make`: who isn't there is made."""

    who: Name
    name: str
    at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    may_make: bool = True


@dataclass(frozen=True)
class Bought:
    """A purchase; `price` of one."""

    who: Name
    product_id: str
    currency: str
    price: Decimal
    at: datetime
    quantity: int = 1
    properties: Mapping[str, Any] = field(default_factory=dict)
    may_make: bool = True


@dataclass(frozen=True)
class Summary:
    """How often one person did something or bought a product, and when first and last."""

    name: str
    count: int
    first_at: datetime
    last_at: datetime


@transaction.atomic
def record(happenings: Sequence[Happening], bought: Sequence[Bought], found: Found) -> tuple[list[int], list[int]]:
    """Store what people did whom identities found; the numbers of those stored, of each kind.

    Not safe to repeat: the same thing told twice happened twice. Locks the people against being deleted.
    """
    told: list[Happening | Bought] = [*happenings, *bought]
    ids = {found[one.who] for one in told if one.who in found}
    # A deletion meanwhile would be found only at the end, by the constraint.
    there = _held(ids)
    events = {number: found[one.who] for number, one in enumerate(happenings) if found.get(one.who) in there}
    purchases = {number: found[one.who] for number, one in enumerate(bought) if found.get(one.who) in there}
    ProfileEvent.objects.bulk_create(_event(happenings[number], pk) for number, pk in events.items())
    Purchase.objects.bulk_create(_purchase(bought[number], pk) for number, pk in purchases.items())
    return list(events), list(purchases)


def _held(ids: set[int]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM audiences_profile WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [sorted(ids)])
        return {profile_id for (profile_id,) in cursor.fetchall()}


def _event(one: Happening, profile_id: int) -> ProfileEvent:
    return ProfileEvent(profile_id=profile_id, name=one.name, at=one.at, properties=dict(one.properties))


def _purchase(one: Bought, profile_id: int) -> Purchase:
    return Purchase(
        profile_id=profile_id,
        product_id=one.product_id,
        currency=one.currency,
        price=one.price,
        quantity=one.quantity,
        at=one.at,
        properties=dict(one.properties),
    )


def summaries(profile_ids: Collection[int]) -> dict[int, list[Summary]]:
    """The events of people by name, the last first. One query."""
    return _summaries("name", ProfileEvent.objects.filter(profile_id__in=profile_ids))


def purchase_summaries(profile_ids: Collection[int]) -> dict[int, list[Summary]]:
    """The same of purchases, by product."""
    return _summaries("product_id", Purchase.objects.filter(profile_id__in=profile_ids))


def _summaries(name: str, rows: QuerySet[Any]) -> dict[int, list[Summary]]:
    counted = rows.values_list("profile_id", name).annotate(n=Count("pk"), first=Min("at"), last=Max("at"))
    found: dict[int, list[Summary]] = {}
    for profile_id, *summary in counted.order_by("profile_id", "-last", name):
        found.setdefault(profile_id, []).append(Summary(*summary))
    return found
