"""`python -m benchmarks.recording [people]`: what PostgreSQL spends on storing outcomes and opening windows.

A throwaway PostgreSQL with its durable settings; one connection does what a sending worker does (`delivery.windows`),
without rendering or mail, for batches of 500 and 1,000. Microseconds of the server process's CPU a message:

- `copy`: the rows of the log alone, one transaction a batch;
- `record`: `advance` that stores outcomes and opens nothing;
- `open`: `advance` that authorises and reads people and stores nothing;
- `whole`: `advance` that does both, as in the middle of a send;
- `background`: what checkpointer, WAL writer and the other server processes used meanwhile, also a message.

`wal_bytes` are bytes of WAL a message of `whole`, pages written in full after a checkpoint among them. The last line
is one JSON object.

Figures of 25 November 2026 on 2 busy cores, PostgreSQL 18, batches of 500: copy 2.7 µs, record
3.2 µs, open 2.5 µs, whole 5.8 µs.
"""
# ruff: noqa: PLC0415

import contextlib
import datetime as dt
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import growth, servers

BATCHES = (500, 1000)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with servers.throwaway() as postmaster:
        result = {"people": n, "us_per_message": _run(n, postmaster)}
    print(json.dumps(result))


def _run(n: int, postmaster: int) -> dict[str, dict[str, float]]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection as of_django

    from tests import factories

    call_command("migrate", verbosity=0)
    call_command("setup_roles", verbosity=0)
    by = factories.user("Admin")
    with of_django.cursor() as cursor:
        cursor.execute(growth.PEOPLE.replace("%", "%%").replace("%%s", "%s"), [n])
        cursor.execute("VACUUM ANALYZE audiences_profile")
    found: dict[str, dict[str, float]] = {}
    for batch in BATCHES:
        for name, measure in {"copy": _copy, "record": _parts, "whole": _whole}.items():
            delivery_id = _started(by)
            with _connection() as connection:
                before, wal = _others_us(postmaster, connection), _wal(connection)
                measured = measure(connection, delivery_id, batch)
                if name == "whole":
                    measured["background"] = round((_others_us(postmaster, connection) - before) / n, 2)
                    measured["wal_bytes"] = round((_wal(connection) - wal) / n)
            found.setdefault(str(batch), {}).update(measured)
            print(batch, name, measured, file=sys.stderr)
    return found


def _started(by: Any) -> int:
    """A send to everybody that is being sent, with nobody at work on it."""
    from delivery import lifecycle, preparation
    from delivery.models import Delivery
    from tests import factories

    rules = [{"field": "profile.is_test", "op": "is", "value": False}]
    audience = {"conditions": {"match": "all", "rules": rules}}
    made = factories.delivery(by, audience=audience, re_eligible_after_s=0)
    lifecycle.prepare(made.pk, by=by)
    preparation.run(made.pk)
    made = Delivery.objects.get(pk=made.pk)
    lifecycle.confirm(made.pk, by=by, seal=made.seal, n_to_send=made.n_to_send or 0)
    lifecycle.start_now(made.pk, by=by)
    return made.pk


@contextlib.contextmanager
def _connection() -> Iterator[Any]:
    """As a sending worker makes it."""
    from delivery import sending

    with sending.connect() as connection:
        connection.execute("CHECKPOINT")
        yield connection


def _cpu_us(connection: Any) -> float:
    """Microseconds of CPU that the server process of this connection has used."""
    return _of_process(connection.info.backend_pid)


def _of_process(pid: int) -> float:
    with contextlib.suppress(FileNotFoundError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000
    return 0.0


def _others_us(postmaster: int, connection: Any) -> float:
    """The same of all other processes of the server."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return sum(_of_process(int(pid)) for pid in children if int(pid) != connection.info.backend_pid)


def _wal(connection: Any) -> int:
    return int(connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()[0])


def _leases(connection: Any, delivery_id: int) -> Iterator[Any]:
    from delivery import windows

    while (held := windows.lease(connection, delivery_id)) is not None:
        yield held
        held.journal.remove()


def _later() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


def _sent(held: Any, low: int, high: int) -> list[Any]:
    from delivery.models import Outcome
    from delivery.windows import Settled

    detail = "250 2.0.0 Ok: queued as 4QfT2v5bXVz9rYk"
    at = time.time()
    return [
        Settled(i, Outcome.SENT, at, f"person{held.ids[i]}@example.test", is_attempt=True, detail=detail)
        for i in range(low, high)
    ]


def _copy(connection: Any, delivery_id: int, batch: int) -> dict[str, float]:
    from delivery import logrows
    from delivery.models import Delivery, Shard

    month = Delivery.objects.get(pk=delivery_id).opened_month
    writer = logrows.Writer(month=month, delivery_id=delivery_id, request_no=0)
    ids = [one for shard in Shard.objects.filter(delivery=delivery_id).order_by("number") for one in shard.ids]
    began = _cpu_us(connection)
    for low in range(0, len(ids), batch):
        at, detail = time.time(), "250 2.0.0 Ok: queued as 4QfT2v5bXVz9rYk"
        part = ids[low : low + batch]
        rows = [writer.row(one, "sent", at, f"person{one}@example.test", 1, "", detail) for one in part]
        with connection.cursor().copy(logrows.COPY) as copy:
            copy.write(b"".join((logrows.HEADER, *rows, logrows.TRAILER)))
    return {"copy": round((_cpu_us(connection) - began) / len(ids), 2)}


def _parts(connection: Any, delivery_id: int, batch: int) -> dict[str, float]:
    """Opening everything of a shard first, then storing all of it: the two sides apart."""
    from delivery import windows

    spent = {"open": 0.0, "record": 0.0}
    n = 0
    for held in _leases(connection, delivery_id):
        began = _cpu_us(connection)
        while not held.is_exhausted:
            windows.advance(connection, held, [], n_more=batch, again=[], valid_until=_later())
        opened = _cpu_us(connection)
        for low in range(0, held.n_ids, batch):
            settled = _sent(held, low, min(held.n_ids, low + batch))
            windows.advance(connection, held, settled, n_more=0, again=[], valid_until=_later())
        spent["open"] += opened - began
        spent["record"] += _cpu_us(connection) - opened
        n += held.n_ids
    return {name: round(us / n, 2) for name, us in spent.items()}


def _whole(connection: Any, delivery_id: int, batch: int) -> dict[str, float]:
    from delivery import windows

    began, started, n = _cpu_us(connection), time.monotonic(), 0
    for held in _leases(connection, delivery_id):
        low = 0
        windows.advance(connection, held, [], n_more=batch, again=[], valid_until=_later())
        while low < held.n_ids:
            high = held.n_authorised
            windows.advance(connection, held, _sent(held, low, high), n_more=batch, again=[], valid_until=_later())
            low = high
        n += held.n_ids
    used = _cpu_us(connection) - began
    return {"whole": round(used / n, 2), "whole_messages_per_s": round(n / (time.monotonic() - started))}


if __name__ == "__main__":
    main()
