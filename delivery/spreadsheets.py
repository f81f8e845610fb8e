"""Rows as CSV that a spreadsheet reads right and runs nothing of."""

import csv
from collections.abc import Iterable, Iterator

# What a spreadsheet would run as a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class _Echo:
    def write(self, value: str) -> str:
        return value


def lines(rows: Iterable[list[object]]) -> Iterator[str]:
    """One piece of CSV text per row, for a streamed answer."""
    writer = csv.writer(_Echo())
    # A byte order mark, without which Excel reads UTF-8 as something else.
    yield "\ufeff"
    for row in rows:
        yield writer.writerow([_safe(cell) for cell in row])


def _safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
