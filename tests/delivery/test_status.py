"""What people see as a status: the two tables of the feedback modes, row by row, then the odd orders."""

import itertools

import pytest

from delivery import status
from delivery.models import Outcome
from delivery.status import Status

Event = tuple[str, str, str]
DELIVERED = ("delivered", "", "")
HARD = ("bounced", "hard", "550 5.1.1")
SOFT = ("bounced", "soft", "4.2.2")
FULL = ("bounced", "soft", "552 5.2.2")
POLICY = ("bounced", "blocked", "550 5.7.1")
RATE = ("bounced", "blocked", "421 4.7.28")
TOO_LARGE = ("bounced", "message", "552 5.3.4")
AUTO_REPLY = ("bounced", "ignored", "")
DEFERRED = ("deferred", "soft", "451 4.4.1")
COMPLAINT = ("complained", "", "")
EVENTS = [DELIVERED, HARD, SOFT, FULL, POLICY, RATE, TOO_LARGE, AUTO_REPLY, DEFERRED, COMPLAINT]


def seen(mode: str, *events: Event, is_final: bool = False) -> Status:
    return status.derive(Outcome.SENT, status.facts(events), feedback=mode, is_final=is_final)


@pytest.mark.parametrize(
    ("step", "events", "is_final", "expected"),
    [
        ("E1 handed to the mail server", [], False, Status.PENDING),
        ("E2 delivered", [DELIVERED], False, Status.SENT),
        ("E3 hard bounce", [HARD], False, Status.FAILED),
        ("E4 soft bounce", [SOFT], False, Status.FAILED),
        ("E4 the relay still tries", [DEFERRED], False, Status.FAILED),
        ("E5 retry of a soft bounce works", [SOFT, DELIVERED], False, Status.SENT),
        ("E5 retry by the relay works", [DEFERRED, DEFERRED, DELIVERED], False, Status.SENT),
        ("E6 retries of a soft bounce fail", [SOFT, SOFT], True, Status.FAILED),
        ("E6 the relay gives up", [DEFERRED, SOFT], True, Status.FAILED),
        ("no answer until the end", [], True, Status.PENDING),
        ("hard bounce after a soft one", [SOFT, HARD], False, Status.FAILED),
        ("a retry that works after the end", [SOFT, DELIVERED], True, Status.SENT),
        ("slowed by the provider", [RATE], False, Status.FAILED),
        ("and let in later", [RATE, DELIVERED], False, Status.SENT),
        ("refused by policy", [POLICY], False, Status.FAILED),
        ("too large", [TOO_LARGE], False, Status.FAILED),
        ("out of office", [AUTO_REPLY], False, Status.PENDING),
        ("out of office after delivery", [DELIVERED, AUTO_REPLY], False, Status.SENT),
        ("complaint after delivery", [DELIVERED, COMPLAINT], False, Status.SENT),
    ],
)
def test_with_feedback_in_real_time(step: str, events: list[Event], is_final: bool, expected: Status) -> None:
    assert seen("real_time", *events, is_final=is_final) == expected, step


@pytest.mark.parametrize(
    ("step", "events", "is_final", "expected"),
    [
        ("N1 handed to the mail server", [], False, Status.SENT),
        ("N2 hard bounce", [HARD], False, Status.FAILED),
        ("N3 soft bounce", [SOFT], False, Status.SENT),
        ("N3 mailbox full with a code of class 5", [FULL], False, Status.SENT),
        ("N4 retry of a soft bounce works", [SOFT, DELIVERED], False, Status.SENT),
        ("N4 and stays so", [SOFT, DELIVERED], True, Status.SENT),
        ("N5 retries of a soft bounce fail", [SOFT, SOFT], True, Status.FAILED),
        ("no answer until the end", [], True, Status.SENT),
        ("the relay still tries", [DEFERRED], False, Status.SENT),
        ("its success is silent", [DEFERRED], True, Status.SENT),
        ("it gives up", [DEFERRED, SOFT], True, Status.FAILED),
        ("hard bounce after a soft one", [SOFT, HARD], False, Status.FAILED),
        ("refused by policy", [POLICY], False, Status.FAILED),
        ("slowed by the provider", [RATE], False, Status.SENT),
        ("slowed until the end", [RATE], True, Status.FAILED),
        ("too large", [TOO_LARGE], False, Status.FAILED),
        ("out of office", [AUTO_REPLY], True, Status.SENT),
        ("complaint", [COMPLAINT], True, Status.SENT),
    ],
)
def test_with_bounces_only(step: str, events: list[Event], is_final: bool, expected: Status) -> None:
    assert seen("bounces_only", *events, is_final=is_final) == expected, step


@pytest.mark.parametrize("mode", ["real_time", "bounces_only"])
@pytest.mark.parametrize("is_final", [False, True])
def test_order_and_repetition_of_events_change_nothing(mode: str, is_final: bool) -> None:
    for events in itertools.combinations_with_replacement(EVENTS, 3):
        results = {seen(mode, *order, is_final=is_final) for order in itertools.permutations(events)}
        once = seen(mode, *dict.fromkeys(events), is_final=is_final)
        assert results == {once}, events


@pytest.mark.parametrize("mode", ["real_time", "bounces_only"])
@pytest.mark.parametrize("is_final", [False, True])
@pytest.mark.parametrize("bounce", [HARD, POLICY, TOO_LARGE])
def test_a_late_final_bounce_fails_even_after_delivery_and_validity(mode: str, is_final: bool, bounce: Event) -> None:
    assert seen(mode, DELIVERED, bounce, is_final=is_final) == Status.FAILED


@pytest.mark.parametrize("mode", ["real_time", "bounces_only"])
def test_opens_clicks_and_complaints_never_change_a_status(mode: str) -> None:
    others = [(kind, "", "") for kind in ("opened", "clicked", "complained", "unsubscribed")]
    for events in ([], [DELIVERED], [HARD], [SOFT]):
        assert seen(mode, *events, *others) == seen(mode, *events)


@pytest.mark.parametrize("outcome", ["failed", "not_sent", "cancelled", "unknown"])
def test_what_was_never_accepted_keeps_its_outcome(outcome: str) -> None:
    known = status.facts([DELIVERED, SOFT])
    assert status.derive(outcome, known, feedback="real_time", is_final=False) == outcome
