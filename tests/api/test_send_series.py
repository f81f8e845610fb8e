"""Figures of a send id: those of its requests and of no other, in the terms of the campaign's figures."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audiences.models import Profile
from campaigns.models import Campaign
from delivery import domain_days
from delivery.models import Delivery, DeliveryState, SendLog, TriggerRequest
from tests import factories
from tests.api.callers import Caller
from tests.delivery import records

pytestmark = pytest.mark.django_db
PATH = "/sends/data_series"


def series(caller: Caller, campaign: Campaign, send_id: str, **more: Any) -> list[dict[str, Any]]:
    query = {"campaign_id": str(campaign.public_id), "send_id": send_id, "length": 2, **more}
    found: list[dict[str, Any]] = caller.get(PATH, data=query).json()["data"]
    return found


def test_each_send_id_has_the_figures_of_its_requests() -> None:
    people = [factories.profile(external_id=f"u{n}") for n in range(5)]
    campaign = factories.published(delivery__kind="api", delivery__reeligibility="always")
    caller, now = Caller(), timezone.now()
    for send_id in ("spring", "autumn"):
        caller.post("/sends/id/create", {"campaign_id": str(campaign.public_id), "send_id": send_id})
    for send_id, names in (("spring", (0, 1, 2)), ("autumn", (2, 3)), ("", (4,))):
        asked = {"campaign_id": str(campaign.public_id), "recipients": [{"external_user_id": f"u{n}"} for n in names]}
        assert caller.post("/campaigns/trigger/send", {**asked, "send_id": send_id or None}).status_code == 201
        hand_over(TriggerRequest.objects.latest("pk"), [people[n] for n in names])
    today = series(caller, campaign, "spring")[-1]
    ((figures,),) = today["messages"].values()
    assert (today["time"], today["unique_recipients"]) == (now.date().isoformat(), 3)
    expected = {"sent": 3, "delivered": 2, "bounces": 1, "opens": 2, "unique_opens": 1, "unsubscribes": 0}
    assert {name: figures[name] for name in expected} == expected
    ((autumn,),) = series(caller, campaign, "autumn")[-1]["messages"].values()
    assert (autumn["sent"], autumn["delivered"], autumn["bounces"], autumn["unique_opens"]) == (2, 1, 1, 1)
    # The campaign has them all, and was sent when the first of them was, not when it was started.
    details = caller.get(f"/campaigns/details?campaign_id={campaign.public_id}").json()
    first = SendLog.objects.earliest("at").at
    assert details["first_sent"] == first.isoformat(timespec="seconds") <= details["last_sent"]
    domain_days.rebuild(Delivery.objects.get().pk)
    whole = {"campaign_id": str(campaign.public_id), "length": 1}
    ((all_of_it,),) = caller.get("/campaigns/data_series", data=whole).json()["data"][0]["messages"].values()
    assert (all_of_it["sent"], all_of_it["delivered"], all_of_it["bounces"]) == (6, 3, 3)
    yesterday = series(caller, campaign, "spring", ending_at=(now - timedelta(days=1)).isoformat())
    assert {row["unique_recipients"] for row in yesterday} == {0}


def hand_over(request: TriggerRequest, people: list[Profile]) -> None:
    """Everybody gets it; the first opens it twice, the last one's server sends it back."""
    delivery = request.delivery
    assert delivery is not None and delivery.state == DeliveryState.SENDING
    for one in people:
        records.log(delivery, one.pk, request_no=request.pk, at=timezone.now())
    for _twice in range(2):
        records.event(delivery, people[0].pk, "opened", request_no=request.pk, at=timezone.now())
    records.event(delivery, people[-1].pk, "bounced", request_no=request.pk, at=timezone.now(), verdict="hard")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"send_id": None}, "send_id: Give this field"),
        ({"send_id": "unknown"}, "send_id: It is not registered for this campaign."),
        ({"send_id": "a b"}, "send_id: Use letters"),
        ({"length": "0"}, "length: Give a whole number"),
        ({"campaign_id": "x"}, "campaign_id: There is no campaign"),
    ],
)
def test_what_is_refused(more: dict[str, Any], told: str) -> None:
    campaign = factories.published(delivery__kind="api")
    query = {"campaign_id": str(campaign.public_id), "send_id": "spring", "length": "2", **more}
    answer = Caller().get(PATH, data={name: value for name, value in query.items() if value is not None})
    assert answer.status_code == 400 and answer.json()["errors"][0].startswith(told), answer.json()
