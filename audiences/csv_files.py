"""Reading CSV files as they come out of other systems: what they are, and their records with exact positions.

Everything is bounded, whatever the file holds: a line or a record longer than MAX_RECORD bytes is skipped and reported,
and a quote that is never closed costs one line, not the rest of the file. Each record says at which byte and line it
ends, so that reading can go on from there later, on another machine.
"""

import codecs
import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from audiences import addresses
from lib.errors import DomainError

# Bytes; below csv's own limit for one cell (131,072 characters), so that limit is never met.
MAX_RECORD = 120 * 1024
MAX_COLUMNS = 200
# Unclosed quotes after which a file is given up: each costs reading up to MAX_RECORD bytes twice.
MAX_UNCLOSED = 1000
ENCODINGS = ("utf-8", "cp1252", "latin-1")
_DELIMITERS = ",;\t|"
_KINDS = (
    (b"PK\x03\x04", "xlsx"),
    (b"\xd0\xcf\x11\xe0", "xlsx"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\x89PNG", "other"),
    (b"\xff\xd8\xff", "other"),
    (b"GIF8", "other"),
    (b"%PDF", "other"),
    (b"\x1f\x8b", "other"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class NotCsv(DomainError):
    """The file can't be read as people in rows; the message says what to do."""

    code = "not_csv"
    status = 422


@dataclass(frozen=True)
class Format:
    """How a file is written. `start` is the byte where it begins after a byte order mark."""

    encoding: str
    delimiter: str
    newline: bytes
    start: int


@dataclass(frozen=True)
class Record:
    """One row: the line it starts on, the byte and the number of lines after it, and its cells or what is wrong."""

    line: int
    end: int
    end_line: int
    cells: list[str]
    problem: str = ""


def sniff(head: bytes, encoding: str) -> Format:
    """The format of a file from its first bytes. Raises NotCsv with a sentence for anything that is no text."""
    if not head.strip():
        raise NotCsv(_("The file is empty."))
    _refuse_other_kinds(head)
    start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    newline = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
    return Format(encoding, _delimiter(head[start : start + MAX_RECORD], encoding, newline), newline, start)


def _refuse_other_kinds(head: bytes) -> None:
    kind = next((kind for magic, kind in _KINDS if head.startswith(magic)), "")
    if not kind and len(_CONTROL.findall(head[:8192])) * 100 > len(head[:8192]):
        kind = "other"
    if kind == "xlsx":
        raise NotCsv(_("This is an Excel file. In Excel choose Save as, CSV UTF-8, and upload that file."))
    if kind == "utf-16":
        raise NotCsv(_("This file is written in UTF-16. Save it as CSV UTF-8 and upload that file."))
    if kind:
        raise NotCsv(_("This isn't a CSV file. Export your people as CSV and upload that file."))


def _delimiter(head: bytes, encoding: str, newline: bytes) -> str:
    """The candidate that splits the first rows into most columns, evenly."""
    best, best_score = ",", 0.0
    for candidate in _DELIMITERS:
        trial = Format(encoding, candidate, newline, 0)
        widths = [
            len(record.cells) for record, _n in zip(records([head], trial), range(30), strict=False) if record.cells
        ]
        if not widths or widths[0] < 2:
            continue
        score = widths[0] * sum(width == widths[0] for width in widths) / len(widths)
        if score > best_score:
            best, best_score = candidate, score
    return best


def header(first: Record) -> list[str]:
    """The names of the columns. Raises NotCsv when the first line does not look like names."""
    names = [" ".join(cell.split())[:120] for cell in first.cells]
    if first.problem or not any(names):
        raise NotCsv(_("The first line has to name the columns, for example email,first_name."))
    if any(addresses.key(name) for name in names):
        raise NotCsv(_("The first line is already a person. Add a line above it that names the columns."))
    if len(names) > MAX_COLUMNS:
        raise NotCsv(
            _("The file has {n} columns. At most {limit} can be read.").format(n=len(names), limit=MAX_COLUMNS)
        )
    return [name or _("Column {n}").format(n=number) for number, name in enumerate(names, start=1)]


class EncodingGuess:
    """Tells the encoding of a file while its chunks pass by: UTF-8, unless what is not ASCII mostly does not fit."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._seen: Counter[str] = Counter()

    def feed(self, chunk: bytes, *, is_last: bool = False) -> None:
        if chunk.isascii() and not is_last:
            self._decoder.decode(chunk)
            return
        text = self._decoder.decode(chunk, is_last)
        bad = text.count("\ufffd")
        self._seen["bad"] += bad
        self._seen["good"] += len(text.encode("utf-8", "ignore")) - len(text) - 2 * bad

    @property
    def encoding(self) -> str:
        return "utf-8" if self._seen["bad"] * 10 <= self._seen["good"] else "cp1252"


@dataclass
class _Lines:
    """Decoded lines for csv.reader; remembers what the current record has taken, so that it can be given back."""

    chunks: Iterator[bytes]
    format: Format
    end: int
    line: int
    _rest: bytes = b""
    _at: int = 0
    # Lines with their length in the file; of one that is too long only the tail is kept.
    _ahead: deque[tuple[bytes, int]] = field(default_factory=deque)
    taken: list[tuple[bytes, int]] = field(default_factory=list)
    n_taken: int = 0
    is_undecodable: bool = False
    is_too_long: bool = False
    # The file ended in the middle of the current record.
    is_cut: bool = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        try:
            raw, n_bytes = self._ahead.popleft() if self._ahead else self._read()
        except StopIteration:
            self.is_cut = bool(self.taken)
            raise
        self.taken.append((raw, n_bytes))
        self.n_taken += n_bytes
        self.end += n_bytes
        self.line += 1
        if self.n_taken > MAX_RECORD and len(self.taken) > 1:
            raise _Overrun
        if n_bytes > MAX_RECORD:
            self.is_too_long = True
            return ""
        try:
            return raw.decode(self.format.encoding)
        except UnicodeDecodeError:
            self.is_undecodable = True
            return raw.decode(self.format.encoding, "replace")

    def _read(self) -> tuple[bytes, int]:
        """The next line and its length."""
        n_dropped = 0
        while (found := self._rest.find(self.format.newline, self._at)) < 0:
            kept = self._rest[self._at :]
            if len(kept) > MAX_RECORD:
                n_dropped, kept = n_dropped + len(kept), b""
            chunk = next(self.chunks, b"")
            self._rest, self._at = kept + chunk, 0
            if not chunk:
                found = len(kept) - 1
                break
        raw, self._at = self._rest[self._at : found + 1], found + 1
        if not raw and not n_dropped:
            raise StopIteration
        return raw, n_dropped + len(raw)

    def begin(self) -> None:
        self.taken, self.n_taken = [], 0
        self.is_undecodable = self.is_too_long = self.is_cut = False

    def give_back(self) -> None:
        """Everything the current record took after its first line is read again as records of their own."""
        back = self.taken[1:]
        self._ahead.extendleft(reversed(back))
        self.end -= sum(n_bytes for _raw, n_bytes in back)
        self.line -= len(back)


class _Overrun(Exception):
    """A record is longer than MAX_RECORD: its quote is probably never closed."""


def records(chunks: Iterable[bytes], form: Format, *, end: int = 0, line: int = 0, width: int = 0) -> Iterator[Record]:
    """The records of a file from byte `end`, after `line` lines; blank lines are passed over.

    `width` is the number of columns a record should have; with it, a record over several lines that has another number,
    or that ends with the file inside its quote, is taken for an unclosed quote: its first line is reported and the
    others are read on their own.
    Raises NotCsv after MAX_UNCLOSED of those.
    """
    lines = _Lines(iter(chunks), form, end, line)
    reader = csv.reader(lines, delimiter=form.delimiter)
    n_unclosed = 0
    while True:
        lines.begin()
        first = lines.line + 1
        is_unclosed = False
        try:
            cells = next(reader)
            is_unclosed = bool(width) and len(lines.taken) > 1 and (lines.is_cut or not _fits(cells, width))
        except StopIteration:
            return
        except (_Overrun, csv.Error):
            cells, is_unclosed = [], True
        if is_unclosed:
            n_unclosed += 1
            if n_unclosed > MAX_UNCLOSED:
                raise NotCsv(_("More than {n} quotes are never closed. Export the file again.").format(n=MAX_UNCLOSED))
            lines.give_back()
            reader = csv.reader(lines, delimiter=form.delimiter)
            cells = [lines.taken[0][0].decode(form.encoding, "replace")[:2000]]
        problem = _problem(lines, is_unclosed=is_unclosed)
        if problem or any(cells):
            yield Record(first, lines.end, lines.line, cells, problem)


def _problem(lines: _Lines, *, is_unclosed: bool) -> str:
    if lines.is_too_long:
        return "too_long"
    if is_unclosed:
        return "unclosed_quote"
    return "encoding" if lines.is_undecodable else ""


def _fits(cells: list[str], width: int) -> bool:
    """Whether the number of cells is right; empty cells beyond the last column are what spreadsheets add."""
    return len(cells) == width or (len(cells) > width and not any(cells[width:]))
