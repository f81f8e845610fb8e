"""A small IMAP server on 127.0.0.1 with one folder, for reading a mailbox over a real conversation.

It keeps mails by UID with their flags, and can hang up or refuse where a test says so.
"""

import re
import socketserver
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Box:
    """The folder and how the server behaves. `mails` by UID; flags as sent, such as {"\\\\Deleted"}."""

    mails: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    folder: str = "INBOX"
    password: str = "secret word"
    # Hang up instead of answering the nth command of this name, counted from 1.
    drop: tuple[str, int] = ("", 0)
    # Commands as they came, without tags and passwords.
    seen: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, *mails: bytes) -> None:
        for mail in mails:
            uid = max(self.mails, default=0) + 1
            self.mails[uid], self.flags[uid] = mail, set()


class _Handler(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        self.box = self.server.box
        self._say("* OK ready")
        while line := self.rfile.readline():
            tag, _, command = line.decode("utf-8").strip().partition(" ")
            name = " ".join(command.split()[: 2 if command.upper().startswith("UID") else 1]).upper()
            self.box.seen.append(command if name != "LOGIN" else "LOGIN")
            if (
                self.box.drop[0] == name
                and sum(one.upper().startswith(name) for one in self.box.seen) == self.box.drop[1]
            ):
                return
            with self.box.lock:
                answer = getattr(self, "_" + name.lower().replace(" ", "_"))(command)
            self._say(f"{tag} {answer}")
            if name == "LOGOUT":
                return

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def _capability(self, _command: str) -> str:
        self._say("* CAPABILITY IMAP4rev1")
        return "OK done"

    def _login(self, command: str) -> str:
        return "OK hello" if command.endswith(f'"{self.box.password}"') else "NO wrong password"

    def _select(self, command: str) -> str:
        if command.split(" ", 1)[1].strip('"') != self.box.folder:
            return "NO no such folder"
        self._say(f"* {len(self.box.mails)} EXISTS")
        return "OK [READ-WRITE] selected"

    def _uid_search(self, command: str) -> str:
        assert command.endswith("UNDELETED UNFLAGGED"), command
        hidden = {"\\Deleted", "\\Flagged"}
        found = [str(uid) for uid, flags in self.box.flags.items() if not flags & hidden]
        self._say(" ".join(["* SEARCH", *found]))
        return "OK done"

    def _uid_fetch(self, command: str) -> str:
        uid = int(command.split()[2])
        mail = self.box.mails.get(uid)
        if mail is None:
            return "OK nothing"
        if "RFC822.SIZE" in command:
            self._say(f"* 1 FETCH (UID {uid} RFC822.SIZE {len(mail)})")
            return "OK done"
        assert "BODY.PEEK[]" in command, "reading must not mark a mail as seen"
        self.wfile.write(f"* 1 FETCH (UID {uid} BODY[] {{{len(mail)}}}\r\n".encode() + mail + b")\r\n")
        return "OK done"

    def _uid_store(self, command: str) -> str:
        found = re.search(r"STORE (\d+) \+FLAGS\.SILENT \((.+)\)", command)
        assert found, command
        self.box.flags.setdefault(int(found[1]), set()).add(found[2])
        return "OK done"

    def _expunge(self, _command: str) -> str:
        for uid in [uid for uid, flags in self.box.flags.items() if "\\Deleted" in flags]:
            del self.box.flags[uid], self.box.mails[uid]
        return "OK done"

    def _logout(self, _command: str) -> str:
        self._say("* BYE")
        return "OK bye"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    box: Box


class Imap:
    """A context manager: `with Imap(box) as url`."""

    def __init__(self, box: Box) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.box = box

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        port = self._server.server_address[1]
        folder = "" if self._server.box.folder == "INBOX" else f"/{self._server.box.folder}"
        return f"imap://bounces%40shop.test:secret%20word@127.0.0.1:{port}{folder}"

    def __exit__(self, *_exc: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
