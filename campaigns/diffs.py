"""Two texts word by word, two sources line by line. Pure, and bounded: what is too large to compare says so."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

SAME, ADDED, REMOVED, GAP = "same", "added", "removed", "gap"
# What became of a block, beside added and removed.
CHANGED, MOVED = "changed", "moved"

# Compared at most, once what both sides begin and end with is taken away; beyond that the comparison takes seconds.
_MOST_WORDS = 600
_MOST_PAIRS = 50
MOST_LINES = 1_500
# Lines shown for one body, lines of context around a change, characters of a line.
_MOST_SHOWN = 300
_CONTEXT = 2
_LONG_LINE = 240
_LONG_TEXT = 8_000


@dataclass(frozen=True)
class Piece:
    """Some characters of a line; `is_changed` when the other side has others in their place."""

    text: str
    is_changed: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a comparison. `kind`: same, added, removed, or gap (lines left out; no pieces)."""

    kind: str
    pieces: tuple[Piece, ...] = ()

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True)
class Row:
    """One thing that differs. `is_code` for source; `note` says what the lines can't; `is_body`: a part of the body.

    `change` of a block: added, removed, changed, moved; "" of everything else.
    """

    label: str
    lines: tuple[Line, ...]
    note: str = ""
    is_code: bool = False
    change: str = ""
    is_body: bool = False


def whole(text: str) -> tuple[Piece, ...]:
    """A text as one piece, an empty one as none."""
    return (Piece(text),) if text else ()


def words(old: str, new: str) -> tuple[Line, ...]:
    """The old text and the new one, each a line with its own words marked; an empty side has no line."""
    left, right = _marked(old, new)
    return tuple(Line(kind, _short(pieces, _LONG_TEXT)) for kind, pieces in ((REMOVED, left), (ADDED, right)) if pieces)


def lines(old: str, new: str) -> tuple[tuple[Line, ...], bool]:
    """Changed lines with some around them, and whether that is all; nothing at all for texts too large to compare."""
    a, b = _split(old), _split(new)
    start, end = _common(a, b)
    if max(len(a), len(b)) - start - end > MOST_LINES:
        return (), False
    first = max(start - _CONTEXT, 0)
    a, b = a[first : len(a) - max(end - _CONTEXT, 0)], b[first : len(b) - max(end - _CONTEXT, 0)]
    found: list[Line] = []
    for number, group in enumerate(SequenceMatcher(None, a, b).get_grouped_opcodes(_CONTEXT)):
        if number or first:
            found.append(Line(GAP))
        for tag, i1, i2, j1, j2 in group:
            found += [Line(SAME, whole(text)) for text in a[i1:i2]] if tag == "equal" else _pairs(a[i1:i2], b[j1:j2])
        if len(found) > _MOST_SHOWN:
            return tuple(found[:_MOST_SHOWN]), False
    return tuple(found), True


def _split(text: str) -> list[str]:
    """Lines without trailing spaces; markup written in one long line is cut between its tags."""
    return [
        part.rstrip()
        for line in text.splitlines()
        for part in (re.split(r"(?<=>)(?=<)", line) if len(line) > _LONG_LINE else (line,))
    ]


def _common(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    """How many items both begin with, and how many of the rest both end with."""
    shorter = min(len(a), len(b))
    start = next((n for n in range(shorter) if a[n] != b[n]), shorter)
    rest = shorter - start
    return start, next((n for n in range(rest) if a[-1 - n] != b[-1 - n]), rest)


def _pairs(old: Sequence[str], new: Sequence[str]) -> list[Line]:
    """Lines that were replaced: word by word when there is one for one and not too many."""
    if len(old) == len(new) <= _MOST_PAIRS:
        both = [_marked(one, other) for one, other in zip(old, new, strict=True)]
    else:
        both = []
    left = [one for one, _other in both] or [whole(text) for text in old]
    right = [other for _one, other in both] or [whole(text) for text in new]
    return [Line(REMOVED, _short(one, _LONG_LINE)) for one in left] + [
        Line(ADDED, _short(one, _LONG_LINE)) for one in right
    ]


def _marked(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both texts in pieces, cut where they begin and end to differ."""
    a, b = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in (old, new))
    start, end = _common(a, b)
    last, other_last = len(a) - end, len(b) - end
    if max(last, other_last) - start > _MOST_WORDS:
        return whole(old), whole(new)
    cuts = [("equal", 0, start, 0, start)]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, a[start:last], b[start:other_last]).get_opcodes():
        # A space between two changed words changes with them.
        is_blank = not "".join(a[i1 + start : i2 + start]).strip()
        cuts.append(("replace" if is_blank else tag, i1 + start, i2 + start, j1 + start, j2 + start))
    cuts.append(("equal", last, len(a), other_last, len(b)))
    if not any(tag == "equal" and "".join(a[i1:i2]).strip() for tag, i1, i2, _j1, _j2 in cuts):
        return whole(old), whole(new)
    return _joined(a, [(tag, i1, i2) for tag, i1, i2, _j1, _j2 in cuts]), _joined(
        b, [(tag, j1, j2) for tag, _i1, _i2, j1, j2 in cuts]
    )


def _joined(tokens: Sequence[str], cuts: Sequence[tuple[str, int, int]]) -> tuple[Piece, ...]:
    """Pieces out of tokens; neighbours of one kind become one piece."""
    pieces: list[Piece] = []
    for tag, begin, end in cuts:
        piece = Piece("".join(tokens[begin:end]), is_changed=tag != "equal")
        if pieces and pieces[-1].is_changed == piece.is_changed:
            pieces[-1] = Piece(pieces[-1].text + piece.text, piece.is_changed)
        elif piece.text:
            pieces.append(piece)
    return tuple(pieces)


def _short(pieces: Sequence[Piece], most: int) -> tuple[Piece, ...]:
    """Pieces of a line that fit: long stretches lose their middle."""
    half = most // 2
    return tuple(
        piece if len(piece.text) <= most else Piece(f"{piece.text[:half]} … {piece.text[-half:]}", piece.is_changed)
        for piece in pieces
    )
