"""What handing a message over can come to, and the faces of the two sides. Values only; see conversation.py."""

import enum
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from django.utils.translation import gettext as _

from messaging import verdicts

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
SIGN_IN = "sign_in"
_FORBIDDEN = re.compile(rb"[\r\n\0<>]")
# Before the words of an answer to MAIL: it names nobody but us, so it never speaks about a recipient's address.
AT_MAIL = "MAIL FROM: "
# Answers that ask us to sign in, or to do it better (RFC 4954 §6, RFC 5248).
_SIGN_IN = re.compile(rb"5(?:30|34|35|38)\b|5\d\d[ -]5\.7\.(?:8|9|11|14)\b")
_TOO_MANY = re.compile(rb"4\d\d[ -]4\.5\.3\b|452[ -].*too many recipients", re.IGNORECASE)


class Result(enum.StrEnum):
    """What is known about one message after its conversation."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_TRIED = "not_tried"


class Handover(NamedTuple):
    """The outcome of one message. `code`: "" when accepted, else such as "550 5.1.1"; `reply`: their words or ours.

    Not tried with the code SIGN_IN: the server takes nobody's message from us, so nobody can be what breaks it.
    """

    result: Result
    code: str
    reply: str
    # What it means, of a webhook's answer; those of mail servers are judged by whoever reads them.
    verdict: verdicts.Verdict | None = None


class Trouble(NamedTuple):
    """The server can't be used, whoever the message is for. A lasting one needs a person to change the settings."""

    kind: str  # "connect", "greeting", "tls", "auth", "sign_in" (while sending), "protocol", "lost"
    message: str
    reply: str = ""
    is_lasting: bool = False


@dataclass(frozen=True)
class Server:
    """All that is needed to speak to one SMTP server."""

    host: str
    port: int
    security: str
    username: str
    password: str = field(repr=False)
    n_connections: int
    rate_per_minute: int | None


class Envelope(Protocol):
    """One message ready to go: `data` is complete, dot-stuffed and ends with a line that is one dot."""

    @property
    def mail_from(self) -> bytes: ...
    @property
    def rcpt_to(self) -> bytes: ...
    @property
    def data(self) -> bytes: ...


class Source(Protocol):
    """Where a connection gets messages and leaves what became of them. Called from the loop; must not block."""

    def take(self) -> Envelope | None: ...

    # The envelopes are the source's own objects; it gets back what `take` gave.
    def on_wire(self, envelope: Any) -> bool:
        """The next write contains the final dot. False: it may not go any more; the connection ends without the dot."""

    def settle(self, envelope: Any, handover: Handover) -> None: ...


class Timeouts(NamedTuple):
    """Seconds without an answer. RFC 5321 §4.5.3.2 asks for 10 minutes after the dot: a shorter time makes unknowns."""

    connect: float = 10
    greeting: float = 60
    command: float = 120
    body: float = 180
    dot: float = 600


class Unusable(Exception):
    """Setting up failed; carries the Trouble. Never leaves this package."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


class Stage(enum.IntEnum):
    SETUP = 0
    IDLE = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    BODY = 5
    DOT = 6
    RSET = 7
    CLOSED = 8


def tls_trouble(error: Exception) -> Trouble:
    """What a failed handshake means, in words. Certificates that can't be checked are never accepted; only a connection
    that broke may do better by itself.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        words = _("The mail server's certificate can't be trusted: {why}.").format(why=error.verify_message)
        return Trouble("tls", words, str(error), True)
    sentence = _("No encrypted connection to the mail server could be made.")
    return Trouble("tls", sentence, str(error), isinstance(error, ssl.SSLError))


def asks_to_sign_in(line: bytes) -> bool:
    """Whether a refusal in the middle of a conversation is about our account, whoever the message is for."""
    return _SIGN_IN.match(line) is not None


def is_too_many(line: bytes) -> bool:
    """Whether the server takes no more recipients on this connection. Each message has one, so it wants a new one."""
    return _TOO_MANY.match(line) is not None


def unfit(envelope: Envelope, extensions: Mapping[str, str]) -> Handover | None:
    """Why a server with these `extensions` can't be given this message at all; None when it can."""
    addresses = envelope.mail_from + envelope.rcpt_to
    if _FORBIDDEN.search(addresses):
        words = "The address contains characters that no mail server accepts."
        return Handover(Result.REFUSED, "invalid_address", words)
    if not addresses.isascii() and "SMTPUTF8" not in extensions:
        words = _("The mail server doesn't support addresses like this one (SMTPUTF8).")
        return Handover(Result.REFUSED, "invalid_address", words)
    limit = extensions.get("SIZE", "")
    if limit.isdigit() and 0 < int(limit) < len(envelope.data):
        words = f"The message has {len(envelope.data)} bytes, the server takes {limit}."
        return Handover(Result.REFUSED, "too_large", words)
    return None


def failure(line: bytes, stage: Stage) -> Handover:
    """The outcome of a 4xx or 5xx answer. The basic code decides, the enhanced one is the reason (RFC 5321 §4.2.1)."""
    text = text_of(line)
    enhanced = _ENHANCED.match(text, 4)
    code = f"{text[:3]} {enhanced.group()}" if enhanced else text[:3]
    if stage is Stage.MAIL:
        if verdicts.of_reply(code, text).kind is verdicts.Kind.HARD:
            # What would be a bad mailbox elsewhere is a bad sender here (RFC 3463 §3.2).
            code = f"{text[:3]} 5.1.8"
        text = AT_MAIL + text
    if line[:1] == b"4":
        return Handover(Result.DEFERRED, code, text)
    if line[:1] == b"5":
        return Handover(Result.REFUSED, code, text)
    return Handover(Result.DEFERRED, "", f"Unclear answer at {stage.name}: {text}")


def fault(stage: Stage, earlier: Handover | None, message: str) -> Handover:
    """The outcome of a fault at `stage`; an answer that came before it counts."""
    if earlier is not None:
        return earlier
    if stage is Stage.DOT:
        return Handover(Result.UNKNOWN, "", f"{message} The message may have been accepted.")
    if stage in (Stage.RCPT, Stage.DATA, Stage.BODY):
        return Handover(Result.DEFERRED, "", message)
    return Handover(Result.NOT_TRIED, "", message)


def text_of(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()[:500].replace("\0", "")
