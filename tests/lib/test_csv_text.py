"""CSV that a spreadsheet opens as text."""

from lib import csv_text


def test_formulas_are_defused_and_everything_else_is_kept() -> None:
    rows = [["a", 1, None, "é,\n"], ["=1+1", "+1", "-1", "@x"], ["＝1", "\t=1", " =1", -1]]
    assert "".join(csv_text.lines(rows)) == ("\ufeffa,1,,\"é,\n\"\r\n'=1+1,'+1,'-1,'@x\r\n'＝1,'\t=1, =1,-1\r\n")
