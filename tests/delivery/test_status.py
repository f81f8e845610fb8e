"""What people see as a status: the two tables of the feedback modes, row by row, then the odd orders."""

import itertools

import pytest

from delivery import status
from delivery.models import Outcome
from delivery.status import Status

DELIVERED = ("delivered", "")
HARD = ("bounced", "5.1.1 unknown user")
SOFT = ("bounced", "4.2.2 mailbox full")


def seen(mode: str, *events: tuple[str, str], is_final: bool = False) -> Status:
    return status.derive(Outcome.SENT, status.facts(events), feedback=mode, is_final=is_final)


@pytest.mark.parametrize(
    ("step", "events", "is_final", "expected"),
    [
        ("handed to the mail server", [], False, Status.PENDING),
        ("delivered", [DELIVERED], False, Status.SENT),
        ("hard bounce", [HARD], False, Status.FAILED),
        ("soft bounce", [SOFT], False, Status.FAILED),
        ("retry of a soft bounce works", [SOFT, DELIVERED], False, Status.SENT),
        ("retries of a soft bounce fail", [SOFT, SOFT], True, Status.FAILED),
        ("no answer until the end", [], True, Status.PENDING),
    ],
)
def test_with_feedback_in_real_time(step: str, events: list[tuple[str, str]], is_final: bool, expected: Status) -> None:
    assert seen("real_time", *events, is_final=is_final) == expected, step


@pytest.mark.parametrize(
    ("step", "events", "is_final", "expected"),
    [
        ("handed to the mail server", [], False, Status.SENT),
        ("hard bounce", [HARD], False, Status.FAILED),
        ("soft bounce", [SOFT], False, Status.SENT),
        ("retry of a soft bounce works", [SOFT, DELIVERED], False, Status.SENT),
        ("and stays so", [SOFT, DELIVERED], True, Status.SENT),
        ("retries of a soft bounce fail", [SOFT, SOFT], True, Status.FAILED),
        ("no answer until the end", [], True, Status.SENT),
    ],
)
def test_with_bounces_only(step: str, events: list[tuple[str, str]], is_final: bool, expected: Status) -> None:
    assert seen("bounces_only", *events, is_final=is_final) == expected, step


@pytest.mark.parametrize("mode", ["real_time", "bounces_only"])
@pytest.mark.parametrize("is_final", [False, True])
def test_order_and_repetition_of_events_change_nothing(mode: str, is_final: bool) -> None:
    for events in itertools.combinations_with_replacement([DELIVERED, HARD, SOFT], 3):
        results = {seen(mode, *order, is_final=is_final) for order in itertools.permutations(events)}
        once = seen(mode, *dict.fromkeys(events), is_final=is_final)
        assert results == {once}, events


@pytest.mark.parametrize("mode", ["real_time", "bounces_only"])
def test_a_late_hard_bounce_fails_even_after_delivery_and_validity(mode: str) -> None:
    assert seen(mode, DELIVERED, HARD, is_final=True) == Status.FAILED


@pytest.mark.parametrize("mode", ["real_time", "bounces_only"])
def test_opens_clicks_and_complaints_never_change_a_status(mode: str) -> None:
    others = [("opened", "agent"), ("clicked", "agent"), ("complained", ""), ("unsubscribed", "")]
    assert seen(mode, DELIVERED, *others) == seen(mode, DELIVERED)
    assert seen(mode, *others) == seen(mode)


@pytest.mark.parametrize("outcome", ["failed", "not_sent", "cancelled", "unknown"])
def test_what_was_never_accepted_keeps_its_outcome(outcome: str) -> None:
    known = status.facts([DELIVERED, SOFT])
    assert status.derive(outcome, known, feedback="real_time", is_final=False) == outcome
