"""CSV that opens in a spreadsheet and runs nothing there."""

import csv

import pytest

from lib import sheets


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1"])
def test_no_cell_is_run_as_a_formula(cell: str) -> None:
    (line,) = list(sheets.csv_lines([[cell, "plain", 7]]))[1:]
    assert next(csv.reader([line], strict=True))[0] == f"'{cell}" or cell[0] in "\r\n"
    assert "'" + cell[0] in line and "plain,7" in line


def test_numbers_quotes_and_breaks_stay_themselves() -> None:
    lines = list(sheets.csv_lines([["a,b", 'say "x"', -5, ""]]))
    assert lines == ["\ufeff", '"a,b","say ""x""",-5,\r\n']
