"""Messages of calls that are counted under a campaign: what is refused, who gets them, whose figures they are in."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from api import refusals
from campaigns import alerts, broadcasts, contents, counted, history, home, lifecycle, sends
from campaigns.models import Campaign, CampaignSend
from campaigns.views import info
from campaigns.views import sends as sends_pages
from delivery import clock, domain_days, preparation
from delivery.models import Delivery, RequestRecipient, RequestState, Shard, TriggerRequest
from messaging import webhooks
from messaging.models import Message
from tests import factories
from tests.api.callers import Caller
from tests.delivery import records

pytestmark = pytest.mark.django_db
SEND, LATER = "/messages/send", "/messages/schedule/create"
EMAIL = {"app_id": "any", "from": "Shop <hello@shop.test>", "subject": "Your order", "body": "<p>It is on its way</p>"}
FOOTER = '<p>News</p><p><a href="{{ unsubscribe_url }}">Unsubscribe</a> {{ postal_address }}</p>'
API = {"delivery__kind": "api"}


@pytest.fixture(autouse=True)
def _people() -> None:
    factories.sender(name="Example Shop", address="hello@shop.test")
    for name in ("u1", "u2"):
        factories.profile(external_id=name, email=f"{name}@example.test")


@pytest.fixture
def campaign() -> Campaign:
    return factories.published(factories.user("Operator"), **API)


def body(campaign: Campaign, **more: Any) -> dict[str, Any]:
    email = {**EMAIL, "message_variation_id": counted.variation_id(campaign), **more.pop("email", {})}
    given = {"external_user_ids": ["u1"], "campaign_id": str(campaign.public_id), "messages": {"email": email}, **more}
    return {name: value for name, value in given.items() if value is not ...}


def n_queued() -> list[int]:
    return list(TriggerRequest.objects.order_by("pk").values_list("n_queued", flat=True))


NOBODYS = "00000000-0000-0000-0000-000000000000"
# What stands in the body instead, label, the first line of errors.
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"campaign_id": NOBODYS}, refusals.INVALID_CAMPAIGN, "campaign_id: "),
    ({"email": {"message_variation_id": None}}, refusals.NO_VARIANT, "messages.email.message_variation_id: Give this"),
    ({"email": {"message_variation_id": ""}}, refusals.NO_VARIANT, "messages.email.message_variation_id: Give this"),
    ({"messages": {"email": EMAIL}}, refusals.NO_VARIANT, "messages.email.message_variation_id: Give this field"),
    ({"email": {"message_variation_id": "x"}}, refusals.INVALID_VARIANT, "messages.email.message_variation_id: The"),
    ({"email": {"message_variation_id": NOBODYS}}, refusals.INVALID_VARIANT, "messages.email.message_variation_id"),
    ({"campaign_id": ...}, refusals.BAD_REQUEST, "messages.email.message_variation_id needs campaign_id"),
    ({"send_id": "spring"}, refusals.BAD_REQUEST, "send_id: It is not registered for this campaign."),
    ({"send_id": "a b"}, refusals.BAD_REQUEST, "send_id: Use letters"),
    ({"external_user_ids": ..., "broadcast": True}, refusals.NO_RECIPIENTS, "No Recipients"),
]  # fmt: skip


@pytest.mark.parametrize("path", [SEND, LATER])
@pytest.mark.parametrize(("more", "label", "told"), REFUSED)
def test_what_is_refused_stores_nothing(
    campaign: Campaign, path: str, more: dict[str, Any], label: str, told: str
) -> None:
    before = Message.objects.count(), Delivery.objects.count()
    schedule = {"schedule": {"time": "2027-06-01T09:00:00Z"}} if path == LATER else {}
    answer = Caller().post(path, {**body(campaign, **more), **schedule})
    assert (answer.status_code, answer.json()["message"]) == (400, label), answer.json()
    assert answer.json()["errors"][0].startswith(told), answer.json()
    assert (Message.objects.count(), Delivery.objects.count()) == before and not TriggerRequest.objects.exists()


def test_a_variation_of_another_type_is_refused(campaign: Campaign) -> None:
    wrong = {"sms": {"body": "x", "message_variation_id": counted.variation_id(campaign)}}
    answer = Caller().post(SEND, body(campaign, messages=wrong))
    assert (answer.status_code, answer.json()["message"]) == (400, refusals.OTHER_TYPE)


@pytest.mark.parametrize("fields", [{}, {"delivery__kind": "once"}])
def test_campaigns_that_are_not_sent_by_api_count_nothing(fields: dict[str, str]) -> None:
    answer = Caller().post(SEND, body(factories.published(**fields)))
    assert (answer.status_code, answer.json()["message"]) == (400, refusals.INVALID_CAMPAIGN)


def test_five_equal_calls_are_one_message_where_the_campaign_sends_once(campaign: Campaign) -> None:
    caller = Caller()
    answers = [caller.post(SEND, body(campaign)) for _call in range(5)]
    assert {answer.status_code for answer in answers} == {201}
    assert n_queued() == [1, 0, 0, 0, 0]
    # Another content and the campaign's own message are the same campaign to this person, and free to another.
    caller.post(SEND, body(campaign, email={"subject": "Another"}, external_user_ids=["u1", "u2"]))
    asked = {
        "campaign_id": str(campaign.public_id),
        "recipients": [{"external_user_id": name} for name in ("u1", "u2")],
    }
    assert caller.post("/campaigns/trigger/send", asked).status_code == 201
    assert n_queued()[5:] == [1, 0]
    reasons = set(RequestRecipient.objects.exclude(reason="").values_list("reason", flat=True))
    assert reasons == {"not_eligible_again"} and Shard.objects.filter(state="waiting").count() == 2


def test_with_re_eligibility_every_time_it_comes_each_time() -> None:
    campaign, caller = factories.published(**API, delivery__reeligibility="always"), Caller()
    for _call in range(2):
        caller.post(SEND, body(campaign))
    assert n_queued() == [1, 1]


def test_its_figures_are_those_of_the_campaign_and_the_send_id_once() -> None:
    campaign, caller = factories.published(**API, delivery__reeligibility="always"), Caller()
    caller.post("/sends/id/create", {"campaign_id": str(campaign.public_id), "send_id": "spring"})
    assert caller.post(SEND, body(campaign, send_id="spring")).json()["send_id"] == "spring"
    caller.post(SEND, body(campaign, email={"subject": "Another"}, external_user_ids=["u2"]))
    asked = {"campaign_id": str(campaign.public_id), "recipients": [{"external_user_id": "u1"}]}
    caller.post("/campaigns/trigger/send", asked)
    for request in TriggerRequest.objects.all():
        delivery = request.delivery
        assert delivery is not None
        records.log(delivery, request.recipients.get().profile_id or 0, request_no=request.pk, at=timezone.now())
    for delivery in Delivery.objects.all():
        domain_days.rebuild(delivery.pk)
    whole = {"campaign_id": str(campaign.public_id), "length": 1}

    def figures(path: str, **more: str) -> tuple[int, int, str]:
        (day,) = caller.get(path, data={**whole, **more}).json()["data"]
        ((one,),) = day["messages"].values()
        return one["sent"], day["unique_recipients"], one["variation_api_id"]

    assert figures("/campaigns/data_series") == (3, 2, counted.variation_id(campaign))
    assert figures("/sends/data_series", send_id="spring")[:2] == (1, 1)
    details = caller.get(f"/campaigns/details?campaign_id={campaign.public_id}").json()
    assert details["first_sent"] is not None and details["last_sent"] is not None
    assert CampaignSend.objects.filter(campaign=campaign).count() == 3


def test_the_page_of_the_campaign_has_them_together_and_shows_its_own_message(campaign: Campaign, client: Any) -> None:
    own = CampaignSend.objects.get(campaign=campaign).delivery
    caller = Caller()
    for subject in ("A", "B", "C"):
        caller.post(SEND, body(campaign, email={"subject": subject}, external_user_ids=["u2"]))
    client.force_login(factories.user("Viewer"))
    listed = reverse("campaigns:sends", args=[campaign.public_id])
    page = client.get(listed).content.decode()
    assert str(own.public_id) in page and "3 messages of calls" in page
    assert sends.current(campaign) == own
    assert [row["to_send"] for row in client.get(listed).context["rows"]] == [3, 0], "as on their panels"
    other = CampaignSend.objects.filter(campaign=campaign).latest("pk").delivery
    shown = client.get(reverse("campaigns:send", args=[campaign.public_id, other.public_id])).content.decode()
    assert other.message.subject in shown and "This send uses" not in shown, "it is no version's message"
    first = timezone.localdate().replace(day=1).isoformat()
    period = client.get(reverse("campaigns:period", args=[campaign.public_id, "month", first])).content.decode()
    assert str(other.public_id) in period and f">{other.message.subject}</a>" in period


def test_however_many_there_are_the_pages_read_few_and_count_all(
    campaign: Campaign, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sends_pages, "_LISTED", 2)
    client.force_login(factories.user("Viewer"))
    first = timezone.localdate().replace(day=1).isoformat()
    pages = [
        reverse("campaigns:sends", args=[campaign.public_id]),
        reverse("campaigns:period", args=[campaign.public_id, "month", first]),
    ]
    counts = []
    for n_more in (2, 4):
        for number in range(n_more):
            Caller().post(SEND, body(campaign, email={"subject": f"{n_more} {number}"}, external_user_ids=["u2"]))
        for page in pages:
            client.get(page)
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(page)
            counts.append(len(queries))
    assert counts[:2] == counts[2:]
    text = answer.content.decode()
    assert answer.context["n_sends"] == 6 and len(answer.context["rows"]) == 2
    # Everybody had one message of the campaign before, so five of six were refused.
    assert answer.context["total"].to_send == 6 and "Only the newest 2 are listed." in text


def test_messages_of_calls_hide_nothing_and_say_nothing_about_the_usual_size(campaign: Campaign) -> None:
    own = CampaignSend.objects.get(campaign=campaign).delivery
    caller = Caller()
    for number in range(4):
        caller.post(SEND, body(campaign, email={"subject": f"Order {number}"}, external_user_ids=["u2"]))
    (version,) = (one for one in history.page(campaign).entries if one.kind == "version")
    assert ([send.delivery for send in version.sends], version.n) == ([own], 1)
    assert {one.delivery for one in history.page(campaign, kind=history.SENDS).entries} <= {own, None}
    last = info._last(campaign)
    assert last is not None and last.delivery == own
    Delivery.objects.filter(is_standing=True).update(state="paused")
    assert home.build(factories.user("Operator")).needs_you[0].delivery_id == str(own.public_id)
    Delivery.objects.filter(is_standing=True).update(state="finished", n_to_send=1)
    assert list(alerts._size_jump(5000)) == []


def test_a_stopped_campaign_accepts_it_and_sends_nothing_until_it_is_resumed(campaign: Campaign) -> None:
    caller, person = Caller(), factories.user("Operator")
    caller.post(SEND, body(campaign))
    lifecycle.stop(campaign.pk, by=person)
    answer = caller.post(SEND, body(campaign, external_user_ids=["u2"]))
    assert answer.status_code == 201 and answer.json()["sent"] is False and "paused" in answer.json()["notice"]
    assert TriggerRequest.objects.latest("pk").state == RequestState.IGNORED
    assert not Shard.objects.filter(state="waiting").exists(), "what waited was cancelled with the campaign"
    lifecycle.resume(campaign.pk, by=person)
    caller.post(SEND, body(campaign, external_user_ids=["u2"]))
    assert n_queued() == [1, 0, 1]


def test_one_that_nobody_activated_refuses_it(settings: Any) -> None:
    settings.ACTIVATE_TRIGGERED = True
    answer = Caller().post(SEND, body(factories.published(**API)))
    assert (answer.status_code, TriggerRequest.objects.count()) == (400, 0)
    assert "isn't active" in answer.json()["errors"][0]


def test_what_is_planned_survives_a_stop_and_a_new_version(campaign: Campaign) -> None:
    caller, person, now = Caller(), factories.user("Operator"), timezone.now()
    due = now + dt.timedelta(hours=2)
    answer = caller.post(LATER, body(campaign, schedule={"time": due.isoformat()})).json()
    update = {"schedule_id": answer["schedule_id"], "messages": {"email": {**EMAIL, "subject": "Moved"}}}
    assert caller.post("/messages/schedule/update", update).status_code == 201
    asked = {"campaign_id": str(campaign.public_id), "schedule_id": answer["schedule_id"]}
    assert caller.post("/campaigns/trigger/schedule/delete", asked).status_code == 400, "it triggers no campaign"
    lifecycle.stop(campaign.pk, by=person)
    lifecycle.resume(campaign.pk, by=person)
    factories.publish_again(campaign)
    with time_machine.travel(due + dt.timedelta(minutes=1), tick=False):
        clock.tick()
    request = TriggerRequest.objects.get()
    assert (request.state, request.n_queued) == (RequestState.QUEUED, 1)
    assert request.delivery is not None and request.delivery.message.subject == "Moved"
    assert request.delivery.campaign_send.version == Campaign.objects.get().live_version


def test_what_is_planned_under_a_campaign_becomes_no_webhook(campaign: Campaign) -> None:
    webhooks.add(by=factories.user("Admin"))
    due = timezone.now() + dt.timedelta(hours=2)
    answer = Caller().post(LATER, body(campaign, schedule={"time": due.isoformat()})).json()
    hook = {"webhook": {"url": "https://shop.test/", "request_method": "POST"}}
    told = Caller().post("/messages/schedule/update", {"schedule_id": answer["schedule_id"], "messages": hook})
    assert (told.status_code, told.json()["message"]) == (400, refusals.OTHER_TYPE), told.json()
    assert not Delivery.objects.exclude(channel="email").exists()


def test_a_whole_audience_is_a_send_of_the_campaign(campaign: Campaign) -> None:
    caller = Caller()
    caller.post(SEND, body(campaign))
    segment = factories.segment(members=[factories.profile(), factories.profile()])
    whole = {"external_user_ids": ..., "segment_id": str(segment.public_id), "broadcast": True}
    assert caller.post(SEND, body(campaign, **whole, email={"body": FOOTER})).status_code == 201
    request = TriggerRequest.objects.latest("pk")
    for _turn in range(2):
        broadcasts.run()
        preparation.run(Delivery.objects.get(request_no=request.pk).pk)
    broadcasts.run()
    request.refresh_from_db()
    assert (request.state, request.n_queued) == (RequestState.QUEUED, 2)
    delivery = Delivery.objects.get(request_no=request.pk)
    assert delivery.campaign_send.campaign == campaign and delivery.message.body == FOOTER


def test_what_nobody_asks_for_any_more_is_closed_and_the_campaigns_own_is_not(campaign: Campaign) -> None:
    Caller().post(SEND, body(campaign))
    long_ago = timezone.now() - dt.timedelta(days=2)
    TriggerRequest.objects.update(received_at=long_ago)
    Delivery.objects.update(opened_at=long_ago)
    assert contents.close_idle() == 1
    assert Delivery.objects.get(closed_at=None).part == ""
