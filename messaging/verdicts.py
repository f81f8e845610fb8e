"""What a refusal means: whose fault it is, whether trying again can help, and the reason in words.

The one classification for answers in the conversation (550 5.1.1 …), for bounce mails and for providers' events, so
that the same words never mean two things. Pure. Sources: RFC 3463 and its registry, RFC 5321 §4.2, and what servers
write where they give no enhanced code, or a wrong one.
"""

import enum
import re
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Kind(enum.StrEnum):
    """What follows from a refusal."""

    # The address will never work: no retry, quarantine at once.
    HARD = "hard"
    # This recipient or its server, for now: retried within the validity period, counted towards quarantine.
    SOFT = "soft"
    # About us: policy, reputation, authentication, rate. Never counted against an address.
    BLOCKED = "blocked"
    # About this message: its size or content. Never counted against an address.
    MESSAGE = "message"
    # Not a failure: an automatic reply, a report of success or of delay.
    IGNORED = "ignored"


USER_UNKNOWN = "user_unknown"
INVALID_DOMAIN = "invalid_domain"
ACCOUNT_DISABLED = "account_disabled"
MAILBOX_FULL = "mailbox_full"
UNREACHABLE = "unreachable"
EXPIRED = "expired"
GREYLISTED = "greylisted"
RATE_LIMITED = "rate_limited"
REFUSED = "refused"
AUTHENTICATION = "authentication"
SENDER_REFUSED = "sender_refused"
TOO_LARGE = "too_large"
CONTENT = "content"
UNSUPPORTED_ADDRESS = "unsupported_address"
AUTO_REPLY = "auto_reply"
UNDETERMINED = "undetermined"

REASONS: dict[str, str | Promise] = {
    USER_UNKNOWN: _("Unknown user"),
    INVALID_DOMAIN: _("Invalid domain"),
    ACCOUNT_DISABLED: _("Account disabled"),
    MAILBOX_FULL: _("Mailbox full"),
    UNREACHABLE: _("Unreachable"),
    EXPIRED: _("Not delivered in time"),
    GREYLISTED: _("Greylisted"),
    RATE_LIMITED: _("Slowed by the provider"),
    REFUSED: _("Refused by policy"),
    AUTHENTICATION: _("Our authentication was refused"),
    SENDER_REFUSED: _("Our sender was refused"),
    TOO_LARGE: _("Message too large"),
    CONTENT: _("Content refused"),
    UNSUPPORTED_ADDRESS: _("Address not supported by the server"),
    AUTO_REPLY: _("Automatic reply"),
    UNDETERMINED: _("Reason not given"),
}


class Verdict(NamedTuple):
    """`reason` is a key of REASONS."""

    kind: Kind
    reason: str


_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_BASIC = re.compile(r"\b([45])\d\d\b")
# By subject and detail of the enhanced code; the class (4 or 5) matters only where a pair is given.
_HARD_CODES = {"1.1", "1.2", "1.3", "1.6", "1.10"}
_BY_CODE: dict[str, Verdict] = {
    "1.7": Verdict(Kind.BLOCKED, SENDER_REFUSED),
    "1.8": Verdict(Kind.BLOCKED, SENDER_REFUSED),
    "2.0": Verdict(Kind.SOFT, ACCOUNT_DISABLED),
    "2.1": Verdict(Kind.SOFT, ACCOUNT_DISABLED),
    "2.2": Verdict(Kind.SOFT, MAILBOX_FULL),
    "2.3": Verdict(Kind.MESSAGE, TOO_LARGE),
    "3.4": Verdict(Kind.MESSAGE, TOO_LARGE),
    "4.7": Verdict(Kind.SOFT, EXPIRED),
}
_BY_SUBJECT = {
    "3": Verdict(Kind.SOFT, UNREACHABLE),
    "4": Verdict(Kind.SOFT, UNREACHABLE),
    "6": Verdict(Kind.MESSAGE, CONTENT),
    "7": Verdict(Kind.BLOCKED, REFUSED),
}


def of_reply(code: str, text: str) -> Verdict:
    """The verdict over one answer. `code` is as in handover.Handover: "550 5.1.1", "5.1.1", "550" or ""; `text` the
    server's words. Never raises; an answer that says nothing is (soft, undetermined).
    """
    enhanced = _ENHANCED.search(code) or _ENHANCED.search(text)
    if enhanced is None:
        return Verdict(Kind.SOFT, UNDETERMINED)
    pair = f"{enhanced[2]}.{enhanced[3]}"
    basic = _BASIC.search(code)
    is_permanent = (basic[1] if basic else enhanced[1]) == "5"
    if pair in _HARD_CODES:
        reason = INVALID_DOMAIN if pair in {"1.2", "1.10"} else USER_UNKNOWN
        return Verdict(Kind.HARD if is_permanent else Kind.SOFT, reason)
    return _BY_CODE.get(pair) or _BY_SUBJECT.get(enhanced[2]) or Verdict(Kind.SOFT, UNDETERMINED)
