"""How long preparing a send to a million people takes, in times of the bare copy of as many rows.

`python -m benchmarks.preparation [people [rounds]]` starts PostgreSQL and Valkey of its own. Prints one JSON line of
medians of interleaved rounds. `bare` is an INSERT … SELECT of a row for each person, (delivery, person), into an
ordinary table without an index, `keyed` the same into one with a primary key. The others are whole preparations, from
the first look at the delivery to the seal, samples rendered:

- `plain`: no rule of its own, only those that always hold;
- `five`: no address, unsubscribed, quarantine, an excluded list, duplicate addresses (19 % left out);
- `five_capped`: the same with the sending limit in place of the list: two thirds of the people had something in the
  last 24 hours, 7 % of all had too much;
- `all`: these, a group, an earlier send of the same campaign to a third of the people, a sending limit that another
  third has reached, a control group: 78 % left out, a row each.

`<name>_ratio` says how many times as long as `bare` it took, `<name>_keyed_ratio` as `keyed`.

Figures of 25 November 2026, 1,000,000 people, 2 cores that were busy with other work, PostgreSQL 18 on the same
machine. By the clock, at a load of 16: bare 3.7 s, keyed 7.0 s; plain 2.7, five 2.3, five_capped 3.8, all 6.8 times as
long as bare. In processor time of PostgreSQL and Python, which waits for nobody: bare 0.51 s, keyed 1.24 s; plain 2.9,
five 3.4, five_capped 5.1, all 10.2 times as much.
"""
# ruff: noqa: PLC0415

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import servers

# A hundredth has no address, a tenth unsubscribed, a hundredth has the address of somebody else.
_PEOPLE = """
INSERT INTO audiences_profile (public_id, email, email_key, first_name, last_name, phone, country, city, language,
    time_zone, attributes, email_consent, is_test, created_at, updated_at)
SELECT gen_random_uuid(), email, email, 'First' || n % 977, 'Last' || n % 1999, '',
    CASE n % 5 WHEN 0 THEN 'FR' ELSE 'DE' END, '', 'fr', 'Europe/Paris', '{"plan": "free"}',
    CASE WHEN n % 10 = 0 THEN 'unsubscribed' ELSE 'subscribed' END, FALSE, now(), now()
FROM (SELECT n, CASE n % 100 WHEN 11 THEN '' WHEN 2 THEN name(n - 1) ELSE name(n) END AS email
    FROM generate_series(1, %s) n) people
"""
# Addresses in no order, as people's are.
_NAME = """
CREATE FUNCTION name(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT substr(md5(n::text), 1, 8) || n || '@bench.example' $$
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
SELECT %s, %s, 0, id, 'sent', now() - interval '1 hour', '' FROM audiences_profile WHERE id %% %s = %s
"""


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with servers.throwaway():
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        print(json.dumps({"people": n, "rounds": rounds, **_measure(n, rounds)}))


def _measure(n: int, rounds: int) -> dict[str, float]:
    kinds = _kinds(n)
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _round in range(rounds):
        for name, measure in kinds.items():
            found[name].append(measure())
    medians = {name: round(statistics.median(seconds), 2) for name, seconds in found.items()}
    names = [name for name in kinds if name not in {"bare", "keyed"}]
    ratios = {f"{name}_ratio": round(medians[name] / medians["bare"], 1) for name in names}
    return medians | ratios | {f"{name}_keyed_ratio": round(medians[name] / medians["keyed"], 1) for name in names}


def _kinds(n: int) -> dict[str, Callable[[], float]]:
    """What is measured, over people and facts that are made here."""
    from django.db import connection

    from audiences.models import Segment, SubscriptionGroup
    from tests import factories

    by = factories.user("Admin")
    segment = Segment.objects.create(name="Left out", kind="list")
    group = SubscriptionGroup.objects.create(name="Newsletter", default_state="subscribed")
    earlier, *others = [factories.delivery(by) for _n in range(4)]
    with connection.cursor() as cursor:
        cursor.execute(_NAME)
        cursor.execute(_PEOPLE.replace("%", "%%").replace("%%s", "%s"), [n])
        cursor.execute(_FACTS.format(segment=segment.pk, group=group.pk))
        for made, part, rest in ((earlier, 3, 0), (others[0], 3, 1), (others[1], 3, 1), (others[2], 15, 1)):
            cursor.execute(_LOG, [made.opened_month, made.pk, part, rest])
        cursor.execute("UPDATE delivery_delivery SET started_at = now() - interval '2 hours', state = 'finished'")
        cursor.execute("VACUUM ANALYZE")
    everybody: dict[str, Any] = {"conditions": _everybody()}
    excluding = everybody | {"exclude": [str(segment.public_id)]}
    every = excluding | {"subscription_group": str(group.public_id), "control_percent": 5}
    again = {"origin": (earlier.origin_kind, earlier.origin_id), "re_eligible_after_s": 7 * 86400}
    return {
        "bare": lambda: _bare(""),
        "keyed": lambda: _bare(", PRIMARY KEY (delivery_id, profile_id)"),
        "plain": lambda: _prepare(by, cap=None, audience=everybody),
        "five": lambda: _prepare(by, cap=None, audience=excluding),
        "five_capped": lambda: _prepare(by, cap=3, audience=everybody),
        "all": lambda: _prepare(by, cap=2, audience=every, **again),
    }


def _everybody() -> dict[str, object]:
    return {"match": "all", "rules": [{"field": "profile.is_test", "op": "is", "value": False}]}


def _bare(key: str) -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bare (delivery_id bigint NOT NULL, profile_id bigint NOT NULL{key})")
        started = time.monotonic()
        cursor.execute("INSERT INTO bare SELECT 1, p.id FROM audiences_profile p WHERE NOT p.is_test")
        seconds = time.monotonic() - started
        cursor.execute("DROP TABLE bare")
    return seconds


def _prepare(by: Any, *, cap: int | None, **fields: Any) -> float:
    """Seconds of a whole preparation; what was found goes to standard error."""
    from accounts import installation
    from delivery import lifecycle, options, preparation
    from delivery.models import Delivery
    from tests import factories

    installation.save({options.CAP_MESSAGES: cap, options.CAP_HOURS: 24}, by=by)
    made = factories.delivery(by, **fields)
    lifecycle.prepare(made.pk, by=by)
    started = time.monotonic()
    preparation.run(made.pk)
    seconds = time.monotonic() - started
    done = Delivery.objects.get(pk=made.pk)
    print(done.state, done.n_targeted, done.n_to_send, done.excluded_by_reason, done.failure, file=sys.stderr)
    return seconds


if __name__ == "__main__":
    main()
