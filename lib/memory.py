"""What a process remembers for a second: things that people change seldom and that each call of a program asks for.

Another process sees a change after at most that second; the process that makes it says `forget` and sees it at once.
Nothing is remembered that decides whether somebody is written to twice.
"""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
SECONDS = 1.0
# Of one kind; at more all are forgotten, so that keys from outside can't fill the memory.
_MOST = 1000

_EVERY: "list[Memory[object]]" = []


class Memory(Generic[T]):
    """Values of one kind by key. Made once for a module; safe for threads."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, T]] = {}
        _EVERY.append(self)  # type: ignore[arg-type]  # a list of all kinds

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave for `key` in the last second, or gives now. What it raises is not remembered."""
        now = time.monotonic()
        found = self._known.get(key)
        if found is not None and now < found[0]:
            return found[1]
        value = make()
        if len(self._known) >= _MOST:
            self._known = {}
        self._known[key] = (now + SECONDS, value)
        return value

    def forget(self) -> None:
        self._known = {}


def forget() -> None:
    """Everything, in this process: something was changed that may be remembered."""
    for one in _EVERY:
        one.forget()
