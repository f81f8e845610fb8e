"""Home shows each person what is theirs to do."""

import datetime as dt

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from campaigns import drafts, home, lifecycle, recurring
from delivery.models import Delivery
from messaging.models import Sender
from tests import factories

pytestmark = pytest.mark.django_db


def needs(user: User) -> list[tuple[str, str]]:
    return [(item.name, item.need) for item in home.build(User.objects.get(pk=user.pk)).needs_you]


def test_what_needs_whom() -> None:
    owner, operator, viewer = factories.user("Marketer"), factories.user("Operator"), factories.user("Viewer")
    for name, state in (
        ("A", "prepared"),
        ("B", "paused"),
        ("C", "failed"),
        ("D", "missed"),
        ("E", "sending"),
        ("F", "finished"),
    ):
        factories.campaign_send(factories.published(owner, name=name), state)
    mend = [("D", "missed"), ("C", "failed"), ("B", "paused")]
    assert needs(operator) == [*mend, ("A", "confirm")]
    assert needs(owner) == mend
    assert needs(factories.user("Marketer")) == needs(viewer) == []


def test_what_is_stale_stopped_old_or_archived_needs_nobody() -> None:
    operator = factories.user("Operator")
    stale, stopped, archived, old = (factories.published(name=name) for name in ("stale", "stopped", "archived", "old"))
    for made in (stale, stopped, archived):
        factories.campaign_send(made, "prepared")
    factories.campaign_send(old, "failed")
    Delivery.objects.filter(label__startswith="old").update(opened_at=timezone.now() - dt.timedelta(days=8))
    assert len(needs(operator)) == 3
    factories.publish_again(stale)
    lifecycle.stop(stopped.pk, by=operator)
    lifecycle.archive(archived.pk, by=operator)
    assert needs(operator) == []


def test_sending_upcoming_and_last() -> None:
    owner, viewer = factories.user("Marketer"), factories.user("Viewer")
    now = timezone.now()
    factories.campaign_send(factories.published(owner, name="Now"), "sending", started_at=now, n_to_send=10)
    factories.campaign_send(factories.published(name="Soon"), "confirmed", start_at=now + dt.timedelta(days=2))
    factories.campaign_send(factories.published(name="Later"), "confirmed", start_at=now + dt.timedelta(days=9))
    for n in range(7):
        ended = now - dt.timedelta(days=n)
        sent = factories.published(name=f"Sent {n}")
        factories.campaign_send(sent, "finished", started_at=ended, ended_at=ended, n_to_send=10)
    found = home.build(owner)
    assert [(item.name, item.may_pause) for item in found.sending] == [("Now", True)]
    assert not home.build(viewer).sending[0].may_pause
    assert found.sending[0].summary is not None
    assert [item.name for item in found.upcoming] == ["Soon"]
    assert [item.name for item in found.last] == [f"Sent {n}" for n in range(5)]
    assert found.checklist == ()


def test_my_drafts_are_those_i_own_or_saved() -> None:
    me, other = factories.user("Marketer"), factories.user("Marketer")
    mine = factories.campaign(me, name="Mine")
    factories.campaign(other, name="Theirs")
    live = factories.published(me, name="Live")
    drafts.modify(live.pk, by=other)
    assert [(item.name, item.is_new) for item in home.build(me).drafts] == [("Live", False), ("Mine", True)]
    lifecycle.archive(mine.pk, by=me)
    assert [item.name for item in home.build(me).drafts] == ["Live"]


def test_the_checklist_ticks_itself() -> None:
    user = factories.user("Admin")

    def done() -> dict[str, bool]:
        return {step.code: step.is_done for step in home.build(user).checklist}

    assert done() == {"transport": False, "sender": False, "test": False, "people": False, "send": False}
    factories.profile()
    Sender.objects.create(name="Shop", address="hello@shop.test")
    made = factories.campaign(user)
    drafts.mark_tested(made.draft.pk, revision=1, by=user)
    assert done() == {"transport": False, "sender": True, "test": True, "people": True, "send": False}


def test_home_has_a_fixed_number_of_queries(django_assert_max_num_queries: object) -> None:
    operator = factories.user("Operator")
    for n in range(3):
        for state in ("prepared", "sending", "finished", "confirmed"):
            made = factories.published(name=f"{n} {state}")
            at = timezone.now()
            factories.campaign_send(made, state, started_at=at, ended_at=at, start_at=at, n_to_send=5)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        assert len(home.build(User.objects.get(pk=operator.pk)).needs_you) == 3


def test_coming_times_of_a_repeating_campaign_are_shown_until_they_are_opened() -> None:
    operator = factories.user("Operator")
    fields = {
        "delivery__kind": "repeat",
        "delivery__repeat_unit": "day",
        "delivery__repeat_every": 3,
        "delivery__repeat_from": "2026-03-03",
        "delivery__time": "09:00",
        "delivery__zone": "UTC",
    }
    with time_machine.travel(dt.datetime(2026, 3, 2, 20, tzinfo=dt.UTC), tick=False) as at:
        made = factories.published(operator, **fields)
        assert home.build(operator).planned == ()
        lifecycle.start(made.pk, by=operator)
        (planned,) = home.build(operator).planned
        assert (planned.name, f"{planned.at:%d %H:%M}", planned.zone, planned.n_more) == (
            "Autumn sale",
            "03 09:00",
            "UTC",
            2,
        )
        at.move_to(dt.datetime(2026, 3, 3, 6, tzinfo=dt.UTC))
        recurring.run()
        assert [(f"{one.at:%d}", one.n_more) for one in home.build(operator).planned] == [("06", 1)]
        lifecycle.stop(made.pk, by=operator)
        assert home.build(operator).planned == ()
