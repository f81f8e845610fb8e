"""One message to one person over HTTP: once for each name of the caller's, and what became of it."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from api import refusals
from audiences.models import Profile, ProfileAlias
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.models import SendLog, Shard, TriggerRequest
from tests import factories
from tests.api.callers import Caller

pytestmark = pytest.mark.django_db
U1 = {"external_user_id": "u1"}
NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


@pytest.fixture
def campaign() -> Campaign:
    factories.profile(external_id="u1")
    return factories.published(factories.user("Operator"), delivery__kind="api", delivery__reeligibility="always")


def ask(of: Campaign | str, caller: Caller | None = None, **body: Any) -> Any:
    campaign_id = of if isinstance(of, str) else str(of.public_id)
    return (caller or Caller()).post(f"/transactional/v1/campaigns/{campaign_id}/send", {"recipient": U1, **body})


def test_it_is_taken_with_the_callers_name(campaign: Campaign) -> None:
    answer = ask(campaign, external_send_id="receipt/17=", trigger_properties={"total": "19.90"})
    request = TriggerRequest.objects.get()
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "message": "success",
            "dispatch_id": request.public_id.hex,
            "status": "queued",
            "metadata": {
                "campaign_api_id": str(campaign.public_id),
                "external_send_id": "receipt/17=",
                "received_at": request.received_at.isoformat(timespec="seconds"),
            },
        },
    )
    assert (request.n_queued, request.trigger) == (1, {"total": "19.90"})
    assert not answer.has_header("X-RateLimit-Limit"), "the reference enforces no limit here"


def test_the_same_name_sends_once_in_a_day_whatever_else_is_said(campaign: Campaign) -> None:
    factories.profile(external_id="u2")
    other = factories.published(delivery__kind="api")
    with time_machine.travel(NOW, tick=False) as at:
        first = ask(campaign, external_send_id="a").json()
        at.shift(86_399)
        assert ask(campaign, external_send_id="a", recipient={"external_user_id": "u2"}).json() == first
        assert TriggerRequest.objects.count() == 1
        assert ask(campaign, external_send_id="b").json() != first
        assert ask(other, external_send_id="a").json() != first, "each campaign has its own names"
        at.shift(1)
        assert ask(campaign, external_send_id="a").json()["dispatch_id"] != first["dispatch_id"]
    assert TriggerRequest.objects.count() == 4


def test_a_repeated_call_tells_what_became_of_it(campaign: Campaign) -> None:
    assert ask(campaign, external_send_id="a").json()["status"] == "queued"
    request = TriggerRequest.objects.select_related("delivery").get()
    assert request.delivery is not None
    SendLog.objects.create(
        opened_month=request.delivery.opened_month, delivery=request.delivery, request_no=request.pk, outcome="sent",
        profile_id=Profile.objects.get().pk, at=timezone.now(), address="a@b.test", n_attempts=1, code="", detail="ok",
    )  # fmt: skip
    again = ask(campaign, external_send_id="a").json()
    assert (again["status"], "reason" in again["metadata"]) == ("sent", False)


def test_who_may_not_be_written_to_is_aborted_with_the_reason(campaign: Campaign) -> None:
    factories.profile(external_id="left", email_consent="unsubscribed")
    for name, word in (("left", "nsubscribed"), ("nobody", "")):
        answer = ask(campaign, recipient={"external_user_id": name})
        assert (answer.status_code, answer.json()["status"]) == (201, "aborted")
        assert word in answer.json()["metadata"]["reason"] != ""
    assert not Shard.objects.filter(state="waiting").exists()


def test_attributes_make_who_is_unknown_and_an_alias_finds_who_is_known(campaign: Campaign) -> None:
    new = {"external_user_id": "u9", "attributes": {"email": "u9@example.test", "first_name": "Nia"}}
    assert ask(campaign, recipient=new).json()["status"] == "queued"
    assert Profile.objects.get(external_id="u9").first_name == "Nia"
    ProfileAlias.objects.create(profile=factories.profile(), label="crm", name="b")
    alias = {"user_alias": {"alias_name": "b", "alias_label": "crm"}, "attributes": {"city": "Lyon"}}
    assert ask(campaign, recipient=alias).json()["status"] == "queued"
    assert Profile.objects.filter(city="Lyon").count() == 1


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"recipient": None}, "recipient: Give this field"),
    ({"recipient": [U1]}, "recipient: Give an object"),
    ({"recipient": {}}, "recipient: Give exactly one of external_user_id, user_alias."),
    ({"recipient": {**U1, "attributes": {"email": 5}}}, "recipient.attributes.email: Give a text."),
    ({"recipient": {**U1, "attributes": []}}, "recipient.attributes: Give an object"),
    ({"external_send_id": "a b"}, "external_send_id: Use letters"),
    ({"external_send_id": "a" * 201}, "external_send_id: Use at most 200"),
    ({"external_send_id": 7}, "external_send_id: Give a text."),
    ({"trigger_properties": "x"}, "trigger_properties: Give an object"),
]


@pytest.mark.parametrize(("body", "told"), REFUSED)
def test_what_is_refused_sends_nothing_and_says_where(campaign: Campaign, body: dict[str, Any], told: str) -> None:
    answer = ask(campaign, **body)
    assert (answer.status_code, answer.json()["message"]) == (400, "Bad Request")
    assert answer.json()["errors"][0].startswith(told), answer.json()
    assert not TriggerRequest.objects.exists()


def test_campaigns_that_send_nothing_are_refused_in_the_words_of_the_reference(campaign: Campaign) -> None:
    operator = factories.user("Operator")
    wrong = {
        "nonsense": refusals.NO_CAMPAIGN,
        "-" * 300 + str(campaign.public_id): refusals.NO_CAMPAIGN,
        str(factories.published().public_id): refusals.NOT_TRANSACTIONAL,
        str(factories.campaign(delivery__kind="api").public_id): refusals.INVALID_CAMPAIGN,
    }
    for campaign_id, label in wrong.items():
        answer = ask(campaign_id)
        assert (answer.status_code, answer.json()["message"]) == (400, label)
    for step, label in ((lifecycle.stop, refusals.PAUSED), (lifecycle.archive, refusals.ARCHIVED)):
        step(campaign.pk, by=operator)
        answer = ask(campaign, external_send_id="a")
        assert (answer.status_code, answer.json()["message"]) == (400, label)
    assert not TriggerRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_name_at_once_is_one_message() -> None:
    factories.profile(external_id="u1")
    campaign = factories.published(delivery__kind="api", delivery__reeligibility="always")
    caller = Caller()

    def call(_number: int) -> tuple[int, str]:
        try:
            answer = ask(campaign, caller, external_send_id="a")
            return answer.status_code, answer.json()["dispatch_id"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(call, range(16)))
    assert len(answers) == 1 and next(iter(answers))[0] == 201
    assert (TriggerRequest.objects.count(), Shard.objects.count()) == (1, 1)
