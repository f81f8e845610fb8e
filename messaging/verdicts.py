"""What a refusal means: whose fault it is, whether trying again can help, and the reason in words.

The one classification for answers in the conversation (550 5.1.1 …), for bounce mails and for providers' events, so
that the same words never mean two things. Pure. Sources: RFC 3463 and its registry, RFC 5321 §4.2, and what servers
write where they give no enhanced code, or a wrong one (refusal_phrases.py).

The words win over the enhanced code where they are clear: many servers give 5.1.1 with every refusal, and 5.7.1 with
none in particular. The basic code says whether it is final. An address is condemned only on plain evidence; in doubt it
is soft, and a soft failure that repeats ends in quarantine all the same.
"""

import enum
import re
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from messaging import refusal_words
from messaging.refusal_phrases import Meaning


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
COMPLAINT = "complaint"
UNDETERMINED = "undetermined"
# Of webhooks.
SERVER_ERROR = "server_error"
CALL_REFUSED = "call_refused"

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
    COMPLAINT: _("Complaint"),
    UNDETERMINED: _("Reason not given"),
    SERVER_ERROR: _("Error or no answer of the server"),
    CALL_REFUSED: _("Refused by the server"),
}


class Verdict(NamedTuple):
    """`reason` is a key of REASONS; `after_s`: seconds that the server asks us to stay away, 0 for none."""

    kind: Kind
    reason: str
    after_s: int = 0


class Stage(enum.StrEnum):
    """Which step of the conversation was refused; what is refused before the recipient is named is about us."""

    CONNECTION = "connection"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    UNKNOWN = ""


_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_BASIC = re.compile(r"(?<![\d.])([45])\d\d(?![\d.])")
_REFUSED = Verdict(Kind.BLOCKED, REFUSED)
_OUR_AUTHENTICATION = Verdict(Kind.BLOCKED, AUTHENTICATION)
_OUR_SENDER = Verdict(Kind.BLOCKED, SENDER_REFUSED)
_UNDETERMINED = Verdict(Kind.SOFT, UNDETERMINED)

# What the words mean, whatever the code; the condemning ones are below, as they need a final answer.
_BY_MEANING: dict[Meaning, Verdict] = {
    Meaning.MAILBOX_FULL: Verdict(Kind.SOFT, MAILBOX_FULL),
    Meaning.AUTHENTICATION: _OUR_AUTHENTICATION,
    Meaning.SENDER: _OUR_SENDER,
    Meaning.RELAYING: _REFUSED,
    Meaning.REPUTATION: _REFUSED,
    Meaning.RATE: Verdict(Kind.BLOCKED, RATE_LIMITED),
    Meaning.DISABLED: Verdict(Kind.SOFT, ACCOUNT_DISABLED),
    Meaning.TOO_LARGE: Verdict(Kind.MESSAGE, TOO_LARGE),
    Meaning.UNSUPPORTED: Verdict(Kind.SOFT, UNSUPPORTED_ADDRESS),
    Meaning.CONTENT: Verdict(Kind.MESSAGE, CONTENT),
    Meaning.POLICY: _REFUSED,
    Meaning.REJECTED: _REFUSED,
    Meaning.EXPIRED: Verdict(Kind.SOFT, EXPIRED),
    Meaning.UNREACHABLE: Verdict(Kind.SOFT, UNREACHABLE),
}
_CONDEMNED: dict[Meaning, str] = {
    Meaning.MOVED: USER_UNKNOWN,
    Meaning.UNKNOWN_USER: USER_UNKNOWN,
    Meaning.PERHAPS_UNKNOWN_USER: USER_UNKNOWN,
    Meaning.UNKNOWN_HOST: INVALID_DOMAIN,
    Meaning.NO_MAIL_HERE: INVALID_DOMAIN,
}
# General words, which explain less than a precise code does.
_GENERAL = frozenset({Meaning.CONTENT, Meaning.POLICY, Meaning.REJECTED, Meaning.EXPIRED, Meaning.UNREACHABLE})
_PHRASES_OF_NOTICES = _GENERAL - {Meaning.CONTENT}
# By subject and detail of the enhanced code (RFC 3463, RFC 7505, RFC 7293): the address will never work.
_HARD_CODES: dict[str, str] = {
    "1.1": USER_UNKNOWN,
    "1.2": INVALID_DOMAIN,
    "1.3": USER_UNKNOWN,
    "1.6": USER_UNKNOWN,
    "1.10": INVALID_DOMAIN,
    "4.4": INVALID_DOMAIN,
    "7.17": USER_UNKNOWN,
    "7.18": INVALID_DOMAIN,
}
# "Other address status" says that it is about the address, the words say what.
_CONFIRMING = frozenset({"1.0", *_HARD_CODES})
_BY_CODE: dict[str, Verdict] = {
    "1.7": _OUR_SENDER,
    "1.8": _OUR_SENDER,
    "2.1": Verdict(Kind.SOFT, ACCOUNT_DISABLED),
    "2.2": Verdict(Kind.SOFT, MAILBOX_FULL),
    "2.3": Verdict(Kind.MESSAGE, TOO_LARGE),
    "3.4": Verdict(Kind.MESSAGE, TOO_LARGE),
    "4.7": Verdict(Kind.SOFT, EXPIRED),
    "6.7": Verdict(Kind.SOFT, UNSUPPORTED_ADDRESS),
    "6.9": Verdict(Kind.SOFT, UNSUPPORTED_ADDRESS),
    "7.28": Verdict(Kind.BLOCKED, RATE_LIMITED),
    # Ours were not good enough: RFC 7372, RFC 7489, Gmail's and Outlook's own details.
    **dict.fromkeys(
        (
            "7.8",
            "7.14",
            "7.509",
            "7.515",
            "7.23",
            "7.40",
            *(f"7.{n}" for n in (20, 21, 22, 24, 25, 26, 27, 29, 30, 31, 32)),
        ),
        _OUR_AUTHENTICATION,
    ),
}
_BY_SUBJECT = {
    "2": Verdict(Kind.SOFT, ACCOUNT_DISABLED),
    "3": Verdict(Kind.SOFT, UNREACHABLE),
    "4": Verdict(Kind.SOFT, UNREACHABLE),
    "6": Verdict(Kind.MESSAGE, CONTENT),
    "7": _REFUSED,
}
# RFC 5321 §4.2.3 and RFC 7504, where no enhanced code and no words say more.
_BY_BASIC = {
    "421": Verdict(Kind.SOFT, UNREACHABLE),
    "451": Verdict(Kind.SOFT, UNREACHABLE),
    "452": Verdict(Kind.SOFT, UNREACHABLE),
    "552": Verdict(Kind.SOFT, MAILBOX_FULL),
    "556": Verdict(Kind.HARD, INVALID_DOMAIN),
}


# A disabled account may come back; "inactive" beside 5.1.1 is one that is gone, what passes is not.
_PASSING = re.compile(r"temporar|suspend|lock|frozen|freez|hold|paid|maintenance|disabled", re.IGNORECASE)
_FOR_NOW = re.compile(r"(?<!not going to )try again|temporar|deferred|delayed|will be retried", re.IGNORECASE)
_ADDRESS_REJECTED = re.compile(r"recipient address(?:es)? rejected", re.IGNORECASE)
# What servers add though their code is a final one.
_PASSES = re.compile(r"temporar|right now|try (?:again )?later|currently (?:un|not )available", re.IGNORECASE)
_UNAVAILABLE = re.compile(r"(?:un|not )available", re.IGNORECASE)
# MAPI's numbers, in the reports of old Exchange servers: "(000C05A6)".
_MAPI = re.compile(r"\(000[0-9A-F]{5}\)")


class _Answer(NamedTuple):
    """`basic`: "550" or ""; `pair`: subject and detail, "1.1" or "" (also for x.0.0, which says nothing); `is_final`:
    not a 4xx or 4.x.x; `is_coded`: not words alone.
    """

    basic: str
    pair: str
    is_coded: bool
    is_final: bool
    stage: Stage


def of_reply(code: str, text: str) -> Verdict:
    """The verdict over one answer. `code` is as in handover.Handover: "550 5.1.1", "5.1.1", "550" or ""; `text` the
    server's words. Never raises; an answer that says nothing is (soft, undetermined).
    """
    return of_refusal(code, text, stage=Stage.RECIPIENT)


def of_refusal(code: str, text: str, *, stage: Stage, status: str = "", is_answer: bool = True) -> Verdict:
    """As of_reply, with what a bounce tells besides: the `stage` that was refused, UNKNOWN when it doesn't say, the
    `status` its writer chose ("5.1.1"), which counts where the answer itself has no better one, and whether `text`
    is a server's answer: a notice to people has some words of policy or connections that explain nothing.
    """
    answer = _answer(code, text, status, stage)
    meaning = refusal_words.of(text)
    if not is_answer and meaning in _PHRASES_OF_NOTICES and answer.pair in _HARD_CODES:
        meaning = None
    if meaning is Meaning.GREYLISTED:
        return _REFUSED if answer.is_final and answer.basic else Verdict(Kind.SOFT, GREYLISTED)
    if meaning is Meaning.DISABLED and answer.pair in ("1.1", "1.6") and _is_about_recipient(answer):
        return Verdict(Kind.SOFT if _PASSING.search(text) else Kind.HARD, ACCOUNT_DISABLED)
    if meaning in _CONDEMNED:
        return _condemned(meaning, answer, text)
    if meaning is None or meaning in _GENERAL:
        return _general(meaning, answer, text)
    return _BY_MEANING[meaning]


def _answer(code: str, text: str, status: str, stage: Stage) -> _Answer:
    basic = _BASIC.search(code) or _BASIC.match(text)
    enhanced = _ENHANCED.search(code) or _ENHANCED.search(text)
    if enhanced is None or enhanced[2] == "0":
        enhanced = _ENHANCED.search(status) or enhanced
    leading = basic or enhanced
    is_final = leading[1] == "5" if leading else not _FOR_NOW.search(text)
    pair = f"{enhanced[2]}.{enhanced[3]}" if enhanced and enhanced[0][2:] != "0.0" else ""
    is_coded = bool(basic or pair or _MAPI.search(text))
    return _Answer(basic[0] if basic else "", pair, is_coded, is_final, stage)


def _is_about_recipient(answer: _Answer) -> bool:
    return answer.is_final and answer.stage in (Stage.RECIPIENT, Stage.UNKNOWN)


def _condemned(meaning: Meaning, answer: _Answer, text: str) -> Verdict:
    """The words say that the address can't work: believed where nothing speaks against it."""
    reason = _CONDEMNED[meaning]
    if meaning is Meaning.NO_MAIL_HERE:
        return Verdict(Kind.HARD, reason) if answer.is_final else Verdict(Kind.SOFT, UNREACHABLE)
    if answer.pair.startswith("7.") and answer.pair not in _HARD_CODES:
        return _BY_CODE.get(answer.pair, _REFUSED)
    if answer.stage is Stage.CONNECTION:
        return _REFUSED
    if answer.stage is Stage.SENDER or answer.pair in ("1.7", "1.8"):
        return _OUR_SENDER
    if answer.pair.startswith("2.") and _UNAVAILABLE.search(text):
        # The code speaks of a mailbox that is there.
        return Verdict(Kind.SOFT, reason)
    # A filter behind DATA writes the common words too, and a text without any code may come from anything.
    is_plain = answer.is_coded and meaning is not Meaning.PERHAPS_UNKNOWN_USER
    is_confirmed = answer.stage is Stage.RECIPIENT or answer.pair in _CONFIRMING or meaning is Meaning.UNKNOWN_HOST
    # Exchange Online's 5.1.351 is "unknown recipient or mailbox unavailable": the first where an address is named.
    is_confirmed = is_confirmed or (answer.pair == "1.351" and "@" in text)
    # Outlook.com's "5.5.0 mailbox unavailable" is given for addresses only.
    is_confirmed = is_confirmed or (answer.pair == "5.0" and bool(_UNAVAILABLE.search(text)))
    is_lasting = answer.is_final and not _PASSES.search(text)
    return Verdict(Kind.HARD if is_lasting and (is_plain or is_confirmed) else Kind.SOFT, reason)


def _general(meaning: Meaning | None, answer: _Answer, text: str) -> Verdict:
    """The words say little: the codes decide, but no code condemns an address against words of policy or content."""
    spoken = _BY_MEANING[meaning] if meaning else None
    if answer.basic in ("521", "556") and answer.pair in ("", "1.10", "3.2") and (answer.pair or not spoken):
        return Verdict(Kind.HARD, INVALID_DOMAIN)
    if answer.pair == "4.1" and _is_about_recipient(answer) and _ADDRESS_REJECTED.search(text):
        # Exchange Online on addresses that its directory doesn't have: "Recipient address rejected: Access denied".
        return Verdict(Kind.HARD, USER_UNKNOWN)
    if answer.pair in _HARD_CODES:
        if spoken is not None and meaning is not Meaning.REJECTED:
            return spoken
        if answer.stage in (Stage.CONNECTION, Stage.SENDER):
            return _OUR_SENDER
        return Verdict(Kind.HARD if answer.is_final else Kind.SOFT, _HARD_CODES[answer.pair])
    if answer.basic in ("450", "451") and answer.pair == "7.1" and spoken in (None, _BY_MEANING[Meaning.UNREACHABLE]):
        return Verdict(Kind.SOFT, GREYLISTED)
    by_subject = _BY_SUBJECT.get(answer.pair.partition(".")[0])
    if meaning in (Meaning.POLICY, Meaning.REJECTED) and answer.pair.startswith("6."):
        spoken = None
    by_code = _BY_CODE.get(answer.pair) or spoken or by_subject
    if answer.pair.startswith("7.") and (by_code is None or by_code.kind is Kind.SOFT):
        return _BY_CODE.get(answer.pair, _REFUSED)
    return by_code or _BY_BASIC.get(answer.basic, _UNDETERMINED)
