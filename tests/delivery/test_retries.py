"""Who is tried again after which answer, when, and which answers stop the whole send."""

import datetime as dt

import pytest

from delivery import fuses, retries
from messaging import verdicts
from messaging.handover import Handover, Result
from messaging.verdicts import Kind, Verdict

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
FAR = NOW + dt.timedelta(days=3)
ACCEPTED = Handover(Result.ACCEPTED, "", "250 ok")


@pytest.mark.parametrize(
    ("result", "verdict", "is_retried"),
    [
        (Result.DEFERRED, Verdict(Kind.SOFT, verdicts.UNDETERMINED), True),
        (Result.DEFERRED, Verdict(Kind.SOFT, verdicts.GREYLISTED), True),
        (Result.DEFERRED, Verdict(Kind.BLOCKED, verdicts.RATE_LIMITED), True),
        (Result.DEFERRED, Verdict(Kind.MESSAGE, verdicts.TOO_LARGE), True),
        (Result.DEFERRED, Verdict(Kind.HARD, verdicts.USER_UNKNOWN), False),
        (Result.REFUSED, Verdict(Kind.HARD, verdicts.USER_UNKNOWN), False),
        (Result.REFUSED, Verdict(Kind.SOFT, verdicts.MAILBOX_FULL), True),
        (Result.REFUSED, Verdict(Kind.SOFT, verdicts.UNREACHABLE), True),
        (Result.REFUSED, Verdict(Kind.SOFT, verdicts.GREYLISTED), True),
        (Result.REFUSED, Verdict(Kind.SOFT, verdicts.ACCOUNT_DISABLED), False),
        (Result.REFUSED, Verdict(Kind.SOFT, verdicts.UNDETERMINED), False),
        (Result.REFUSED, Verdict(Kind.BLOCKED, verdicts.REFUSED), False),
        (Result.REFUSED, Verdict(Kind.BLOCKED, verdicts.RATE_LIMITED), False),
        (Result.REFUSED, Verdict(Kind.MESSAGE, verdicts.CONTENT), False),
    ],
    ids=str,
)
def test_the_basic_code_decides_but_what_passes_is_tried_again(
    result: Result, verdict: Verdict, is_retried: bool
) -> None:
    assert retries.is_retried(result, verdict) is is_retried


@pytest.mark.parametrize(
    ("verdict", "minutes"),
    [
        (None, (1, 5, 15, 60, 60)),
        (Verdict(Kind.SOFT, verdicts.UNREACHABLE), (1, 5, 15, 60, 60)),
        (Verdict(Kind.SOFT, verdicts.UNDETERMINED), (1, 5, 15, 60, 60)),
        (Verdict(Kind.SOFT, verdicts.GREYLISTED), (5, 10, 20, 60, 60)),
        (Verdict(Kind.SOFT, verdicts.MAILBOX_FULL), (120, 240, 480, 480)),
        (Verdict(Kind.SOFT, verdicts.USER_UNKNOWN), (15, 60, 240, 240)),
        (Verdict(Kind.BLOCKED, verdicts.RATE_LIMITED), (15, 30, 60, 120, 120)),
        (Verdict(Kind.BLOCKED, verdicts.REFUSED), (60, 120, 240, 240)),
        (Verdict(Kind.BLOCKED, verdicts.AUTHENTICATION), (60, 120, 240, 240)),
        (Verdict(Kind.MESSAGE, verdicts.CONTENT), (60, 120, 240, 240)),
    ],
    ids=str,
)
def test_how_long_to_wait_depends_on_the_answer(verdict: Verdict | None, minutes: tuple[int, ...]) -> None:
    now = NOW + dt.timedelta(seconds=1)
    for attempt, wanted in enumerate(minutes, start=1):
        due = retries.next_due(attempt, now=now, valid_until=FAR, verdict=verdict)
        assert due is not None
        # Rounded up, so that many people share a shard.
        assert wanted * 60 <= (due - now).total_seconds() <= wanted * 60 + (300 if wanted >= 120 else 30)


def test_people_deferred_within_minutes_share_a_shard() -> None:
    full = Verdict(Kind.SOFT, verdicts.MAILBOX_FULL)
    times = [NOW + dt.timedelta(seconds=seconds) for seconds in range(1, 300, 7)]
    assert len({retries.next_due(1, now=now, valid_until=FAR, verdict=full) for now in times}) == 1


@pytest.mark.parametrize(
    ("left_min", "due_min"),
    [
        (180, 120),
        # It would come after the end: a last try ten minutes before.
        (60, 50),
        (20, 10),
        (19, None),
        (5, None),
    ],
)
def test_the_last_try_comes_before_the_end(left_min: int, due_min: int | None) -> None:
    full, end = Verdict(Kind.SOFT, verdicts.MAILBOX_FULL), NOW + dt.timedelta(minutes=left_min)
    due = retries.next_due(1, now=NOW, valid_until=end, verdict=full)
    assert due == (NOW + dt.timedelta(minutes=due_min) if due_min is not None else None)
    if due is not None and due_min != 120:
        assert retries.next_due(2, now=due, valid_until=end, verdict=full) is None


# --- the fuse -----------------------------------------------------------------------------------------------


def answer(code: str, kind: Kind, reason: str) -> tuple[Handover, Verdict]:
    result = Result.DEFERRED if code[0] == "4" else Result.REFUSED
    return Handover(result, code, f"{code} words"), Verdict(kind, reason)


BLOCKED = answer("451 4.7.1", Kind.BLOCKED, verdicts.REFUSED)
BLOCKED_5 = answer("550 5.7.1", Kind.BLOCKED, verdicts.REFUSED)
BAD_SENDER = answer("451 4.1.8", Kind.BLOCKED, verdicts.SENDER_REFUSED)
UNSIGNED = answer("421 4.7.26", Kind.BLOCKED, verdicts.AUTHENTICATION)
GREY = answer("450 4.7.1", Kind.SOFT, verdicts.GREYLISTED)
FULL = answer("452 4.2.2", Kind.SOFT, verdicts.MAILBOX_FULL)
UNKNOWN_USER = answer("550 5.1.1", Kind.HARD, verdicts.USER_UNKNOWN)
GOOD = (ACCEPTED, None)


@pytest.mark.parametrize(
    ("pattern", "is_blown_by"),
    [
        ([BLOCKED], fuses.N_WALL),
        ([BLOCKED, BAD_SENDER, UNSIGNED], fuses.N_WALL),
        ([BLOCKED, BLOCKED_5, BLOCKED, UNKNOWN_USER], 110),
        ([BLOCKED, BLOCKED, BLOCKED, GOOD, GOOD], 260),
        ([BLOCKED, GOOD], None),
        ([BLOCKED_5, UNKNOWN_USER, GOOD], None),
        ([GREY], None),
        ([GREY, FULL], None),
        ([GREY, FULL, UNKNOWN_USER, GOOD], None),
        ([UNKNOWN_USER, GOOD], None),
    ],
)
def test_a_wall_blows_the_fuse_and_an_ordinary_mixture_does_not(
    pattern: list[tuple[Handover, Verdict | None]], is_blown_by: int | None
) -> None:
    fuse = fuses.Fuse()
    for number in range(2000):
        fuse.note(*pattern[number % len(pattern)])
        if fuse.is_blown:
            break
    assert fuse.is_blown is (is_blown_by is not None)
    if is_blown_by is not None:
        assert 20 < number < is_blown_by
        assert "words" in fuse.sentence and "{" not in fuse.sentence


def test_a_wall_after_a_good_beginning_blows_it_as_soon() -> None:
    fuse = fuses.Fuse()
    for _n in range(10_000):
        fuse.note(ACCEPTED)
    for _n in range(fuses.N_WALL - 1):
        fuse.note(*BLOCKED)
    assert not fuse.is_blown
    fuse.note(*BLOCKED)
    assert fuse.is_blown
    assert "50 of the last 50 messages" in fuse.sentence and "451 4.7.1" in fuse.sentence


def test_answers_that_never_came_count_in_a_row_whoever_else_was_on_that_connection() -> None:
    fuse = fuses.Fuse()
    for _n in range(fuses.N_IN_A_ROW):
        assert not fuse.is_blown
        fuse.note(Handover(Result.UNKNOWN, "", "The connection broke."))
        fuse.note(Handover(Result.DEFERRED, "", "The connection broke."))
    assert fuse.is_blown


def test_the_fuse_is_kept_from_drain_to_drain_until_it_blows() -> None:
    delivery_id = -1
    fuse = fuses.of(delivery_id)
    assert fuses.of(delivery_id) is fuse and fuses.of(-2) is not fuse
    for _n in range(fuses.N_WALL):
        fuse.note(*BLOCKED)
    assert fuses.of(delivery_id) is not fuse and not fuses.of(delivery_id).is_blown
    for number in range(1000):
        fuses.of(-10 - number)
    assert len(fuses._kept) == fuses._MOST_KEPT
