"""Quiet hours by the clock of each zone, over midnight and over daylight saving."""

import datetime as dt

import pytest

from delivery.quiet import Hours

NIGHT = Hours(dt.time(21), dt.time(8))
NOON = Hours(dt.time(12), dt.time(14))


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("hours", "zone", "at", "until"),
    [
        (NIGHT, "Europe/Paris", "2026-11-25T19:59:59", None),
        (NIGHT, "Europe/Paris", "2026-11-25T20:00:00", "2026-11-26T07:00:00"),
        (NIGHT, "Europe/Paris", "2026-11-25T23:30:00", "2026-11-26T07:00:00"),
        (NIGHT, "Europe/Paris", "2026-11-26T06:59:59", "2026-11-26T07:00:00"),
        (NIGHT, "Europe/Paris", "2026-11-26T07:00:00", None),
        (NIGHT, "America/New_York", "2026-11-26T07:00:00", "2026-11-26T13:00:00"),
        (NIGHT, "Asia/Tokyo", "2026-11-26T07:00:00", None),
        (NIGHT, "Asia/Kolkata", "2026-11-26T02:29:00", "2026-11-26T02:30:00"),
        (NOON, "UTC", "2026-11-26T11:59:59", None),
        (NOON, "UTC", "2026-11-26T12:00:00", "2026-11-26T14:00:00"),
        (NOON, "UTC", "2026-11-26T14:00:00", None),
        # The night in which clocks in Paris go forward is an hour shorter.
        (NIGHT, "Europe/Paris", "2026-03-28T21:00:00", "2026-03-29T06:00:00"),
        # 02:30 is skipped that night, and comes twice in October.
        (Hours(dt.time(22), dt.time(2, 30)), "Europe/Paris", "2026-03-29T00:30:00", "2026-03-29T01:00:00"),
        (Hours(dt.time(22), dt.time(2, 30)), "Europe/Paris", "2026-10-25T00:10:00", "2026-10-25T00:30:00"),
        (Hours(dt.time(22), dt.time(2, 30)), "Europe/Paris", "2026-10-25T01:10:00", "2026-10-25T01:30:00"),
    ],
)
def test_quiet_hours(hours: Hours, zone: str, at: str, until: str | None) -> None:
    assert hours.is_quiet(zone, utc(at)) == (until is not None)
    if until is not None:
        assert hours.until(zone, utc(at)) == utc(until)


def test_only_quiet_zones_are_named_and_no_zone_never_is() -> None:
    zones = ["Europe/Paris", "", "Asia/Tokyo", "America/New_York"]
    assert NIGHT.quiet(zones, utc("2026-11-25T12:30:00")) == ["Asia/Tokyo", "America/New_York"]
