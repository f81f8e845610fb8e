"""What `make bench` concludes from measurements."""

import pytest

from benchmarks import report
from benchmarks.rows import Figures
from benchmarks.sinks import Received


def figures(
    per_second: float, *, n: int = 100, sender: float = 0.0, postgres: float = 0.0, received: Received | None = None
) -> Figures:
    got = received or Received(messages=n, recipients=n)
    cpu_us = {"sender": sender, "postgres": postgres, "sink": 1.0}
    return Figures(n, n / per_second, got, cpu_us=cpu_us, logged=n, sent=n)


@pytest.mark.parametrize(
    ("got", "is_whole"),
    [
        (figures(1), True),
        # smtp-sink knows messages only.
        (figures(1, received=Received(messages=100)), True),
        (figures(1, received=Received(messages=99, recipients=99)), False),
        (figures(1, received=Received(messages=100, recipients=99, duplicates=1)), False),
        (figures(1, received=Received(messages=101, recipients=100, duplicates=1)), False),
    ],
)
def test_a_send_is_whole_when_everybody_got_it_once(got: Figures, is_whole: bool) -> None:
    assert got.is_whole is is_whole


@pytest.mark.parametrize("name", ["logged", "sent"])
def test_a_send_is_whole_only_when_postgresql_says_so_too(name: str) -> None:
    got = figures(1)
    setattr(got, name, 99)
    assert not got.is_whole


def test_ratios_are_those_of_medians() -> None:
    measured = {
        "a": [figures(100), figures(1), figures(200)],
        "b": [figures(150), figures(400), figures(1)],
        "e": [figures(800), figures(1), figures(900)],
        "c": [figures(10), figures(10), figures(10)],
    }
    found = report.result(measured, None, {"e": 90})
    assert (found["ratio_to_smtp_source"], found["e_to_a"], found["e_to_c"]) == (1.5, 8.0, 80.0)
    assert found["counts_equal"] is True and found["duplicates"] == 0
    targets = found["targets"]
    assert targets == {
        "ratio_to_smtp_source": True,
        "e_to_a": True,
        "e_to_c": True,
        "cpu_us_postgres": None,
        "rss_mb_most": True,
        "rss_growth": None,
        "cost_growth": None,
    }
    assert "1.5" in report.table(found, measured)


def test_without_smtp_source_there_is_no_ratio() -> None:
    found = report.result({"e": [figures(800)]}, None, {})
    assert found["ratio_to_smtp_source"] is None and found["rss_mb_most"] is None


def test_the_split_of_cpu_adds_up() -> None:
    measured = {
        "e": [figures(1, sender=40, postgres=6)],
        "e constant": [figures(1, sender=32)],
        "e bare": [figures(1, sender=27)],
    }
    split = report.cpu_split(measured)
    assert split == {"sender": 40, "render": 8, "log": 5, "socket_and_rest": 27, "postgres": 6, "sink": 1}


def test_a_duplicate_anywhere_is_told() -> None:
    twice = Received(messages=101, recipients=100, duplicates=1)
    growth = report.Growth([figures(1, sender=10)], figures(1, sender=12, received=twice), {10: 90, 1000: 99})
    found = report.result({"e": [figures(1)]}, growth, {})
    assert found["duplicates"] == 1 and found["counts_equal"] is False
    assert (found["cost_growth"], found["rss_growth"]) == (1.2, 1.1)
    assert found["targets"]["cost_growth"] is False and found["targets"]["rss_growth"] is True
