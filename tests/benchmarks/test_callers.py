"""The client that times calls: every request is sent once, every answer read whole and judged."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import callers


class _Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.seen.append(body)
        answer = b"x" * 100_000
        self.send_response(201 if body != "wrong" else 400)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    seen: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Counting,), {"seen": seen})) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found.server_address[1], seen
        found.shutdown()


def test_each_request_is_sent_once_and_its_answer_read_whole(server: tuple[int, list[str]]) -> None:
    port, seen = server
    wanted = [f"call {number}" for number in range(25)]
    requests = [callers.request("POST", "/x", token="t", body=one.encode()) for one in wanted]
    taken = callers.call(port, iter(requests), at_once=4, status=b"201")
    assert sorted(seen) == sorted(wanted) and len(taken.milliseconds) == 25
    assert taken.per_second > 0 and taken.quantile(0.5) <= taken.quantile(0.99)


def test_an_answer_with_another_status_ends_it(server: tuple[int, list[str]]) -> None:
    port, _seen = server
    with pytest.raises(AssertionError, match="400"):
        callers.call(port, iter([callers.request("POST", "/x", body=b"wrong")]), at_once=1, status=b"201")
