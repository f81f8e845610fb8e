"""What webhooks of a chaos run call, and where files lie that calls name: one server on loopback that keeps its books.

`/files/NUMBER` is the file of that call. `/hooks/NAME-PLACE` answers 200, but of each ten places 1 is told 500 the
first time, 2 hears nothing the first time, and 3 is told 503 twice.
"""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests import http_server
from tests.chaos import api_calls
from tests.http_server import Asked, Reply

# By the last digit of the place: what is answered before 200.
_FIRST = {
    "1": (Reply(500),),
    "2": (Reply(hangs_up=True),),
    "3": (Reply(503), Reply(503)),
}


@dataclass
class Books:
    """By person, in order: the webhook-id of each call, and whether it was answered 200."""

    calls: dict[str, list[tuple[str, bool]]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked, _n: int) -> Reply:
        kind, _slash, name = asked.path.removeprefix("/").partition("/")
        if kind == "files":
            return Reply(headers={"Content-Type": "text/plain"}, body=api_calls.file(int(name)))
        with self._lock:
            mine, first = self.calls[name], _FIRST.get(name[-1], ())
            reply = first[len(mine)] if len(mine) < len(first) else Reply()
            mine.append((asked.headers.get("webhook-id", ""), reply == Reply()))
        return reply


@contextlib.contextmanager
def running(port: int) -> Iterator[Books]:
    books = Books()
    with http_server.running(books.answer, port=port):
        yield books
