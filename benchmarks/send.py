"""The parts of bench.py that need Django, each in a process of its own: make, prepare, drain, count."""

import json
import resource
import sys
import time
import uuid

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from accounts import roles  # noqa: E402
from accounts.models import User  # noqa: E402
from audiences.models import AttributeDefinition, AttributeType  # noqa: E402
from delivery import lifecycle, opening, preparation, sending  # noqa: E402
from delivery.models import Delivery, DeliveryState, SendLog  # noqa: E402
from messaging import content  # noqa: E402
from messaging.content import ContentSpec  # noqa: E402

_PEOPLE = """
INSERT INTO audiences_profile (public_id, email, email_key, first_name, last_name, phone, country, city, language,
    time_zone, attributes, email_consent, is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'person' || n || '@example.test', 'person' || n || '@example.test',
    (ARRAY['Léa', 'Hugo', 'Chloé', 'Louis', 'Zoé'])[n %% 5 + 1], (ARRAY['Durand', 'Martin', 'Petit'])[n %% 3 + 1], '',
    'France', (ARRAY['Paris', 'Lyon', 'Nîmes'])[n %% 3 + 1], 'fr', 'Europe/Paris',
    jsonb_build_object('plan', (ARRAY['free', 'plus'])[n %% 2 + 1], 'points', n %% 1000, 'renewal', '2026-12-01'),
    'subscribed', false, now(), now()
FROM generate_series(1, %s) AS n
"""
_ATTRIBUTES = {"plan": AttributeType.TEXT, "points": AttributeType.NUMBER, "renewal": AttributeType.DATE}
_PARAGRAPH = (
    '<p style="margin:0 0 16px;font-family:Helvetica,Arial,sans-serif;font-size:16px;line-height:24px;color:#223344">'
    "Autumn is here, and with it the coats, boots and lamps that make the darker evenings pleasant. We have chosen a "
    "few things that go well together, and some that simply make us happy.</p>"
)


def body() -> str:
    """About 8 KB of HTML: 12 links, 10 merge fields, a condition and a filter."""
    blocks = []
    for number in range(11):
        blocks.append(
            f'<h2 style="font-family:Helvetica,Arial,sans-serif">Pick {number + 1} for {{{{ profile.city }}}}</h2>'
            f'{_PARAGRAPH}<p><a href="https://shop.example/autumn/pick-{number}?ref=mail" '
            f'style="color:#0b5fff;font-weight:600">See pick {number + 1}</a></p>'
        )
    return (
        "<html><body><p>Hello {{ profile.first_name | default: 'there' }} {{ profile.last_name | upcase }},</p>"
        "{% if profile.plan == 'plus' %}<p>You have {{ profile.points }} points.</p>{% endif %}"
        f"{''.join(blocks)}"
        '<p><a href="https://shop.example/account">Your account</a>: {{ profile.email }}, {{ profile.country }}</p>'
        '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
    )


def make(n: int) -> None:
    call_command("migrate", verbosity=0)
    call_command("setup_roles", verbosity=0)
    operator = User.objects.create_user("operator@example.test", name="Operator")
    roles.give(operator, "Operator")
    AttributeDefinition.objects.bulk_create(
        AttributeDefinition(name=name, type=kind) for name, kind in _ATTRIBUTES.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [n])
        cursor.execute("VACUUM ANALYZE audiences_profile")


def prepare(n: int) -> dict[str, object]:
    operator = User.objects.get(email="operator@example.test")
    spec = ContentSpec(
        sender_name="Example Shop",
        sender_address="hello@shop.example",
        reply_to="",
        subject="{{ profile.first_name | default: 'Hello' }}, your autumn picks are here",
        preheader="Eleven things for darker evenings",
        body_kind="html",
        body=body(),
        text=None,
        tracks_opens=True,
        tracks_clicks=True,
        utm={},
    )
    delivery = opening.open_delivery(
        message=content.freeze(spec),
        audience={"conditions": {"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]}, "limit": n},
        label="Benchmark",
        origin=("campaign", str(uuid.uuid4())),
        validity_s=86400,
        re_eligible_after_s=0,
        rate_per_minute=None,
        scheduled_at=None,
        scheduled_zone="",
        owner=operator,
        by=operator,
    )
    started = time.monotonic()
    lifecycle.prepare(delivery.pk, by=operator)
    preparation.run(delivery.pk)
    seconds = time.monotonic() - started
    delivery = Delivery.objects.get(pk=delivery.pk)
    lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=n)
    lifecycle.start_now(delivery.pk, by=operator)
    return {"delivery": delivery.pk, "seconds": round(seconds, 2)}


def drain(delivery_id: int) -> dict[str, float]:
    print("ready", flush=True)
    sys.stdin.readline()
    before = resource.getrusage(resource.RUSAGE_SELF)
    while Delivery.objects.get(pk=delivery_id).state == DeliveryState.SENDING:
        sending.drain(delivery_id)
    after = resource.getrusage(resource.RUSAGE_SELF)
    sys_s = after.ru_stime - before.ru_stime
    cpu_s = after.ru_utime - before.ru_utime + sys_s
    return {"cpu_s": cpu_s, "sys_s": sys_s, "rss_mb": after.ru_maxrss / 1024}


def count(delivery_id: int) -> dict[str, int]:
    return {"sent": SendLog.objects.filter(delivery_id=delivery_id, outcome="sent").count()}


if __name__ == "__main__":
    steps = {"make": make, "prepare": prepare, "drain": drain, "count": count}
    print(json.dumps(steps[sys.argv[1]](int(sys.argv[2]))), flush=True)
