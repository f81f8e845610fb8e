"""The first half of an SMTP connection: greeting, EHLO, STARTTLS, AUTH. conversation.py sends messages over it."""

import abc
import asyncio
import base64
import socket
import ssl
from collections.abc import Callable
from typing import cast

from django.utils.translation import gettext as _

from messaging.handover import Server, Stage, Timeouts, Trouble, Unusable, text_of, tls_trouble

# Above this many bytes the final dot is written only after the kernel took the rest.
STAGED_BYTES = 64 * 1024
_MAX_REPLY = 64 * 1024


class Talk(asyncio.Protocol, abc.ABC):
    """A line-based conversation. `closed` ends with the Trouble that ended it, or None when we ended it ourselves."""

    def __init__(self, timeouts: Timeouts, log: Callable[[str], None] | None) -> None:
        self.timeouts = timeouts
        self.closed: asyncio.Future[Trouble | None] = asyncio.get_running_loop().create_future()
        self.deadline = 0.0
        self.extensions: dict[str, str] = {}
        self.stage = Stage.SETUP
        self._log = log
        self._transport: asyncio.Transport | None = None
        self._tail = b""
        self._lines: list[bytes] = []
        self._replies: asyncio.Queue[tuple[int, list[str]]] = asyncio.Queue()

    # --- setting up
    async def set_up(self, server: Server, context: ssl.SSLContext | None) -> None:
        """Greeting, EHLO, STARTTLS and AUTH; afterwards `pull` may be called. Raises Unusable."""
        self._expect(await self._answer(), "220", "greeting", _("The mail server doesn't take connections now"))
        await self._hello()
        if server.security == "starttls":
            if "STARTTLS" not in self.extensions:
                sentence = _("The mail server doesn't offer STARTTLS, which this transport requires.")
                raise Unusable(Trouble("tls", sentence, "", True))
            self._expect(await self._ask("STARTTLS"), "220", "tls", _("The mail server refused STARTTLS"))
            assert context is not None
            await self._start_tls(server, context)
            await self._hello()
        if server.username:
            await self._log_in(server)
        self.stage = Stage.IDLE

    async def _hello(self) -> None:
        name = self._own_name()
        code, lines = await self._ask(f"EHLO {name}")
        self.extensions = {}
        if code == 250:
            for line in lines[1:]:
                keyword, _space, value = line[4:].strip().partition(" ")
                self.extensions[keyword.upper().partition("=")[0]] = value.upper()
            return
        if not 500 <= code < 600:
            self._expect((code, lines), "250", "greeting", _("The mail server doesn't take connections now"))
        # It knows no extensions: where TLS or a sign-in is wanted, that is found missing next, and nothing is sent.
        self._expect(await self._ask(f"HELO {name}"), "250", "protocol", _("The mail server refused EHLO and HELO"))

    def _own_name(self) -> str:
        """What EHLO says we are: the host's name, or our address (RFC 5321 §4.1.3). Never asks DNS, which may hang."""
        assert self._transport is not None
        name = socket.gethostname()
        if "." in name and name.isascii():
            return name
        address = str(self._transport.get_extra_info("sockname")[0])
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    async def _start_tls(self, server: Server, context: ssl.SSLContext) -> None:
        assert self._transport is not None
        if self._tail or not self._replies.empty():
            # Answers sent before encryption could have been put there by anybody on the way.
            raise Unusable(
                Trouble(
                    "tls", _("The mail server spoke before TLS began. Something between may be interfering."), "", True
                )
            )
        try:
            upgraded = await asyncio.get_running_loop().start_tls(
                self._transport, self, context, server_hostname=server.host, ssl_handshake_timeout=self.timeouts.connect
            )
        except (OSError, ssl.SSLError) as error:
            raise Unusable(tls_trouble(error)) from error
        assert upgraded is not None
        self.connection_made(upgraded)
        self._note("* TLS started")

    async def _log_in(self, server: Server) -> None:
        offered = self.extensions.get("AUTH", "").split()
        if "PLAIN" in offered:
            secret = base64.b64encode(f"\0{server.username}\0{server.password}".encode()).decode()
            answer = await self._ask(f"AUTH PLAIN {secret}", shown="AUTH PLAIN ****")
        elif "LOGIN" in offered:
            answer = await self._ask("AUTH LOGIN")
            for part in (server.username, server.password):
                if answer[0] == 334:
                    answer = await self._ask(base64.b64encode(part.encode()).decode(), shown="****")
        else:
            raise Unusable(
                Trouble("auth", _("The mail server offers no sign-in that Chappe knows (PLAIN, LOGIN)."), "", True)
            )
        if answer[0] != 235:
            reply = " ".join(answer[1])
            if 500 <= answer[0] < 600:
                raise Unusable(
                    Trouble("auth", _("The mail server refused the user name or password."), reply, is_lasting=True)
                )
            raise Unusable(
                Trouble("auth", _("The mail server can't sign us in now: {reply}").format(reply=reply), reply)
            )

    async def _ask(self, command: str, *, shown: str = "") -> tuple[int, list[str]]:
        assert self._transport is not None
        self._note(f"> {shown or command}")
        self._transport.write(command.encode() + b"\r\n")
        return await self._answer()

    async def _answer(self) -> tuple[int, list[str]]:
        try:
            async with asyncio.timeout(self.timeouts.greeting):
                code, lines = await self._replies.get()
        except TimeoutError:
            raise Unusable(Trouble("protocol", _("The mail server did not answer in time."))) from None
        for line in lines:
            self._note(f"< {line}")
        if code == 0:
            raise Unusable(Trouble("lost", lines[0]))
        return code, lines

    def _expect(self, answer: tuple[int, list[str]], wanted: str, kind: str, sentence: str) -> None:
        """Anything but `wanted` makes the server unusable; a permanent answer until somebody looks into it."""
        if str(answer[0]) != wanted:
            reply = " ".join(answer[1])
            raise Unusable(Trouble(kind, f"{sentence}: {reply}", reply, 500 <= answer[0] < 600))

    def _note(self, line: str) -> None:
        if self._log is not None:
            self._log(line)

    def abort(self) -> None:
        """Close without a word; for connections that never got to work."""
        self._close(None)

    def data_received(self, data: bytes) -> None:
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            if self.stage is Stage.CLOSED:
                return
            if not line[:3].isdigit():
                self._break(_("The mail server's answer was not SMTP: {text}").format(text=text_of(line)[:80]))
            elif line[3:4] == b"-":
                self._lines.append(line)
            elif self.stage is Stage.SETUP:
                self._replies.put_nowait((int(line[:3]), [text_of(part) for part in (*self._lines, line)]))
                self._lines = []
            else:
                if self._lines:
                    parts = [part.rstrip() for part in (*self._lines, line[4:])]
                    line = b" ".join(parts) if len(parts) <= 20 else line
                    self._lines = []
                self._on_reply(line)
        # Last: whole answers that came before it count.
        if (len(self._tail) > _MAX_REPLY or len(self._lines) > 1000) and self.stage is not Stage.CLOSED:
            self._break(_("The mail server's answer was too long."))

    @abc.abstractmethod
    def _on_reply(self, line: bytes) -> None:
        """One whole reply after the set-up; several lines of it are joined."""

    def _break(self, message: str, reply: str = "") -> None:
        """End after a fault; the second half gives messages on the way their outcomes first."""
        self._close(Trouble("lost", message, reply))

    def _close(self, trouble: Trouble | None) -> None:
        if self.stage is Stage.CLOSED:
            return
        was_idle = self.stage is Stage.IDLE
        self.stage = Stage.CLOSED
        self.deadline = 0.0
        if self._transport is not None and not self._transport.is_closing():
            if was_idle:
                self._transport.write(b"QUIT\r\n")
                self._transport.close()
            else:
                self._transport.abort()
        if not self.closed.done():
            self.closed.set_result(trouble)
        self._replies.put_nowait((0, [trouble.message if trouble else ""]))

    # --- asyncio's side
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Transports of uvloop have the methods but not the base class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=STAGED_BYTES, low=0)

    def connection_lost(self, error: Exception | None) -> None:
        if self.stage is not Stage.CLOSED:
            self._break(_("The mail server closed the connection."))

    def eof_received(self) -> None:
        return None
