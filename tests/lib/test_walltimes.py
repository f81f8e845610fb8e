"""Wall times to instants, with daylight saving."""

import datetime as dt

import pytest

from lib import walltimes


@pytest.mark.parametrize(
    ("date", "time", "zone", "at", "quirk", "shown"),
    [
        ("2026-11-25", "09:00", "Europe/Paris", "2026-11-25T08:00:00+00:00", "", "09:00"),
        ("2026-07-01", "09:00", "America/New_York", "2026-07-01T13:00:00+00:00", "", "09:00"),
        ("2026-03-29", "02:30", "Europe/Paris", "2026-03-29T01:00:00+00:00", "skipped", "03:00"),
        ("2026-03-29", "03:00", "Europe/Paris", "2026-03-29T01:00:00+00:00", "", "03:00"),
        ("2026-10-25", "02:30", "Europe/Paris", "2026-10-25T00:30:00+00:00", "twice", "02:30"),
        ("2026-10-04", "02:10", "Australia/Lord_Howe", "2026-10-03T15:30:00+00:00", "skipped", "02:30"),
    ],
)
def test_a_wall_time_is_read(date: str, time: str, zone: str, at: str, quirk: str, shown: str) -> None:
    found = walltimes.read(f"{date}T{time}", zone)
    assert found is not None
    assert (found.at.isoformat(), found.quirk, f"{found.shown:%H:%M}") == (at, quirk, shown)
    assert found.at.tzinfo is dt.UTC


@pytest.mark.parametrize(
    ("date", "time", "zone"),
    [
        ("", "09:00", "Europe/Paris"),
        ("2026-02-30", "09:00", "Europe/Paris"),
        ("2026-11-25", "25:00", "Europe/Paris"),
        ("2026-11-25", "09:00", "Europe/Nowhere"),
        ("2026-11-25", "09:00", "../../etc/passwd"),
        ("2026-11-25", "09:00+02:00", "Europe/Paris"),
        ("soon", "", ""),
        # While a year is typed; in UTC these are no dates.
        ("0001-01-01", "00:00", "Asia/Tokyo"),
        ("9999-12-31", "23:59", "America/Los_Angeles"),
    ],
)
def test_what_is_no_wall_time_is_none(date: str, time: str, zone: str) -> None:
    assert walltimes.read(f"{date}T{time}", zone) is None
