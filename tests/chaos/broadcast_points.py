"""Points of the way of a request for a whole audience at which the process that works on it kills itself, once each.

As tests.chaos.failpoints, for what a worker does between a stored request and a delivery that is sent: before and
after each of its transactions. Planted from outside; the tick has to find what was left.
"""

import os
import signal
from pathlib import Path
from typing import Any

from campaigns import broadcasts
from delivery import lifecycle, preparation

NAME = "each step of a broadcast"
# After these, of which each but "advance" leaves its transaction open.
_POINTS: dict[str, tuple[Any, str]] = {
    "opened": (broadcasts, "_open"),
    "stored as begun": (broadcasts, "advance"),
    "people chosen": (preparation, "_choose"),
    "list stored": (preparation, "_store"),
    "sealed": (lifecycle, "seal"),
    "let go": (lifecycle, "release"),
}


def arm(folder: Path) -> None:
    """Make this process and those that follow it die at each point once; `folder` remembers which were passed."""
    folder.mkdir(exist_ok=True)
    for name, (owner, step) in _POINTS.items():
        _die_after(owner, step, folder / name)


def missed(folder: Path) -> list[str]:
    """The points at which nobody died."""
    return [name for name in _POINTS if not (folder / name).exists()]


def forget(folder: Path) -> None:
    for name in _POINTS:
        (folder / name).unlink(missing_ok=True)


def _die_after(owner: Any, step: str, once: Path) -> None:
    inner = getattr(owner, step)

    def then(*arguments: Any, **named: Any) -> Any:
        found = inner(*arguments, **named)
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return found
        os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(owner, step, then)
