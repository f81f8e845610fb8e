"""With "A second person must confirm", who published a version lets none of its sends go, by any way."""

import datetime as dt
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import InstallationSetting, User
from campaigns import approvals, lifecycle, recurring, sends
from campaigns.models import Campaign, CampaignSend, CampaignState
from delivery import options, preparation
from delivery.models import Delivery, DeliveryState
from lib.errors import NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db
REPEATING = {
    "delivery__kind": "repeat", "delivery__repeat_unit": "day", "delivery__repeat_from": "2026-01-01",
    "delivery__zone": "UTC", "delivery__asks_confirmation": False, "delivery__reeligibility": "always",
}  # fmt: skip


def rule(is_on: bool) -> None:
    by = User.objects.order_by("pk").first() or factories.user("Admin")
    InstallationSetting.objects.update_or_create(
        name=options.SECOND_PERSON, defaults={"value": is_on, "changed_by": by}
    )


@pytest.fixture
def author() -> User:
    return factories.user("Operator", name="Ona O")


def prepared(campaign: Campaign) -> Delivery:
    delivery = sends.open_send(campaign.pk, by=campaign.owner)
    preparation.run(delivery.pk)
    return Delivery.objects.get(pk=delivery.pk)


@pytest.mark.parametrize("is_on", [False, True])
def test_who_published_confirms_only_without_the_rule(author: User, is_on: bool) -> None:
    rule(is_on)
    campaign = factories.published(author)
    delivery = prepared(campaign)
    other = factories.user("Operator", name="Otto P")
    url = reverse("campaigns:confirm", args=[campaign.public_id, delivery.public_id])
    data = {"seal": delivery.seal, "n_to_send": delivery.n_to_send, "typed": delivery.n_to_send}
    client, second = Client(), Client()
    client.force_login(author)
    second.force_login(other)
    page = client.get(reverse("campaigns:send", args=[campaign.public_id, delivery.public_id])).content.decode()
    sentence = "You published this version. Someone else must confirm it."
    assert (sentence in page) is is_on and ("Request confirmation" in page) is is_on
    answer = client.post(url, data | {"key": str(uuid.uuid4())})
    assert answer.status_code == (403 if is_on else 302)
    if is_on:
        assert sentence in answer.content.decode() and "Otto P can confirm." in page
        assert Delivery.objects.get().state == DeliveryState.PREPARED
        request = approvals.ask(campaign.pk, delivery.pk, seal=delivery.seal, asked=approvals.Asked(), by=author)
        with pytest.raises(NotAllowed):
            approvals.confirm(request.pk, by=author, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
        assert second.post(url, data | {"key": str(uuid.uuid4())}).status_code == 302
    assert Delivery.objects.get().state == DeliveryState.CONFIRMED


@pytest.mark.parametrize("kind", ["repeat", "api"])
def test_who_published_does_not_start_what_sends_on_its_own(author: User, kind: str) -> None:
    rule(True)
    fields = REPEATING | {"delivery__time": "09:00"} if kind == "repeat" else {"delivery__kind": "api"}
    campaign = factories.published(author, **fields)
    assert campaign.state == CampaignState.PUBLISHED, "publishing alone makes nothing ready"
    with pytest.raises(NotAllowed) as refused:
        lifecycle.start(campaign.pk, by=author)
    assert refused.value.message == "You published this version. Someone else must start it."
    assert lifecycle.start(campaign.pk, by=factories.user("Operator")).state == CampaignState.ACTIVE
    lifecycle.stop(campaign.pk, by=author)
    with pytest.raises(NotAllowed):
        lifecycle.resume(campaign.pk, by=author)


def due(campaign: Campaign) -> CampaignSend:
    """The send of a time that is two minutes ago, opened and prepared, after one more look at it."""
    ago = timezone.now() - dt.timedelta(minutes=30)
    Campaign.objects.filter(pk=campaign.pk).update(opened_until=ago)
    recurring.advance(campaign.pk)
    send = CampaignSend.objects.filter(campaign=campaign, is_replaced=False).latest("pk")
    preparation.run(send.delivery_id)
    recurring.advance(campaign.pk)
    return CampaignSend.objects.select_related("delivery").get(pk=send.pk)


@pytest.mark.parametrize("is_on", [False, True])
def test_a_version_published_later_waits_with_its_first_send(author: User, is_on: bool) -> None:
    time = f"{timezone.now() - dt.timedelta(minutes=2):%H:%M}"
    campaign = factories.published(author, **REPEATING, delivery__time=time)
    other = factories.user("Operator")
    lifecycle.start(campaign.pk, by=other)
    long_ago = timezone.now() - dt.timedelta(days=3)
    Campaign.objects.filter(pk=campaign.pk).update(activated_at=long_ago)
    version = factories.publish_again(campaign, compose__subject="Later")
    rule(is_on)
    send = due(campaign)
    if not is_on:
        assert send.delivery.state == DeliveryState.CONFIRMED
        return
    assert (send.delivery.state, send.asks_because) == (DeliveryState.PREPARED, "second")
    shown = {"seal": send.delivery.seal, "n_to_send": send.delivery.n_to_send or 0}
    with pytest.raises(NotAllowed):
        sends.confirm(campaign.pk, send.delivery_id, by=author, **shown)
    sends.confirm(campaign.pk, send.delivery_id, by=other, **shown)
    assert version.number == 2


def test_a_repeating_send_whose_sender_is_gone_asks_a_person(author: User) -> None:
    time = f"{timezone.now() - dt.timedelta(minutes=2):%H:%M}"
    campaign = factories.published(author, **REPEATING, delivery__time=time)
    lifecycle.start(campaign.pk, by=author)
    Campaign.objects.filter(pk=campaign.pk).update(activated_at=timezone.now() - dt.timedelta(days=3))
    factories.Sender.objects.update(archived_at=timezone.now())
    send = due(campaign)
    assert (send.delivery.state, send.asks_because) == (DeliveryState.PREPARED, "stale")
