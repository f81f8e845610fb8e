"""Repeating schedules in words."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from campaigns import document as documents
from campaigns import rhythms, summaries

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def document(**fields: object) -> documents.Document:
    given = {"kind": "repeat", "repeat_from": "2026-11-02", "time": "09:00", "zone": "Europe/Paris", **fields}
    return documents.normalise({"delivery": given})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "every Monday at 09:00 Paris time"),
        ({"repeat_every": 2, "repeat_weekdays": ["thu", "mon", "sun"]},
         "every 2 weeks on Monday, Thursday and Sunday at 09:00 Paris time"),
        ({"repeat_unit": "day"}, "every day at 09:00 Paris time"),
        ({"repeat_unit": "day", "repeat_every": 3}, "every 3 days at 09:00 Paris time"),
        ({"repeat_unit": "month"}, "every month on day 2 at 09:00 Paris time"),
        ({"repeat_unit": "month", "repeat_every": 6, "repeat_month_day": 31},
         "every 6 months on day 31, or the last day of shorter months at 09:00 Paris time"),
        ({"repeat_ends": "on", "repeat_until": "2026-12-31"},
         "every Monday at 09:00 Paris time until 31 December 2026"),
        ({"repeat_ends": "after", "repeat_count": 1}, "every Monday at 09:00 Paris time, 1 time in all"),
        ({"repeat_ends": "after", "repeat_count": 1000}, "every Monday at 09:00 Paris time, 1,000 times in all"),
        ({"time": ""}, ""),
    ],
)  # fmt: skip
def test_the_rhythm(fields: dict[str, object], expected: str) -> None:
    assert rhythms.words(document(**fields)["delivery"]) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kind": "once"}, "Sends as soon as an operator confirms, to people who never had it."),
        ({"kind": "api", "reeligibility": "always"},
         "Sends each time your system asks, to everybody in the audience, each time."),
        ({"reeligibility": "after"},
         "Sends every Monday at 09:00 Paris time, after an operator confirms, to people who haven't had it in 7 days."),
        ({"asks_confirmation": False},
         "Sends every Monday at 09:00 Paris time, without confirmation, to people who never had it."),
        ({"if_unconfirmed": "send"},
         "Sends every Monday at 09:00 Paris time, after an operator confirms or when the time to confirm is over,"
         " to people who never had it."),
        ({"repeat_from": ""}, "Sends again and again at the times you choose, to people who never had it."),
    ],
)  # fmt: skip
def test_the_step_in_one_sentence(fields: dict[str, object], expected: str) -> None:
    assert summaries.sentence(document(**fields)) == expected


def test_the_next_times_show_the_reader_s_clock_where_it_differs() -> None:
    section: dict[str, Any] = document()["delivery"]
    expected = ["Mon 2 Nov 09:00", "Mon 9 Nov 09:00", "Mon 16 Nov 09:00"]
    assert rhythms.upcoming(section, now=NOW) == expected
    for zone in ("Europe/Paris", "Europe/Berlin"):
        assert rhythms.upcoming(section, now=NOW, reader_zone=zone) == expected
    with timezone.override("Asia/Tokyo"):
        shown = rhythms.upcoming(section, now=NOW, reader_zone="Asia/Tokyo")
    assert shown is not None and shown[0] == "Mon 2 Nov 09:00 (17:00 your time)"
    late = rhythms.upcoming(section | {"time": "20:00"}, now=NOW, reader_zone="Asia/Tokyo")
    assert late is not None and late[0] == "Mon 2 Nov 20:00 (Tue 3 Nov 04:00 your time)"
    assert rhythms.upcoming(section | {"time": ""}, now=NOW) is None
    assert rhythms.upcoming(section | {"repeat_ends": "on", "repeat_until": "2026-10-01"}, now=NOW) == []


def test_conversions_in_words() -> None:
    given = {"conversion_event": "placed_order", "conversion2_event": "signed_up", "conversion2_unit": "hours"}
    assert summaries.conversions(documents.normalise({"tracking": given})) == [
        "placed_order within 3 days of the message",
        "signed_up within 3 hours of the message",
    ]
    assert summaries.conversions(documents.blank()) == []
