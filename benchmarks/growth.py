"""`python -m benchmarks.growth [rows]`: what pages ask of PostgreSQL when the log is long.

Fills 10 million rows of the log (or so many) over 12 months and 40 sends, two of them with a tenth of all rows each
(one has ended, one is being sent), and about a third as many events, in a PostgreSQL of its own that is thrown away;
then asks for pages through the whole of Django. Of each: milliseconds of all its statements as the client sees them,
the first time, the best, the median and p95 of BENCH_ROUNDS, and of the server process's CPU. On a machine that does
other things, CPU and the best time are what can be compared. Needs 6 GB of disk and some minutes.

The last line is one JSON object.

Figures of 25 November 2026 on 2 busy cores, PostgreSQL 18 with 128 MB of shared buffers, 10 million rows made in 285 s:
the panel of a send to a million 2.8 ms (2.3 ms of CPU) when it has ended, 3.2 ms (2.5) while it is being sent; log
pages 4.9 to 6.4 ms wherever they are; 226 bytes a row of the log, 290 an event, indexes among them.
"""
# ruff: noqa: PLC0415

import datetime as dt
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import servers

ROUNDS = int(os.environ.get("BENCH_ROUNDS") or 40)
_N_SENDS = 40
_N_MONTHS = 12
_BYTES_A_ROW = 400
PEOPLE = """
INSERT INTO audiences_profile (public_id, email, email_key, first_name, last_name, phone, country, city, language,
    time_zone, attributes, email_consent, is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'person' || n || '@bench.example', 'person' || n || '@bench.example', 'First' || n % 977,
    'Last' || n % 1999, '', 'FR', '', 'fr', 'Europe/Paris', '{}', 'subscribed', FALSE, now(), now()
FROM generate_series(1, %s) n
"""
_LOG = """
INSERT INTO {table} (opened_month, delivery_id, request_no, profile_id, outcome, at, address, n_attempts, code, detail)
SELECT %(month)s, %(id)s, 0, n, CASE WHEN n %% 97 = 0 THEN 'failed' WHEN n %% 1009 = 0 THEN 'not_sent' ELSE 'sent' END,
    %(at)s::timestamptz + n * interval '300 us', 'person' || n || '@bench' || n %% 40 || '.example', 1,
    CASE WHEN n %% 97 = 0 THEN '550 5.1.1' ELSE '' END,
    CASE WHEN n %% 97 = 0 THEN '550 5.1.1 No such user here' ELSE '250 2.0.0 Ok: queued as 4QfT2v5bXVz' || n END
FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
"""
_EVENTS = """
INSERT INTO {table} (opened_month, delivery_id, request_no, profile_id, kind, at, link_no, is_automatic, detail, code,
    verdict, reason, source_id)
SELECT l.opened_month, l.delivery_id, 0, l.profile_id, k.kind, l.at + l.profile_id %% 7000 * interval '31 s', k.link_no,
    l.profile_id %% 11 = 0 AND k.kind = 'opened', k.detail, k.code, k.verdict, k.reason,
    CASE WHEN k.kind = 'bounced' THEN 'mail:' || l.delivery_id || '-' || l.profile_id END
FROM {log} l CROSS JOIN (VALUES
    ('opened', 4, NULL::int, 'Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15', '', '', ''),
    ('clicked', 19, 0, 'Mozilla/5.0 (Windows NT 10.0) Chrome/143.0', '', '', ''),
    ('bounced', 71, NULL, '550 5.1.1 No such user', '550 5.1.1', 'hard', 'user_unknown')
) AS k (kind, every, link_no, detail, code, verdict, reason)
WHERE l.delivery_id = %(id)s AND l.outcome = 'sent' AND l.profile_id %% k.every = 0
"""
_SHARDS = """
INSERT INTO delivery_shard (delivery_id, number, attempt, request_no, ids, n_ids, state, due_at, fence, n_authorised,
    n_sent, n_failed, n_not_sent, n_unknown, n_cancelled, n_retried, lease_owner)
SELECT %(id)s, part, 1, 0, ids, cardinality(ids), CASE WHEN part <= %(done)s THEN 'done' ELSE 'waiting' END, now(), 0,
    CASE WHEN part <= %(done)s THEN cardinality(ids) ELSE 0 END,
    CASE WHEN part <= %(done)s THEN cardinality(ids) ELSE 0 END, 0, 0, 0, 0, 0, ''
FROM (SELECT (n - 1) / 5000 + 1 AS part, array_agg(n ORDER BY n) AS ids FROM generate_series(1, %(n)s::bigint) n
      GROUP BY 1) parts
"""


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < n * _BYTES_A_ROW * 1.5:
        sys.exit(f"There are {free / 1e9:.1f} GB free; {n} rows need {n * _BYTES_A_ROW * 1.5 / 1e9:.1f} GB.")
    with servers.throwaway():
        result = _run(n)
    for name, figures in result["pages"].items():
        print(f"{name:28}" + "".join(f"{key} {value:<9}" for key, value in figures.items()))
    print(json.dumps(result))


def _run(n: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    settings.ALLOWED_HOSTS = ["*"]
    call_command("migrate", verbosity=0)
    call_command("setup_roles", verbosity=0)
    started = time.monotonic()
    by, big, running = _fill(n)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    seconds = round(time.monotonic() - started)
    print(f"{n} rows made in {seconds} s", file=sys.stderr)
    return {"rows": n, "fill_s": seconds, **_sizes(n), "pages": _measure(by, big, running)}


def _fill(n: int) -> tuple[Any, Any, Any]:
    """The person who looks, the large send that has ended, the large one that is being sent."""
    from django.db import connection
    from django.utils import timezone

    from delivery import partitions, rollups
    from tests import factories

    by = factories.user("Admin")
    large = n // 10
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE.replace("%", "%%").replace("%%s", "%s"), [large])
    this = partitions.month_of(timezone.now())
    sizes = [large, large] + [(n - 2 * large) // (_N_SENDS - 2)] * (_N_SENDS - 2)
    campaigns = [factories.published(by, name=f"Sale {number}") for number in range(4)]
    made, began = [], time.monotonic()
    for number, size in enumerate(sizes):
        month = this if number < 2 else partitions.after(this, -(number % _N_MONTHS))
        made.append(_send(campaigns[number % 4], size, month, is_running=number == 1))
        rollups.rebuild(made[-1].pk)
        print(f"send {number + 1} of {_N_SENDS}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return by, made[0], made[1]


def _send(campaign: Any, size: int, month: dt.date, *, is_running: bool) -> Any:
    from django.db import connection
    from django.utils import timezone

    from delivery.models import Delivery
    from tests import factories

    at = min(
        dt.datetime.combine(month, dt.time(9), dt.UTC) + dt.timedelta(days=9), timezone.now() - dt.timedelta(hours=2)
    )
    made = factories.campaign_send(
        campaign,
        "sending" if is_running else "finished",
        opened_month=month,
        n_targeted=size,
        n_excluded=0,
        n_to_send=size,
    )
    until = timezone.now() + dt.timedelta(days=1) if is_running else at + dt.timedelta(days=3)
    ended = None if is_running else at + dt.timedelta(hours=1)
    Delivery.objects.filter(pk=made.pk).update(started_at=at, valid_until=until, ended_at=ended, seal="a" * 64)
    done = size * 9 // 10 if is_running else size
    with connection.cursor() as cursor:
        values = {
            "month": month,
            "id": made.pk,
            "at": at,
            "first": 1,
            "last": done // 5000 * 5000 if is_running else size,
        }
        log, events = (f"delivery_{name}_{month:%Y%m}" for name in ("sendlog", "event"))
        cursor.execute(_LOG.format(table=log), values)
        cursor.execute(_EVENTS.format(table=events, log=log), values)
        cursor.execute(_SHARDS, {"id": made.pk, "n": size, "done": values["last"] / 5000 if is_running else size})
    return Delivery.objects.get(pk=made.pk)


def _sizes(n: int) -> dict[str, float]:
    """Bytes a row, table and indexes together; how many events there are."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.relname, sum(pg_table_size(c.oid)), sum(pg_indexes_size(c.oid)), sum(c.reltuples)"
            " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent"
            " WHERE p.relname IN ('delivery_sendlog', 'delivery_event') GROUP BY 1"
        )
        rows = {name: [float(value) for value in rest] for name, *rest in cursor.fetchall()}
        cursor.execute("SELECT pg_database_size(current_database())")
        total = float(cursor.fetchone()[0])
    found = {"database_gb": round(total / 1e9, 2), "events": round(rows["delivery_event"][2])}
    for name, (table, indexes, n_rows) in rows.items():
        found |= {f"{name}_bytes": round(table / n_rows), f"{name}_index_bytes": round(indexes / n_rows)}
    return found


def _measure(by: Any, big: Any, running: Any) -> dict[str, dict[str, float]]:
    from django.test import Client
    from django.urls import reverse

    client = Client(SERVER_NAME="localhost")
    client.force_login(by)
    middle, end = (big.n_to_send or 0) // 2, (big.n_to_send or 0) - 60

    def log(tab: str, query: str = "") -> str:
        return reverse("delivery:log", args=[big.public_id, tab]) + query

    pages = {
        "panel, ended": reverse("delivery:panel", args=[big.public_id]) + "?state=finished",
        "panel poll, sending": reverse("delivery:panel", args=[running.public_id]) + "?state=sending",
        "pill": reverse("delivery:pill"),
        "campaign list": "/campaigns/",
        "campaign page": _campaign_url(big),
        "log, first page": log("sending"),
        "log, in the middle": log("sending", f"?after={middle}"),
        "log, at the end": log("sending", f"?after={end}"),
        "log, backwards": log("sending", f"?before={middle}"),
        "log, search": log("sending", f"?q=person{middle}@bench.example"),
        "log, failed": log("sending", "?status=failed"),
        "tracking, first page": log("tracking"),
        "tracking, search": log("tracking", f"?q=person{middle}@bench.example"),
        "profile, messages": _profile_url(middle),
        "top links": log("links"),
        "failures": log("failures"),
        "chart": reverse("delivery:chart", args=[big.public_id]),
    }
    return {name: _time(client, url) for name, url in pages.items()}


def _campaign_url(big: Any) -> str:
    from delivery import origins

    return origins.url(big)


def _profile_url(profile_id: int) -> str:
    from django.urls import reverse

    from audiences.models import Profile

    return reverse("delivery:profile-messages", args=[Profile.objects.get(pk=profile_id).public_id])


def _time(client: Any, url: str) -> dict[str, float]:
    from django.db import connection

    spent: list[float] = []
    slowest = ("", 0.0)
    n_queries = 0
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    rounds = ROUNDS
    cpu = 0.0
    number = 0
    while number <= rounds:
        asked: list[tuple[str, float]] = []

        def clock(execute: Any, sql: str, *rest: Any, asked: list[tuple[str, float]] = asked) -> Any:
            began = time.perf_counter()
            try:
                return execute(sql, *rest)
            finally:
                asked.append((sql, (time.perf_counter() - began) * 1000))

        before = _cpu_ms(pid)
        with connection.execute_wrapper(clock):
            answer = client.get(url)
        assert answer.status_code in (200, 286), (url, answer.status_code, answer.content[:300])
        spent.append(sum(ms for _sql, ms in asked))
        cpu += (_cpu_ms(pid) - before) if number else 0
        n_queries, slowest = len(asked), max(asked, key=lambda one: one[1]) if number == 1 else slowest
        if number == 1 and spent[-1] > 500:
            rounds = 3
        number += 1
    if slowest[1] > 5:
        print(f"{url}: {slowest[1]:.1f} ms: {slowest[0][:300]}", file=sys.stderr)
    first, warm = spent[0], sorted(spent[1:])
    p50, p95 = warm[len(warm) // 2], warm[min(len(warm) - 1, int(len(warm) * 0.95))]
    found = {
        "queries": n_queries,
        "first_ms": first,
        "best_ms": warm[0],
        "p50_ms": p50,
        "p95_ms": p95,
        "cpu_ms": cpu / rounds,
    }
    return {name: round(value, 2) for name, value in found.items()}


def _cpu_ms(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


if __name__ == "__main__":
    main()
