"""What handing a message over can come to, and the faces of the two sides. Values only; see conversation.py."""

import enum
import re
import ssl
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from django.utils.translation import gettext as _

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")


class Result(enum.StrEnum):
    """What is known about one message after its conversation."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_TRIED = "not_tried"


class Handover(NamedTuple):
    """The outcome of one message. `code`: "" when accepted, else such as "550 5.1.1"; `reply`: their words or ours."""

    result: Result
    code: str
    reply: str


class Trouble(NamedTuple):
    """The server can't be used, whoever the message is for. A lasting one needs a person to change the settings."""

    kind: str  # "connect", "greeting", "tls", "auth", "protocol", "lost"
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
    """What a failed handshake means, in words. Certificates that can't be checked are never accepted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = _("The mail server's certificate can't be trusted: {why}.").format(why=error.verify_message)
        return Trouble("tls", words, str(error), True)
    return Trouble("tls", _("No encrypted connection to the mail server could be made."), str(error), True)


def failure(line: bytes, stage: Stage) -> Handover:
    """The outcome of a 4xx or 5xx answer. The basic code decides, the enhanced one is the reason (RFC 5321 §4.2.1)."""
    text = text_of(line)
    enhanced = _ENHANCED.match(text, 4)
    code = f"{text[:3]} {enhanced.group()}" if enhanced else text[:3]
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
