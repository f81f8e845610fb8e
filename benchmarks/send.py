"""The measured send without the sending, in a process of its own: people, preparation, counts, the scheduler's tick."""

import time
import uuid
from datetime import timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Sum  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import roles  # noqa: E402
from accounts.models import User  # noqa: E402
from audiences.models import AttributeDefinition  # noqa: E402
from benchmarks import lines, message  # noqa: E402
from delivery import lifecycle, opening, preparation, tasks  # noqa: E402
from delivery.models import Delivery, DeliveryState, SendLog, Shard  # noqa: E402
from messaging import content, dkim, sealed  # noqa: E402
from messaging.content import ContentSpec  # noqa: E402
from messaging.models import DkimKey  # noqa: E402

# The sender whose domain has a DKIM key, and the one whose domain has none.
SIGNED, UNSIGNED = "hello@signed.example", "hello@shop.example"
# As in CELERY_BEAT_SCHEDULE.
_TICK_S = 2.0
_PEOPLE = """
INSERT INTO audiences_profile (public_id, email, email_key, first_name, last_name, phone, country, city, language,
    time_zone, attributes, email_consent, is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'person' || n || '@example.test', 'person' || n || '@example.test',
    (ARRAY['Léa', 'Hugo', 'Chloé', 'Louis', 'Zoé'])[n %% 5 + 1], (ARRAY['Durand', 'Martin', 'Petit'])[n %% 3 + 1], '',
    'France', (ARRAY['Paris', 'Lyon', 'Nîmes'])[n %% 3 + 1], 'fr', 'Europe/Paris',
    jsonb_build_object('plan', (ARRAY['free', 'plus'])[n %% 2 + 1], 'points', n %% 1000, 'renewal', '2026-12-01'),
    'subscribed', false, now(), now()
FROM generate_series(%s, %s) AS n
"""


def make() -> dict[str, object]:
    """Tables, an operator, the attributes of people, and the key of the signed domain."""
    call_command("migrate", verbosity=0)
    call_command("setup_roles", verbosity=0)
    operator = User.objects.create_user("operator@example.test", name="Operator")
    roles.give(operator, "Operator")
    AttributeDefinition.objects.bulk_create(
        AttributeDefinition(name=name, type=kind) for name, kind in message.ATTRIBUTES.items()
    )
    pem = dkim.make_key()
    DkimKey.objects.create(
        domain=SIGNED.partition("@")[2],
        selector="bench",
        secret=sealed.seal(pem.decode()),
        record=dkim.record(pem),
        active_at=timezone.now(),
        created_by=operator,
    )
    return {}


def people(first: int, last: int) -> dict[str, object]:
    """Add the people with these numbers."""
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [first, last])
        cursor.execute("VACUUM ANALYZE audiences_profile")
    return {}


def database(name: str) -> dict[str, object]:
    """Another database on the same server."""
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    return {}


def prepare(n: int, is_signed: bool = False) -> dict[str, object]:
    """A delivery to `n` people that is sending, and the seconds its preparation took."""
    operator = User.objects.get(email="operator@example.test")
    delivery = opening.open_delivery(
        message=content.freeze(_spec(SIGNED if is_signed else UNSIGNED)),
        audience={"conditions": {"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]}, "limit": n},
        label="Benchmark",
        origin=("campaign", str(uuid.uuid4())),
        validity_s=int(timedelta(days=1).total_seconds()),
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
    return {"delivery": delivery.pk, "seconds": seconds}


def _spec(sender: str) -> ContentSpec:
    return ContentSpec(
        sender_name="Example Shop",
        sender_address=sender,
        reply_to="",
        subject=message.subject(message.LIQUID),
        preheader="Five things for darker evenings",
        body_kind="html",
        body=message.html(message.LIQUID),
        text=message.text(message.LIQUID),
        tracks_opens=True,
        tracks_clicks=True,
        utm={},
    )


def count(delivery: int) -> dict[str, object]:
    """What PostgreSQL says: rows of the send log, people sent to by the counters, and whether it finished."""
    return {
        "logged": SendLog.objects.filter(delivery_id=delivery, outcome="sent").count(),
        "sent": Shard.objects.filter(delivery_id=delivery).aggregate(n=Sum("n_sent"))["n"],
        "is_finished": Delivery.objects.get(pk=delivery).state == DeliveryState.FINISHED,
    }


def tick(delivery: int) -> dict[str, object]:
    """Wake drains in Celery's workers as the scheduler does, until they finished it; the seconds that took."""
    started, next_at = time.monotonic(), 0.0
    while Delivery.objects.get(pk=delivery).state == DeliveryState.SENDING:
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + _TICK_S
            tasks.tick()
        time.sleep(0.02)
    return {"seconds": time.monotonic() - started}


if __name__ == "__main__":
    answers = (make, people, database, prepare, count, tick)
    lines.serve({answer.__name__: answer for answer in answers})
