"""Rows as CSV text for people who open it in a spreadsheet, as a stream."""

import csv
from collections.abc import Iterable, Iterator

# What a spreadsheet would run as a formula (OWASP, CSV injection), full-width signs included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Echo:
    def write(self, text: str) -> str:
        return text


def lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """One line of text for each row, after a byte order mark, without which Excel reads UTF-8 as something else."""
    writer = csv.writer(_Echo())
    yield "\ufeff"
    for row in rows:
        yield writer.writerow([_safe(cell) for cell in row])


def _safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
