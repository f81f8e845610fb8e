"""A client that costs little: requests made beforehand, sent over so many kept connections at once, answers timed."""

import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_S = 60.0


@dataclass
class Taken:
    """What some calls took. `milliseconds`: of each, from the first byte sent to the last one read."""

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.milliseconds) / self.seconds

    def quantile(self, part: float) -> float:
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


@dataclass
class _Connection:
    sock: socket.socket
    started: float = 0.0
    got: bytes = b""


def request(method: str, path: str, *, token: str = "", body: bytes = b"") -> bytes:
    """The bytes of one call."""
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    head += [f"Authorization: Bearer {token}"] if token else []
    head += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def call(port: int, requests: Iterator[bytes], *, at_once: int, status: bytes) -> Taken:
    """Send all of `requests`; every answer must have `status`."""
    taken = Taken()
    waiting = selectors.DefaultSelector()
    for _number in range(at_once):
        one = _Connection(socket.create_connection(("127.0.0.1", port), timeout=_MOST_S))
        one.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(one.sock, selectors.EVENT_READ, one)
    started = time.perf_counter()
    busy = sum(_send(key.data, requests) for key in list(waiting.get_map().values()))
    while busy:
        found = waiting.select(_MOST_S)
        assert found, "no answer"
        for key, _events in found:
            one = key.data
            one.got += one.sock.recv(65_536)
            if not _is_whole(one.got):
                continue
            taken.milliseconds.append((time.perf_counter() - one.started) * 1000)
            assert one.got.startswith(b"HTTP/1.1 " + status), one.got
            busy -= not _send(one, requests)
    taken.seconds = time.perf_counter() - started
    for key in list(waiting.get_map().values()):
        key.data.sock.close()
    return taken


def _send(one: _Connection, requests: Iterator[bytes]) -> bool:
    asked = next(requests, None)
    if asked is None:
        return False
    one.got, one.started = b"", time.perf_counter()
    one.sock.sendall(asked)
    return True


def _is_whole(got: bytes) -> bool:
    head, found, body = got.partition(b"\r\n\r\n")
    if not found:
        return False
    lines = head.lower().split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), None)
    assert length is not None, head
    return len(body) >= length
