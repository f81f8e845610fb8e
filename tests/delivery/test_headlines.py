"""The words and limits of the panel: headlines, tiles, thresholds, bars, how often a page asks. Tables, no database."""

import dataclasses
import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from delivery import bars, endings, headlines, kpi, pages, polling, thresholds, tiles
from delivery.models import Delivery
from messaging.models import Message

NOW = dt.datetime(2020, 11, 25, 14, 6, tzinfo=dt.UTC)
LIMITS = thresholds.Limits(0.02, 0.05)
MARIE = User(name="Marie Leroy", email="marie@example.test")


def made(state: str = "sending", **fields: Any) -> Delivery:
    values: dict[str, Any] = {
        "started_at": NOW - dt.timedelta(minutes=16),
        "progressed_at": NOW,
        "valid_until": NOW + dt.timedelta(days=3),
        "feedback": "bounces_only",
        "message": Message(),
    }
    return Delivery(state=state, **{**values, **fields})


def figures(**given: Any) -> kpi.Panel:
    """A panel of zeros with rates unknown, but for what is given."""
    empty: dict[str, Any] = {
        field.name: None if "rate" in field.name or field.name.endswith(("_at", "_s")) else 0
        for field in dataclasses.fields(kpi.Panel)
    }
    return kpi.Panel(**{**empty, "to_send": 9892, "targeted": 12480, "is_final": False, **given})


def said(delivery: Delivery, panel: kpi.Panel, **more: Any) -> str:
    with timezone.override(dt.UTC):
        line = headlines.headline(delivery, panel, NOW, **more)
    return f"{line.title} {line.text}".strip()


GOING = {"sent": 7340, "waiting": 2552, "rate_per_minute": 620, "eta_s": 247}
LINES = [
    (
        made(),
        figures(**GOING),
        None,
        "Sending 7,340 of 9,892 handed to the mail server · 620 per minute · about 4 min left",
    ),
    (made(), figures(waiting=9892), None, "Sending 0 of 9,892 handed to the mail server"),
    (
        made(),
        figures(sent=7340, waiting=2552),
        ("gmail.test", 120),
        "Sending, slowed by gmail.test limits: 120 per minute. 7,340 of 9,892 handed to the mail server",
    ),
    (
        made(progressed_at=NOW - dt.timedelta(minutes=2), trouble="connection refused by smtp.mail.test"),
        figures(sent=7340, waiting=2552),
        ("gmail.test", 120),
        "No message sent for 2 min. Last error: connection refused by smtp.mail.test.",
    ),
    (
        made(progressed_at=None, started_at=NOW - dt.timedelta(minutes=3)),
        figures(waiting=5),
        None,
        "No message sent for 3 min. Press Retry now to start it again.",
    ),
    (
        made(progressed_at=NOW - dt.timedelta(hours=2)),
        figures(sent=9861, retrying=31),
        None,
        "Finishing All handed over. 31 are being retried until 28 Nov 14:06.",
    ),
    (
        made("paused", pause_cause="person", paused_by=MARIE, paused_at=NOW),
        figures(waiting=2550, retrying=2),
        None,
        "Paused by Marie Leroy at 25 Nov 14:06. 2,552 waiting.",
    ),
    (
        made("paused", pause_cause="transport", trouble="smtp.mail.test doesn't answer"),
        figures(waiting=3),
        None,
        "Paused: smtp.mail.test doesn't answer. It resumes by itself when the mail server answers. 3 waiting.",
    ),
    (
        made("paused", pause_cause="errors", trouble="25 errors in a row from smtp.mail.test: 554 no"),
        figures(waiting=3),
        None,
        "Paused: 25 errors in a row from smtp.mail.test: 554 no. 3 waiting.",
    ),
    (made("finished", ended_at=NOW), figures(processed=9892), None, "Sent. 9,892 processed in 16 min."),
    (
        made("stopped", ended_at=NOW, ended_by=MARIE),
        figures(sent=7340),
        None,
        "Stopped by Marie Leroy at 25 Nov 14:06. 7,340 sent, 2,552 not sent.",
    ),
    (
        made("stopped", ended_at=NOW, ended_by=MARIE),
        figures(sent=7340, unknown=2),
        None,
        "Stopped by Marie Leroy at 25 Nov 14:06. 7,340 sent, 2,550 not sent, 2 unknown.",
    ),
]


@pytest.mark.parametrize(("delivery", "panel", "slowed", "expected"), LINES)
def test_the_line_of_every_state(delivery: Delivery, panel: kpi.Panel, slowed: Any, expected: str) -> None:
    assert said(delivery, panel, slowed=slowed) == expected


@pytest.mark.parametrize(
    ("state", "waiting", "gap_s", "expected"),
    [
        ("sending", 1, 120, True),
        ("sending", 1, 119, False),
        ("sending", 0, 500, False),
        ("paused", 1, 500, False),
        ("finished", 1, 500, False),
    ],
)
def test_only_a_send_with_people_waiting_stalls(state: str, waiting: int, gap_s: int, expected: bool) -> None:
    delivery = made(state, progressed_at=NOW - dt.timedelta(seconds=gap_s))
    assert headlines.is_stalled(delivery, figures(waiting=waiting), NOW) is expected


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(None, ""), (0, ""), (0.0199, ""), (0.02, "warn"), (0.0499, "warn"), (0.05, "err"), (1, "err")],
)
def test_a_rate_is_high_from_its_limit_on(rate: float | None, expected: str) -> None:
    assert thresholds.tone(rate, LIMITS) == expected


def test_a_limit_of_zero_marks_no_send_without_failures() -> None:
    assert thresholds.tone(0, thresholds.Limits(0, 0)) == ""


def shown(delivery: Delivery, panel: kpi.Panel) -> dict[str, tuple[str, str, str]]:
    with timezone.override(dt.UTC):
        found = tiles.of_panel(delivery, panel, LIMITS)
    return {tile.id: (tile.value or tile.reason, tile.sub, f"{tile.note} {tile.note_tone}".strip()) for tile in found}


def test_the_six_tiles_while_sending() -> None:
    panel = figures(
        sent=7340, sent_rate=0.742, delivered=7186, delivered_rate=0.979, failed=154, failed_rate=0.021,
        opened=1322, opened_rate=0.184, clicked=230, clicked_rate=0.032,
    )  # fmt: skip
    assert shown(made(), panel) == {
        "to-send": ("9,892", "of 12,480 targeted", ""),
        "sent": ("7,340", "74.2% of to send", ""),
        "delivered": ("97.9%", "7,186, provisional until 28 Nov 14:06", ""),
        "failed": ("2.1%", "154 of sent", "High warn"),
        "opened": ("18.4%", "1,322 of delivered", ""),
        "clicked": ("3.2%", "230 of delivered", ""),
    }
    final = shown(made("finished"), dataclasses.replace(panel, is_final=True, failed_rate=0.05))
    assert final["delivered"] == ("97.9%", "7,186, final", "") and final["failed"][2] == "High err"


def test_a_standing_send_says_no_time_until_which_it_is_provisional() -> None:
    sent = figures(sent=4, delivered=4, delivered_rate=1.0)
    standing = made(is_standing=True, valid_until=endings.NEVER)
    assert shown(standing, sent)["delivered"] == ("100.0%", "4, provisional", "")
    assert pages.badge(standing)["label"] == "Live" and pages.badge(made())["label"] == "Sending"
    closed = made(is_standing=True, closed_at=NOW)
    assert "provisional until 28 Nov 14:06" in shown(closed, sent)["delivered"][1]
    assert pages.badge(closed)["label"] == "Sending"


def test_what_is_not_known_is_said_in_words_and_never_zero() -> None:
    nothing = shown(made(), figures())
    assert [nothing[name][0] for name in ("delivered", "failed", "opened", "clicked")] == ["Nothing sent yet"] * 4
    untracked = made(message=Message(tracks_opens=False, tracks_clicks=False))
    sent = figures(sent=10, delivered=10, delivered_rate=1.0, failed_rate=0.0, opened_rate=0.0, clicked_rate=0.0)
    assert shown(untracked, sent)["opened"][0] == shown(untracked, sent)["clicked"][0] == "Not tracked"
    assert shown(made(), sent)["opened"][0] == "0.0%"


def test_real_time_starts_at_a_plain_zero() -> None:
    panel = figures(sent=7340, sent_rate=0.742, pending=7340, delivered_rate=0.0, failed_rate=0.0)
    values = shown(made(feedback="real_time"), panel)
    assert values["delivered"] == ("0.0%", "7,340 waiting for an answer", "")
    assert values["failed"] == ("0.0%", "0 of sent", "") and values["opened"][0] == "No answer yet"


def test_the_bar_under_real_time_has_three_parts_that_fill_what_was_sent() -> None:
    panel = figures(to_send=100, sent=80, delivered=50, pending=20, failed=10)
    parts = bars.of_panel(made(feedback="real_time"), panel)
    assert [(part.label, part.text, part.tone) for part in parts] == [
        ("Delivered", "50", "ok"),
        ("Waiting for an answer", "20", "pending"),
        ("Failed", "10", "err"),
    ]
    assert sum(float(part.width) for part in parts) == 80
    parts = bars.of_panel(made(), figures(to_send=100, sent=80, delivered=70, failed=10, not_sent=5))
    assert [part.label for part in parts] == ["Delivered", "Bounces + errors", "Not sent"]


HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("delivery", "took_ms", "expected"),
    [
        (made("preparing", started_at=None), 0, 1000),
        (made("prepared", started_at=None), 0, 15000),
        (made("confirmed", started_at=None, start_at=NOW + dt.timedelta(seconds=9)), 0, 1000),
        (made("confirmed", started_at=None, start_at=NOW + 2 * HOUR), 0, 15000),
        (made(), 0, 2000),
        (made(), 144, 2000),
        (made(), 400, 4000),
        (made(), 1600, 9000),
        (made("paused"), 1600, 4000),
        (made("finished", ended_at=NOW - dt.timedelta(minutes=59)), 0, 15000),
        (made("finished", ended_at=NOW - HOUR), 0, 60000),
        (made("finished", ended_at=NOW - HOUR, valid_until=NOW), 0, None),
        (made("failed", started_at=None, valid_until=None), 0, None),
    ],
)
def test_how_soon_a_page_asks_again(delivery: Delivery, took_ms: float, expected: int | None) -> None:
    assert polling.poll_ms(delivery, NOW, took_ms=took_ms) == expected
    assert polling.poll_ms(delivery, NOW, took_ms=took_ms, is_computing=True) == 1000
