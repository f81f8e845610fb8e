"""Repeating and triggered campaigns over HTTP: publish, start, skip, and what their pages say."""

import datetime as dt
import json
import uuid
from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import roles
from accounts.models import User
from campaigns import document as documents
from campaigns import lifecycle, recurring, sends
from campaigns.models import Campaign, CampaignSend, CampaignState, CampaignVersion, Draft
from delivery import preparation
from delivery.models import Delivery, DeliveryState
from tests import factories

pytestmark = pytest.mark.django_db

EVE = dt.datetime(2026, 3, 2, 20, 0, tzinfo=dt.UTC)
REPEAT: dict[str, object] = {
    "delivery__kind": "repeat",
    "delivery__repeat_unit": "day",
    "delivery__repeat_from": "2026-03-01",
    "delivery__time": "09:00",
    "delivery__zone": "UTC",
}
UNASKED = REPEAT | {"delivery__asks_confirmation": False}


@pytest.fixture(autouse=True)
def at() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(EVE, tick=False) as traveller:
        yield traveller


@pytest.fixture
def people() -> dict[str, User]:
    factories.profile()
    return {role: factories.user(role) for role in ("Viewer", "Marketer", "Operator", "Admin")}


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(name: str, campaign: Campaign, **more: object) -> str:
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more})


def publish(client: Client, made: Campaign, **data: object) -> str:
    draft = Draft.objects.get(campaign=made)
    answer = client.post(url("publish", made), {"revision": draft.revision, **data}, follow=True)
    return answer.content.decode()


def prepared(made: Campaign) -> Delivery:
    recurring.run()
    delivery = CampaignSend.objects.filter(campaign=made).latest("pk").delivery
    preparation.run(delivery.pk)
    return Delivery.objects.get(pk=delivery.pk)


def test_publishing_a_repeating_campaign_prepares_nothing_and_an_operator_starts_it(people: dict[str, User]) -> None:
    made = factories.campaign(people["Marketer"], **REPEAT)
    marketer, operator = client_of(people["Marketer"]), client_of(people["Operator"])
    html = publish(marketer, made)
    assert "Version 1 is live." in html and "An operator must start it." in html
    assert "Sends every day at 09:00 UTC time, after an operator confirms, to people who never had it." in html
    assert "Once started:" in html and "Tue 3 Mar 09:00 · Wed 4 Mar 09:00 · Thu 5 Mar 09:00" in html
    assert f"{people['Operator'].name} can start it." in html.replace(f"{people['Admin'].name}, ", "")
    assert Delivery.objects.count() == 0
    for role in ("Viewer", "Marketer"):
        assert client_of(people[role]).post(url("start", made)).status_code == 403
    assert Campaign.objects.get().state == CampaignState.PUBLISHED
    asked = operator.get(url("start", made), headers={"HX-Request": "true"}).content.decode()
    assert "Before each send; after 4 hours it is skipped" in asked and "About 1 person can get it" in asked
    html = operator.post(url("start", made), follow=True).content.decode()
    assert "Autumn sale is live." in html and "Next:" in html
    assert Campaign.objects.get().state == CampaignState.ACTIVE


def test_who_may_start_it_is_not_told_to_find_an_operator(people: dict[str, User]) -> None:
    html = publish(client_of(people["Operator"]), factories.campaign(people["Operator"], **REPEAT))
    assert "Version 1 is live. Nothing is sent until you start it." in html
    assert "An operator must start it." not in html


def test_publishing_a_triggered_campaign_makes_it_ready_and_shows_its_id(people: dict[str, User]) -> None:
    made = factories.campaign(people["Marketer"], delivery__kind="api")
    html = publish(client_of(people["Marketer"]), made)
    assert "Version 1 is live." in html and "It is ready to be triggered." in html
    assert "Ready to be triggered" in html and str(made.public_id) in html
    assert Campaign.objects.get().state == CampaignState.ACTIVE
    assert Delivery.objects.get().is_standing


def test_the_start_dialog_warns_when_nobody_is_asked(people: dict[str, User]) -> None:
    made = factories.published(people["Operator"], **UNASKED)
    html = client_of(people["Operator"]).get(url("start", made)).content.decode()
    assert "Nobody is asked before a send. Each one is confirmed in your name." in html


@pytest.mark.parametrize("unasked", [UNASKED, REPEAT | {"delivery__if_unconfirmed": "send"}])
@pytest.mark.parametrize("role", ["Viewer", "Marketer", "Operator", "Admin"])
def test_a_forged_publication_of_what_asks_nobody(
    people: dict[str, User], role: str, unasked: dict[str, object]
) -> None:
    made = factories.campaign(people["Operator"], **unasked)
    client = client_of(people[role])
    html = publish(client, made)
    is_allowed = role in {"Operator", "Admin"}
    assert CampaignVersion.objects.exists() is is_allowed
    if role == "Marketer":
        assert "Only operators can publish a campaign that sends without confirmation." in html
        asked = client.get(url("publish", made), headers={"HX-Request": "true"})
        assert asked.headers["HX-Redirect"].endswith("/edit/review/?blocked")


def test_a_stale_tab_of_somebody_whose_role_was_taken_publishes_nothing(people: dict[str, User]) -> None:
    made = factories.campaign(people["Operator"], **UNASKED)
    client = client_of(people["Operator"])
    assert "dialog" in client.get(url("publish", made), headers={"HX-Request": "true"}).content.decode()
    roles.give(people["Operator"], "Marketer")
    publish(client, made)
    assert not CampaignVersion.objects.exists()


def test_turning_confirmation_off_is_saved_and_told(people: dict[str, User]) -> None:
    made = factories.campaign(people["Marketer"], **REPEAT)
    client = client_of(people["Marketer"])
    page = client.get(url("edit", made, step="delivery")).content.decode()
    assert 'name="delivery.asks_confirmation" checked aria-disabled="true"' in page
    assert "aria-disabled" not in client_of(people["Operator"]).get(url("edit", made, step="delivery")).content.decode()
    body = {
        "session": str(uuid.uuid4()),
        "save_id": str(uuid.uuid4()),
        "base_revision": 1,
        "step": "delivery",
        "fields": {"delivery.asks_confirmation": False},
    }
    answer = client.post(url("draft-save", made), json.dumps(body), content_type="application/json")
    assert answer.status_code == 200
    said = answer.json()["field_alerts"]["delivery.asks_confirmation"]
    assert "Only operators can publish a campaign that sends without confirmation." in said
    assert Draft.objects.get().document["delivery"]["asks_confirmation"] is False


def test_a_save_answers_with_the_next_times_and_the_sentence(people: dict[str, User]) -> None:
    User.objects.filter(pk=people["Marketer"].pk).update(time_zone="America/New_York")
    made = factories.campaign(people["Marketer"])
    fields = {name.replace("__", "."): value for name, value in REPEAT.items()}
    body = {
        "session": str(uuid.uuid4()),
        "save_id": str(uuid.uuid4()),
        "base_revision": 1,
        "step": "delivery",
        "fields": fields | {"delivery.repeat_unit": "week", "delivery.repeat_weekdays": ["mon", "thu"]},
    }
    client = client_of(User.objects.get(pk=people["Marketer"].pk))
    shown = client.post(url("draft-save", made), json.dumps(body), content_type="application/json").json()["fragments"]
    assert "Thu 5 Mar 09:00 (04:00 your time) · Mon 9 Mar 09:00 (05:00 your time)" in shown["#delivery-next"]
    sentence = (
        "Sends every Monday and Thursday at 09:00 UTC time, after an operator confirms, to people who never had it."
    )
    assert shown["#delivery-sentence"] == sentence


@pytest.mark.parametrize("kind", ["once", "at", "repeat", "api", "rubbish"])
def test_the_step_and_the_review_open_for_every_kind(people: dict[str, User], kind: str) -> None:
    made = factories.campaign(people["Marketer"], **(REPEAT | {"delivery__kind": kind}))
    client = client_of(people["Marketer"])
    for step in ("delivery", "review", "tracking"):
        assert client.get(url("edit", made, step=step)).status_code == 200


def test_without_script_the_weekdays_are_a_list(people: dict[str, User]) -> None:
    made = factories.campaign(people["Operator"])
    data = {
        "step": "delivery",
        "revision": "1",
        "delivery.kind": "repeat",
        "delivery.repeat_weekdays": ["mon", "fri"],
        "delivery.asks_confirmation": "on",
    }
    assert client_of(people["Operator"]).post(url("draft-save", made), data).status_code == 302
    section = documents.normalise(Draft.objects.get().document)["delivery"]
    assert (section["repeat_weekdays"], section["asks_confirmation"]) == (["mon", "fri"], True)


def test_a_send_that_waits_says_until_when_and_can_be_skipped(
    people: dict[str, User], at: time_machine.Traveller
) -> None:
    made = factories.published(people["Marketer"], **REPEAT)
    lifecycle.start(made.pk, by=people["Operator"])
    at.move_to(EVE + dt.timedelta(hours=9))
    delivery = prepared(made)
    operator = client_of(people["Operator"])
    for page in (url("detail", made), url("send", made, delivery_id=delivery.public_id)):
        html = operator.get(page).content.decode()
        assert "Send of Tue 3 Mar 09:00 is ready: 1 email. Confirm before 13:00 or it is skipped." in html
        assert "Skip this one" in html and "Awaiting confirmation" in html
    assert "Skip this one" not in client_of(people["Viewer"]).get(url("detail", made)).content.decode()
    skip = url("skip-send", made, delivery_id=delivery.public_id)
    assert client_of(people["Viewer"]).post(skip).status_code == 403
    assert client_of(factories.user("Marketer")).post(skip).status_code == 403
    assert client_of(people["Marketer"]).post(skip).status_code == 302
    assert Delivery.objects.get().state == DeliveryState.CANCELLED
    html = operator.get(url("history", made)).content.decode()
    assert "Planned send skipped" in html and "Tue 3 Mar 09:00" in html


def test_a_cancelled_confirmation_and_a_lost_right_are_said(
    people: dict[str, User], at: time_machine.Traveller
) -> None:
    made = factories.published(people["Operator"], **UNASKED)
    lifecycle.start(made.pk, by=people["Operator"])
    at.move_to(EVE + dt.timedelta(hours=13))
    delivery = prepared(made)
    recurring.run()
    html = client_of(people["Admin"]).get(url("detail", made)).content.decode()
    assert f"confirmed by Chappe in the name of {people['Operator'].name}" in html
    sends.cancel(made.pk, delivery.pk, by=people["Operator"])
    html = client_of(people["Admin"]).get(url("detail", made)).content.decode()
    assert "Its confirmation was cancelled. Confirm before 13:00 or it is skipped." in html
    CampaignSend.objects.update(asks_because="right")
    html = client_of(people["Admin"]).get(url("detail", made)).content.decode()
    assert f"{people['Operator'].name} started this campaign and can&#x27;t start sends any more" in html


def test_a_campaign_without_a_send_left_says_so(people: dict[str, User], at: time_machine.Traveller) -> None:
    made = factories.published(
        people["Operator"], **REPEAT, delivery__repeat_ends="on", delivery__repeat_until="2026-03-03"
    )
    lifecycle.start(made.pk, by=people["Operator"])
    at.move_to(EVE + dt.timedelta(days=2))
    assert "No more sends are planned." in client_of(people["Viewer"]).get(url("detail", made)).content.decode()


def test_conversions_are_never_shown_as_zero(people: dict[str, User]) -> None:
    made = factories.published(people["Operator"], tracking__conversion_event="placed_order")
    factories.campaign_send(made, "sending", started_at=timezone.now(), n_to_send=1)
    html = client_of(people["Viewer"]).get(url("detail", made)).content.decode()
    assert "placed_order within 3 days of the message" in html and "Not counted yet" in html
