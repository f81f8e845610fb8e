"""Repeating campaigns over time: what is opened, confirmed, skipped and missed, each planned time once."""

import datetime as dt
from collections.abc import Iterator

import pytest
import time_machine
from django.db import IntegrityError, transaction

from accounts import roles
from accounts.models import AuditEntry, User
from campaigns import document as documents
from campaigns import lifecycle, recurring, sends
from campaigns.models import Campaign, CampaignSend, CampaignState
from delivery import clock, preparation
from delivery import lifecycle as delivery_lifecycle
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError, NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db

# A Monday; the campaigns of these tests send every day at 09:00 UTC.
EVE = dt.datetime(2026, 3, 2, 20, 0, tzinfo=dt.UTC)
NINE = dt.datetime(2026, 3, 3, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
DAILY: dict[str, object] = {
    "delivery__kind": "repeat",
    "delivery__repeat_unit": "day",
    "delivery__repeat_from": "2026-03-01",
    "delivery__time": "09:00",
    "delivery__zone": "UTC",
    "delivery__reeligibility": "always",
}
UNASKED = DAILY | {"delivery__asks_confirmation": False}
ANYWAY = DAILY | {"delivery__if_unconfirmed": "send"}


@pytest.fixture
def at() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(EVE, tick=False) as traveller:
        yield traveller


@pytest.fixture
def operator() -> User:
    return factories.user("Operator", name="Ona Operator")


def started(operator: User, **fields: object) -> Campaign:
    made = factories.published(operator, **fields)
    lifecycle.start(made.pk, by=operator)
    return Campaign.objects.select_related("live_version").get(pk=made.pk)


def turn(made: Campaign) -> list[tuple[str, str]]:
    """One look of the engine, then the worker; (planned time, state) of every send."""
    recurring.run()
    for delivery in Delivery.objects.filter(state=DeliveryState.PREPARING):
        preparation.run(delivery.pk)
    return states(made)


def states(made: Campaign) -> list[tuple[str, str]]:
    found = CampaignSend.objects.filter(campaign=made).select_related("delivery").order_by("pk")
    return [(f"{one.occurrence_at:%d %H:%M}", str(one.delivery.state)) for one in found]


def causes(made: Campaign) -> list[str]:
    rows = AuditEntry.objects.filter(subject_id=str(made.public_id), action="campaign.occurrence_skipped")
    return [str(row.detail["cause"]) for row in rows.order_by("pk")]


def last(made: Campaign) -> Delivery:
    return CampaignSend.objects.filter(campaign=made).select_related("delivery").latest("pk").delivery


def confirm(made: Campaign, by: User) -> Delivery:
    delivery = last(made)
    return sends.confirm(made.pk, delivery.pk, by=by, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)


def test_a_send_to_confirm_is_opened_four_hours_ahead_and_sent_at_its_time(
    at: time_machine.Traveller, operator: User
) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - 4 * HOUR - dt.timedelta(minutes=1))
    assert turn(made) == []
    at.move_to(NINE - 4 * HOUR)
    assert turn(made) == turn(made) == [("03 09:00", "prepared")]
    delivery = last(made)
    assert (delivery.scheduled_at, delivery.scheduled_zone, delivery.opened_by) == (NINE, "UTC", None)
    assert confirm(made, operator).start_at == NINE
    assert turn(made) == [("03 09:00", "confirmed")]
    at.move_to(NINE)
    clock.tick()
    assert turn(made) == [("03 09:00", "sending")]
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.ACTIVE
    at.move_to(NINE + DAY - HOUR)
    assert [one for one, _state in turn(made)] == ["03 09:00", "04 09:00"]


def test_a_send_nobody_confirms_is_skipped_when_its_time_is_over(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE)
    turn(made)
    at.move_to(NINE + 4 * HOUR - dt.timedelta(seconds=1))
    assert turn(made) == [("03 09:00", "prepared")]
    at.move_to(NINE + 4 * HOUR)
    with pytest.raises(DomainError, match="is over") as refusal:
        confirm(made, operator)
    assert refusal.value.code == "stale"
    assert turn(made) == turn(made) == [("03 09:00", "cancelled")]
    assert causes(made) == ["unconfirmed"]
    assert not AuditEntry.objects.filter(action="delivery.confirmed").exists()


@pytest.mark.parametrize("state", [DeliveryState.PREPARING, DeliveryState.PREPARED])
def test_a_confirmed_send_that_is_prepared_again_at_its_start_is_left_alone(
    at: time_machine.Traveller, operator: User, state: str
) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    confirm(made, operator)
    Delivery.objects.update(state=state, refreshing_from=1)
    factories.publish_again(made)
    at.move_to(NINE + 5 * HOUR)
    recurring.run()
    assert states(made) == [("03 09:00", str(state))] and causes(made) == []


@pytest.mark.parametrize("plan", [UNASKED, ANYWAY])
def test_a_list_that_was_held_at_its_start_is_not_confirmed_by_a_machine(
    at: time_machine.Traveller, operator: User, plan: dict[str, object]
) -> None:
    made = started(operator, **plan)
    at.move_to(NINE)
    turn(made)
    Delivery.objects.update(failure="It grew by more than was allowed.")
    assert turn(made) == [("03 09:00", "prepared")]
    at.move_to(NINE + 5 * HOUR)
    assert turn(made) == [("03 09:00", "cancelled")] and causes(made) == ["unconfirmed"]


def test_a_late_confirmation_within_the_time_sends_at_once(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    at.move_to(NINE + 3 * HOUR)
    delivery = confirm(made, operator)
    assert delivery.start_at is not None
    assert NINE + 3 * HOUR <= delivery.start_at <= NINE + 3 * HOUR + dt.timedelta(minutes=5)


def test_without_confirmation_it_is_confirmed_at_its_time_for_who_started_it(
    at: time_machine.Traveller, operator: User
) -> None:
    made = started(operator, **UNASKED)
    at.move_to(NINE - dt.timedelta(seconds=1))
    assert turn(made) == []
    at.move_to(NINE)
    assert turn(made) == [("03 09:00", "prepared")]
    assert turn(made) == [("03 09:00", "confirmed")]
    assert last(made).confirmed_by == operator
    row = AuditEntry.objects.get(action="delivery.confirmed")
    assert (row.actor, row.actor_label, row.detail["on_behalf_of"]) == (None, "scheduler", "Ona Operator")


@pytest.mark.parametrize("loss", ["role", "inactive"])
def test_who_may_not_start_sends_any_more_confirms_nothing(
    at: time_machine.Traveller, operator: User, loss: str
) -> None:
    made = started(operator, **UNASKED)
    at.move_to(NINE)
    turn(made)
    if loss == "role":
        roles.give(operator, "Marketer")
    else:
        User.objects.filter(pk=operator.pk).update(is_active=False)
    assert turn(made) == turn(made) == [("03 09:00", "prepared")]
    assert CampaignSend.objects.get().asks_because == "right"
    assert AuditEntry.objects.filter(action="campaign.occurrence_asks").count() == 1
    # Somebody who may confirm still can, until the time to confirm is over.
    at.move_to(NINE + 3 * HOUR)
    assert turn(made) == [("03 09:00", "prepared")]
    assert confirm(made, factories.user("Operator")).state == DeliveryState.CONFIRMED


def test_a_cancelled_send_waits_for_a_person_and_is_never_confirmed_by_itself(
    at: time_machine.Traveller, operator: User
) -> None:
    made = started(operator, **UNASKED)
    at.move_to(NINE)
    turn(made), turn(made)
    sends.cancel(made.pk, last(made).pk, by=operator)
    assert turn(made) == [("03 09:00", "prepared")]
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.ACTIVE
    at.move_to(NINE + 4 * HOUR)
    assert turn(made) == [("03 09:00", "cancelled")]
    at.move_to(NINE + DAY)
    turn(made)
    assert turn(made)[1:] == [("04 09:00", "confirmed")]


@pytest.mark.parametrize("hours", ["soon", None, 0, 10**30])
def test_a_send_that_asked_nobody_can_be_cancelled_whatever_the_time_to_confirm(
    at: time_machine.Traveller, operator: User, hours: object
) -> None:
    made = started(operator, **UNASKED, delivery__confirm_within_hours=hours)
    at.move_to(NINE)
    turn(made), turn(made)
    sends.cancel(made.pk, last(made).pk, by=operator)
    assert turn(made) == [("03 09:00", "prepared")]
    at.move_to(NINE + 4 * HOUR)
    assert turn(made) == [("03 09:00", "cancelled")]


def test_unconfirmed_is_sent_anyway_where_that_was_chosen(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **ANYWAY)
    at.move_to(NINE - HOUR)
    turn(made)
    at.move_to(NINE + 4 * HOUR)
    assert turn(made) == [("03 09:00", "confirmed")]
    at.move_to(NINE + DAY - HOUR)
    turn(made)
    at.move_to(NINE + DAY + 5 * HOUR + dt.timedelta(minutes=1))
    assert turn(made)[1:] == [("04 09:00", "cancelled")], "nothing ran when its time to confirm ended"


def test_what_passed_an_hour_ago_while_nothing_ran_is_missed(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **UNASKED)
    at.move_to(NINE + 3 * DAY + HOUR + dt.timedelta(seconds=1))
    assert turn(made) == turn(made) == []
    row = AuditEntry.objects.get(action="campaign.occurrences_missed")
    assert (row.detail["n"], row.detail["at"]) == (4, (NINE + 3 * DAY).isoformat())
    at.move_to(NINE + 4 * DAY + HOUR)
    assert turn(made) == [("07 09:00", "prepared")]


def test_a_crash_between_opening_and_preparing_leaves_nothing_and_is_made_good(
    at: time_machine.Traveller, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = started(operator, **UNASKED)
    at.move_to(NINE)
    with monkeypatch.context() as patched:
        patched.setattr(recurring.delivery_lifecycle, "prepare", lambda *_a, **_k: (_ for _ in ()).throw(OSError()))
        recurring.run()
    assert states(made) == []
    assert Campaign.objects.get(pk=made.pk).opened_until == EVE
    assert turn(made) == [("03 09:00", "prepared")]


def test_a_newer_version_takes_over_a_send_that_waits(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    version = factories.publish_again(made)
    with pytest.raises(DomainError) as refusal:
        confirm(made, operator)
    assert refusal.value.code == "stale"
    assert turn(made) == turn(made) == [("03 09:00", "cancelled"), ("03 09:00", "prepared")]
    assert last(made).message == version.message
    assert confirm(made, operator).start_at == NINE
    # One that is confirmed keeps its version.
    factories.publish_again(made, compose__subject="Third")
    assert turn(made)[1:] == [("03 09:00", "confirmed")]


def test_publishing_after_the_time_catches_nothing_up(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **UNASKED)
    at.move_to(NINE - HOUR)
    factories.publish_again(made, delivery__time="08:30")
    at.move_to(NINE - HOUR / 2)
    turn(made)
    assert turn(made) == [("03 08:30", "confirmed")]
    # Half an hour late is in time for a scheduler, not for somebody who changes the time afterwards.
    factories.publish_again(made, delivery__time="08:10")
    assert turn(made) == [("03 08:30", "confirmed")]
    at.move_to(NINE + DAY - HOUR)
    assert turn(made) == [("03 08:30", "confirmed")]
    at.move_to(NINE + DAY - HOUR + dt.timedelta(minutes=10))
    assert turn(made)[1:] == [("04 08:10", "prepared")]


def test_a_version_published_just_before_the_time_does_not_lose_it(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **UNASKED)
    at.move_to(NINE + dt.timedelta(seconds=5))
    version = factories.publish_again(made)
    assert turn(made) == [("03 09:00", "prepared")]
    assert last(made).message == version.message


def test_a_send_whose_time_is_no_longer_planned_is_dropped(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    factories.publish_again(made, delivery__time="11:00")
    assert turn(made) == [("03 09:00", "cancelled"), ("03 11:00", "prepared")]
    assert causes(made) == ["calendar"]


def test_stopping_ends_it_and_resuming_catches_nothing_up(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    confirm(made, operator)
    lifecycle.stop(made.pk, by=operator)
    assert states(made) == [("03 09:00", "cancelled")]
    at.move_to(NINE + HOUR / 2)
    assert turn(made) == [("03 09:00", "cancelled")]
    lifecycle.resume(made.pk, by=operator)
    assert turn(made) == [("03 09:00", "cancelled")]
    at.move_to(NINE + DAY)
    assert turn(made)[1:] == [("04 09:00", "prepared")]


def test_resuming_drops_what_waited_for_a_time_before(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    lifecycle.stop(made.pk, by=operator)
    at.move_to(NINE + HOUR)
    lifecycle.resume(made.pk, by=operator)
    assert turn(made) == [("03 09:00", "cancelled")]
    assert causes(made) == ["stopped"]


def test_a_preparation_ended_by_a_stop_goes_on_after_a_quick_resume(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    recurring.run()
    lifecycle.stop(made.pk, by=operator)
    assert states(made) == [("03 09:00", "new")]
    at.shift(60)
    lifecycle.resume(made.pk, by=operator)
    assert turn(made) == [("03 09:00", "prepared")]


def test_a_send_that_asks_nobody_is_not_skipped_by_stopping_its_preparation(
    at: time_machine.Traveller, operator: User
) -> None:
    made = started(operator, **UNASKED)
    at.move_to(NINE)
    recurring.run()
    delivery_lifecycle.abort(last(made).pk, by=factories.user("Marketer"))
    assert turn(made) == [("03 09:00", "prepared")]
    assert turn(made) == [("03 09:00", "confirmed")]


def test_a_skipped_send_does_not_come_back(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    for stranger in (factories.user("Viewer"), factories.user("Marketer")):
        with pytest.raises(NotAllowed):
            sends.skip(made.pk, last(made).pk, by=stranger)
    sends.skip(made.pk, last(made).pk, by=operator)
    factories.publish_again(made)
    assert turn(made) == [("03 09:00", "cancelled")]
    assert causes(made) == ["person"]
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.ACTIVE


def test_only_a_send_that_is_not_confirmed_can_be_skipped(at: time_machine.Traveller, operator: User) -> None:
    once = factories.published(operator)
    one_off = sends.open_send(once.pk, by=operator)
    with pytest.raises(DomainError) as refusal:
        sends.skip(once.pk, one_off.pk, by=operator)
    assert refusal.value.code == "not_standing"
    made = started(operator, **UNASKED)
    at.move_to(NINE)
    turn(made), turn(made)
    with pytest.raises(DomainError) as refusal:
        sends.skip(made.pk, last(made).pk, by=operator)
    assert refusal.value.code == "wrong_state"


def test_nobody_to_send_to_closes_the_send_at_its_time(at: time_machine.Traveller, operator: User) -> None:
    rule = {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "Mars"}]}
    made = started(operator, **UNASKED, audience__conditions=rule)
    at.move_to(NINE)
    turn(made)
    assert turn(made) == [("03 09:00", "cancelled")]
    assert causes(made) == ["empty"]


def test_a_missed_send_gives_way_to_the_next(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    confirm(made, operator)
    at.move_to(NINE + 2 * HOUR)
    clock.tick()
    assert turn(made) == [("03 09:00", "missed")]
    at.move_to(NINE + DAY - HOUR)
    assert turn(made) == [("03 09:00", "cancelled"), ("04 09:00", "prepared")]


def test_an_ended_calendar_sends_nothing_and_stays_active(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **UNASKED, delivery__repeat_ends="on", delivery__repeat_until="2026-03-03")
    at.move_to(NINE)
    turn(made), turn(made)
    at.move_to(NINE + 5 * DAY)
    assert turn(made) == [("03 09:00", "confirmed")]
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.ACTIVE


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_another_kind_lets_a_confirmed_send_go_and_leaves_the_rest_behind(
    at: time_machine.Traveller, operator: User, is_confirmed: bool
) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE - HOUR)
    turn(made)
    if is_confirmed:
        confirm(made, operator)
    factories.publish_again(made, delivery__kind="once")
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.PUBLISHED
    at.move_to(NINE)
    clock.tick()
    assert turn(made) == [("03 09:00", "sending" if is_confirmed else "prepared")]
    if not is_confirmed:
        with pytest.raises(DomainError) as refusal:
            confirm(made, operator)
        assert refusal.value.code == "stale"
        sends.open_send(made.pk, by=operator)
        assert states(made)[0] == ("03 09:00", "cancelled")
    at.move_to(NINE + 3 * DAY)
    recurring.run()
    assert [one for one, _state in states(made)[:1]] == ["03 09:00"]
    assert not AuditEntry.objects.filter(action="campaign.occurrences_missed").exists()


@pytest.mark.parametrize("state", ["published", "stopped", "archived", "draft beside"])
def test_only_active_campaigns_send(at: time_machine.Traveller, operator: User, state: str) -> None:
    made = factories.published(operator, **UNASKED)
    if state == "draft beside":
        factories.draft_of(made, compose__subject="Not yet")
    if state in {"stopped", "archived"}:
        lifecycle.stop(made.pk, by=operator)
    if state == "archived":
        lifecycle.archive(made.pk, by=operator)
    at.move_to(NINE)
    recurring.advance(made.pk)
    assert turn(made) == []


def test_the_database_refuses_a_second_send_for_one_planned_time(at: time_machine.Traveller, operator: User) -> None:
    made = started(operator, **DAILY)
    at.move_to(NINE)
    turn(made)
    with pytest.raises(IntegrityError), transaction.atomic():
        sends.open_occurrence(Campaign.objects.get(pk=made.pk), NINE)
    assert len(states(made)) == 1


def test_people_still_waiting_in_an_earlier_send_are_not_chosen_again(
    at: time_machine.Traveller, operator: User
) -> None:
    fields = {
        "delivery__reeligibility": "after",
        "delivery__reeligible_after": 12,
        "delivery__reeligible_unit": "hours",
    }
    made = started(operator, **(UNASKED | fields))
    at.move_to(NINE)
    turn(made), turn(made)
    at.move_to(NINE + dt.timedelta(minutes=5))
    clock.tick()
    assert states(made) == [("03 09:00", "sending")]
    at.move_to(NINE + DAY)
    turn(made)
    assert (last(made).n_targeted, last(made).n_to_send) == (1, 0)


def test_the_run_looks_after_every_campaign_although_one_fails(
    at: time_machine.Traveller, operator: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = started(operator, **UNASKED), started(operator, **UNASKED)
    at.move_to(NINE)
    real = sends.open_occurrence

    def broken(campaign: Campaign, *args: object, **kwargs: object) -> CampaignSend:
        if campaign.pk == bad.pk:
            raise ValueError("a bug")
        return real(campaign, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(recurring.sends, "open_occurrence", broken)
    assert turn(good) == [("03 09:00", "prepared")]
    assert states(bad) == []
    assert f"repeating campaign {bad.pk} failed" in caplog.text


def test_a_document_from_before_repeating_existed_is_left_alone(at: time_machine.Traveller, operator: User) -> None:
    made = factories.published(operator)
    assert documents.normalise({"delivery": {"kind": "once"}})["delivery"]["asks_confirmation"] is True
    recurring.advance(made.pk)
    assert states(made) == []
