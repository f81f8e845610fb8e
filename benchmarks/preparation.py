"""How long preparing a send to a million people takes: without rules, with every exclusion rule, and the bare copy.

`python -m benchmarks.preparation [people]` starts PostgreSQL and Valkey of its own. Prints one JSON line of seconds:
`bare` is an INSERT … SELECT of the same people without any rule; `plain` and `rules` are `choose`, the part that
decides about people, and the whole preparation, with and without rules: a group, an excluded list, quarantine, an
earlier send of the same campaign to a third of the people, a sending limit that another third has reached, a control
group. A ratio says how many times as long as `bare` the whole took.

Figures of one run, 25 November 2026, on 2 cores that were busy with other work (load 11), PostgreSQL 18 on the same
machine: 1,000,000 people: bare 1.0 s; without rules 2.1 s to choose, 6.8 s in all (6.9 times the bare copy); with all
rules 10.2 s and 15.3 s (15 times), 770,000 rows of exclusions among them.
"""
# ruff: noqa: PLC0415

import json
import sys
import time
from typing import Any

from benchmarks import servers

_PEOPLE = """
INSERT INTO audiences_profile (public_id, email, email_key, first_name, last_name, phone, country, city, language,
    time_zone, attributes, email_consent, is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'person' || n || '@bench.example', 'person' || n || '@bench.example', 'First' || n % 977,
    'Last' || n % 1999, '', CASE n % 5 WHEN 0 THEN 'FR' ELSE 'DE' END, '', 'fr', 'Europe/Paris', '{"plan": "free"}',
    CASE WHEN n % 10 = 0 THEN 'unsubscribed' ELSE 'subscribed' END, FALSE, now(), now()
FROM (SELECT CASE WHEN n % 100 = 1 THEN n - 1 ELSE n END AS n FROM generate_series(1, %s) n) people
"""
_FACTS = """
INSERT INTO audiences_quarantineentry (address_key, reason, evidence, since, release_note)
    SELECT email_key, 'bounced', '', now(), '' FROM audiences_profile WHERE id % 50 = 3 ON CONFLICT DO NOTHING;
INSERT INTO audiences_segmentmember (segment_id, profile_id)
    SELECT {segment}, id FROM audiences_profile WHERE id % 20 = 4;
INSERT INTO audiences_subscription (group_id, profile_id, state, changed_at)
    SELECT {group}, id, 'unsubscribed', now() FROM audiences_profile WHERE id % 10 = 5;
"""
_LOG = """
INSERT INTO delivery_sendlog (opened_month, delivery_id, request_no, profile_id, outcome, at, address)
SELECT %s, %s, 0, id, 'sent', now() - interval '1 hour', '' FROM audiences_profile WHERE id %% 3 = %s
"""


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with servers.throwaway():
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        print(json.dumps({"people": n, **_measure(n)}))


def _measure(n: int) -> dict[str, float]:
    from django.db import connection

    from accounts import installation
    from audiences.models import Segment, SubscriptionGroup
    from delivery import options
    from tests import factories

    by = factories.user("Admin")
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE.replace("%", "%%").replace("%%s", "%s"), [n])
    audience: dict[str, Any] = {"conditions": _everybody()}
    earlier, others = factories.delivery(by), [factories.delivery(by) for _n in range(2)]
    origin = (earlier.origin_kind, earlier.origin_id)
    segment = Segment.objects.create(name="Left out", kind="list")
    group = SubscriptionGroup.objects.create(name="Newsletter", default_state="subscribed")
    with connection.cursor() as cursor:
        cursor.execute(_FACTS.format(segment=segment.pk, group=group.pk))
        for made, third in ((earlier, 0), (others[0], 1), (others[1], 1)):
            cursor.execute(_LOG, [made.opened_month, made.pk, third])
        cursor.execute("UPDATE delivery_delivery SET started_at = now() - interval '2 hours', state = 'finished'")
        cursor.execute("VACUUM ANALYZE")
    found = {"bare": _bare()} | {f"plain_{name}": s for name, s in _prepare(by, audience=audience).items()}
    installation.save({options.CAP_MESSAGES: 2, options.CAP_HOURS: 24}, by=by)
    audience |= {"exclude": [str(segment.public_id)], "subscription_group": str(group.public_id), "control_percent": 5}
    ruled = _prepare(by, audience=audience, origin=origin, re_eligible_after_s=7 * 86400)
    found |= {f"rules_{name}": s for name, s in ruled.items()}
    return found | {f"{name}_ratio": round(found[f"{name}_whole"] / found["bare"], 1) for name in ("plain", "rules")}


def _everybody() -> dict[str, object]:
    return {"match": "all", "rules": [{"field": "profile.is_test", "op": "is", "value": False}]}


def _bare() -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE bare (id bigint NOT NULL, email_key text NOT NULL, reason text, detail text)"
        )
        started = time.monotonic()
        cursor.execute("INSERT INTO bare SELECT p.id, p.email_key FROM audiences_profile p WHERE NOT p.is_test")
        seconds = time.monotonic() - started
        cursor.execute("DROP TABLE bare")
    return round(seconds, 2)


def _prepare(by: Any, **fields: Any) -> dict[str, float]:
    """Seconds of choosing people, and of everything; what was found goes to standard error."""
    from delivery import lifecycle, preparation
    from delivery.models import Delivery
    from tests import factories

    made = factories.delivery(by, **fields)
    lifecycle.prepare(made.pk, by=by)
    choose = preparation._choose
    spent: list[float] = []

    def timed(*arguments: Any) -> None:
        started = time.monotonic()
        choose(*arguments)
        spent.append(time.monotonic() - started)

    preparation._choose = timed
    started = time.monotonic()
    preparation.run(made.pk)
    whole = time.monotonic() - started
    preparation._choose = choose
    done = Delivery.objects.get(pk=made.pk)
    print(done.state, done.n_targeted, done.n_to_send, done.excluded_by_reason, done.failure, file=sys.stderr)
    return {"choose": round(spent[0], 2), "whole": round(whole, 2)}


if __name__ == "__main__":
    main()
