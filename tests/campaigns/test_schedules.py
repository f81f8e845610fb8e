"""The moment that a delivery section names."""

import datetime as dt

from campaigns import schedules


def test_a_section_names_a_moment_once_it_is_complete() -> None:
    section = {"date": "2026-03-29", "time": "02:30", "zone": "Europe/Paris"}
    found = schedules.moment(section)
    assert found is not None and found.quirk == "skipped"
    assert found.at == dt.datetime(2026, 3, 29, 1, 0, tzinfo=dt.UTC)
    for missing in section:
        assert schedules.moment(section | {missing: ""}) is None
