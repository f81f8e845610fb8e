"""A real HTTP server on loopback whose answers a test writes; what it was asked is kept."""

import contextlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; names of `headers` in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer. `delay_s` before it; `hangs_up` before the status; `drips`: a head that never ends."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0
    hangs_up: bool = False
    drips: bool = False
    # Fewer bytes than Content-Length says.
    n_missing: int = 0


class Site:
    """A running server: `asked` in order of arrival; `answers` decides, by the request and its number from 0."""

    def __init__(self, answers: Callable[[Asked, int], Reply]) -> None:
        self.asked: list[Asked] = []
        self.answers = answers
        self.url = ""
        self.port = 0
        self._lock = threading.Lock()

    def decide(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            n = len(self.asked) - 1
        return self.answers(asked, n)


@contextlib.contextmanager
def running(answers: Callable[[Asked, int], Reply] = lambda _asked, _n: Reply(), *, port: int = 0) -> Iterator[Site]:
    """A server on `port` of loopback, 0 for any that is free."""
    site = Site(answers)
    handler = type("Handler", (_Handler,), {"site": site})
    server = _Server(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    site.port, site.url = server.server_port, f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def known_to(settings: Any, answers: Callable[[Asked, int], Reply] = lambda _asked, _n: Reply()) -> Iterator[Site]:
    """The same, in CHAPPE_OUTWARD_HOSTS for one test: a site that the product may contact."""
    with running(answers) as site:
        settings.OUTWARD_HOSTS = frozenset({f"127.0.0.1:{site.port}"})
        yield site


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # Many come at once.
    request_queue_size = 128


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.site.decide(Asked(self.command, self.path, headers, body))
        time.sleep(reply.delay_s)
        with contextlib.suppress(OSError):
            if reply.hangs_up:
                self.close_connection = True
            elif reply.drips:
                self._drip()
            else:
                self._send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  # the names are the library's

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) + reply.n_missing))
        self.end_headers()
        self.wfile.write(reply.body)

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _n in range(600):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def log_message(self, *_args: object) -> None:
        pass
