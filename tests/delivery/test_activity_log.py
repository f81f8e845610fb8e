"""The activity log: every line once and in order, each filter, who a request named, and what is deleted when."""

import datetime as dt
import json
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audiences import erasure, identities
from audiences.models import Profile
from campaigns import triggering
from campaigns.models import Campaign
from delivery import activity_log, attached, callers, headlines, requests, test_messages
from delivery.activity_log import Filter
from delivery.callformat import Origin
from delivery.models import Delivery, RequestRecipient, SendLog, TestMessage, TriggerRequest
from delivery.requests import Call, Recipient
from messaging import testsend, webhooks
from messaging.attachments import File
from tests import factories

pytestmark = pytest.mark.django_db
API = {"delivery__kind": "api"}


@pytest.fixture
def campaign() -> Campaign:
    for n in range(3):
        factories.profile(external_id=f"u{n}", email=f"u{n}@example.test")
    return factories.published(factories.user("Operator"), **API, delivery__reeligibility="always")


def ask(of: Campaign, *names: str, **fields: Any) -> TriggerRequest:
    people = tuple(Recipient(identities.Name("external_user_id", name), trigger={"n": name}) for name in names)
    return triggering.trigger(str(of.public_id), Call(recipients=people, **fields)).request


def log(request: TriggerRequest, profile_id: int, at: dt.datetime, outcome: str = "sent") -> None:
    assert request.delivery is not None
    SendLog.objects.create(
        opened_month=request.delivery.opened_month, delivery=request.delivery, request_no=request.pk,
        profile_id=profile_id, outcome=outcome, at=at, address="a@b.test", n_attempts=1, code="", detail="ok",
    )  # fmt: skip


def person(request: TriggerRequest, position: int = 0) -> int:
    profile_id = RequestRecipient.objects.get(request=request, position=position).profile_id
    assert profile_id is not None
    return profile_id


def stamp(table: str, of: TriggerRequest, profile_id: int, **values: Any) -> None:
    """A row of the attempts or the events, whose ids the database gives."""
    assert of.delivery is not None
    row = {"opened_month": of.delivery.opened_month, "delivery_id": of.delivery_id, "request_no": of.pk}
    row |= {"profile_id": profile_id, **values}
    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(row))
        cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


@pytest.fixture
def story(campaign: Campaign) -> TriggerRequest:
    """A request for two known people and one unknown: deferred and then sent, bounced, and one that still waits."""
    request = ask(campaign, "u0", "u1", "nobody", key_label="shop-prod")
    profile_id, at = person(request), request.received_at
    minute = dt.timedelta(minutes=1)
    deferred = {"shard_id": 1, "attempt": 1, "result": "deferred", "code": "452 4.2.2", "reply": "452 mailbox full"}
    stamp("delivery_attempt", request, profile_id, at=at - 3 * minute, **deferred)
    log(request, profile_id, at - 2 * minute)
    stamp("delivery_event", request, profile_id, at=at - minute, kind="bounced", detail="550 no such user", code="550")
    stamp("delivery_event", request, profile_id, at=at - minute, kind="opened", detail="", code="")
    return request


# What is asked for → the lines, newest first. "campaign", "other" and "request" stand for their ids.
ASKED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["api", "bounced", "sent", "deferred"]),
    ({"type": "sent"}, ["sent"]),
    ({"type": "api"}, ["api"]),
    ({"type": "bounced"}, ["bounced"]),
    ({"type": "deferred"}, ["deferred"]),
    ({"type": "unknown"}, []),
    ({"search": "u0@example.test"}, ["api", "bounced", "sent", "deferred"]),
    ({"search": "u1@example.test"}, ["api"]),
    ({"search": "u2@example.test"}, []),
    ({"search": "request"}, ["api"]),
    ({"search": "x'; --"}, []),
    ({"origin_id": "campaign"}, ["api", "bounced", "sent", "deferred"]),
    ({"origin_id": "other"}, []),
    ({"channel": "email"}, ["api", "bounced", "sent", "deferred"]),
    ({"channel": "webhook"}, []),
    ({"search": "u0@example.test", "type": "deferred", "origin_id": "campaign"}, ["deferred"]),
    ({"before": "nonsense"}, ["api", "bounced", "sent", "deferred"]),
    ({"before": "2026-01-01T00:00:00_1_2_3_4"}, ["api", "bounced", "sent", "deferred"]),
]


@pytest.mark.parametrize(("asked", "expected"), ASKED)
def test_each_filter_finds_its_lines_newest_first(
    campaign: Campaign, story: TriggerRequest, asked: dict[str, Any], expected: list[str]
) -> None:
    names = {"campaign": str(campaign.public_id), "other": str(story.public_id), "request": story.public_id.hex}
    given = {name: names.get(value, value) for name, value in asked.items()}
    assert [line.what for line in activity_log.page(Filter(**given)).lines] == expected


def test_pages_have_each_line_once_also_where_many_have_one_time(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_log, "PAGE", 2)
    at = timezone.now()
    for n in range(3):
        request = ask(campaign, f"u{n}")
        log(request, person(request), at, "cancelled")
    ask(campaign, "nobody")
    shown, wanted = [], Filter()
    while True:
        page = activity_log.page(wanted)
        shown += [(line.what, line.request_no) for line in page.lines]
        if not page.next:
            break
        wanted = Filter(before=page.next)
    assert len(shown) == len(set(shown)) == 7
    assert [what for what, _no in shown].count("api") == 4


def test_what_is_older_than_the_period_is_not_shown(story: TriggerRequest) -> None:
    TriggerRequest.objects.filter(pk=story.pk).update(received_at=timezone.now() - dt.timedelta(days=3))
    assert "api" not in [line.what for line in activity_log.page(Filter()).lines]
    assert "api" in [line.what for line in activity_log.page(Filter(days=7)).lines]


def test_the_page_says_what_happened_and_links_to_more(client: Client, story: TriggerRequest) -> None:
    client.force_login(factories.user("Viewer"))
    html = client.get(reverse("delivery:activity")).content.decode()
    for words in ("Key “shop-prod”", "2 of 3 people queued", "452 mailbox full", "550 no such user"):
        assert words in html, words
    detail = reverse("delivery:activity-request", args=[story.public_id])
    assert detail in html
    html = client.get(detail).content.decode()
    assert story.public_id.hex in html and "Nobody has this name" in html and "Waiting" in html
    assert html.count('<span class="sub mono">external_user_id</span>') == 3
    record = reverse("delivery:recipient", args=[Delivery.objects.get().public_id, Profile.objects.first().public_id])  # type: ignore[union-attr]
    assert client.get(f"{record}?request={story.pk}").status_code == 200
    assert client.get(record).status_code == 404


def test_what_is_planned_or_cancelled_says_so_and_counts_nobody(client: Client, campaign: Campaign) -> None:
    client.force_login(factories.user("Viewer"))
    at = timezone.now().replace(month=1, day=15, hour=9, minute=0) + dt.timedelta(days=730)
    soon = ask(campaign, "u0", due_at=at)
    local = ask(campaign, "u1", due_at=at, local_time="2030-01-15T08:00")
    dropped = ask(campaign, "u2", due_at=at)
    TriggerRequest.objects.filter(pk=dropped.pk).update(state="cancelled", handled_at=timezone.now())
    html = client.get(reverse("delivery:activity")).content.decode()
    stamp_ = headlines.stamp(soon.due_at)
    for words in (f"To be sent at {stamp_}<", "at 15 Jan 08:00 in each person", "Cancelled before anybody was chosen"):
        assert words in html, words
    assert "0 of 0" not in html and f">{campaign.name}</option>" in html, "a campaign, and not one of its versions"
    html = client.get(reverse("delivery:activity-request", args=[local.public_id])).content.decode()
    assert "15 Jan 08:00 in each person" in html and "Nobody was chosen yet" in html


def test_a_request_shows_what_it_added_to_its_messages(client: Client) -> None:
    client.force_login(factories.user("Viewer"))
    message = factories.message(headers={"X-Shop": "Lyon"}, extras={"order": "17"}, bcc="archive@shop.test")
    made = factories.delivery(message=message)
    files = tuple(File(name, "application/pdf", b"x") for name in ("May.pdf", "<b>.pdf"))
    request = requests.record(requests.Origin("api", "x", "Your order"), Call(files=files), delivery=made)
    html = client.get(reverse("delivery:activity-request", args=[request.public_id])).content.decode()
    for words in ("May.pdf", "&lt;b&gt;.pdf", "X-Shop", "order", "archive@shop.test"):
        assert words in html, words


def test_the_page_takes_as_many_queries_however_much_it_shows(
    client: Client, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    client.force_login(factories.user("Viewer"))
    client.get(reverse("delivery:activity"))
    for n in range(20):
        ask(campaign, f"u{n % 3}", "nobody")
    with django_assert_max_num_queries(22):
        client.get(reverse("delivery:activity"))


def test_nothing_yet_and_nothing_found_say_so(client: Client) -> None:
    client.force_login(factories.user("Viewer"))
    assert "Nothing happened in the last 24 hours." in client.get(reverse("delivery:activity")).content.decode()
    html = client.get(reverse("delivery:activity"), {"q": "\x00", "type": "all", "days": "x"}).content.decode()
    assert "Nothing happened in the last 24 hours." in html
    html = client.get(reverse("delivery:activity"), {"q": "nobody@example.test"}).content.decode()
    assert "Nothing matches." in html


def test_old_requests_are_deleted_and_what_still_waits_is_kept(campaign: Campaign) -> None:
    now = timezone.now()
    old, young = ask(campaign, "u0"), ask(campaign, "u1")
    planned = ask(campaign, "u2", due_at=now + dt.timedelta(days=300))
    log(old, person(old), now)
    long_ago = now - dt.timedelta(days=91)
    TriggerRequest.objects.filter(pk__in=[old.pk, planned.pk]).update(received_at=long_ago)
    TriggerRequest.objects.filter(pk=old.pk).update(handled_at=long_ago)
    assert activity_log.purge(keep=dt.timedelta(days=90)) == 1
    assert set(TriggerRequest.objects.values_list("pk", flat=True)) == {young.pk, planned.pk}
    assert SendLog.objects.filter(request_no=old.pk).count() == 1
    assert activity_log.purge(keep=dt.timedelta(days=90)) == 0


def test_a_channel_can_be_chosen_where_there_are_two(client: Client, story: TriggerRequest) -> None:
    client.force_login(factories.user("Viewer"))
    assert "All channels" not in client.get(reverse("delivery:activity")).content.decode()
    webhooks.add(by=factories.user("Admin"))
    Delivery.objects.filter(pk=story.delivery_id).update(channel="webhook")
    assert "All channels" in client.get(reverse("delivery:activity")).content.decode()
    for channel, n in (("webhook", 4), ("email", 0), ("nonsense", 4)):
        page = client.get(reverse("delivery:activity"), {"channel": channel})
        assert len(page.context["rows"]) == n, channel
    assert page.context["is_filtered"] is False


def test_test_messages_are_lines_until_their_time_is_over_or_their_reader_is_erased(
    client: Client, campaign: Campaign
) -> None:
    author, reader = factories.user("Marketer", name="Mia"), Profile.objects.order_by("pk")[0]
    results = [
        testsend.TestResult(reader.email, True, ""),
        testsend.TestResult("typo@nowhere.test", False, "550 no such user"),
    ]
    test_messages.record(Origin("campaign", str(campaign.public_id), campaign.name), results, by=author)
    client.force_login(factories.user("Viewer"))
    for query in ({}, {"type": "test"}, {"origin": str(campaign.public_id)}):
        html = client.get(reverse("delivery:activity"), query).content.decode()
        assert "Test by Mia. The mail server took it." in html and "Test by Mia. 550 no such user" in html, query
    for search, n in ((reader.email, 1), ("TYPO@nowhere.test", 1), ("nobody@nowhere.test", 0)):
        assert [line.what for line in activity_log.page(Filter(search=search)).lines] == ["test"] * n
    erasure.erase([reader.pk], label="test")
    assert set(TestMessage.objects.values_list("address", flat=True)) == {"@example.test", "typo@nowhere.test"}
    keep = dt.timedelta(days=90)
    assert test_messages.purge(keep=keep) == 0
    assert test_messages.purge(keep=keep, now=timezone.now() + dt.timedelta(days=91)) == 2


def test_a_request_is_told_as_its_call_was(client: Client, story: TriggerRequest) -> None:
    """Request, answer and a call with a placeholder for the key; as a drawer for the script of the list."""
    story.trigger = {"order": 1}
    story.save(update_fields=["trigger"])
    client.force_login(factories.user("Viewer"))
    page = reverse("delivery:activity-request", args=[story.public_id])
    html = unescape(client.get(page, headers={"HX-Request": "true"}).content.decode())
    assert html.strip().startswith("<dialog") and "Authorization: Bearer $CHAPPE_API_KEY" in html
    body = json.loads(html.partition("-d '")[2].partition("'</code>")[0])
    assert body["campaign_id"] == story.origin_id and body["trigger_properties"] == {"order": 1}
    assert body["recipients"][0] == {"external_user_id": "u0", "trigger_properties": {"n": "u0"}}
    assert f'"dispatch_id": "{story.public_id.hex}"' in html
    story.external_send_id = "receipt-17"
    told = callers.of_request(story)
    assert told is not None and told.path == f"/transactional/v1/campaigns/{story.origin_id}/send"
    assert json.loads(told.asked)["recipient"] == {"external_user_id": "u0", "trigger_properties": {"n": "u0"}}
    story.external_send_id = ""
    attached.replace(story, (File("May.pdf", "application/pdf", b"x"),))
    told = callers.of_request(story)
    assert told is not None and '"file_name": "May.pdf"' in told.asked and not told.curl, "its file would be missing"
    TriggerRequest.objects.filter(pk=story.pk).update(is_audience=True)
    assert "Copy as cURL" not in client.get(page).content.decode(), "it would reach more people than it did"


def test_new_lines_alone_are_for_the_live_tail(client: Client, story: TriggerRequest) -> None:
    client.force_login(factories.user("Viewer"))
    html = client.get(reverse("delivery:activity-rows"), {"type": "api"}).content.decode()
    assert html.count("data-key=") == 1 and "<html" not in html
