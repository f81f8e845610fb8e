"""What is posted back about a call, by what stands in the log; and when it is tried again. Pure."""

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from django.utils import translation

from accounts import installation
from api import postback_settings, postbacks
from api.models import PostbackStatus
from delivery import reasons

T0 = dt.datetime(2026, 11, 25, 9, tzinfo=dt.UTC)
T1, T2, T3 = (T0 + dt.timedelta(seconds=n) for n in (5, 60, 7200))
REQUEST = uuid.UUID("acf47111-9f74-49d5-79e8-089032003ded")


def row(**known: Any) -> postbacks.Row:
    unknown: dict[str, Any] = {
        "request_id": 7, "public_id": REQUEST, "campaign_id": "c-1", "external_send_id": "receipt-1", "received_at": T0,
        "handled_at": T0, "reason": "", "detail": "", "outcome": "", "logged_at": None, "code": "", "answer": "",
        "delivered_at": None, "bounced_at": None, "bounced_code": "", "bounced_answer": "",
    }  # fmt: skip
    return postbacks.Row(**{**unknown, **known})


SENT = {"outcome": "sent", "logged_at": T1, "answer": "250 ok"}
# What is known → events and their times.
EVENTS: list[tuple[dict[str, Any], dict[str, dt.datetime]]] = [
    ({}, {}),
    ({"reason": "unsubscribed"}, {"aborted": T0}),
    ({"reason": "unsubscribed", "outcome": "not_sent", "logged_at": T1}, {"aborted": T0}),
    ({"reason": "nobody"}, {"aborted": T0}),
    (SENT, {"sent": T1, "processed": T1}),
    ({**SENT, "outcome": "unknown"}, {"sent": T1}),
    ({**SENT, "outcome": "failed"}, {"aborted": T1}),
    ({**SENT, "outcome": "not_sent"}, {"aborted": T1}),
    ({**SENT, "outcome": "cancelled"}, {"aborted": T1}),
    ({**SENT, "delivered_at": T2}, {"sent": T1, "processed": T1, "delivered": T2}),
    ({**SENT, "bounced_at": T2}, {"sent": T1, "processed": T1, "bounced": T2}),
    ({**SENT, "delivered_at": T2, "bounced_at": T3}, {"sent": T1, "processed": T1, "delivered": T2, "bounced": T3}),
    ({**SENT, "outcome": "unknown", "delivered_at": T2}, {"sent": T1, "delivered": T2}),
    ({"delivered_at": T2}, {}),
]


@pytest.mark.parametrize(("known", "events"), EVENTS)
def test_what_stands_in_the_log_is_what_is_told(known: dict[str, Any], events: dict[str, dt.datetime]) -> None:
    found = postbacks.happened(row(**known))
    assert list(found.items()) == list(events.items())


# What is known → status → why, in English whatever people read.
WHY: list[tuple[dict[str, Any], str, str]] = [
    ({"reason": "unsubscribed"}, "aborted", "Unsubscribed"),
    ({"reason": "unsubscribed_group", "detail": "News"}, "aborted", "Unsubscribed from News"),
    ({"reason": "nobody"}, "aborted", "Nobody has this name"),
    ({"outcome": "not_sent", "code": "gone", "answer": "Profil supprimé."}, "aborted", str(reasons.NOT_SENT["gone"])),
    ({"outcome": "failed", "code": "expired", "answer": "421 later"}, "aborted", str(reasons.NOT_SENT["expired"])),
    ({"outcome": "not_sent", "code": "aborted", "answer": "Empty basket"}, "aborted", "Empty basket"),
    ({"outcome": "not_sent", "code": "aborted"}, "aborted", str(reasons.NOT_SENT["aborted"])),
    (
        {"outcome": "failed", "code": "550 5.1.1", "answer": "550 5.1.1 no such user"},
        "aborted",
        "550 5.1.1 no such user",
    ),
    # Of somebody who was erased only the code is left.
    ({"outcome": "failed", "code": "550 5.1.1", "answer": ""}, "aborted", "550 5.1.1"),
    ({**SENT, "bounced_code": "5.2.2", "bounced_answer": "mailbox full"}, "bounced", "mailbox full"),
    ({**SENT, "bounced_code": "5.2.2"}, "bounced", "5.2.2"),
    (SENT, "sent", ""),
    (SENT, "delivered", ""),
]


@pytest.mark.parametrize(("known", "status", "why"), WHY)
def test_the_reason_is_told_in_english(known: dict[str, Any], status: str, why: str) -> None:
    with translation.override("fr"):
        assert postbacks.reason(row(**known), PostbackStatus(status)) == why


def test_the_body_is_what_the_reference_says() -> None:
    known = row(**SENT, delivered_at=T2)
    assert json.loads(postbacks.body(known, PostbackStatus.DELIVERED, T2)) == {
        "dispatch_id": "acf471119f7449d579e8089032003ded",
        "status": "delivered",
        "metadata": {
            "campaign_api_id": "c-1", "external_send_id": "receipt-1", "received_at": "2026-11-25T09:00:00+00:00",
            "enqueued_at": "2026-11-25T09:00:00+00:00", "executed_at": "2026-11-25T09:00:05+00:00",
            "delivered_at": "2026-11-25T09:01:00+00:00",
        },
    }  # fmt: skip
    refused = json.loads(postbacks.body(row(reason="unsubscribed", external_send_id=""), PostbackStatus.ABORTED, T0))
    assert refused["metadata"] == {
        "campaign_api_id": "c-1", "external_send_id": None, "received_at": "2026-11-25T09:00:00+00:00",
        "executed_at": "2026-11-25T09:00:00+00:00", "aborted_at": "2026-11-25T09:00:00+00:00",
        "reason": "Unsubscribed",
    }  # fmt: skip


def test_each_event_has_one_id() -> None:
    names = {postbacks.message_id(REQUEST, status) for status in PostbackStatus}
    assert "evt_acf471119f7449d579e8089032003ded_sent" in names and len(names) == 5
    assert not any("." in name for name in names), "a full stop is between the parts that are signed"


def test_it_is_tried_eight_times_in_the_time_of_the_standard() -> None:
    pauses = [(postbacks.next_try(n, T0) or T0) - T0 for n in range(8)]
    assert [one.total_seconds() for one in pauses] == [0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    assert postbacks.next_try(8, T0) is None and postbacks.next_try(9, T0) is None


DAY = 86_400
# What is known, its events, seconds since the call → seconds until the next look, None for never.
LOOKS: list[tuple[dict[str, Any], tuple[str, ...], int, int | None]] = [
    ({}, (), 0, 2),
    ({}, (), 40, 10),
    ({}, (), 5 * DAY, 3600),
    ({}, (), 39 * DAY, 3600),
    ({}, (), 41 * DAY, None),
    (SENT, ("sent", "processed"), 40, 10),
    (SENT, ("sent", "processed", "delivered"), 6 * DAY, 3600),
    (SENT, ("sent", "processed"), 8 * DAY, None),
    (SENT, ("sent", "processed", "bounced"), 40, None),
    ({"reason": "unsubscribed"}, ("aborted",), 0, None),
]


@pytest.mark.parametrize(("known", "told", "age_s", "after_s"), LOOKS)
def test_a_call_is_looked_at_until_nothing_more_can_come(
    known: dict[str, Any], told: tuple[str, ...], age_s: int, after_s: int | None
) -> None:
    now = T0 + dt.timedelta(seconds=age_s)
    found = postbacks.next_look(row(**known), [PostbackStatus(one) for one in told], now)
    assert (None if found is None else (found - now).total_seconds()) == after_s
    assert postbacks.next_look(None, [], now) is None


ADDRESSES = [
    ("", True),
    ("https://hooks.example.com/events?key=1", True),
    ("http://hooks.example.com/events", False),
    ("HTTPS://hooks.example.com", False),
    ("https://127.0.0.1/", False),
    ("https://10.0.0.7/", False),
    ("https://[::1]/", False),
    ("https://hooks.example.com:8443/", False),
    ("https://me:secret@hooks.example.com/", False),
    ("ftp://hooks.example.com/", False),
    ("hooks.example.com", False),
    ("http://inside:8080/events", True),
    ("http://inside:8081/events", False),
]


@pytest.mark.parametrize(("address", "is_right"), ADDRESSES)
def test_only_addresses_that_may_be_called_are_saved(address: str, is_right: bool, settings: Any) -> None:
    settings.OUTWARD_HOSTS = frozenset({"inside:8080"})
    assert (postback_settings.problem(address) == "") is is_right


def test_the_address_has_no_page_of_its_own_among_the_generic_ones() -> None:
    assert all(
        one.name != postback_settings.ADDRESS for page in installation.pages() for one in installation.on(page.slug)
    )
