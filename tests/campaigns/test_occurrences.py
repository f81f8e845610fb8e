"""The calendar of a repeating campaign, with daylight saving, short months and leap days."""

import datetime as dt
from typing import Any

import pytest

from campaigns import document as documents
from campaigns import occurrences

PARIS, NEW_YORK = "Europe/Paris", "America/New_York"


def section(**fields: object) -> dict[str, Any]:
    """A delivery section: every week from Monday 2 November 2026, 09:00 in Paris."""
    given = {"kind": "repeat", "repeat_from": "2026-11-02", "time": "09:00", "zone": PARIS, **fields}
    return documents.normalise({"delivery": given})["delivery"]


def times(since: str, limit: int, **fields: object) -> list[str]:
    plan = occurrences.calendar(section(**fields))
    assert plan is not None
    found = occurrences.after(plan, dt.datetime.fromisoformat(since), limit=limit)
    return [f"{one.at:%Y-%m-%dT%H:%M}" for one in found]


TABLE: list[tuple[str, dict[str, object], list[str]]] = [
    # since (UTC), fields → instants (UTC)
    ("2026-11-01T00:00+00:00", {}, ["2026-11-02T08:00", "2026-11-09T08:00", "2026-11-16T08:00"]),
    ("2026-11-02T08:00+00:00", {}, ["2026-11-09T08:00"]),
    ("2026-11-02T07:59+00:00", {}, ["2026-11-02T08:00"]),
    # Weekdays in the order of the week, whatever the order they were chosen in; the first week begins at the start.
    (
        "2026-11-01T00:00+00:00",
        {"repeat_from": "2026-11-04", "repeat_weekdays": ["fri", "mon"]},
        ["2026-11-06T08:00", "2026-11-09T08:00", "2026-11-13T08:00"],
    ),
    # Every second week counts from the week of the start, also years later.
    (
        "2026-11-01T00:00+00:00",
        {"repeat_every": 2, "repeat_from": "2026-11-05", "repeat_weekdays": ["mon", "thu"]},
        ["2026-11-05T08:00", "2026-11-16T08:00", "2026-11-19T08:00"],
    ),
    ("2028-11-01T00:00+00:00", {"repeat_every": 2}, ["2028-11-13T08:00", "2028-11-27T08:00"]),
    # Days, and an n that does not divide a week.
    (
        "2026-11-03T00:00+00:00",
        {"repeat_unit": "day", "repeat_every": 3},
        ["2026-11-05T08:00", "2026-11-08T08:00"],
    ),
    # 29 March 2026: 02:30 does not exist in Paris; it is sent at 03:00, and the next day at 02:30 again.
    (
        "2026-03-27T12:00+00:00",
        {"repeat_unit": "day", "repeat_from": "2026-03-01", "time": "02:30"},
        ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
    ),
    # 25 October 2026: 02:30 comes twice in Paris; it is used once, the first time.
    (
        "2026-10-23T12:00+00:00",
        {"repeat_unit": "day", "repeat_from": "2026-10-01", "time": "02:30"},
        ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
    ),
    # The same in New York: 8 March and 1 November 2026.
    (
        "2026-03-06T12:00+00:00",
        {"repeat_unit": "day", "repeat_from": "2026-03-01", "time": "02:30", "zone": NEW_YORK},
        ["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"],
    ),
    (
        "2026-10-30T12:00+00:00",
        {"repeat_unit": "day", "repeat_from": "2026-10-01", "time": "01:30", "zone": NEW_YORK},
        ["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"],
    ),
    # The wall time stays when the offset changes.
    ("2026-10-18T00:00+00:00", {"repeat_from": "2026-10-12"}, ["2026-10-19T07:00", "2026-10-26T08:00"]),
    # The last day of short months, the 29th of February only in leap years.
    (
        "2027-01-01T00:00+00:00",
        {"repeat_unit": "month", "repeat_month_day": 31},
        ["2027-01-31T08:00", "2027-02-28T08:00", "2027-03-31T07:00", "2027-04-30T07:00"],
    ),
    ("2028-02-01T00:00+00:00", {"repeat_unit": "month", "repeat_month_day": 30}, ["2028-02-29T08:00"]),
    (
        "2028-01-01T00:00+00:00",
        {"repeat_unit": "month", "repeat_every": 12, "repeat_from": "2028-02-29"},
        ["2028-02-29T08:00", "2029-02-28T08:00"],
    ),
    # A day before the start is of the next month; without a chosen day it is the start's.
    (
        "2026-01-01T00:00+00:00",
        {"repeat_unit": "month", "repeat_month_day": 1},
        ["2026-12-01T08:00", "2027-01-01T08:00"],
    ),
    ("2026-01-01T00:00+00:00", {"repeat_unit": "month", "repeat_every": 3}, ["2026-11-02T08:00", "2027-02-02T08:00"]),
    # A zone far ahead: the date is its own.
    ("2026-11-01T00:00+00:00", {"zone": "Pacific/Kiritimati", "time": "00:30"}, ["2026-11-01T10:30"]),
]


@pytest.mark.parametrize(("since", "fields", "expected"), TABLE)
def test_the_next_occurrences(since: str, fields: dict[str, object], expected: list[str]) -> None:
    assert times(since, len(expected), **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"repeat_ends": "on", "repeat_until": "2026-11-16"}, ["2026-11-02", "2026-11-09", "2026-11-16"]),
        ({"repeat_ends": "on", "repeat_until": "2026-11-15"}, ["2026-11-02", "2026-11-09"]),
        ({"repeat_ends": "on", "repeat_until": "2026-10-01"}, []),
        ({"repeat_ends": "after", "repeat_count": 2}, ["2026-11-02", "2026-11-09"]),
        (
            {"repeat_ends": "after", "repeat_count": 3, "repeat_weekdays": ["mon", "wed"]},
            ["2026-11-02", "2026-11-04", "2026-11-09"],
        ),
    ],
)
def test_the_end_is_included(fields: dict[str, object], expected: list[str]) -> None:
    found = times("2026-01-01T00:00+00:00", 50, **fields)
    assert [one[:10] for one in found] == expected


def test_sends_are_counted_from_the_start_not_from_now() -> None:
    assert times("2026-11-03T00:00+00:00", 9, repeat_ends="after", repeat_count=3) == [
        "2026-11-09T08:00",
        "2026-11-16T08:00",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"repeat_from": ""},
        {"repeat_from": "2026-02-30"},
        {"repeat_from": "0001-01-01"},
        {"repeat_from": "9999-12-31"},
        {"time": ""},
        {"time": "25:00"},
        {"time": "09:00+02:00"},
        {"zone": "Mars/Base"},
        {"repeat_every": 0},
        {"repeat_every": "often"},
        {"repeat_every": None},
        {"repeat_unit": "year"},
        {"repeat_weekdays": ["monday"]},
        {"repeat_unit": "month", "repeat_month_day": 32},
        {"repeat_ends": "on"},
        {"repeat_ends": "after", "repeat_count": 1001},
        {"repeat_ends": "soon"},
    ],
)
def test_an_unfinished_calendar_is_none(fields: dict[str, object]) -> None:
    assert occurrences.calendar(section(**fields)) is None


def test_a_moved_time_and_a_short_month_are_said() -> None:
    plan = occurrences.calendar(section(repeat_unit="month", repeat_month_day=31, repeat_from="2026-03-01"))
    assert plan is not None
    found = occurrences.after(plan, dt.datetime(2026, 3, 1, tzinfo=dt.UTC), limit=3)
    assert [(one.shown.day, one.is_moved) for one in found] == [(31, False), (30, True), (31, False)]
    plan = occurrences.calendar(section(repeat_unit="day", repeat_from="2026-03-29", time="02:30"))
    assert plan is not None
    first = occurrences.after(plan, dt.datetime(2026, 3, 28, tzinfo=dt.UTC), limit=1)[0]
    assert (first.quirk, f"{first.shown:%H:%M}") == ("skipped", "03:00")


def test_an_instant_is_one_of_the_occurrences_or_not() -> None:
    plan = occurrences.calendar(section())
    assert plan is not None
    assert occurrences.has(plan, dt.datetime(2026, 11, 9, 8, tzinfo=dt.UTC))
    assert not occurrences.has(plan, dt.datetime(2026, 11, 9, 9, tzinfo=dt.UTC))
    assert not occurrences.has(plan, dt.datetime(2026, 11, 10, 8, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    ("fields", "gap"),
    [
        ({}, dt.timedelta(days=7) - dt.timedelta(hours=1)),
        ({"repeat_unit": "month", "zone": "UTC"}, dt.timedelta(days=28)),
        ({"repeat_weekdays": ["mon", "tue"], "zone": "UTC"}, dt.timedelta(days=1)),
        ({"repeat_unit": "day", "repeat_every": 10, "zone": "UTC"}, dt.timedelta(days=10)),
        ({"repeat_ends": "after", "repeat_count": 1}, None),
    ],
)
def test_the_shortest_gap(fields: dict[str, object], gap: dt.timedelta | None) -> None:
    plan = occurrences.calendar(section(**fields))
    assert plan is not None
    assert occurrences.shortest_gap(plan, dt.datetime(2026, 11, 1, tzinfo=dt.UTC)) == gap


def test_a_calendar_that_began_long_ago_is_quick() -> None:
    plan = occurrences.calendar(section(repeat_unit="day", repeat_from="1970-01-01"))
    assert plan is not None
    assert len(occurrences.after(plan, dt.datetime(2500, 1, 1, tzinfo=dt.UTC), limit=3)) == 3
