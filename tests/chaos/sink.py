"""The mail server of a chaos run: writes a journal before every reply, and misbehaves towards some addresses.

`python -m tests.chaos.sink PORT JOURNAL DELAY_MS [EXTENSION…]` prints "ready" and ends with its standard input. One
line a message in the journal: time of MAIL, time of acceptance (seconds since 1970), address, SHA-256 of its file ("-"
without one). What an address begins with says what happens to its messages:

refuse-  550 5.1.1 at RCPT
defer-   451 4.7.1 at the final dot, the first time; then accepted
vanish-  the connection ends after the final dot and nothing was accepted, the first time; then accepted
ghost-   accepted and written down, and the connection ends without a reply
"""

import asyncio
import email
import email.policy
import hashlib
import os
import sys
import time

import uvloop


class Sink:
    def __init__(self, journal: str, delay_s: float, extensions: list[str]) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._delay_s = delay_s
        lines = ["sink", *extensions, "8BITMIME"]
        self._hello = "".join(f"250-{line}\r\n" for line in lines[:-1]).encode() + b"250 8BITMIME\r\n"
        self._seen: set[str] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink ESMTP\r\n")
        mail_at, address = 0.0, ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(self._hello)
            elif verb == b"MAIL":
                mail_at = time.time()
                writer.write(b"250 ok\r\n")
            elif verb == b"RCPT":
                address = line.partition(b"<")[2].partition(b">")[0].decode()
                is_refused = address.startswith("refuse-")
                writer.write(b"550 5.1.1 no such user\r\n" if is_refused else b"250 ok\r\n")
                address = "" if is_refused else address
            elif verb == b"DATA" and not address:
                writer.write(b"554 5.5.1 no valid recipients\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                file = _file(await reader.readuntil(b"\r\n.\r\n"))
                if not await self._accept(mail_at, address, file, writer):
                    return
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 ok\r\n")

    async def _accept(self, mail_at: float, address: str, file: str, writer: asyncio.StreamWriter) -> bool:
        """Answer a whole message; False ends the connection."""
        await asyncio.sleep(self._delay_s)
        fault = address.partition("-")[0]
        if fault in {"defer", "vanish"} and address not in self._seen:
            self._seen.add(address)
            if fault == "defer":
                writer.write(b"451 4.7.1 greylisted, come back\r\n")
            return fault == "defer"
        os.write(self._journal, f"{mail_at:.6f} {time.time():.6f} {address} {file}\n".encode())
        if fault == "ghost":
            return False
        writer.write(b"250 2.0.0 queued\r\n")
        return True


def _file(data: bytes) -> str:
    """SHA-256 of the one file of a message; "-" without one, "?" with another number of them."""
    if b"multipart/mixed" not in data:
        return "-"
    found = email.message_from_bytes(data, policy=email.policy.default)
    files = [part.get_payload(decode=True) for part in found.iter_attachments()]  # type: ignore[attr-defined]
    return hashlib.sha256(files[0]).hexdigest() if len(files) == 1 else "?"


async def serve(port: int, journal: str, delay_s: float, extensions: list[str]) -> None:
    sink = Sink(journal, delay_s, extensions)
    await asyncio.start_server(sink.talk, "127.0.0.1", port, backlog=256, limit=2**22)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]) / 1000, sys.argv[4:]))
