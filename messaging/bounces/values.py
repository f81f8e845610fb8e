"""What reading a mail gives."""

import enum
from typing import NamedTuple

from messaging.verdicts import Verdict

MAX_TEXT = 500


class MailKind(enum.StrEnum):
    """What a received mail is. Where several recipients differ: a failure before a delay before a success."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto_reply"
    # A report that somebody's server took the message, or passed it on to one that doesn't report.
    DELIVERED = "delivered"
    # Not there yet, and still tried by a server on the way.
    DELAYED = "delayed"
    OTHER = "other"


class Recipient(NamedTuple):
    """Somebody whom a mail is about. Only who failed has a verdict that is not (ignored, …)."""

    # As it was written to where the mail tells it, else as it was at last, after aliases; "" unknown.
    address: str
    verdict: Verdict
    # "550 5.1.1", "5.1.1", "550" or "".
    code: str
    # The server's words, at most 500 characters.
    text: str


class Report(NamedTuple):
    """A mail as read. Empty strings where it doesn't say."""

    kind: MailKind
    recipients: tuple[Recipient, ...] = ()
    # Of the original message, where the mail contains it; without the angle brackets.
    message_id: str = ""
    # The address that the mail was sent to.
    envelope_to: str = ""
    # The original's X-Chappe-Delivery header.
    x_delivery: str = ""
