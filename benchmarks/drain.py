"""One worker process of the measured send: runs the product's drain, as a Celery pool process does, on what it is told.

`python -m benchmarks.drain [constant] [unlogged]` takes something away, to see what it costs: with `constant` every
person gets the bytes that were rendered for the first, with `unlogged` no row is written to the send log. What is taken
away is taken away here; the product knows nothing of it.
"""

import contextlib
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import django

django.setup()

import psycopg  # noqa: E402

from audiences.profiles import Person  # noqa: E402
from benchmarks import lines  # noqa: E402
from delivery import logrows, sending  # noqa: E402
from delivery.models import Delivery, DeliveryState  # noqa: E402
from messaging.channels import email  # noqa: E402

# Seconds after which a drain that has nothing left begins again, as the tick would make it, while others still send.
_AGAIN_S = 5.0
# How often each thing that was taken away would have been done.
_avoided: Counter[str] = Counter()


def drain(delivery: int) -> dict[str, object]:
    """Send until the delivery is finished. `until` is on the clock of time.monotonic(), the same in all processes."""
    cpu_s, until, looked_at = 0.0, time.monotonic(), 0.0
    while Delivery.objects.get(pk=delivery).state == DeliveryState.SENDING:
        if time.monotonic() - looked_at < _AGAIN_S:
            time.sleep(0.02)
            continue
        before = _cpu_s()
        sending.drain(delivery)
        cpu_s += _cpu_s() - before
        looked_at = until = time.monotonic()
    found = {"cpu_s": cpu_s, "until": until, "avoided": dict(_avoided)}
    _avoided.clear()
    return found


def wait() -> dict[str, object]:
    """Ready when this is answered."""
    return {}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _render_once() -> None:
    """Render the first message of each program; then only the recipient changes."""
    render = email.Program.render
    first: WeakKeyDictionary[email.Program, email.Payload] = WeakKeyDictionary()

    def constant(self: email.Program, person: Person, **context: Any) -> email.Payload:
        _avoided["constant"] += 1
        payload = first.get(self)
        if payload is None:
            payload = first[self] = render(self, person, **context)
        return email.Payload(payload.mail_from, person.email.encode(), payload.data)

    email.Program.render = constant  # type: ignore[method-assign]


def _log_nothing() -> None:
    """Make no row of the send log and copy none."""
    copy = psycopg.Cursor.copy

    @contextlib.contextmanager
    def to_nowhere(self: psycopg.Cursor[Any], statement: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
        if "COPY delivery_sendlog" not in str(statement):
            with copy(self, statement, *arguments, **options) as running:
                yield running
            return
        _avoided["unlogged"] += 1
        yield SimpleNamespace(write=len)

    psycopg.Cursor.copy = to_nowhere  # type: ignore[method-assign]
    logrows.Writer.sent = logrows.Writer.row = lambda *_row: b""  # type: ignore[method-assign]


if __name__ == "__main__":
    takes_away = {"constant": _render_once, "unlogged": _log_nothing}
    for name in sys.argv[1:]:
        takes_away[name]()
    lines.serve({"wait": wait, "drain": drain})
