"""Who gets it when, as a document says it: for a send, in words, and what stands against it."""

import datetime as dt

import pytest
from django.utils import timezone

from campaigns import checks, sends, spreads, summaries
from campaigns import document as documents
from campaigns.document import Document
from delivery.opening import AT_ONCE, Spread
from delivery.timetables import Waves
from tests import factories


def document(**fields: object) -> Document:
    given = {f"delivery.{name}": value for name, value in fields.items()}
    return documents.apply(documents.blank(), given)


def soon(days: int = 30) -> dict[str, object]:
    """A date and time in Paris that is ahead everywhere."""
    day = timezone.now().date() + dt.timedelta(days=days)
    return {"kind": "at", "date": day.isoformat(), "time": "09:00", "zone": "Europe/Paris"}


@pytest.mark.parametrize(
    ("fields", "spread"),
    [
        ({}, AT_ONCE),
        ({"ignores_quiet_hours": True}, Spread(ignores_quiet_hours=True)),
        ({"spread": "waves"}, Spread(waves=Waves(25, "percent", 3600))),
        ({"spread": "waves", "wave_size": 500, "wave_size_unit": "people", "wave_every": 90,
          "wave_every_unit": "minutes"}, Spread(waves=Waves(500, "people", 5400))),
        ({"spread": "waves", "wave_size": "many"}, AT_ONCE),
        ({"spread": "waves", "wave_size": 100}, AT_ONCE),
        ({"spread": "waves", "wave_every_unit": "fortnights"}, AT_ONCE),
        ({"spread": "waves", "kind": "api"}, AT_ONCE),
        ({"spread": "local"}, AT_ONCE),
        ({"spread": "local", "kind": "repeat", "time": "09:00", "date": "2030-01-01", "zone": "UTC"}, AT_ONCE),
        ({"spread": "local", "kind": "at", "time": "09:00", "date": "2030-01-01", "zone": "UTC"},
         Spread("2030-01-01T09:00")),
        # A time that is skipped in the chosen zone exists in others.
        ({"spread": "local", "kind": "at", "time": "02:30", "date": "2026-03-29", "zone": "Europe/Paris"},
         Spread("2026-03-29T02:30")),
        ({"spread": "local", "kind": "at", "time": "09:00", "date": "", "zone": "UTC"}, AT_ONCE),
    ],
)  # fmt: skip
def test_a_section_says_who_gets_it_when(fields: dict[str, object], spread: Spread) -> None:
    assert spreads.of(document(**fields)["delivery"]) == spread


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"spread": "waves"}, []),
        ({"spread": "waves", "wave_size": 0}, [("number_invalid", "wave_size")]),
        ({"spread": "waves", "wave_size": "x", "wave_every": 169},
         [("number_invalid", "wave_size"), ("number_invalid", "wave_every")]),
        ({"spread": "waves", "wave_size_unit": "boxes"}, [("unit_unknown", "wave_size")]),
        ({"spread": "waves", "wave_size": 25, "wave_every": 24, "validity_hours": 72},
         [("waves_too_long", "wave_every")]),
        ({"spread": "waves", "wave_size": 25, "wave_every": 23, "validity_hours": 72}, []),
        ({"spread": "waves", "wave_size": 100, "wave_size_unit": "people", "wave_every": 24}, []),
        ({"spread": "local"}, [("local_needs_at", "spread")]),
        ({"spread": "both"}, [("spread_unknown", "spread")]),
        ({"spread": "local", "kind": "api"}, []),
        ({"spread": "waves", "wave_size": 0, "kind": "api"}, []),
    ],
)  # fmt: skip
def test_alerts(fields: dict[str, object], found: list[tuple[str, str]]) -> None:
    alerts = list(checks.delivery(document(**fields)["delivery"]))
    assert [(alert.id, alert.field.removeprefix("delivery.")) for alert in alerts] == found


def test_local_times_that_are_over_somewhere_deserve_a_look() -> None:
    assert list(checks.delivery(document(**soon(), spread="local")["delivery"])) == []
    there = timezone.now() + dt.timedelta(hours=3)
    near = {"kind": "at", "date": f"{there:%Y-%m-%d}", "time": f"{there:%H:%M}", "zone": "UTC", "spread": "local"}
    assert [(alert.id, alert.level) for alert in checks.delivery(document(**near)["delivery"])] == [
        ("local_past", checks.WARNING)
    ]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"spread": "waves", "wave_size": 30, "wave_every": 2},
         "Sends as soon as an operator confirms, in waves of 30 %, 2 hours apart, to people who never had it."),
        ({"spread": "waves", "wave_size": 500, "wave_size_unit": "people", "wave_every": 1,
          "wave_every_unit": "minutes"},
         "Sends as soon as an operator confirms, in waves of 500 people, 1 minute apart, to people who never had it."),
        ({"kind": "at", "date": "2030-11-25", "time": "09:00", "zone": "Europe/Paris", "spread": "local"},
         "Sends on Mon 25 Nov, 09:00 in each person's time zone, after an operator confirms,"
         " to people who never had it."),
    ],
)  # fmt: skip
def test_the_sentence(fields: dict[str, object], sentence: str) -> None:
    assert summaries.sentence(document(**fields)) == sentence


def test_the_card_says_what_is_unusual() -> None:
    rows = dict(summaries.card(document(spread="waves", ignores_quiet_hours=True), "delivery").rows)
    assert rows["Who gets it when"] == "In waves of 25 %, 1 hour apart" and rows["Quiet hours"] == "Sent in them too"
    assert {"Who gets it when", "Quiet hours"}.isdisjoint(dict(summaries.card(document(), "delivery").rows))


def test_a_copy_is_sent_to_everyone_at_once_but_still_ignores_quiet_hours() -> None:
    copied = documents.without_schedule(document(**soon(), spread="local", ignores_quiet_hours=True))["delivery"]
    assert (copied["kind"], copied["spread"], copied["ignores_quiet_hours"]) == ("once", "all", True)


@pytest.mark.django_db
def test_a_send_takes_it_over_from_the_live_version() -> None:
    given = {f"delivery__{name}": value for name, value in soon().items()}
    campaign = factories.published(**given, delivery__spread="local", delivery__ignores_quiet_hours=True)
    delivery = sends.open_send(campaign.pk, by=campaign.owner)
    assert delivery.local_time == f"{soon()['date']}T09:00" and delivery.scheduled_zone == "Europe/Paris"
    assert delivery.ignores_quiet_hours and delivery.waves == {}
    other = factories.published(delivery__spread="waves")
    assert sends.open_send(other.pk, by=other.owner).waves == {"size": 25, "unit": "percent", "every_s": 3600}
