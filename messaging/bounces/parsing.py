"""A mail taken apart: its headers, its texts, the reports in it and the original message it returns.

The standard library reads headers and transfer encodings; the parts are split here, so that no nesting and no size can
make the work grow: the first half megabyte counts, eight levels, fifty parts, and a returned message stays closed. CR,
LF and CRLF are the same. Never raises: what can't be decoded is replaced, what can't be split is one text.
"""

import html
import re
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import HeaderParser

_MAX_BYTES = 512 * 1024
_MAX_DEPTH = 8
_MAX_PARTS = 50
_MAX_TEXT = 40_000
_MAX_HEADER = 2000
_MAX_HEADERS = 100_000
# What fails in the standard library on headers that nobody writes on purpose.
_UNREADABLE = (ValueError, LookupError, MessageError, TypeError, AttributeError)

_FIRST_DELIMITER = re.compile(r"^--(\S[^\n]{0,200}?)[ \t]*$", re.MULTILINE)
_FIELD_LINE = re.compile(r"[!-9;-~]{1,100}[ \t]*:|[ \t]|From ")
# A part that begins as a message does is a returned one that nobody declared.
_RETURNED = re.compile(r"(?:Return-Path|Received)[ \t]*:", re.IGNORECASE)
_HIDDEN = re.compile(r"<(/?)(?:style|script|head|title)\b[^<>]{0,500}>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d)\b[^>]{0,200}>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
# Begins where a word does, so that a long word is tried once; "=" is part of it, as in name=example.com@. Chinese and
# Japanese stand beside an address without a space.
_AROUND = r"""\s<>"'()\[\],;:\\\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef"""
_ATOM = rf"[^{_AROUND}@=]{{1,200}}"
_HOST = r"[^\W\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]"
ADDRESS = re.compile(
    rf"""(?<![^{_AROUND}=])(?:"[^"\n]{{1,64}}"|{_ATOM}(?:[=']{_ATOM}){{0,9}})@(?:{_HOST}|[.-]){{1,250}}(?<![.-])"""
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
    text = _with_newlines(source[:_MAX_BYTES]).decode("ascii", "surrogateescape").lstrip("\n")
    headers = headers_of(text)
    parts: list[Part] = []
    _collect(headers, text.partition("\n\n")[2], 1, parts)
    return Mail(headers, _content_type(headers), tuple(parts))


def headers_of(text: str) -> Message:
    """The headers that `text` begins with. Lines that are none are skipped: servers break long ones without indenting
    what follows, and the headers after them matter more.
    """
    head = text.lstrip("\n").partition("\n\n")[0][:_MAX_HEADERS]
    return HeaderParser().parsestr("\n".join(line for line in head.split("\n") if _FIELD_LINE.match(line)))


def _divided(text: str) -> tuple[Message, str]:
    """The headers of a part and its body, which begins at the first line that is no header."""
    at = 0
    while at < min(len(text), _MAX_HEADERS) and _FIELD_LINE.match(text, at):
        at = text.find("\n", at) + 1 or len(text)
    return HeaderParser().parsestr(text[:at]), text[at + 1 :] if text[at : at + 1] == "\n" else text[at:]


def header(headers: Message, name: str) -> str:
    """The header's first value, decoded, on one line; "" without it."""
    value = str(headers.get(name, ""))[:_MAX_HEADER]
    try:
        return " ".join(str(make_header(decode_header(value))).split())
    except _UNREADABLE:
        return " ".join(value.encode("ascii", "replace").decode().split())


def addresses_in(text: str) -> list[str]:
    """The addresses written in `text`, in its order, each once."""
    return list(dict.fromkeys(ADDRESS.findall(text[:_MAX_TEXT])))


def _collect(headers: Message, body: str, depth: int, parts: list[Part]) -> None:
    content_type = _content_type(headers)
    if content_type.startswith("multipart/") and depth < _MAX_DEPTH:
        chunks = _split(headers, body)
        for chunk in chunks:
            if _RETURNED.match(chunk):
                parts.append(
                    Part("message/rfc822", chunk.encode("ascii", "surrogateescape").decode("utf-8", "replace"))
                )
            elif len(parts) < _MAX_PARTS:
                _collect(*_divided(chunk), depth + 1, parts)
        if chunks:
            return
        content_type = "text/plain"
    if len(parts) < _MAX_PARTS:
        parts.append(Part(content_type, _decoded(headers, body)))


def _split(headers: Message, body: str) -> list[str]:
    """The parts of a multipart as text; [] where no delimiter is found."""
    try:
        boundary = headers.get_boundary() or ""
    except _UNREADABLE:
        boundary = ""
    if not boundary or f"--{boundary}" not in body:
        found = _FIRST_DELIMITER.search(body)
        if found is None:
            return []
        boundary = found[1]
    delimiter = re.compile(rf"^--{re.escape(boundary)}(?:--)?[ \t]*\n?", re.MULTILINE)
    return [chunk for chunk in delimiter.split(body, maxsplit=_MAX_PARTS)[1:] if chunk.strip()]


def _content_type(message: Message) -> str:
    try:
        value = message.get("Content-Type")
        if value is not None and len(str(value)) > _MAX_HEADER:
            message.replace_header("Content-Type", str(value)[:_MAX_HEADER])
        return message.get_content_type()
    except _UNREADABLE:
        return "text/plain"


def _decoded(headers: Message, body: str) -> str:
    raw = body.encode("ascii", "surrogateescape")
    try:
        headers.set_payload(body)
        data = headers.get_payload(decode=True)
        charset = str(headers.get_content_charset() or "utf-8")
    except _UNREADABLE:
        data, charset = raw, "utf-8"
    raw = _with_newlines(data) if isinstance(data, bytes) else raw
    # An old name that Outlook.com still writes.
    charset = {"unicode-1-1-utf-7": "utf-7"}.get(charset, charset)
    for encoding in (charset, "utf-8"):
        try:
            return raw.decode(encoding).replace("\0", "")
        except (LookupError, ValueError):
            continue
    return raw.decode("latin-1").replace("\0", "")


def _with_newlines(data: bytes) -> bytes:
    return data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _words_of(source: str) -> str:
    """The words of an HTML text, without what isn't shown."""
    shown: list[str] = []
    hidden = 0
    # Alternately a text and whether the tag after it ("/" or "") closes an element that isn't shown.
    for n, piece in enumerate(_HIDDEN.split(source[: 2 * _MAX_TEXT])):
        if n % 2:
            hidden = max(0, hidden - 1) if piece else hidden + 1
        elif not hidden:
            shown.append(piece)
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", "".join(shown))))
