"""Points of the way of a call at which the web server kills itself, and whether the call's effect must be there then.

As tests.chaos.failpoints, for the API: between every pair of steps of one call. Planted from outside.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from api import idempotency
from delivery import claims, queueing, requests

Fire = Callable[[], None]


@dataclass(frozen=True)
class Point:
    """Before or after `owner.name` is called; `is_kept`: whether the effect is in the database after the death."""

    owner: Any
    name: str
    is_before: bool = False
    is_kept: bool = False


POINTS = {
    "before the transaction": Point(idempotency, "once", is_before=True),
    "after the key is claimed": Point(idempotency, "_lock"),
    "after the delivery is locked": Point(requests, "_lock_standing"),
    "after the people are claimed": Point(claims, "claim"),
    "after they are queued": Point(queueing, "write"),
    "before the commit": Point(BaseDatabaseWrapper, "_commit", is_before=True),
    "after the commit, before the answer": Point(BaseDatabaseWrapper, "_commit", is_kept=True),
}


def arm(name: str, *, once: Path) -> None:
    """Make the web server kill itself there, server and worker, unless the file `once` is there; it makes it then."""
    point, group = POINTS[name], os.getpgrp()

    def fire() -> None:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.killpg(group, signal.SIGKILL)

    inner = getattr(point.owner, point.name)

    def step(*arguments: Any, **named: Any) -> Any:
        if point.is_before:
            fire()
        found = inner(*arguments, **named)
        if not point.is_before:
            fire()
        return found

    setattr(point.owner, point.name, step)
