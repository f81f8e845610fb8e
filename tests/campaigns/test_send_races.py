"""Sends, schedulers and calls at once, on PostgreSQL, each with a connection of their own."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from accounts import roles
from accounts.models import AuditEntry, User
from audiences import identities
from campaigns import contents, counted, lifecycle, recurring, sends
from campaigns.models import Campaign, CampaignSend, CampaignState
from delivery import lifecycle as delivery_lifecycle
from delivery import preparation, requests
from delivery.callformat import Call, Origin, Recipient
from delivery.models import Delivery, DeliveryState, Shard
from lib.errors import DomainError
from tests import factories, racing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _with_roles(transactional_db: None) -> None:
    """The test before this one emptied the tables."""
    roles.sync()


def repeating(operator: User, **fields: object) -> Campaign:
    """An active campaign that repeats every day, one of whose times is seconds ago and was not looked at yet."""
    due = timezone.now() - dt.timedelta(minutes=2)
    given: dict[str, object] = {
        "delivery__kind": "repeat",
        "delivery__repeat_unit": "day",
        "delivery__repeat_from": "2026-01-01",
        "delivery__time": f"{due:%H:%M}",
        "delivery__zone": "UTC",
        "delivery__asks_confirmation": False,
        "delivery__reeligibility": "always",
    }
    made = factories.published(operator, **(given | fields))
    lifecycle.start(made.pk, by=operator)
    ago = timezone.now() - dt.timedelta(minutes=30)
    Campaign.objects.filter(pk=made.pk).update(activated_at=ago, opened_until=ago)
    return made


def test_any_number_of_schedulers_open_and_confirm_one_send_for_one_time() -> None:
    operator = factories.user("Operator")
    made = repeating(operator)
    racing.outcomes(
        [lambda: recurring.advance(made.pk) or True for _ in range(8)] + [lambda: recurring.run() or True] * 2
    )
    (send,) = CampaignSend.objects.filter(campaign=made)
    preparation.run(send.delivery_id)
    racing.outcomes(
        [lambda: recurring.advance(made.pk) or True for _ in range(8)] + [lambda: recurring.run() or True] * 2
    )
    (send,) = CampaignSend.objects.filter(campaign=made).select_related("delivery")
    assert send.delivery.state == DeliveryState.CONFIRMED
    assert AuditEntry.objects.filter(action="delivery.confirmed").count() == 1


def test_stopping_publishing_and_the_scheduler_at_once_leave_one_send_at_most() -> None:
    operator = factories.user("Operator")
    made = repeating(operator)
    jobs: list[Callable[[], Any]] = [lambda: recurring.advance(made.pk) or True for _ in range(6)]
    jobs += [lambda: lifecycle.stop(made.pk, by=operator), lambda: factories.publish_again(made)]
    racing.outcomes(jobs)
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.STOPPED
    recurring.run()
    kept = CampaignSend.objects.filter(campaign=made, is_replaced=False).select_related("delivery")
    assert len(kept) <= 1
    assert all(one.delivery.state in {DeliveryState.NEW, DeliveryState.CANCELLED} for one in kept)


def test_stopping_a_campaign_just_as_its_send_starts_stops_it() -> None:
    operator = factories.user("Operator")
    made = factories.published()
    delivery = sends.open_send(made.pk, by=made.owner)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    sends.confirm(made.pk, delivery.pk, by=operator, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    has_started = threading.Event()

    def start() -> bool:
        with transaction.atomic():
            delivery_lifecycle.start_now(delivery.pk, by=operator)
            has_started.set()
            # Long enough for the stop to have read what was there before.
            time.sleep(0.5)
        return True

    def stop() -> Campaign:
        assert has_started.wait(30)
        return lifecycle.stop(made.pk, by=operator)

    stopped = racing.outcomes([start, stop])[1]
    assert not isinstance(stopped, DomainError)
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.STOPPED
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.STOPPED


def test_equal_messages_counted_under_one_campaign_at_once_are_one_message() -> None:
    factories.sender(name="Example Shop", address="hello@shop.test")
    profile = factories.profile(external_id="u1")
    made = factories.published(factories.user("Operator"), delivery__kind="api")
    email = {"from": "hello@shop.test", "subject": "Hi", "body": "<p>Hi</p>"}
    messages = {"email": {**email, "message_variation_id": counted.variation_id(made)}}
    call = Call(recipients=(Recipient(identities.Name("external_user_id", "u1")),))
    answers = racing.outcomes([lambda: contents.send(messages, call, campaign_id=str(made.public_id))] * 5)
    assert sorted(answer.request.n_queued for answer in answers) == [0, 0, 0, 0, 1]
    assert CampaignSend.objects.filter(campaign=made, delivery__closed_at=None).count() == 2
    assert list(Shard.objects.filter(state="waiting").values_list("ids", flat=True)) == [[profile.pk]]


def test_calls_without_a_break_keep_nobody_from_stopping_the_campaign() -> None:
    """A call that comes after the stop waits behind it, and sends nothing."""
    factories.profile(external_id="u1")
    made = factories.published(factories.user("Operator"), delivery__kind="api", delivery__reeligibility="always")
    call = Call(recipients=(Recipient(identities.Name("external_user_id", "u1")),))
    origin = Origin("campaign", str(made.public_id), made.name)
    is_in, may_end, answers = threading.Event(), threading.Event(), []

    def taken() -> None:
        with transaction.atomic():
            answers.append(requests.take(origin, call))
            is_in.set()
            assert may_end.wait(30)

    def stops() -> None:
        assert is_in.wait(30)
        lifecycle.stop(made.pk, by=made.owner)

    def comes_later() -> None:
        assert is_in.wait(30)
        while not racing.is_somebody_waiting():
            time.sleep(0.01)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")
                with pytest.raises(OperationalError):
                    requests.take(origin, call)
        finally:
            may_end.set()
        answers.append(requests.take(origin, call))

    racing.outcomes([lambda job=job: job() or True for job in (taken, stops, comes_later)])
    assert [one is not None for one in answers] == [True, False]
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.STOPPED
