"""What is wrong with a message as a mail server receives it: the standards checks that its bytes can answer.

Pure: bytes in, findings out. Used on golden messages by the tests, and by whoever wants to look at a real one. CHECKS
and ELSEWHERE together are the checklist for bulk senders, numbered as there; what bytes can't answer (DNS, TLS, the
signature that the relay adds) is judged where ELSEWHERE says. Sentences are for people who know mail, not translated.
"""

import datetime as dt
import email.header
import email.utils
import re
from collections.abc import Callable, Iterator
from email.message import Message as Parsed
from typing import NamedTuple
from urllib.parse import urlsplit

from messaging.received import ADDRESS, Mail

# What is only known outside a message's bytes, and where it is judged.
ELSEWHERE = {
    15: "the relay signs (DKIM); delivery/fuses.py stops a send that is refused for it",
    16: "SPF is DNS of the return path's domain; set up at the relay",
    17: "DMARC is DNS of the sender's domain; set up with the relay",
    18: "messaging/talk.py: certificates are checked, STARTTLS is never skipped",
    19: "reports that come back are read by the bounce parser, not sent",
    20: "BIMI is DNS and optional",
}
# Readers clip longer HTML, bytes (Gmail at about 102 kB).
_CLIP_BYTES = 100_000
_DATE_SLACK = dt.timedelta(minutes=5)
_SINGLE = (
    "date", "from", "subject", "message-id", "to", "mime-version", "sender", "reply-to", "cc", "references",
    "feedback-id", "list-id", "list-unsubscribe", "list-unsubscribe-post",
)  # fmt: skip
_FORBIDDEN = ("received", "dkim-signature", "return-path", "x-mailer", "user-agent", "authentication-results")
_FQDN = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_MESSAGE_ID = re.compile(rf"<[!-;=?A-~]+@({_FQDN})>", re.IGNORECASE)
_LIST_ID = re.compile(rf"[^<>]*<{_FQDN}>", re.IGNORECASE | re.DOTALL)
_FEEDBACK_ID = re.compile(r"[\w-]+:[\w-]+:[\w-]+:[\w-]{5,15}")
_WORD = re.compile(rb"=\?[^?\s]+\?[bqBQ]\?[^?\s]*\?=")


class Finding(NamedTuple):
    """One thing that is wrong, by the number of its check."""

    check: int
    sentence: str


def lint(
    data: bytes,
    *,
    mail_from: str = "",
    rcpt_to: str = "",
    now: dt.datetime | None = None,
    postal_address: str = "",
    is_automatic: bool = False,
) -> list[Finding]:
    """Everything wrong with a message, by check. What isn't given isn't judged: envelope, time of sending, postal
    address. `is_automatic`: it answers something one person did, so that it is no marketing.
    """
    mail = Mail(data, mail_from, rcpt_to, now, postal_address, is_automatic)
    return [Finding(number, sentence) for number, check in CHECKS.items() for sentence in check(mail)]


def _lines(mail: Mail) -> Iterator[str]:
    if re.search(rb"\r(?!\n)|(?<!\r)\n", mail.data):
        yield "A line ends otherwise than with CRLF."
    if b"\0" in mail.data:
        yield "There is a NUL byte."
    if any(len(line) > 998 for line in mail.data.split(b"\r\n")):
        yield "A line has more than 998 bytes."
    for line in mail.head.split(b"\r\n"):
        if len(line) > 78 and b" " in line.strip().partition(b": ")[2]:
            yield f"A header line of {len(line)} bytes could have been folded: {line[:40]!r}"


def _fields(mail: Mail) -> Iterator[str]:
    for name in ("date", "from", "subject", "message-id", "to"):
        if not mail.all(name):
            yield f"There is no {name} header."
    for name in _SINGLE:
        if len(mail.all(name)) > 1:
            yield f"The {name} header is there more than once."
    for name in ("from", "to"):
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", mail.one(name))
        if mail.all(name) and (bare.count("@") != 1 or "," in bare):
            yield f"The {name} header doesn't name exactly one address."
    if mail.all("bcc"):
        yield "There is a Bcc header."
    if mail.one("sender") and mail.one("sender") == mail.one("from"):
        yield "Sender repeats From."
    for name, _value in mail.headers:
        if not re.fullmatch(r"[!-9;-~]+", name):
            yield f"{name[:40]!r} is no header name."


def _message_id(mail: Mail) -> Iterator[str]:
    value = mail.one("message-id")
    if not value:
        return
    if not _MESSAGE_ID.fullmatch(value):
        yield "The Message-ID is not <something@a full domain name>."
    local = mail.rcpt_to.partition("@")[0].lower()
    if len(local) > 2 and local in value.lower().partition("@")[0]:
        yield "The Message-ID contains the recipient's name."


def _date(mail: Mail) -> Iterator[str]:
    value = mail.one("date")
    if not value:
        return
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        yield "Date can't be read."
        return
    if at.tzinfo is None or not re.search(r"[+-]\d{4}$", value):
        yield "Date has no zone."
    elif mail.now is not None and abs(at - mail.now) > _DATE_SLACK:
        yield "Date is more than five minutes from the time of sending."


def _mime(mail: Mail) -> Iterator[str]:
    if mail.one("mime-version") != "1.0":
        yield "MIME-Version is not 1.0."
    if mail.parsed.defects or any(part.defects for part in mail.parsed.walk()):
        yield "The MIME structure has defects."
    texts, files = _texts_and_files(mail.parsed)
    kinds = [part.get_content_type() for part in texts.walk() if not part.is_multipart()]
    if texts.get_content_type() != "multipart/alternative" or kinds != ["text/plain", "text/html"]:
        yield "It is not multipart/alternative with the text first and the HTML second."
    for part in mail.leaves:
        yield from _file(part) if part in files else _part(part)
    yield from _encoded_words(mail)


def _texts_and_files(parsed: Parsed) -> tuple[Parsed, list[Parsed]]:
    """The alternatives, and what multipart/mixed has behind them."""
    inside = parsed.get_payload()
    if parsed.get_content_type() == "multipart/mixed" and isinstance(inside, list):
        parts = [part for part in inside if isinstance(part, Parsed)]
        return parts[0], parts[1:]
    return parsed, []


def _file(part: Parsed) -> Iterator[str]:
    kind, payload = part.get_content_type(), part.get_payload()
    if part.get_content_disposition() != "attachment" or not part.get_filename():
        yield f"A file ({kind}) is not an attachment with a name."
    if kind in ("text/html", "image/svg+xml", "application/octet-stream"):
        yield f"A file says that it is {kind}."
    if str(part.get("Content-Transfer-Encoding", "")).lower() != "base64":
        yield f"A file ({kind}) is not base64."
    if isinstance(payload, str) and any(len(line) > 76 for line in payload.splitlines()):
        yield f"A file ({kind}) has an encoded line of more than 76 characters."


def _part(part: Parsed) -> Iterator[str]:
    kind, encoding = part.get_content_type(), str(part.get("Content-Transfer-Encoding", "7bit")).lower()
    payload = part.get_payload()
    raw = payload if isinstance(payload, str) else ""
    if part.get_content_charset() != "utf-8":
        yield f"{kind} doesn't declare UTF-8."
    if encoding in ("quoted-printable", "base64"):
        if any(len(line) > 76 for line in raw.splitlines()):
            yield f"{kind} has an encoded line of more than 76 characters."
    elif encoding != "7bit":
        yield f"{kind} is {encoding}, which not every server takes."
    if not raw.isascii():
        yield f"{kind} is not 7-bit clean."
    decoded = part.get_payload(decode=True)
    try:
        (decoded if isinstance(decoded, bytes) else b"").decode()
    except UnicodeDecodeError:
        yield f"{kind} is not UTF-8."


def _encoded_words(mail: Mail) -> Iterator[str]:
    for word in _WORD.findall(mail.head):
        if len(word) > 75:
            yield "An encoded word has more than 75 characters."
        try:
            for text, charset in email.header.decode_header(word.decode()):
                if isinstance(text, bytes):
                    text.decode(charset or "ascii")
        except (ValueError, LookupError):
            yield "An encoded word is broken, or splits a character."
    if b"=?" in _WORD.sub(b"", mail.head):
        yield "An encoded word is cut."


def _international(mail: Mail) -> Iterator[str]:
    if not mail.head.isascii():
        yield "A header has bytes outside ASCII, which needs SMTPUTF8 all the way."
    for address in (mail.mail_from, mail.rcpt_to):
        if not address.isascii():
            yield f"The envelope address {address!r} is not ASCII (domains as A-labels)."


def _sizes(mail: Mail) -> Iterator[str]:
    named = [ADDRESS.search(mail.one(name)) for name in ("from", "to", "reply-to")]
    for address in (mail.mail_from, mail.rcpt_to, *(found[1] for found in named if found)):
        local, _at, domain = address.rpartition("@")
        if len(local) > 64 or len(domain) > 255 or len(address) > 254:
            yield f"{address[:40]}… is longer than SMTP takes."
    if mail.rcpt_to and mail.rcpt_to not in mail.one("to"):
        yield "To names somebody else than the envelope."


def _list_unsubscribe(mail: Mail) -> Iterator[str]:
    value = mail.one("list-unsubscribe")
    if not re.fullmatch(r"<https?://[^<>\s]+>(?:,\s*<mailto:[^<>\s]+>)?", value):
        yield "List-Unsubscribe is not <https://…>, or that and <mailto:…>."
    for name in ("list-help", "list-owner", "list-post"):
        if mail.all(name):
            yield f"{name} has no place in a campaign."


def _one_click(mail: Mail) -> Iterator[str]:
    links = re.findall(r"<(https?):", mail.one("list-unsubscribe"))
    if links != ["https"]:
        yield "List-Unsubscribe needs exactly one https address for one-click."
    if mail.one("list-unsubscribe-post") != "List-Unsubscribe=One-Click":
        yield "List-Unsubscribe-Post is not List-Unsubscribe=One-Click."


def _list_id(mail: Mail) -> Iterator[str]:
    value = mail.one("list-id")
    if not _LIST_ID.fullmatch(value) or len(value.rpartition("<")[2]) > 256:
        yield "List-Id is not a phrase and <a stable name under a domain>."


def _feedback_id(mail: Mail) -> Iterator[str]:
    if not _FEEDBACK_ID.fullmatch(mail.one("feedback-id")):
        yield "Feedback-ID is not campaign:send:type:sender with a sender of 5 to 15 characters."


def _automatic(mail: Mail) -> Iterator[str]:
    value = mail.one("auto-submitted")
    if mail.is_automatic and value != "auto-generated":
        yield "An automatic message says Auto-Submitted: auto-generated."
    if not mail.is_automatic and value:
        yield "Marketing is not Auto-Submitted."
    if mail.mail_from == "<>":
        yield "The empty return path is for bounces only."


def _precedence(mail: Mail) -> Iterator[str]:
    if mail.all("precedence"):
        yield "Precedence is no standard and may hold the message back."


def _return_path(mail: Mail) -> Iterator[str]:
    if not mail.mail_from:
        return
    local, _at, domain = mail.mail_from.rpartition("@")
    if not re.fullmatch(r"bounce\+[\w-]{16,}", local):
        yield "The return path doesn't name the recipient (VERP)."
    sender, domain = mail.domain("from"), domain.lower()
    if not (domain == sender or domain.endswith(f".{sender}") or sender.endswith(f".{domain}")):
        yield "The return path's domain isn't aligned with From, so SPF can't count for DMARC."


def _body(mail: Mail) -> Iterator[str]:
    html, text = mail.text_of("html"), mail.text_of("plain")
    if len(html.encode()) > _CLIP_BYTES:
        yield "The HTML is so long that readers clip it."
    if not text.strip():
        yield "The text part is empty."
    root = mail.html.css_first("html")
    if root is None or not root.attributes.get("lang"):
        yield "The HTML doesn't say its language."
    for image in mail.html.css("img"):
        if image.attributes.get("alt") is None:
            yield "An image has no alternative text."
    targets = [node.attributes.get("href") or "" for node in mail.html.css("a[href]")]
    yield from _targets(mail, targets)
    words = " ".join((mail.html.body.text(separator=" ") if mail.html.body else "").split())
    if mail.postal_address and " ".join(mail.postal_address.split()) not in words:
        yield "The postal address is missing."


def _targets(mail: Mail, targets: list[str]) -> Iterator[str]:
    for target in targets:
        parts = urlsplit(target)
        if parts.scheme in ("mailto", "tel", "sms") or target.startswith("#"):
            continue
        if parts.scheme != "https" or not parts.netloc:
            yield f"A link isn't an absolute https address: {target[:60]}"
    unsubscribe = re.search(r"<(https?://[^<>]+)>", mail.one("list-unsubscribe"))
    if unsubscribe and unsubscribe[1] not in targets:
        # Through a click address it would be tracked.
        yield "The body has no link to the unsubscribe page itself."


def _forbidden(mail: Mail) -> Iterator[str]:
    for name, _value in mail.headers:
        if name in _FORBIDDEN:
            yield f"{name} is not ours to write."
    for name in ("content-type", "content-transfer-encoding", "content-disposition"):
        if len(mail.all(name)) > 1:
            yield f"{name} is there more than once."


CHECKS: dict[int, Callable[[Mail], Iterator[str]]] = {
    1: _lines,
    2: _fields,
    3: _message_id,
    4: _date,
    5: _mime,
    6: _international,
    7: _sizes,
    8: _list_unsubscribe,
    9: _one_click,
    10: _list_id,
    11: _feedback_id,
    12: _automatic,
    13: _precedence,
    14: _return_path,
    21: _body,
    22: _forbidden,
}
