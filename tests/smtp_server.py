"""A scripted SMTP server on 127.0.0.1 that misbehaves on demand and remembers what it accepted.

The recipient's local part says what happens to that message: `<stage><code>` answers there, such as `rcpt550-`,
`data554-`, `dot451-`; `drop<stage>-` hangs up there; `stall<stage>-` stops answering; `garbage<stage>-` answers
nonsense, `long<stage>-` an answer without an end; `<stage><code>-` with the stage `body` answers in the middle of the
message; anything else is accepted. Stages: rcpt, data, body, dot. `Script.answers` has other words for one recipient.

What happens to everybody, at the stages that name nobody as well, is in `Script.faults`, in the same vocabulary.
"""

import re
import socket
import socketserver
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any

_FAULT = re.compile(rb"^(?P<what>drop|stall|garbage|long)?(?P<stage>rcpt|data|body|dot)(?P<code>\d{3})?-")


@dataclass
class Script:
    """How the server behaves towards everybody; change it while it runs."""

    pipelining: bool = True
    size: int = 0
    smtputf8: bool = False
    greeting: str = "220 test ESMTP"
    auth: str = ""
    password_ok: bool = True
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    # Answers to MAIL, used up from the front; then 250.
    mail: list[str] = field(default_factory=list)
    # Answer to the final dot of everybody; "" accepts.
    dot: str = ""
    delay_s: float = 0.0
    close_after: int = 0
    helo_only: bool = False
    # Stage → "drop", "stall", "garbage", "long" or an answer, each time. Stages: banner, ehlo, helo, starttls, tls (its
    # handshake), auth, mail, rcpt, data, rset, after (the message was accepted and answered).
    faults: dict[str, str] = field(default_factory=dict)
    # Local part → its stage and the same.
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Answers to RCPT, used up from the front; then as the recipient's name asks.
    rcpt: list[str] = field(default_factory=list)
    # Connections at a time, 0 for any number; the answer to more.
    most: int = 0
    too_many: str = "421 4.7.0 too many connections"
    # Whether STARTTLS is offered without a certificate to go on with.
    offers_starttls: bool = False


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script = script
        self.accepted: list[tuple[str, bytes]] = []
        self.commands: list[str] = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def recipients(self) -> list[str]:
        with self.lock:
            return [recipient for recipient, _data in self.accepted]

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in tuple(self._sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what this server is for."""


class _Handler(socketserver.StreamRequestHandler):
    server: Server
    # Answers are written one by one; otherwise each message would wait for a delayed acknowledgement (40 ms).
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.server._sockets.add(self.connection)
        try:
            self._talk()
        except (OSError, ssl.SSLError, _HangUp):
            return
        finally:
            self.server._sockets.discard(self.connection)

    def _talk(self) -> None:
        script = self.server.script
        if script.implicit_tls:
            self._start_tls()
        if script.most and len(self.server._sockets) > script.most:
            self._say(script.too_many)
            return
        self._at("banner", script.greeting)
        n_messages = 0
        recipient, refused = b"", False
        while line := self.rfile.readline():
            command = line.strip()
            with self.server.lock:
                self.server.commands.append(command.decode("utf-8", "replace"))
            verb = command[:4].upper()
            if verb == b"EHLO":
                self._at("ehlo", *(["502 what is that"] if script.helo_only else self._extensions()))
            elif verb == b"HELO":
                self._at("helo", "250 test")
            elif verb == b"STAR":
                if self._at("starttls", "220 go ahead"):
                    self._start_tls()
            elif verb == b"AUTH" or (script.auth == "LOGIN" and b" " not in command and verb not in _VERBS):
                self._sign_in(command)
            elif verb == b"MAIL":
                refused = not (self._say(script.mail.pop(0)) if script.mail else self._at("mail", "250 ok"))
            elif verb == b"RCPT":
                recipient = command.partition(b"<")[2].partition(b">")[0]
                if script.rcpt:
                    refused = not self._say(script.rcpt.pop(0)) or refused
                elif "rcpt" in script.faults:
                    refused = not self._at("rcpt", "") or refused
                elif refused:
                    self._say("503 5.5.1 MAIL first")
                else:
                    refused = not self._fault(recipient, b"rcpt", "250 ok") or refused
            elif verb == b"DATA":
                if refused and "data" not in script.faults:
                    self._say("554 no valid recipients")
                    continue
                good = self._at("data", "") if "data" in script.faults else self._fault(recipient, b"data", "354 go")
                if not good:
                    continue
                data = self._body(recipient)
                unasked = script.faults.get("after", "")
                self._dot(recipient, data, unasked=unasked)
                n_messages += 1
                if unasked and not unasked[:1].isdigit():
                    self._do(unasked)
                if script.close_after and n_messages >= script.close_after:
                    self._say("421 enough for one connection")
                    raise _HangUp
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                refused = False
                self._at("rset", "250 ok")

    def _extensions(self) -> list[str]:
        script = self.server.script
        words = ["test", "8BITMIME"]
        words += ["PIPELINING"] if script.pipelining else []
        words += [f"SIZE {script.size}"] if script.size else []
        words += ["SMTPUTF8"] if script.smtputf8 else []
        offers_tls = script.offers_starttls or (script.tls and not script.implicit_tls)
        words += ["STARTTLS"] if offers_tls and not self._is_tls else []
        words += [f"AUTH {script.auth}"] if script.auth else []
        return [*(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}"]

    @property
    def _is_tls(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket)

    def _start_tls(self) -> None:
        if "tls" in self.server.script.faults:
            self._at("tls", "")
        assert self.server.script.tls is not None
        self.connection = self.server.script.tls.wrap_socket(self.connection, server_side=True)
        self.setup_streams()

    def setup_streams(self) -> None:
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)  # type: ignore[assignment]

    def _sign_in(self, command: bytes) -> None:
        script = self.server.script
        if script.auth == "LOGIN":
            self._say("334 VXNlcm5hbWU6")
            self.rfile.readline()
            self._say("334 UGFzc3dvcmQ6")
            self.rfile.readline()
        self._at("auth", "235 welcome" if script.password_ok else "535 5.7.8 wrong password")

    def _at(self, stage: str, *good: str) -> bool:
        """Answer at `stage` as the script asks for everybody, else `good`; whether the answer was a good one."""
        what = self.server.script.faults.get(stage)
        return self._do(what) if what else self._say(*good)

    def _do(self, what: str) -> bool:
        if what == "drop":
            raise _HangUp
        if what == "stall":
            self.server.stopping.wait(30)
            raise _HangUp
        if what == "garbage":
            self.wfile.write(b"\x00\xffHTTP/1.1 what\r\n")
            return False
        if what == "long":
            self.wfile.write(b"250 " + b"x" * 100_000)
            self.server.stopping.wait(30)
            raise _HangUp
        return self._say(what)

    def _fault(self, recipient: bytes, stage: bytes, good: str) -> bool:
        """Answer at `stage`, as the recipient's name asks; whether the answer was the good one."""
        what = self._wanted(recipient, stage)
        return self._do(what) if what else self._say(good)

    def _wanted(self, recipient: bytes, stage: bytes) -> str:
        """What shall happen to this recipient at `stage`; "" for nothing special."""
        asked = self.server.script.answers.get(recipient.partition(b"@")[0].decode("utf-8", "replace"))
        if asked is not None:
            return asked[1] if asked[0] == stage.decode() else ""
        found = _FAULT.match(recipient)
        if not found or found["stage"] != stage:
            return ""
        if found["what"]:
            return found["what"].decode()
        code = found["code"].decode()
        return f"{code} {code[0]}.1.1 as asked at {stage.decode()}"

    def _body(self, recipient: bytes) -> bytes:
        if what := self._wanted(recipient, b"body"):
            self.rfile.readline()
            self._do(what)
            raise _HangUp
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        if not line:
            raise _HangUp
        return b"".join(lines)

    def _dot(self, recipient: bytes, data: bytes, *, unasked: str = "") -> None:
        """Answer to the message. `unasked`: a line behind the answer, in its packet: no answer to what comes next."""
        script = self.server.script
        if script.delay_s:
            time.sleep(script.delay_s)
        what = script.dot or self._wanted(recipient, b"dot")
        is_refused = what[:1] in ("4", "5")
        if not is_refused:
            with self.server.lock:
                self.server.accepted.append((recipient.decode("utf-8", "replace"), data))
        if what:
            self._do(what)
        else:
            self._say("250 2.0.0 queued as 1", *([unasked] if unasked[:1].isdigit() else []))

    def _say(self, *lines: str) -> bool:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
        return lines[-1][:1] in "23"


class _HangUp(Exception):
    """Close the connection now."""


_VERBS = (b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"QUIT", b"NOOP", b"STAR")
