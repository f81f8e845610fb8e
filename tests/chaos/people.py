"""The people of a run, and deliveries to them."""

import uuid

from django.db import OperationalError, connection
from django.utils import timezone

from accounts import roles
from accounts.models import User
from audiences.models import Profile
from delivery import lifecycle, opening, preparation
from delivery.models import Delivery
from messaging import content, transports
from messaging.models import Transport
from tests import factories
from tests.chaos.api_calls import BATCH, Call, zones

# Of a hundred people, so many have an address of each kind; see tests.chaos.sink.
FAULTS = {"refuse": 2, "defer": 2, "vanish": 1, "ghost": 1}
# Kinds that leave people unknown whatever we do.
_UNCLEAR = ("vanish-", "ghost-")

_PEOPLE = """
INSERT INTO audiences_profile (public_id, email, email_key, first_name, last_name, phone, country, city, language,
    time_zone, attributes, email_consent, is_test, created_at, updated_at)
SELECT gen_random_uuid(), a, a, 'Léa', 'Durand', '', '', '', 'fr', '', '{}', 'subscribed', false, now(), now()
FROM unnest(%s::text[]) AS a
"""
_BODY = (
    "<html><body><p>Hello {{ profile.first_name }}</p>"
    '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)
_EVERYBODY = {"conditions": {"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]}}


def operator() -> User:
    """Who confirms, stops and decides."""
    return named("Operator")


def named(role: str) -> User:
    """The person who has this role."""
    address = f"{role.lower()}@example.test"
    found = User.objects.filter(email=address).first()
    if found is None:
        found = User.objects.create_user(address, name=role)
        roles.give(found, role)
    return found


def replace_by(addresses: dict[str, str]) -> None:
    """The people with these external ids and addresses instead of those of earlier runs."""
    _empty()
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [list(addresses.values())])
        cursor.execute(
            "UPDATE audiences_profile p SET external_id = a.id FROM unnest(%s::text[], %s::text[]) AS a(id, email)"
            " WHERE p.email = a.email",
            [list(addresses), list(addresses.values())],
        )


def for_calls(calls: list[Call], *, domain: str) -> dict[int, str]:
    """Give people of calls what the calls find them by; the ids of the segments that were made, by number of call."""
    segments = {}
    for call in calls:
        mine = Profile.objects.filter(external_id__in=call.names)
        if call.kind == "audience":
            mine.update(attributes={BATCH: call.number})
        elif call.kind == "segment":
            made = factories.segment(members=list(mine), name=f"c{call.number} {domain}")
            segments[call.number] = str(made.public_id)
    factories.attribute(BATCH, "number")
    by_zone: dict[str, list[str]] = {}
    for name, zone in zones(calls).items():
        by_zone.setdefault(zone, []).append(name)
    for zone, names in by_zone.items():
        Profile.objects.filter(external_id__in=names).update(time_zone=zone)
    return segments


def replace_all(n: int, *, has_faults: bool) -> int:
    """`n` new people instead of those of earlier runs; of how many nobody can know whether they got it."""
    kinds = [kind for kind, share in FAULTS.items() for _one in range(share)] if has_faults else []
    # New ones: what earlier runs learnt about an address, or are still to learn, would leave it out.
    domain = f"{uuid.uuid4().hex[:8]}.example.test"
    addresses = [f"{kinds[i % 100]}-{i}@{domain}" if i % 100 < len(kinds) else f"p{i}@{domain}" for i in range(n)]
    _empty()
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [addresses])
    return sum(address.startswith(_UNCLEAR) for address in addresses)


def _empty() -> None:
    """A tick may be at work and want the same tables in another order."""
    for number in range(10):
        try:
            with connection.cursor() as cursor:
                cursor.execute("TRUNCATE audiences_profile, delivery_delivery CASCADE")
            return
        except OperationalError:
            if number == 9:
                raise


def connections(n: int) -> None:
    """How many connections each sending process opens."""
    transports.default()
    Transport.objects.update(n_connections=n)


def prepared(by: User, *, audience: dict[str, object] | None = None) -> Delivery:
    """A sealed delivery to `audience`, else to everybody."""
    spec = content.ContentSpec(
        sender_name="Shop",
        sender_address="shop@example.test",
        reply_to="",
        subject="Hello {{ profile.first_name }}",
        preheader="",
        body_kind="html",
        body=_BODY,
        text=None,
        tracks_opens=True,
        tracks_clicks=True,
        utm={},
    )
    delivery = opening.open_delivery(
        message=content.freeze(spec),
        audience=audience or _EVERYBODY,
        label=f"Chaos {timezone.now():%H:%M:%S}",
        origin=("campaign", str(uuid.uuid4())),
        validity_s=3600,
        re_eligible_after_s=0,
        rate_per_minute=None,
        scheduled_at=None,
        scheduled_zone="",
        owner=by,
        by=by,
    )
    lifecycle.prepare(delivery.pk, by=by)
    preparation.run(delivery.pk)
    return Delivery.objects.get(pk=delivery.pk)


def start(delivery: Delivery, by: User) -> None:
    """Confirm a sealed delivery and begin at once."""
    lifecycle.confirm(delivery.pk, by=by, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    lifecycle.start_now(delivery.pk, by=by)
