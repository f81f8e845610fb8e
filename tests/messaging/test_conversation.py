import asyncio
import itertools
from typing import NamedTuple

import pytest

from messaging.conversation import Connection
from messaging.handover import Handover, Result, Stage, Timeouts

GOOD = b"250 2.0.0 Ok: queued as 1\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n"
# What a server may say to the dot of one message and the envelope of the next.
ROUNDS = [
    GOOD,
    b"250-2.0.0 Ok\r\n250 queued\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n",
    b"451 4.3.0 later\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n",
    b"250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n550 5.1.1 nobody\r\n503 5.5.1 no recipient\r\n250 2.0.0 reset\r\n",
    b"250 2.0.0 Ok\r\n452 4.2.2 full\r\n503 5.5.1 no sender\r\n503 5.5.1 no recipient\r\n250 2.0.0 reset\r\n",
    b"250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n421 4.3.2 closing\r\n",
    b"250 2.0.0 \xff\x00odd\r\n250 2.1.0 Ok\r\n251 2.1.5 forwards\r\n354 go\r\n",
    b"250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n250 2.0.0 too early\r\n",
]


class Letter(NamedTuple):
    mail_from: bytes
    rcpt_to: bytes
    data: bytes


class Source:
    """Four messages; notes what becomes of them."""

    def __init__(self) -> None:
        self.waiting = [Letter(b"a@b.test", b"p%d@b.test" % n, b"Subject: %d\r\n\r\n.\r\n" % n) for n in range(4)]
        self.settled: list[tuple[bytes, Handover]] = []
        self.on_the_wire: list[bytes] = []

    def take(self) -> Letter | None:
        return self.waiting.pop(0) if self.waiting else None

    def on_wire(self, letter: Letter) -> bool:
        self.on_the_wire.append(letter.rcpt_to)
        return True

    def settle(self, letter: Letter, handover: Handover) -> None:
        self.settled.append((letter.rcpt_to, handover))


class Wire:
    """Takes what a connection writes."""

    def __init__(self) -> None:
        self.written = b""
        self.is_open = True

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return not self.is_open

    def close(self) -> None:
        self.is_open = False

    abort = close

    def set_write_buffer_limits(self, **_limits: int) -> None:
        pass


def talk(pieces: list[bytes]) -> tuple[object, ...]:
    """Everything a connection did on answers that came in these pieces."""

    async def run() -> tuple[object, ...]:
        source, wire = Source(), Wire()
        connection = Connection(source, Timeouts(), None)
        connection.connection_made(wire)  # type: ignore[arg-type]
        connection.extensions = {"PIPELINING": "", "SIZE": "1000000"}
        connection.stage = Stage.IDLE
        connection.pull()
        connection.data_received(b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n")
        for piece in pieces:
            connection.data_received(piece)
        return source.settled, source.on_the_wire, wire.written, wire.is_open, connection.stage

    return asyncio.run(run())


@pytest.mark.parametrize(("first", "second"), list(itertools.product(ROUNDS, repeat=2)))
def test_answers_mean_the_same_however_they_arrive(first: bytes, second: bytes) -> None:
    expected = talk([bytes([byte]) for byte in first + second])
    assert talk([first, second]) == expected
    assert talk([first + second]) == expected
    for at in range(1, len(first)):
        assert talk([first[:at], first[at:], second]) == expected


def test_a_good_round_accepts_one_message_and_sends_the_next() -> None:
    settled, on_the_wire, written, is_open, stage = talk([GOOD])
    assert settled == [(b"p0@b.test", Handover(Result.ACCEPTED, "", "250 2.0.0 Ok: queued as 1"))]
    assert on_the_wire == [b"p0@b.test", b"p1@b.test"]
    assert bytes(written).count(b"DATA\r\n") == 3  # type: ignore[call-overload]
    assert (is_open, stage) == (True, Stage.DOT)
