"""Waves in numbers, and one wall time in many zones."""

import datetime as dt

import pytest

from delivery import timetables
from delivery.models import Delivery
from delivery.timetables import Waves
from lib.errors import DomainError


@pytest.mark.parametrize(
    ("size", "unit", "n", "sizes"),
    [
        (30, "percent", 10, [3, 3, 3, 1]),
        (30, "percent", 1000, [300, 300, 300, 100]),
        (30, "percent", 101, [31, 30, 30, 10]),
        (33, "percent", 100, [33, 33, 33, 1]),
        (50, "percent", 3, [2, 1]),
        (30, "percent", 2, [1, 1]),
        (1, "percent", 1, [1]),
        (10, "percent", 0, []),
        (4, "people", 10, [4, 4, 2]),
        (5, "people", 10, [5, 5]),
        (50, "people", 10, [10]),
    ],
)
def test_waves_are_equal_and_the_last_has_the_rest(size: int, unit: str, n: int, sizes: list[int]) -> None:
    ends = Waves(size, unit, 3600).ends(n)
    assert [end - before for before, end in zip([0, *ends], ends, strict=False)] == sizes
    assert sum(sizes) == n


@pytest.mark.parametrize(
    ("waves", "n", "is_refused"),
    [
        (Waves(25, "percent", 24 * 3600), 1000, True),
        (Waves(25, "percent", 24 * 3600 - 1), 1000, False),
        (Waves(10, "people", 3600), 730, True),
        (Waves(10, "people", 3600), 720, False),
        (Waves(10, "people", 3600), 0, False),
    ],
)
def test_the_last_wave_starts_within_the_time_to_send(waves: Waves, n: int, is_refused: bool) -> None:
    delivery = Delivery(waves=waves.as_json, validity_s=72 * 3600)
    if not is_refused:
        timetables.check_waves(delivery, n)
        return
    with pytest.raises(DomainError) as caught:
        timetables.check_waves(delivery, n)
    assert caught.value.code == "waves_too_long"


def test_a_wall_time_comes_zone_by_zone_and_daylight_saving_moves_it() -> None:
    # On 29 March 2026 clocks in Paris go from 02:00 to 03:00; in New York they went three weeks before.
    zones = ["Pacific/Kiritimati", "Asia/Kolkata", "Europe/Paris", "UTC", "America/New_York", "Pacific/Niue"]
    dues = timetables.due_in("2026-03-29T02:30", zones)
    assert [f"{dues[zone]:%d %H:%M}" for zone in zones] == [
        "28 12:30", "28 21:00", "29 01:00", "29 02:30", "29 06:30", "29 13:30",
    ]  # fmt: skip
    assert timetables.due_in("2026-10-25T02:30", ["Europe/Paris"])["Europe/Paris"] == dt.datetime(
        2026, 10, 25, 0, 30, tzinfo=dt.UTC
    )
