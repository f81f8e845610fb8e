"""How long an import of many people takes and how much memory it needs, against the database of the environment.

`DATABASE_URL=… python benchmarks/import_people.py 1000000` on a migrated database. What it makes is left, so a second
run measures an import of people who are all known.

Figures of one run, 22 November 2026, on 2 cores that were busy with other work (load 7), PostgreSQL 18 on the same
machine: 1,000,000 rows (110 MB) in 202 s after 13.5 s of upload; the process grew from 74 to 108 MB, with 50,000 rows
to 106 MB.
"""
# ruff: noqa: PLC0415

import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

COLUMNS = (
    b"external_id",
    b"email",
    b"first_name",
    b"last_name",
    b"country",
    b"language",
    b"time_zone",
    b"plan",
    b"points",
    b"last_order_at",
    b"email_subscribe",
)


def rows(n: int) -> Iterator[bytes]:
    """A file of `n` people in pieces, never whole in memory."""
    yield b",".join(COLUMNS) + b"\n"
    countries, plans = ("FR", "BE", "DE", "JP", "US"), ("free", "pro", "enterprise")
    for start in range(0, n, 5000):
        lines = [
            f"bench-{i},person{i}@bench.example,First{i % 977},Last{i % 1999},{countries[i % 5]},fr,Europe/Paris,"
            f"{plans[i % 3]},{i % 10_000},2026-{i % 12 + 1:02}-{i % 28 + 1:02},subscribed\n"
            for i in range(start, min(n, start + 5000))
        ]
        yield "".join(lines).encode()


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    import django

    django.setup()
    from accounts import roles
    from accounts.models import User
    from audiences import import_runs, imports

    roles.sync()
    user, _made = User.objects.get_or_create(email="bench@chappe.test", defaults={"name": "Bench"})
    roles.give(user, "Marketer")
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    before = rss_mb()
    started = time.monotonic()
    job = imports.receive(rows(n), file_name="bench.csv", by=user)
    uploaded = time.monotonic()
    imports.start(job.pk, plan=imports.Plan(job.mapping, job.key, job.encoding), by=user)
    import_runs.run(job.pk)
    seconds = time.monotonic() - uploaded
    job.refresh_from_db()
    print(
        f"{job.state}: {job.n_rows:,} rows, {job.n_bytes / 1e6:.0f} MB; {job.n_created:,} new,"
        f" {job.n_updated:,} updated, {job.n_unchanged:,} unchanged, {job.n_refused:,} refused;"
        f" upload {uploaded - started:.1f} s,"
        f" import {seconds:.1f} s ({job.n_rows / seconds:,.0f} rows/s); memory {before:.0f} → {rss_mb():.0f} MB"
    )


if __name__ == "__main__":
    main()
