"""Reschedule over HTTP, without script: the page, the answer to a mistake, and who sees it."""

import datetime as dt
import zoneinfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from campaigns import sends
from campaigns.models import Campaign
from delivery import preparation
from delivery.models import Delivery
from tests import factories

pytestmark = pytest.mark.django_db
PARIS = zoneinfo.ZoneInfo("Europe/Paris")


def paris(hours: float) -> dict[str, str]:
    there = (timezone.now() + dt.timedelta(hours=hours)).astimezone(PARIS)
    return {"date": f"{there:%Y-%m-%d}", "time": f"{there:%H:%M}", "zone": "Europe/Paris"}


def prepared(by: User, **fields: object) -> tuple[Campaign, Delivery, str]:
    """A campaign in five hours, its prepared send, and the address of Reschedule."""
    at = {f"delivery__{name}": value for name, value in paris(5).items()}
    campaign = factories.published(by, **(at | {"delivery__kind": "at"} | fields))
    delivery = sends.open_send(campaign.pk, by=by)
    preparation.run(delivery.pk)
    url = reverse("campaigns:reschedule", args=[campaign.public_id, delivery.public_id])
    return campaign, Delivery.objects.get(pk=delivery.pk), url


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_owner_gives_a_send_another_time_and_the_version_keeps_its_own() -> None:
    owner = factories.user("Marketer", time_zone="America/New_York")
    campaign, delivery, url = prepared(owner)
    before = campaign.live_version.document if campaign.live_version else None
    client = signed_in(owner)
    page = client.get(url)
    assert f'value="{paris(5)["time"]}"' in page.content.decode()
    wanted = paris(9)
    answer = client.post(url, wanted)
    assert answer.status_code == 302
    moved = Delivery.objects.get(pk=delivery.pk)
    assert moved.scheduled_at == dt.datetime.fromisoformat(f"{wanted['date']}T{wanted['time']}").replace(tzinfo=PARIS)
    shown = client.get(answer["Location"]).content.decode()
    assert "This send has a time of its own" in shown
    campaign.refresh_from_db(fields=["live_version"])
    assert campaign.live_version is not None and campaign.live_version.document == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"date": "2026-02-30"}, "This date or time doesn&#x27;t exist. Choose another."),
        ({"zone": "Europe/Nowhere"}, "This date or time doesn&#x27;t exist. Choose another."),
        ({"date": ""}, "This date or time doesn&#x27;t exist. Choose another."),
        (paris(30), "This needs a new preparation."),
        (paris(-2), "The send time has passed. Choose a later time."),
    ],
)
def test_a_mistake_is_said_on_the_page_and_what_was_typed_stays(change: dict[str, str], sentence: str) -> None:
    owner = factories.user("Marketer")
    _campaign, delivery, url = prepared(owner)
    wanted = paris(9) | change
    answer = signed_in(owner).post(url, wanted)
    page = answer.content.decode()
    assert answer.status_code == 422 and sentence in page
    assert f'name="date" value="{wanted["date"]}"' in page and f'name="time" value="{wanted["time"]}"' in page
    assert Delivery.objects.get(pk=delivery.pk).scheduled_at == delivery.scheduled_at


def test_it_is_offered_to_those_who_may_and_not_for_a_send_without_a_time() -> None:
    owner = factories.user("Marketer")
    campaign, delivery, url = prepared(owner)
    send = reverse("campaigns:send", args=[campaign.public_id, delivery.public_id])
    for person, is_offered in ((owner, True), (factories.user("Operator"), True), (factories.user("Marketer"), False)):
        client = signed_in(person)
        assert (url in client.get(send).content.decode()) == is_offered
        assert client.get(url).status_code == (200 if is_offered else 302)
        assert client.post(url, paris(9)).status_code == (302 if is_offered else 403)
    _campaign, _delivery, other = prepared(owner, delivery__kind="once")
    assert signed_in(owner).get(other).status_code == 302


def test_a_send_of_a_repeating_campaign_keeps_its_time() -> None:
    owner = factories.user("Operator")
    day = {"delivery__repeat_from": paris(5)["date"], "delivery__repeat_unit": "day"}
    at = {"delivery__kind": "repeat", "delivery__time": "09:00", "delivery__zone": "Europe/Paris"}
    campaign = factories.published(owner, **day, **at)
    delivery = factories.campaign_send(campaign, scheduled_at=timezone.now() + dt.timedelta(hours=3))
    url = reverse("campaigns:reschedule", args=[campaign.public_id, delivery.public_id])
    assert signed_in(owner).get(url).status_code == 302
    answer = signed_in(owner).post(url, paris(9), headers={"HX-Request": "true"})
    assert answer.status_code == 409 and "Skip it instead" in answer.content.decode()
