"""Points of the way of a message at which a sender kills itself, once, and what must be true afterwards.

Random kills rarely hit the milliseconds between two steps; these hit each of them. They are planted from outside: the
product knows nothing of them. One process, one connection, so that the outcome is exact.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery import outbox, windows
from messaging import conversation
from messaging.handover import Stage

Fire = Callable[[], None]


@dataclass(frozen=True)
class Point:
    """Where, how it is planted, and how many are unknown then; `arrives` says whether they got it."""

    arm: Callable[[Fire], None]
    unknown: int = 0
    arrives: bool = False
    # At which passing it fires.
    nth: int = 20
    # Whether the sink offers PIPELINING; without it each command waits for the answer to the one before.
    pipelining: bool = True


def arm(name: str, *, once: Path) -> None:
    """Make this process kill itself there; `once` is made by the first one that does, and keeps the others from it."""
    point, passed = POINTS[name], [0]

    def fire() -> None:
        passed[0] += 1
        if passed[0] != point.nth:
            return
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    point.arm(fire)


def _after_lease(fire: Fire) -> None:
    inner = windows.lease

    def lease(*arguments: Any, **named: Any) -> Any:
        held = inner(*arguments, **named)
        if held is not None:
            fire()
        return held

    windows.lease = lease


def _advance(fire: Fire, wanted: Callable[[Any, Any, Any], bool]) -> None:
    inner = windows.advance

    def advance(connection: Any, held: Any, settled: Any, **named: Any) -> Any:
        opened = inner(connection, held, settled, **named)
        if wanted(opened, settled, held):
            fire()
        return opened

    windows.advance = advance


def _after_door(fire: Fire) -> None:
    _advance(fire, lambda opened, _settled, _held: bool(opened.people))


def _after_record(fire: Fire) -> None:
    """Of the last ones: nobody is on the wire then."""
    _advance(fire, lambda _opened, settled, held: bool(settled) and held.n_settled >= held.n_ids)


def _before(owner: Any, name: str, fire: Fire, wanted: Callable[..., bool] = lambda *_: True) -> None:
    inner = getattr(owner, name)

    def first(*arguments: Any, **named: Any) -> Any:
        if wanted(*arguments):
            fire()
        return inner(*arguments, **named)

    setattr(owner, name, first)


def _after(owner: Any, name: str, fire: Fire) -> None:
    inner = getattr(owner, name)

    def then(*arguments: Any, **named: Any) -> Any:
        found = inner(*arguments, **named)
        fire()
        return found

    setattr(owner, name, then)


def _after_mail(fire: Fire) -> None:
    _before(conversation.Connection, "_on_step", fire, lambda talk, *_: talk.stage is Stage.MAIL)


def _after_rcpt(fire: Fire) -> None:
    _before(conversation.Connection, "_on_step", fire, lambda talk, *_: talk.stage is Stage.RCPT)


def _after_354(fire: Fire) -> None:
    _before(conversation.Connection, "_write_message", fire)


def _after_body(fire: Fire) -> None:
    # The final dot goes by itself then.
    conversation.STAGED_BYTES = 0
    _before(conversation.Connection, "_write_dot", fire)


def _after_mark(fire: Fire) -> None:
    _after(outbox.Outbox, "on_wire", fire)


def _after_dot(fire: Fire) -> None:
    """Late enough for the dot to be out, sooner than the sink answers."""
    _after(conversation.Connection, "_write_dot", lambda: asyncio.get_running_loop().call_later(0.01, fire) and None)


def _after_250(fire: Fire) -> None:
    _after(outbox.Outbox, "settle", fire)


# Answers of the sink take this long, so that there is a moment before them.
DELAY_MS = 25.0
POINTS = {
    "after the lease, before anybody is authorised": Point(_after_lease, nth=1),
    "after a window opened, before anybody is written to": Point(_after_door, nth=1),
    "after MAIL": Point(_after_mail, pipelining=False),
    "after RCPT": Point(_after_rcpt, pipelining=False),
    "after 354": Point(_after_354),
    "after the body, before its dot": Point(_after_body),
    "after the mark, before the dot": Point(_after_mark, unknown=1),
    "after the dot, before the answer": Point(_after_dot, unknown=1, arrives=True),
    "after 250, before it is stored": Point(_after_250),
    "after it is stored": Point(_after_record, nth=1),
}
