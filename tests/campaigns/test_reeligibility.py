"""Re-eligibility of triggered campaigns: seconds from receipt, whatever was edited, removed or ended in nothing."""

import datetime as dt

import pytest
import time_machine
from django.utils import timezone

from delivery import reasons
from delivery.models import (
    Claim,
    Outcome,
    PastRecipients,
    RequestRecipient,
    SendLog,
    Shard,
    TriggerRequest,
)
from tests import factories
from tests.campaigns.test_triggering import API, NOW, ask, hand_over, named, waiting, why

pytestmark = pytest.mark.django_db


WINDOWS = [
    (None, 10**8, False),
    (86_400, 86_399, False),
    (86_400, 86_400, True),
    (0, 0, True),
]


@pytest.mark.parametrize(("window", "passed", "is_queued"), WINDOWS)
def test_re_eligibility_counts_seconds_from_receipt(window: int | None, passed: int, is_queued: bool) -> None:
    after = {"delivery__reeligibility": "after", "delivery__reeligible_after": 1, "delivery__reeligible_unit": "days"}
    choice = {None: {}, 0: {"delivery__reeligibility": "always"}}.get(window, after)
    with time_machine.travel(NOW, tick=False) as at:
        made = factories.published(**API, **choice)
        factories.profile(external_id="u1")
        first = ask(made, named("u1"))
        hand_over(first, NOW)
        at.shift(passed)
        assert why(ask(made, named("u1"))) == ["" if is_queued else "not_eligible_again"]


@pytest.mark.parametrize("outcome", ["failed", "not_sent"])
def test_a_request_that_ended_in_nothing_uses_nothing_up(outcome: str) -> None:
    made = factories.published(**API)
    factories.profile(external_id="u1")
    first = ask(made, named("u1"))
    assert why(ask(made, named("u1"))) == ["not_eligible_again"], "it is still under way"
    hand_over(first, NOW, outcome)
    assert why(ask(made, named("u1"))) == [""]


def test_unknown_is_taken_for_received() -> None:
    made = factories.published(**API)
    factories.profile(external_id="u1")
    hand_over(ask(made, named("u1")), NOW, Outcome.UNKNOWN)
    assert why(ask(made, named("u1"))) == ["not_eligible_again"]


def test_an_edit_of_the_live_campaign_makes_nobody_eligible_again() -> None:
    """Neither what is under way in the older version, nor what it sent, comes again with the new one."""
    made = factories.published(**API)
    for name in ("u1", "u2"):
        factories.profile(external_id=name)
    hand_over(ask(made, named("u1")), NOW)
    ask(made, named("u2"))
    factories.publish_again(made)
    assert why(ask(made, named("u1"), named("u2"))) == ["not_eligible_again"] * 2
    assert Claim.objects.count() == 2
    # Also where the older version sent every time, and so claimed nothing.
    always = factories.published(**API, delivery__reeligibility="always")
    ask(always, named("u1"))
    factories.publish_again(always, delivery__reeligibility="never")
    assert why(ask(always, named("u1"))) == ["not_eligible_again"]


def test_a_longer_time_counts_what_was_received_under_a_shorter_one() -> None:
    """Their row only knows the last promise, which ended in nothing."""
    day = {"delivery__reeligibility": "after", "delivery__reeligible_after": 1, "delivery__reeligible_unit": "days"}
    made = factories.published(**API, **day)
    factories.profile(external_id="u1")
    with time_machine.travel(NOW, tick=False) as at:
        hand_over(ask(made, named("u1")), NOW)
        at.shift(2 * 86_400)
        hand_over(ask(made, named("u1")), NOW + dt.timedelta(days=2), Outcome.FAILED)
        at.shift(1)
        factories.publish_again(made, delivery__reeligibility="never")
        assert why(ask(made, named("u1"))) == ["not_eligible_again"]
        at.shift(1)
        factories.publish_again(made, **day)
        assert why(ask(made, named("u1"))) == [""]


def test_who_had_it_in_an_ordinary_send_of_the_campaign_does_not_get_it_by_a_call() -> None:
    made = factories.published()
    had = factories.profile(external_id="u1")
    sent = factories.campaign_send(made, "finished")
    SendLog.objects.create(
        opened_month=sent.opened_month, delivery=sent, request_no=0, profile_id=had.pk, outcome=Outcome.SENT,
        at=timezone.now(), address="a@b.test", n_attempts=1, code="", detail="",
    )  # fmt: skip
    factories.publish_again(made, **API)
    factories.profile(external_id="u2")
    assert why(ask(made, named("u1"), named("u2"))) == ["not_eligible_again", ""]


def test_who_had_it_in_a_month_that_was_removed_is_not_eligible_again() -> None:
    """Of an older version that sent every time, and so claimed nothing; retention left ids and took the rest."""
    made = factories.published(**API, delivery__reeligibility="always")
    had, other = factories.profile(external_id="u1"), factories.profile(external_id="u2")
    old = ask(made, named("u1")).delivery
    assert old is not None
    Shard.objects.all().delete()
    TriggerRequest.objects.all().delete()
    PastRecipients.objects.create(delivery=old, at=NOW, ids=[had.pk])
    factories.publish_again(made, delivery__reeligibility="never")
    assert why(ask(made, named("u1"), named("u2"))) == ["not_eligible_again", ""]
    assert waiting()[-1][1] == [other.pk]


def test_the_reason_says_from_when_on() -> None:
    with time_machine.travel(NOW, tick=False):
        made = factories.published(**API, delivery__reeligibility="after", delivery__reeligible_after=2)
        factories.profile(external_id="u1")
        hand_over(ask(made, named("u1")), NOW)
        late = ask(made, named("u1"))
    row = RequestRecipient.objects.get(request=late)
    assert reasons.whole_sentence(row.reason, row.detail) == "Not eligible again until 27 Nov 12:00"


@pytest.mark.parametrize(("choice", "is_queued"), [("after", True), ("never", False)])
def test_a_claim_outlives_the_log_and_then_ends_with_the_window(choice: str, is_queued: bool) -> None:
    with time_machine.travel(NOW, tick=False) as at:
        made = factories.published(**API, delivery__reeligibility=choice, delivery__reeligible_after=7)
        factories.profile(external_id="u1")
        first = ask(made, named("u1"))
        Claim.objects.update(claimed_at=NOW)
        hand_over(first, NOW)
        SendLog.objects.all().delete()
        TriggerRequest.objects.all().delete()
        at.shift(dt.timedelta(days=11))
        assert why(ask(made, named("u1"))) == ["not_eligible_again"], "it may have been handed over late"
        at.shift(dt.timedelta(days=2))
        assert why(ask(made, named("u1"))) == ["" if is_queued else "not_eligible_again"]
