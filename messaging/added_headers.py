"""Headers and extras that an author adds to an email: what may be given, and how a finished value is written.

Headers are unstructured (RFC 5322 §2.2.1). Those that Chappe writes itself, those that say how the message is built,
and those by which a mail service would write to others are refused. Extras are pairs of text for whoever reads a
service's events: they go with the message as `unique_args` of X-SMTPAPI, the header in which such services take them.
Values are Liquid, names are not. Pure.
"""

import json
import re
from collections.abc import Iterator, Mapping

from django.utils.translation import gettext as _

from messaging import headers, personalization

EXTRAS_HEADER = "X-SMTPAPI"
_MOST = 50
_MOST_NAME = 50
MOST_VALUE = 2000
# Bytes of JSON.
MOST_EXTRAS = 1024
# Longest run without a blank, characters: it can't be folded, and a line has at most 998.
_MOST_WORD = 900
# RFC 5322 §3.6.8 allows more; these are what every server and service passes on.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_RESERVED = frozenset(
    {
        *("bcc", "cc", "dkim-signature", "from", "mime-version", "received", "reply-to", "subject", "to"),
        *("date", "message-id", "sender", "return-path", "errors-to", "feedback-id", "authentication-results"),
        *("domainkey-signature", "received-spf", "apparently-to", "x-sg-eid", "x-sg-id"),
        # What services read: lists of other recipients, and how we recognise a message in their reports.
        *("x-smtpapi", "x-msys-api", "x-mc-bccaddress", "x-mailgun-deliver-to", "x-mailgun-recipient-variables"),
        *("x-mailin-custom", "x-pm-metadata-chappe"),
    }
)
_RESERVED_BEGINNINGS = ("content-", "list-", "resent-", "arc-", "x-chappe-")
# Fields of the services' own events, beside which the extras appear there.
_EVENT_FIELDS = frozenset(
    {"email", "event", "reason", "response", "sg_event_id", "sg_message_id", "smtp-id", "status", "timestamp", "type"}
)


def header_problems(added: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(name, what is wrong) for each header that can't be taken; "" as the name of what is wrong with all of them."""
    if len(added) > _MOST:
        yield "", _("Give at most {n} headers.").format(n=_MOST)
    seen = set[str]()
    for name, value in added.items():
        sentence = _name_problem(name) or _value_problem(value)
        if not sentence and name.lower() in seen:
            sentence = _("This header is given twice.")
        seen.add(name.lower())
        if sentence:
            yield name, sentence


def extras_problems(extras: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The same for extras."""
    size = len(json.dumps(dict(extras), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
    if size > MOST_EXTRAS:
        yield "", _("Give at most 1 KB of names and values, not {n} bytes.").format(n=size)
        return
    for name, value in extras.items():
        if not name.strip() or _CONTROL.search(name):
            yield name, _("This can't be a name.")
        elif name.lower() in _EVENT_FIELDS:
            yield name, _("Events of mail services have a field of this name. Choose another.")
        elif not _is_liquid(value) and _is_unfoldable(_json({name: value})):
            yield name, _too_long_word()


def header_line(name: str, value: str) -> bytes:
    """A header with a finished value, with CRLF; b"" for an empty one. Raises RenderProblem.

    Words of ASCII stay as they are, however long: what a program reads must not be encoded.
    """
    value = headers.clean(value)
    if not value:
        return b""
    if len(value) > MOST_VALUE or _is_unfoldable(value):
        sentence = _("The header {name} is too long for this person.").format(name=name)
        raise personalization.RenderProblem(sentence)
    return headers.words(name, value)


def extras_line(extras: Mapping[str, str]) -> bytes:
    """The header of finished extras, with CRLF. Raises RenderProblem."""
    text = _json(extras)
    if sum(len(part.encode("utf-8", "replace")) for pair in extras.items() for part in pair) > MOST_EXTRAS:
        raise personalization.RenderProblem(_("The extras are more than 1 KB for this person."))
    if _is_unfoldable(text):
        raise personalization.RenderProblem(_too_long_word())
    return headers.words(EXTRAS_HEADER, text)


def _name_problem(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > _MOST_NAME:
        return _("This is no name of a header: use up to {n} letters, digits and -.").format(n=_MOST_NAME)
    lower = name.lower()
    if lower in _RESERVED or lower.startswith(_RESERVED_BEGINNINGS):
        return _("This header can't be given: Chappe or the mail server writes it.")
    return ""


def _value_problem(value: str) -> str:
    if _CONTROL.search(value):
        return _("Use one line without control characters.")
    if len(value) > MOST_VALUE:
        return _("Use at most {n} characters.").format(n=MOST_VALUE)
    return _too_long_word() if not _is_liquid(value) and _is_unfoldable(value) else ""


def _is_liquid(value: str) -> bool:
    return "{{" in value or "{%" in value


def _is_unfoldable(text: str) -> bool:
    """Whether some line would be longer than servers take; other than ASCII is encoded in short words."""
    return text.isascii() and any(len(word) > _MOST_WORD for word in text.split(" "))


def _too_long_word() -> str:
    return _("Use at most {n} characters without a blank.").format(n=_MOST_WORD)


def _json(extras: Mapping[str, str]) -> str:
    """ASCII that unfolds to itself: no blanks beside each other, and nothing that looks like an encoded word."""
    text = json.dumps({"unique_args": dict(sorted(extras.items()))})
    return re.sub(r"(?<= ) ", r"\\u0020", text.replace("=?", "=\\u003f"))
