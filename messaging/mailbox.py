"""The mailbox that bounces and complaints come to, read over IMAP (RFC 3501, 9051). One pass: `process`.

Each mail is fetched, given to a function, and only then deleted; so it is given at least once, and again after a
crash. A mail that nothing can be done with gets the flag \\Flagged (a star in most mail programs), stays for a person
to look at, and is not fetched again. Nothing is said about the contents of mails here.
"""

import enum
import imaplib
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

logger = logging.getLogger(__name__)

# Seconds for each answer of the server.
_TIMEOUT_S = 30
# Reports carry at most a copy of the message; larger mails are flagged unread.
_MOST_BYTES = 20 * 1024 * 1024
_PORTS = {"imap": 143, "imaps": 993}
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
# Besides imaplib's own errors: a connection that breaks or an answer that makes no sense.
FAULTS = (imaplib.IMAP4.error, OSError, ValueError)


class Fate(enum.Enum):
    """What is done with a mail after it was handled."""

    DELETE = "delete"
    FLAG = "flag"


class Pass(NamedTuple):
    """What one pass came to."""

    n_deleted: int
    n_flagged: int
    # Whether mails were left because of the limits.
    has_more: bool


def process(url: str, handle: Callable[[bytes], Fate], *, most: int = 500, seconds: float = 45) -> Pass:
    """Give up to `most` mails to `handle`, oldest first, for up to about `seconds`.

    A mail whose handling raises an ordinary error is flagged and logged; the rest goes on. `handle` raises StopPass
    when nothing can be handled now: this mail and the rest stay. Raises FAULTS when the server can't be used.
    """
    deadline = time.monotonic() + seconds
    n = {Fate.DELETE: 0, Fate.FLAG: 0}
    with _opened(url) as server:
        uids = _search(server)
        try:
            for uid in uids[:most]:
                if time.monotonic() > deadline:
                    break
                fate = _handled(server, uid, handle)
                _mark(server, uid, r"\Deleted" if fate is Fate.DELETE else r"\Flagged")
                n[fate] += 1
        except StopPass:
            logger.warning("Mails stay in the bounce mailbox: they can't be handled now.")
        finally:
            if n[Fate.DELETE]:
                server.expunge()
        done = sum(n.values())
        return Pass(n[Fate.DELETE], n[Fate.FLAG], done < len(uids))


class StopPass(Exception):
    """Nothing can be handled now; raised by the function that handles mails."""


def _handled(server: imaplib.IMAP4, uid: bytes, handle: Callable[[bytes], Fate]) -> Fate:
    source = _fetch(server, uid)
    if source is None:
        logger.warning("A mail in the bounce mailbox is too large or can't be read.")
        return Fate.FLAG
    try:
        return handle(source)
    except StopPass:
        raise
    except Exception:
        # One mail, whatever is in it, must not keep the others waiting.
        logger.exception("a mail in the bounce mailbox could not be handled")
        return Fate.FLAG


@contextmanager
def _opened(url: str) -> Iterator[imaplib.IMAP4]:
    """A connection with the folder of `url` selected; INBOX when it names none."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    trusted = ssl.create_default_context()
    server: imaplib.IMAP4
    if parts.scheme == "imaps":
        server = imaplib.IMAP4_SSL(host, port, ssl_context=trusted, timeout=_TIMEOUT_S)
    else:
        server = imaplib.IMAP4(host, port, timeout=_TIMEOUT_S)
    try:
        if parts.scheme == "imap" and "STARTTLS" in server.capabilities:
            server.starttls(trusted)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        _ok(server.select(_quoted(unquote(parts.path.lstrip("/")) or "INBOX")))
        yield server
    finally:
        _close(server)


def _close(server: imaplib.IMAP4) -> None:
    """Say goodbye. What was done is done, whether or not the server still hears it."""
    try:
        server.logout()
    except FAULTS:
        return


def _search(server: imaplib.IMAP4) -> list[bytes]:
    """UIDs of mails nobody deleted or flagged, in the order they came."""
    found = _ok(server.uid("SEARCH", "UNDELETED", "UNFLAGGED"))
    return sorted(b" ".join(one for one in found if isinstance(one, bytes)).split(), key=int)


def _fetch(server: imaplib.IMAP4, uid: bytes) -> bytes | None:
    """A whole mail, not marked as seen; None when it is gone, too large, or not given."""
    name = uid.decode()
    about = b" ".join(one for one in _ok(server.uid("FETCH", name, "(RFC822.SIZE)")) if isinstance(one, bytes))
    size = _SIZE.search(about)
    if size is None or int(size[1]) > _MOST_BYTES:
        return None
    answer = _ok(server.uid("FETCH", name, "(BODY.PEEK[])"))
    return next((one[1] for one in answer if isinstance(one, tuple)), None)


def _mark(server: imaplib.IMAP4, uid: bytes, flag: str) -> None:
    _ok(server.uid("STORE", uid.decode(), "+FLAGS.SILENT", f"({flag})"))


def _ok(answer: tuple[str, Any]) -> list[Any]:
    kind, data = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(f"{kind}: {data!r}"[:200])
    return list(data)


def _quoted(folder: str) -> str:
    """A folder name as IMAP takes it: modified UTF-7 is the caller's, quotes are ours (RFC 3501 §5.1)."""
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
