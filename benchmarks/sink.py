"""A cheap SMTP sink with PIPELINING: takes everything, counts messages, bytes and recipients seen twice.

`python -m benchmarks.sink PORT [CERTIFICATE]` prints "ready", and one JSON line when its standard input ends. With
CERTIFICATE, a PEM file with its key, it speaks TLS from the first byte.
"""

import asyncio
import json
import resource
import ssl
import sys

import uvloop


class Counts:
    def __init__(self) -> None:
        self.n_messages = 0
        self.n_bytes = 0
        self.seen: set[bytes] = set()
        self.twice: list[bytes] = []

    def take(self, recipient: bytes, n_bytes: int) -> None:
        self.n_messages += 1
        self.n_bytes += n_bytes
        if recipient in self.seen:
            self.twice.append(recipient)
        self.seen.add(recipient)


class Session(asyncio.Protocol):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._buffer = b""
        self._is_data = False
        self._leaves = False
        self._recipient = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        answers = []
        position = 0
        while True:
            if self._is_data:
                end = buffer.find(b"\r\n.\r\n", position)
                if end < 0:
                    break
                self._counts.take(self._recipient, end - position)
                answers.append(b"250 2.0.0 ok\r\n")
                position, self._is_data = end + 5, False
                continue
            end = buffer.find(b"\r\n", position)
            if end < 0:
                break
            answers.append(self._command(buffer[position:end]))
            position = end + 2
        self._buffer = buffer[position:]
        if answers:
            self._transport.write(b"".join(answers))
        if self._leaves:
            self._transport.close()

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line[line.find(b"<") + 1 : line.find(b">")]
        elif verb == b"DATA":
            self._is_data = True
            return b"354 go\r\n"
        elif verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        elif verb == b"QUIT":
            self._leaves = True
            return b"221 bye\r\n"
        return b"250 ok\r\n"


async def serve(port: int, certificate: str) -> None:
    loop = asyncio.get_running_loop()
    counts = Counts()
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    await loop.create_server(lambda: Session(counts), "127.0.0.1", port, backlog=256, ssl=context)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {"messages": counts.n_messages, "bytes": counts.n_bytes, "recipients": len(counts.seen)}
    print(json.dumps({**found, "duplicates": len(counts.twice), "cpu_s": used.ru_utime + used.ru_stime}), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))
