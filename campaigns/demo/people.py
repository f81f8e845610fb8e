"""The people of the demo: plausible, deterministic, and all at addresses that can't exist (RFC 2606).

Some have no address, some share one, some are unsubscribed or in quarantine, some attributes are missing: what a
preparation has to sort out.
"""

import datetime as dt
import json
import random
import unicodedata
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from audiences.models import AttributeDefinition, AttributeType, Consent, QuarantineEntry

_SEED = 20_260
_DOMAINS = ("mail.test", "post.test", "example.test", "inbox.test")
_ATTRIBUTES = {
    "plan": AttributeType.TEXT,
    "spend": AttributeType.NUMBER,
    "points": AttributeType.NUMBER,
    "last_order": AttributeType.DATE,
    "signed_up": AttributeType.DATE,
    "interests": AttributeType.LIST,
    "has_app": AttributeType.BOOLEAN,
}
_INTERESTS = ("garden", "kitchen", "outdoor", "books", "music", "toys")


@dataclass(frozen=True)
class _Country:
    """One country of the shop's customers with its share of them."""

    name: str
    weight: int
    language: str
    time_zone: str
    cities: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


_COUNTRIES = (
    _Country(
        "France",
        40,
        "fr",
        "Europe/Paris",
        ("Paris", "Lyon", "Marseille", "Lille", "Nantes", "Strasbourg", "Bordeaux"),
        ("Camille", "Léa", "Hugo", "Manon", "Louis", "Chloé", "Jules", "Inès", "Théo", "Zoé", "Élise", "Noé"),
        ("Martin", "Bernard", "Petit", "Durand", "Leroy", "Moreau", "Girard", "Fontaine", "Chevalier", "Lefèvre"),
    ),
    _Country(
        "Germany",
        20,
        "de",
        "Europe/Berlin",
        ("Berlin", "Hamburg", "München", "Köln", "Leipzig", "Stuttgart"),
        ("Anna", "Lukas", "Mia", "Jonas", "Lena", "Felix", "Greta", "Paul", "Jürgen", "Käthe"),
        ("Müller", "Schmidt", "Weber", "Fischer", "Becker", "Hoffmann", "Schäfer", "Krüger"),
    ),
    _Country(
        "United Kingdom",
        15,
        "en",
        "Europe/London",
        ("London", "Leeds", "Bristol", "Manchester", "Cardiff", "Glasgow"),
        ("Olivia", "Jack", "Amelia", "Harry", "Isla", "Oscar", "Grace", "Leo", "Freya"),
        ("Smith", "Jones", "Taylor", "Brown", "Evans", "Walker", "Wright", "Hughes", "O'Neill"),
    ),
    _Country(
        "Belgium",
        10,
        "fr",
        "Europe/Brussels",
        ("Bruxelles", "Gent", "Liège", "Namur", "Antwerpen"),
        ("Emma", "Noah", "Juliette", "Arthur", "Elise", "Lucas"),
        ("Peeters", "Janssens", "Maes", "Dubois", "Lambert", "Claes"),
    ),
    _Country(
        "Spain",
        9,
        "es",
        "Europe/Madrid",
        ("Madrid", "Barcelona", "Valencia", "Sevilla", "Bilbao"),
        ("Lucía", "Hugo", "Sofía", "Mateo", "Íñigo", "Carmen"),
        ("García", "Fernández", "López", "Martínez", "Núñez", "Ruiz"),
    ),
    _Country(
        "Canada",
        6,
        "en",
        "America/Toronto",
        ("Toronto", "Montréal", "Québec", "Vancouver", "Ottawa"),
        ("Liam", "Charlotte", "William", "Alice", "Thomas", "Rosalie"),
        ("Tremblay", "Gagnon", "Roy", "Campbell", "MacDonald", "Wilson"),
    ),
)
# Why addresses are in quarantine, with what their servers said; the first is the usual case.
_QUARANTINED = (
    ("user_unknown", "550 5.1.1 No such mailbox"),
    ("user_unknown", "550 5.1.1 The mailbox doesn't exist"),
    ("account_disabled", "550 5.2.1 The account is disabled"),
    ("mailbox_full", "452 4.2.2 The mailbox is full"),
    ("complaint", ""),
    ("invalid_domain", "550 5.1.2 The domain doesn't exist"),
)
_COLUMNS = (
    "public_id, external_id, email, email_key, first_name, last_name, phone, country, city, language, time_zone,"
    " attributes, email_consent, consent_changed_at, is_test, created_at, updated_at"
)
_TESTERS = (
    ("Camille", "Tester", "camille@chappe.test"),
    ("Sam", "", "sam@chappe.test"),
    ("Renée", "Ångström", "renee@chappe.test"),
)


def make(n: int, *, now: dt.datetime) -> None:
    """Write `n` profiles by COPY, three of them test profiles, and quarantine some of their addresses."""
    for name, kind in _ATTRIBUTES.items():
        AttributeDefinition.objects.get_or_create(name=name, defaults={"type": kind})
    reasons, evidence = [reason for reason, _answer in _QUARANTINED], [answer for _reason, answer in _QUARANTINED]
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY audiences_profile ({_COLUMNS}) FROM STDIN") as copy:
            for row in _rows(n, now):
                copy.write_row(row)
        cursor.execute(
            "INSERT INTO audiences_quarantineentry (address_key, reason, evidence, since, release_note)"
            " SELECT DISTINCT p.email_key, why.reason, why.evidence,"
            " %s::timestamptz - mod(abs(hashtext(p.email_key)) / 250, 150) * interval '26 hours', ''"
            " FROM audiences_profile p JOIN unnest(%s::text[], %s::text[]) WITH ORDINALITY AS why (reason, evidence, n)"
            " ON why.n = 1 + mod(abs(hashtext(p.email_key)) / 125, cardinality(%s::text[]))"
            " WHERE p.email_key <> '' AND NOT p.is_test AND mod(abs(hashtext(p.email_key)), 125) = 0"
            " ON CONFLICT DO NOTHING",
            [now - dt.timedelta(days=12), reasons, evidence, reasons],
        )
        cursor.execute("ANALYZE audiences_profile")
    assert QuarantineEntry.objects.exists() or n < 1000


def _rows(n: int, now: dt.datetime) -> Iterator[tuple[object, ...]]:
    chance = random.Random(_SEED)
    for first, last, email in _TESTERS[:n]:
        yield _row(chance, now, 0, _COUNTRIES[0], first, last, email, is_test=True)
    weights = [country.weight for country in _COUNTRIES]
    countries = chance.choices(_COUNTRIES, weights, k=max(0, n - len(_TESTERS)))
    earlier: list[str] = []
    for number, country in enumerate(countries, start=1):
        first, last = chance.choice(country.first_names), chance.choice(country.last_names)
        email = _email(chance, number, first, last, earlier)
        yield _row(chance, now, number, country, first, last, email)
        if number % 50 == 0 and email:
            earlier.append(email)


def _email(chance: random.Random, number: int, first: str, last: str, earlier: list[str]) -> str:
    """Mostly an address of one's own; sometimes none, somebody else's, or a broken one."""
    luck = chance.random()
    if luck < 0.025:
        return ""
    if luck < 0.035 and earlier:
        return chance.choice(earlier).upper()
    if luck < 0.037:
        return f"{first}.{last}@@nowhere"
    plain = unicodedata.normalize("NFKD", f"{first}.{last}.{number}".lower())
    local = plain.encode("ascii", "ignore").decode().replace("'", "")
    return f"{local.strip('.')}@{chance.choice(_DOMAINS)}"


def _row(
    chance: random.Random,
    now: dt.datetime,
    number: int,
    country: _Country,
    first: str,
    last: str,
    email: str,
    *,
    is_test: bool = False,
) -> tuple[object, ...]:
    created = now - dt.timedelta(days=chance.triangular(10, 1400, 200), seconds=chance.random() * 86_400)
    consent, changed = _consent(chance, created, now)
    key = email.lower() if email.count("@") == 1 else ""
    return (
        uuid.UUID(int=chance.getrandbits(128), version=4),
        f"C{number:07d}" if number else None,
        email,
        key,
        first if chance.random() < 0.93 or is_test else "",
        last if chance.random() < 0.9 else "",
        "",
        country.name if chance.random() < 0.97 else "",
        chance.choice(country.cities) if chance.random() < 0.85 else "",
        country.language if chance.random() < 0.95 else "",
        country.time_zone,
        json.dumps(_attributes(chance, created, now), ensure_ascii=False),
        Consent.SUBSCRIBED if is_test else consent,
        None if is_test else changed,
        is_test,
        created,
        created,
    )


def _consent(chance: random.Random, created: dt.datetime, now: dt.datetime) -> tuple[str, dt.datetime | None]:
    luck = chance.random()
    if luck < 0.08:
        return Consent.UNSUBSCRIBED, created + (now - created) * chance.random()
    return (Consent.OPTED_IN, created) if luck < 0.4 else (Consent.SUBSCRIBED, None)


def _attributes(chance: random.Random, created: dt.datetime, now: dt.datetime) -> dict[str, object]:
    """Customers with orders, some without; the newer the order, the more points."""
    found: dict[str, object] = {
        "plan": chance.choices(("free", "pro", "business"), (70, 24, 6))[0],
        "signed_up": created.date().isoformat(),
        "has_app": chance.random() < 0.35,
    }
    if chance.random() < 0.78:
        ordered = now - (now - created) * (chance.random() ** 2)
        spend = round(chance.lognormvariate(4.3, 1.0), 2)
        found |= {"last_order": ordered.date().isoformat(), "spend": spend, "points": int(spend * 2)}
    if chance.random() < 0.5:
        found["interests"] = sorted(chance.sample(_INTERESTS, chance.randint(1, 3)))
    return found
