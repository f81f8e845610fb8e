"""Files that go with an email: fetched from the address that a call names, kept once, and written as parts of MIME.

`fetch` contacts foreign servers, so it belongs before any transaction and after nothing that must not be lost; `keep`
stores what it got, in the transaction of whoever refers to it. Bytes lie in PostgreSQL under their hash, never change,
and go once nobody has referred to them for a day (delivery.attached looks).
"""

import base64
import hashlib
import re
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from django.db import connection
from django.utils.translation import gettext as _

from lib.errors import DomainError
from messaging import attachment_kinds, outward

MOST = 10
# Bytes: of one file, and of all of one message, whose base64 has to fit into channels.email.MAX_BYTES with the rest.
MOST_BYTES = 2 * 1024 * 1024
MOST_TOGETHER = 3 * 1024 * 1024
MOST_NAME = 120
# Seconds for all files of a call: somebody waits for the answer.
_TIMEOUT_S = 15.0
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
_PIECE = 50
_KEEP = """
INSERT INTO messaging_attachedfile (sha256, data, wanted_at) VALUES (%s, %s, now())
ON CONFLICT (sha256) DO UPDATE SET wanted_at = now() RETURNING id
"""


class AttachmentInvalid(DomainError):
    """A file can't go with the message. `number` counts from 0; `part` is "file_name", "url" or ""."""

    code = "attachment_invalid"
    status = 400

    def __init__(self, sentence: str, *, number: int | None = None, part: str = "") -> None:
        super().__init__(sentence)
        self.number = number
        self.part = part


@dataclass(frozen=True)
class Wanted:
    """A file as a call names it."""

    file_name: str
    url: str


@dataclass(frozen=True)
class File:
    """A file as it is sent: a safe name with its end, the type by that end, and its bytes."""

    name: str
    content_type: str
    data: bytes = field(repr=False)


def check(wanted: Sequence[Wanted]) -> None:
    """What can be seen without asking anybody. Raises AttachmentInvalid."""
    if len(wanted) > MOST:
        raise AttachmentInvalid(_("Give at most {n} attachments.").format(n=MOST))
    for number, one in enumerate(wanted):
        if sentence := _name_problem(one.file_name):
            raise AttachmentInvalid(sentence, number=number, part="file_name")
        try:
            outward.check(one.url)
        except outward.OutwardProblem as problem:
            raise AttachmentInvalid(problem.message, number=number, part="url") from problem


def fetch(wanted: Sequence[Wanted]) -> tuple[File, ...]:
    """The files, in their order; one address is asked once. Takes up to 15 seconds. Raises AttachmentInvalid."""
    check(wanted)
    ends_at = time.monotonic() + _TIMEOUT_S
    answers: dict[str, outward.Answer] = {}
    files: list[File] = []
    for number, one in enumerate(wanted):
        try:
            if one.url not in answers:
                left = max(0.1, ends_at - time.monotonic())
                answers[one.url] = outward.fetch(one.url, most_bytes=MOST_BYTES, timeout=left)
        except outward.OutwardProblem as problem:
            raise AttachmentInvalid(_of_fetch(problem), number=number, part="url") from problem
        files.append(_file(one, answers[one.url], number))
        if sum(len(file.data) for file in files) > MOST_TOGETHER:
            raise AttachmentInvalid(_("All attachments together have more than 3 MB. Link to some of them instead."))
    return tuple(files)


def keep(data: bytes) -> int:
    """The key of these bytes, stored once. In the transaction that refers to them: until then nobody deletes them."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [mark(data), data])
        return int(cursor.fetchone()[0])


def mark(data: bytes) -> str:
    """What bytes are found by."""
    return hashlib.sha256(data).hexdigest()


def part(name: str, content_type: str, data: bytes) -> bytes:
    """A part of MIME: its head, an empty line, and base64 in lines with CRLF."""
    charset = '; charset="utf-8"' if content_type.startswith("text/") and _is_utf8(data) else ""
    head = (
        f"Content-Type: {content_type}{charset}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment{_parameter('filename', name)}\r\n\r\n"
    )
    return head.encode() + base64.encodebytes(data).replace(b"\n", b"\r\n")


def n_bytes(files: Iterable[File]) -> int:
    """Bytes that the files add to a message, nearly."""
    return sum(-(-len(file.data) // 57) * 78 + 400 for file in files)


def _file(wanted: Wanted, answer: outward.Answer, number: int) -> File:
    """Named by what the reader will see: the end of its name, else that of the address, else the answer's type."""
    if not answer.body:
        raise AttachmentInvalid(_("There is an empty file at this address."), number=number, part="url")
    name = unicodedata.normalize("NFC", wanted.file_name.strip())
    end = attachment_kinds.end_of(name)
    if end not in attachment_kinds.TYPES:
        ends = (attachment_kinds.end_of(_path(wanted.url)), attachment_kinds.end_for(answer.content_type))
        known = next((one for one in ends if one in attachment_kinds.TYPES), "")
        # An end that isn't allowed stays refused, whatever else says that it is another.
        if end or not known:
            raise AttachmentInvalid(_kind_problem(end or answer.content_type), number=number, part="file_name")
        name, end = f"{name}.{known}", known
    if answer.content_type in {"text/html", "application/xhtml+xml"}:
        sentence = _("There is a web page at this address, and no file.")
        raise AttachmentInvalid(sentence, number=number, part="url")
    return File(name, attachment_kinds.TYPES[end], answer.body)


def _name_problem(name: str) -> str:
    name = name.strip()
    if not name:
        return _("Give the name that readers see.")
    if len(name) > MOST_NAME:
        return _("Use at most {n} characters.").format(n=MOST_NAME)
    # Letters that turn the direction of writing make "exe.pdf" look like "fdp.exe", among others.
    is_odd = any(unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for one in name)
    if is_odd or _FORBIDDEN.search(name) or name.startswith(".") or name.endswith("."):
        return _("A file name has no slashes, quotes or control characters, and no dot first or last.")
    end = attachment_kinds.end_of(name)
    return _kind_problem(end) if end and end not in attachment_kinds.TYPES else ""


def _kind_problem(kind: str) -> str:
    return _("Files of this kind ({kind}) can't be sent. Link to it instead.").format(kind=kind[:60] or "?")


def _of_fetch(problem: outward.OutwardProblem) -> str:
    if problem.code == outward.TOO_LARGE:
        return _("The file has more than 2 MB. Link to it instead.")
    return problem.message


def _path(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parameter(name: str, text: str) -> str:
    """A parameter of a MIME header on lines of its own: quoted, or in pieces of RFC 2231 when it isn't ASCII."""
    if text.isascii():
        return f';\r\n {name}="{text}"'
    # Whole characters, so that no piece ends within one.
    pieces = [""]
    for character in text:
        encoded = quote(character, safe="")
        if len(pieces[-1]) + len(encoded) > _PIECE:
            pieces.append("")
        pieces[-1] += encoded
    pieces[0] = f"utf-8''{pieces[0]}"
    if len(pieces) == 1:
        return f";\r\n {name}*={pieces[0]}"
    return "".join(f";\r\n {name}*{number}*={piece}" for number, piece in enumerate(pieces))
