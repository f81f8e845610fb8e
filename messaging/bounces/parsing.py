"""A mail taken apart: its headers, its texts, the reports in it and the original message it returns.

The standard library reads headers and transfer encodings; the parts are split here, so that no nesting and no size can
make the work grow: the first megabyte counts, eight levels, fifty parts, and a returned message is not opened. CR, LF
and CRLF are the same. Never raises: what can't be decoded is replaced, what can't be split is one text.
"""

import html
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, HeaderParser

_MAX_BYTES = 1_000_000
_MAX_DEPTH = 8
_MAX_PARTS = 50
_MAX_TEXT = 60_000
# What fails in the standard library on headers that nobody writes on purpose.
_UNREADABLE = (ValueError, LookupError, HeaderParseError, TypeError, AttributeError)

_NEWLINE = re.compile(rb"\r*\n|\r")
_FIRST_DELIMITER = re.compile(r"^--(\S[^\n]{0,200}?)[ \t]*$", re.MULTILINE)
_HIDDEN = re.compile(r"<(style|script|head)\b[^>]{0,500}>.{0,50000}?</\1>", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d)\b[^>]{0,200}>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
ADDRESS = re.compile(
    r"""(?:"[^"\n]{1,64}"|[^\s<>"'()\[\],;:@=\\]{1,100}(?:=[^\s<>"'()\[\],;:@=\\]{1,100}){0,9})@[\w.-]{1,250}\w"""
)

_ORIGINAL_TYPES = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
FEEDBACK_TYPE = "message/feedback-report"


@dataclass(frozen=True)
class Part:
    """One leaf: `content_type` in lower case, `text` decoded."""

    content_type: str
    text: str


@dataclass(frozen=True)
class Mail:
    """`parts`: the leaves in their order, without those of a returned message."""

    headers: Message
    content_type: str
    parts: tuple[Part, ...]

    def header(self, name: str) -> str:
        """The header's first value, decoded, on one line; "" without it."""
        return header(self.headers, name)

    @property
    def text(self) -> str:
        """What is written for people: the plain texts, or the HTML's words where there is no plain one."""
        plain = [part.text for part in self.parts if part.content_type == "text/plain"]
        if not any(text.strip() for text in plain):
            plain = [_words_of(part.text) for part in self.parts if part.content_type == "text/html"]
        return "\n".join(plain)[:_MAX_TEXT]

    @property
    def original(self) -> str:
        """The returned message as it is, at least its headers; "" where there is none in a part of its own."""
        return next((part.text for part in self.parts if part.content_type in _ORIGINAL_TYPES), "")

    def parts_of(self, *content_types: str) -> list[str]:
        return [part.text for part in self.parts if part.content_type in content_types]


def mail_of(source: bytes) -> Mail:
    data = _NEWLINE.sub(b"\n", source[:_MAX_BYTES]).lstrip(b"\n")
    headers: Message = BytesHeaderParser().parsebytes(data)
    parts: list[Part] = []
    _collect(headers, 1, parts)
    return Mail(headers, _content_type(headers), tuple(parts))


def headers_of(text: str) -> Message:
    return HeaderParser().parsestr(text.lstrip("\n"))


def header(headers: Message, name: str) -> str:
    try:
        return " ".join(str(make_header(decode_header(str(headers.get(name, ""))))).split())
    except _UNREADABLE:
        return " ".join(str(headers.get(name, "")).encode("ascii", "replace").decode().split())


def addresses_in(text: str) -> list[str]:
    """The addresses written in `text`, in its order, each once."""
    return list(dict.fromkeys(ADDRESS.findall(text[:_MAX_TEXT])))


def _collect(message: Message, depth: int, parts: list[Part]) -> None:
    content_type = _content_type(message)
    if content_type.startswith("multipart/") and depth < _MAX_DEPTH:
        chunks = _split(message)
        for chunk in chunks:
            if len(parts) < _MAX_PARTS:
                _collect(headers_of(chunk) if _has_headers(chunk) else _bare(chunk), depth + 1, parts)
        if chunks:
            return
        content_type = "text/plain"
    if len(parts) < _MAX_PARTS:
        parts.append(Part(content_type, _decoded(message)))


def _has_headers(chunk: str) -> bool:
    """A part may have none: then it begins with an empty line."""
    return not chunk.startswith("\n")


def _bare(chunk: str) -> Message:
    message = Message()
    message.set_payload(chunk)
    return message


def _split(message: Message) -> list[str]:
    """The parts of a multipart as text; [] where no delimiter is found."""
    payload = str(message.get_payload())
    try:
        boundary = message.get_boundary() or ""
    except _UNREADABLE:
        boundary = ""
    if not boundary or f"--{boundary}" not in payload:
        found = _FIRST_DELIMITER.search(payload)
        if found is None:
            return []
        boundary = found[1]
    delimiter = re.compile(rf"^--{re.escape(boundary)}(?:--)?[ \t]*\n?", re.MULTILINE)
    return [chunk for chunk in delimiter.split(payload, maxsplit=_MAX_PARTS)[1:] if chunk.strip()]


def _content_type(message: Message) -> str:
    try:
        return message.get_content_type()
    except _UNREADABLE:
        return "text/plain"


def _decoded(message: Message) -> str:
    try:
        data = message.get_payload(decode=True)
        charset = str(message.get_content_charset() or "utf-8")
    except _UNREADABLE:
        data, charset = str(message.get_payload()).encode("ascii", "replace"), "utf-8"
    raw = data if isinstance(data, bytes) else b""
    # An old name that Outlook.com still writes.
    charset = {"unicode-1-1-utf-7": "utf-7"}.get(charset, charset)
    for encoding in (charset, "utf-8"):
        try:
            return _NEWLINE.sub(b"\n", raw).decode(encoding).replace("\0", "")
        except (LookupError, ValueError):
            continue
    return raw.decode("latin-1").replace("\0", "")


def _words_of(source: str) -> str:
    text = _HIDDEN.sub(" ", source[: 4 * _MAX_TEXT])
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", text)))
