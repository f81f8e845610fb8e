"""What programs read of campaigns and segments, and copies they make."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry
from audiences import segments
from campaigns.models import Campaign
from delivery import domain_days
from lib import memory
from tests import factories
from tests.api.callers import Caller
from tests.delivery import records

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    return Caller()


def names(answer: Any, kind: str = "campaigns") -> list[str]:
    assert answer.status_code == 200 and answer.json()["message"] == "success", answer.content
    return [row["name"] for row in answer.json()[kind]]


def test_campaigns_are_listed_by_creation_without_archived_ones(caller: Caller) -> None:
    by = factories.user("Operator")
    factories.published(by, name="First", delivery__kind="api")
    factories.campaign(by, name="Second")
    third = factories.campaign(by, name="Third")
    Campaign.objects.filter(pk=third.pk).update(archived_at=timezone.now(), tags=["news"])
    path = "/campaigns/list"
    assert names(caller.get(path)) == ["First", "Second"]
    assert names(caller.get(f"{path}?sort_direction=desc&include_archived=true")) == ["Third", "Second", "First"]
    assert names(caller.get(f"{path}?page=1")) == []
    rows = caller.get(f"{path}?include_archived=true").json()["campaigns"]
    assert [row["is_api_campaign"] for row in rows] == [True, False, False] and rows[2]["tags"] == ["news"]
    assert set(rows[0]) == {"id", "last_edited", "name", "is_api_campaign", "tags"}
    Campaign.objects.filter(name="First").update(edited_at=timezone.now() - timedelta(days=3))
    since = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert names(caller.get(f"{path}?last_edit.time[gt]={since}")) == ["Second"]
    assert names(caller.get(f"{path}?last_edit.time[gt]=3514-12-19T16:15:25-18:44")) == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("page=-1", "page: "), ("page=x", "page: "), ("page=1.5", "page: "), ("sort_direction=up", "sort_direction: "),
        ("include_archived=yes", "include_archived: "), ("last_edit.time[gt]=soon", "last_edit.time[gt]: "),
    ],
)  # fmt: skip
def test_a_wrong_query_is_told_with_its_name(caller: Caller, query: str, told: str) -> None:
    answer = caller.get(f"/campaigns/list?{query}")
    assert answer.status_code == 400 and answer.json()["errors"][0].startswith(told)


def test_a_list_asks_as_often_for_many_as_for_one(caller: Caller) -> None:
    by = factories.user("Operator")
    counts = []
    for n in (1, 4):
        for _number in range(n):
            factories.campaign(by)
        memory.forget()
        with CaptureQueriesContext(connection) as queries:
            caller.get("/campaigns/list")
        counts.append(len(queries))
    assert counts[0] == counts[1] + 1 == 4, "the first call marks the key as used"


def test_details_are_of_what_is_live_unless_the_draft_is_asked_for(caller: Caller) -> None:
    live = factories.published(
        factories.user("Operator"), name="Shipped", delivery__kind="api", tracking__conversion_event="placed_order"
    )
    path = f"/campaigns/details?campaign_id={live.public_id}"
    found = caller.get(path).json()
    assert (found["name"], found["draft"], found["has_post_launch_draft"]) == ("Shipped", False, False)
    assert found["schedule_type"] == "api_triggered" and found["channels"] == ["email"] and found["first_sent"] is None
    assert found["conversion_behaviors"] == [
        {"type": "Performs Custom Event", "custom_event_name": "placed_order", "window": 3 * 86_400}
    ]
    ((variation, message),) = found["messages"].items()
    assert message["subject"] == "Autumn sale" and message["from"] == "Example Shop <hello@shop.test>"
    factories.draft_of(live, compose__subject="Winter sale")
    found = caller.get(path).json()
    assert found["has_post_launch_draft"] and found["messages"][variation]["subject"] == "Autumn sale"
    draft = caller.get(f"{path}&post_launch_draft_version=true").json()
    assert draft["messages"][variation]["subject"] == "Winter sale"


@pytest.mark.parametrize("campaign_id", ["", "x", "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f"])
def test_a_campaign_that_is_none(caller: Caller, campaign_id: str) -> None:
    answer = caller.get(f"/campaigns/details?campaign_id={campaign_id}")
    assert answer.status_code == 400
    assert answer.json()["message"] == ("Invalid Campaign ID" if campaign_id else "Bad Request")


def test_a_duplicate_is_a_draft_of_the_keys_person_and_audited(caller: Caller) -> None:
    live = factories.published(factories.user("Operator"), name="Shipped", delivery__kind="api")
    answer = caller.post("/campaigns/duplicate", {"campaign_id": str(live.public_id), "name": "Shipped again"})
    assert answer.status_code == 202
    made = Campaign.objects.get(public_id=answer.json()["campaign_id"])
    assert (made.name, made.state, made.owner) == ("Shipped again", "draft", caller.key.created_by)
    entry = AuditEntry.objects.get(action="campaign.duplicated")
    assert entry.detail == {"of": str(live.public_id), "api_key": str(caller.key.public_id)}
    assert Campaign.objects.count() == 2


def test_send_ids_are_for_campaigns_sent_by_api_and_registered_once(caller: Caller) -> None:
    by = factories.user("Operator")
    path = "/sends/id/create"
    other = factories.published(by)
    refused = caller.post(path, {"campaign_id": str(other.public_id)})
    assert refused.status_code == 400 and "not sent by API" in refused.json()["errors"][0]
    body = {"campaign_id": str(factories.published(by, delivery__kind="api").public_id)}
    drawn = caller.post(path, body).json()["send_id"]
    assert len(drawn) == 24
    assert caller.post(path, {**body, "send_id": drawn}).json()["send_id"] == drawn
    refused = caller.post(path, {**body, "send_id": "a b"})
    assert refused.json()["errors"] == ["send_id: Use letters, digits, - and _ only."]


def test_segments_are_listed_and_described(caller: Caller) -> None:
    rule = {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": ["France"]}]}
    made = segments.create(name="French", rule=rule, by=factories.user("Marketer"))
    factories.segment(members=[factories.profile()], name="Listed")
    factories.segment(rule, name="Gone", deleted_at=timezone.now())
    assert names(caller.get("/segments/list"), "segments") == ["French", "Listed"]
    assert names(caller.get("/segments/list?sort_direction=desc"), "segments") == ["Listed", "French"]
    found = caller.get(f"/segments/details?segment_id={made.public_id}").json()
    assert found["name"] == "French" and "France" in found["text_description"] and found["size"] == 0
    answer = caller.get("/segments/details?segment_id=x")
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid Segment ID")


def test_figures_by_day_are_of_all_sends_of_the_campaign(caller: Caller) -> None:
    live = factories.published(factories.user("Operator"), name="Shipped")
    send = factories.campaign_send(
        live, "finished", started_at=records.START, opened_month=records.START.date().replace(day=1)
    )
    records.log(send, 1, at=records.START)
    records.event(send, 1, at=records.START)
    domain_days.rebuild(send.pk)
    path = f"/campaigns/data_series?campaign_id={live.public_id}"
    found = caller.get(f"{path}&length=2&ending_at={records.START.isoformat()}").json()
    assert [row["time"] for row in found["data"]] == ["2026-11-21", "2026-11-22"]
    row = found["data"][1]
    ((figures,),) = row["messages"].values()
    assert (row["unique_recipients"], figures["sent"], figures["delivered"], figures["unique_opens"]) == (1, 1, 1, 1)
    assert row["conversions"] is row["conversions3_by_send_time"] is row["revenue"] is None and found["counted_at"]
    assert len(caller.get(f"{path}&length=100").json()["data"]) == 100


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "length: Give this field"), ("&length=0", "length: Give a whole"), ("&length=101", "length: Give a whole"),
        ("&length=x", "length: Give a whole"), ("&length=1&ending_at=soon", "ending_at: Give a time"),
    ],
)  # fmt: skip
def test_figures_need_a_length_of_days(caller: Caller, query: str, told: str) -> None:
    live = factories.published(factories.user("Operator"))
    answer = caller.get(f"/campaigns/data_series?campaign_id={live.public_id}{query}")
    assert answer.status_code == 400 and answer.json()["errors"][0].startswith(told)
