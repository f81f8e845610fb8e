"""What a prepared send looks like for a few of its people: messages rendered before anybody is asked to confirm.

Half of them go to the emptiest profiles, where a template is most likely to fail; the others are spread over the list,
the same ones each time. Called by delivery.preparation, when the shards are stored and no transaction is open.
"""

import random

from django.db.backends.utils import CursorWrapper

from audiences import profiles
from delivery import origins, triggers
from delivery.models import Delivery
from lib.errors import DomainError
from messaging import channels, preview
from messaging.channels import webhook

N_SAMPLES = 20
# People among whom the emptiest profiles are looked for.
_LOOKED_AT = 20_000

# OFFSET 0: each is looked up by its key; reading all profiles would take longer than most of a preparation.
_ONE = "CROSS JOIN LATERAL (SELECT * FROM audiences_profile WHERE id = c.id OFFSET 0) p"
_FILLED = "+".join(f"(p.{name} <> '')::int" for name in ("first_name", "last_name", "country", "city", "language"))
_EMPTIEST = f"""
SELECT {profiles.PERSON_COLUMNS} FROM (
    SELECT unnest(ids) AS id FROM (SELECT ids FROM delivery_shard WHERE delivery_id = %s ORDER BY number) s LIMIT %s
) c {_ONE} ORDER BY {_FILLED} + (SELECT count(*) FROM jsonb_object_keys(p.attributes)), p.id LIMIT %s
"""
# By their places in the whole list, from 0.
_SPREAD = f"""
SELECT {profiles.PERSON_COLUMNS} FROM (
    SELECT s.ids[w.place - s.n_before + 1] AS id, w.turn FROM (
        SELECT ids, n_ids, sum(n_ids) OVER (ORDER BY number) - n_ids AS n_before FROM delivery_shard
        WHERE delivery_id = %s
    ) s JOIN unnest(%s::bigint[]) WITH ORDINALITY AS w (place, turn)
    ON w.place >= s.n_before AND w.place < s.n_before + s.n_ids
) c {_ONE} WHERE NOT c.id = ANY(%s) ORDER BY c.turn LIMIT %s
"""


def take(delivery: Delivery, cursor: CursorWrapper, *, n: int) -> list[dict[str, object]]:
    """What N_SAMPLES messages to the `n` people of the list look like, those of the emptiest profiles first.

    Each: profile_id, public_id, name, email, subject, n_bytes, problem ("" or a sentence for people).
    """
    campaign, trigger = origins.campaign(delivery), triggers.common(delivery.request_no)
    program = channels.REGISTRY[delivery.message.channel].compile(
        delivery.message, delivery_id=delivery.pk, delivery_ref=str(delivery.public_id), campaign=campaign
    )
    samples = []
    for person in _people(delivery, cursor, n):
        sample: dict[str, object] = {
            "profile_id": person.id,
            "public_id": str(person.public_id),
            "name": f"{person.first_name} {person.last_name}".strip(),
            "email": person.email,
            "subject": "",
            "n_bytes": 0,
            "problem": "",
        }
        try:
            written = program.render(person, trigger=trigger).data
            sample["n_bytes"] = len(written.body if isinstance(written, webhook.Request) else written)
            shown = preview.render(delivery.message, person, campaign=campaign, trigger=trigger)
            sample["subject"] = shown.subject
        except DomainError as problem:
            sample["problem"] = problem.message
        samples.append(sample)
    return samples


def _people(delivery: Delivery, cursor: CursorWrapper, n: int) -> list[profiles.Person]:
    cursor.execute(_EMPTIEST, [delivery.pk, _LOOKED_AT, N_SAMPLES // 2])
    people = [profiles.of_row(row) for row in cursor.fetchall()]
    # As many as would be enough if everybody found above were among them.
    places = random.Random(delivery.pk).sample(range(n), min(n, N_SAMPLES))
    found = [person.id for person in people]
    cursor.execute(_SPREAD, [delivery.pk, places, found, N_SAMPLES - len(people)])
    return people + [profiles.of_row(row) for row in cursor.fetchall()]
