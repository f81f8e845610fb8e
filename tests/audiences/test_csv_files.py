"""Reading of files, without a database: what is told, and that positions are exact."""

import pytest

from audiences import csv_files
from audiences.csv_files import Format, NotCsv, Record

PLAIN = Format("utf-8", ",", b"\n", 0)


def read(data: bytes, *, width: int = 0, form: Format = PLAIN, step: int = 1 << 20) -> list[Record]:
    return list(csv_files.records((data[i : i + step] for i in range(0, len(data), step)), form, width=width))


@pytest.mark.parametrize(
    ("data", "cells"),
    [
        (b"a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
        (b"a,b\r\n1,2", [["a", "b"], ["1", "2"]]),
        (b"a,b\n\n \n1,2\n,\n", [["a", "b"], [" "], ["1", "2"]]),
        (b'a,b\n"x ""y"", z","line\nbreak"\n', [["a", "b"], ['x "y", z', "line\nbreak"]]),
        ("é,ü\n".encode(), [["é", "ü"]]),
        (b"", []),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_records(data: bytes, cells: list[list[str]], step: int) -> None:
    assert [record.cells for record in read(data, step=step)] == cells


def test_reading_goes_on_from_any_record() -> None:
    data = b'a,b\n1,"x\ny"\n2,"never closed\n3,z\n' + b"4," + b"q" * csv_files.MAX_RECORD + b"\n5,\xff\n6,end\n"
    whole = read(data, width=2)
    assert [(record.line, record.problem) for record in whole] == [
        (1, ""),
        (2, ""),
        (4, "unclosed_quote"),
        (5, ""),
        (6, "too_long"),
        (7, "encoding"),
        (8, ""),
    ]
    assert whole[-1].end == len(data)
    for i, record in enumerate(whole):
        rest = csv_files.records([data[record.end :]], PLAIN, end=record.end, line=record.end_line, width=2)
        assert list(rest) == whole[i + 1 :]
    assert read(data, width=2, step=7) == whole


def test_an_unclosed_quote_costs_one_line() -> None:
    data = b"a,b\n" + b'1,"open\n' + b"".join(b"%d,x\n" % n for n in range(50_000))
    found = read(data, width=2)
    assert [record.line for record in found if record.problem] == [2]
    assert len(found) == 50_002


def test_a_huge_cell_is_one_problem_and_takes_no_memory() -> None:
    data = b"a,b\n1," + b"x" * 10_000_000 + b"\n2,y\n"
    found = read(data, width=2, step=1 << 16)
    assert [(record.line, record.problem, record.end) for record in found] == [
        (1, "", 4),
        (2, "too_long", 10_000_007),
        (3, "", len(data)),
    ]
    assert all(len(cell) < 3000 for record in found for cell in record.cells)


def test_a_file_of_unclosed_quotes_is_given_up() -> None:
    with pytest.raises(NotCsv, match="quotes are never closed"):
        read(b'x"y,"z\n' * 200_000, width=2)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"", "The file is empty."),
        (b" \r\n\n", "The file is empty."),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "isn't a CSV file"),
        (b"PK\x03\x04\x14\x00", "Excel"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
        (bytes(range(256)) * 4, "isn't a CSV file"),
    ],
)
def test_what_is_no_csv_file_is_told(head: bytes, message: str) -> None:
    with pytest.raises(NotCsv, match=message):
        csv_files.sniff(head, "utf-8")


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        (b"email,name\na@b.test,x\n", ","),
        (b"email;name\na@b.test;x, y\n", ";"),
        (b"email\tname\na@b.test\tx, y\n", "\t"),
        (b"email|name\na@b.test|x\n", "|"),
        (b"email\na@b.test\n", ","),
        (b'email,"a;b;c;d"\nx,y\n', ","),
    ],
)
def test_delimiter(head: bytes, delimiter: str) -> None:
    assert csv_files.sniff(head, "utf-8").delimiter == delimiter


def test_line_ends_of_old_macs() -> None:
    data = b"email,name\ra@b.test,x\r"
    form = csv_files.sniff(data, "utf-8")
    assert [record.cells for record in read(data, form=form)] == [["email", "name"], ["a@b.test", "x"]]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain", "utf-8"),
        ("Zoé Müller 佐藤".encode(), "utf-8"),
        ("Zoé Müller".encode("cp1252"), "cp1252"),
        ("é".encode() * 100 + b"\xff", "utf-8"),
    ],
)
def test_encoding_is_guessed_also_across_pieces(data: bytes, encoding: str) -> None:
    guess = csv_files.EncodingGuess()
    for i in range(len(data)):
        guess.feed(data[i : i + 1])
    guess.feed(b"", is_last=True)
    assert guess.encoding == encoding


@pytest.mark.parametrize(
    ("cells", "message"),
    [(["lea@example.test", "Lea"], "already a person"), (["", " "], "has to name"), (["x"] * 201, "201 columns")],
)
def test_a_first_line_that_names_nothing_is_told(cells: list[str], message: str) -> None:
    with pytest.raises(NotCsv, match=message):
        csv_files.header(Record(1, 0, 1, cells))


def test_a_quote_that_is_open_at_the_end_of_the_file_swallows_nobody() -> None:
    found = read(b'email,name\na@x.test,A\nb@x.test,"never closed\nc@x.test,C\nd@x.test,D\n', width=2)
    lines = [(1, ""), (2, ""), (3, "unclosed_quote"), (4, ""), (5, "")]
    assert [(record.line, record.problem) for record in found] == lines
    assert [record.cells[0] for record in found[3:]] == ["c@x.test", "d@x.test"]
