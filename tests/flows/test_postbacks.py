"""Events of transactional calls over HTTP: from the call to a receiver on loopback; its errors, and two workers."""

import datetime as dt
import json
import os
import signal
import time
from collections import Counter
from typing import Any

import pytest
import time_machine
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import installation
from accounts.models import User
from api import postback_settings, posting
from api.models import Postback, TransactionalCall
from audiences import erasure
from campaigns.models import Campaign
from delivery import activity_log
from delivery.models import EventKind, SendLog, TriggerRequest
from messaging import webhooks
from tests import factories, racing
from tests.api.callers import Caller
from tests.delivery import records
from tests.flows.test_webhooks import is_signed
from tests.http_server import Reply, Site

pytestmark = pytest.mark.django_db
URL = "/settings/webhooks/events/"


@pytest.fixture
def admin() -> User:
    return factories.user("Admin")


@pytest.fixture
def secret(site: Site, admin: User) -> str:
    """Events are posted to the site."""
    installation.save({postback_settings.ADDRESS: f"{site.url}/events"}, by=admin)
    return webhooks.add(by=admin).text


@pytest.fixture
def campaign() -> Campaign:
    factories.profile(external_id="u1", email="u1@example.test")
    return factories.published(factories.user("Operator"), delivery__kind="api", delivery__reeligibility="always")


def ask(of: Campaign, user: str = "u1", **body: Any) -> TriggerRequest:
    path = f"/transactional/v1/campaigns/{of.public_id}/send"
    answer = Caller().post(path, {"recipient": {"external_user_id": user}, **body})
    assert answer.status_code == 201, answer.json()
    return TriggerRequest.objects.select_related("delivery").get(public_id=answer.json()["dispatch_id"])


def log(request: TriggerRequest, outcome: str = "sent", **fields: Any) -> int:
    """Its outcome, as a worker writes it; whose it is."""
    person = request.recipients.get().profile_id
    assert request.delivery is not None and person is not None
    records.log(request.delivery, person, outcome, request_no=request.pk, **fields)
    return person


def look_again() -> None:
    """As if the time of every look and every pause had come."""
    TransactionalCall.objects.filter(look_at__isnull=False).update(look_at=timezone.now())
    Postback.objects.filter(next_try_at__isnull=False).update(next_try_at=timezone.now())


def told(site: Site) -> list[tuple[str, str]]:
    """(dispatch_id, status) as they arrived."""
    found = [json.loads(one.body) for one in site.asked]
    return [(one["dispatch_id"], one["status"]) for one in found]


def test_from_the_call_to_its_bounce(campaign: Campaign, site: Site, secret: str) -> None:
    request = ask(campaign, external_send_id="receipt-1")
    assert posting.run() == 0 and not site.asked
    person = log(request, detail="250 ok")
    look_again()
    assert posting.run() == 2
    assert request.delivery is not None
    records.event(request.delivery, person, EventKind.DELIVERED, request_no=request.pk, source_id="p:1")
    look_again()
    posting.run()
    records.event(
        request.delivery, person, EventKind.BOUNCED, request_no=request.pk, code="5.1.1", verdict="hard",
        detail="no such user", source_id="p:2",
    )  # fmt: skip
    look_again()
    posting.run()
    name = request.public_id.hex
    assert told(site) == [(name, one) for one in ("sent", "processed", "delivered", "bounced")]
    assert all(is_signed(one, secret) and one.method == "POST" and one.path == "/events" for one in site.asked)
    assert [one.headers["webhook-id"] for one in site.asked] == [f"evt_{name}_{one}" for _name, one in told(site)]
    metadata = json.loads(site.asked[-1].body)["metadata"]
    assert (metadata["external_send_id"], metadata["reason"]) == ("receipt-1", "no such user")
    # Nothing more can come, and nothing is posted twice.
    look_again()
    assert posting.run() == 0
    assert TransactionalCall.objects.get().look_at is None
    assert set(Postback.objects.values_list("answer", "next_try_at", "leased_until")) == {("HTTP 200 OK", None, None)}


def test_who_may_not_be_written_to_is_aborted(campaign: Campaign, site: Site, secret: str) -> None:
    factories.profile(external_id="left", email_consent="unsubscribed")
    for name in ("left", "nobody"):
        ask(campaign, name)
    posting.run()
    assert [one for _name, one in told(site)] == ["aborted", "aborted"]
    reasons = {json.loads(one.body)["metadata"]["reason"] for one in site.asked}
    assert reasons == {"Unsubscribed", "Nobody has this name"}


def test_other_calls_are_not_told_and_pay_nothing(campaign: Campaign, site: Site, secret: str) -> None:
    caller, body = Caller(), {"campaign_id": str(campaign.public_id), "recipients": [{"external_user_id": "u1"}]}
    assert caller.post("/campaigns/trigger/send", body).status_code == 201
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert caller.post("/campaigns/trigger/send", body).status_code == 201
    assert not any("postback" in one["sql"] or "transactionalcall" in one["sql"] for one in asked.captured_queries)
    assert not TransactionalCall.objects.exists()


def test_without_an_address_nothing_is_noted_and_without_a_secret_it_waits(
    campaign: Campaign, site: Site, admin: User
) -> None:
    ask(campaign)
    assert not TransactionalCall.objects.exists()
    installation.save({postback_settings.ADDRESS: f"{site.url}/events"}, by=admin)
    log(ask(campaign))
    assert posting.run() == 0 and TransactionalCall.objects.count() == 1
    webhooks.add(by=admin)
    installation.save({postback_settings.ADDRESS: ""}, by=admin)
    assert posting.run() == 0
    installation.save({postback_settings.ADDRESS: f"{site.url}/events"}, by=admin)
    assert posting.run() == 2 and len(site.asked) == 2


def test_a_receiver_that_fails_is_asked_again_until_it_is_given_up(
    campaign: Campaign, site: Site, secret: str, admin: User
) -> None:
    factories.profile(external_id="left", email_consent="unsubscribed")
    request = ask(campaign, "left")
    site.answers = lambda _asked, n: [Reply(500, body=b"u1@example.test"), Reply(302, {"Location": "/x"})][n % 2]
    now = timezone.now()
    with time_machine.travel(now, tick=False) as at:
        for pause_s in (0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000):
            if pause_s:
                at.shift(pause_s - 1)
                assert posting.run() == 0
                at.shift(1)
            assert posting.run() == 1
        at.shift(10 * 86_400)
        assert posting.run() == 0
        one = Postback.objects.get()
        assert (one.n_attempts, one.next_try_at, one.taken_at, one.answer) == (8, None, None, "HTTP 302 Found")
        assert posting.untaken_since(timezone.now()) == (request.handled_at, "HTTP 302 Found")
        assert {asked.path for asked in site.asked} == {"/events"}, "no redirect is followed"
        assert len({asked.headers["webhook-id"] for asked in site.asked}) == 1
        assert len({asked.body for asked in site.asked}) == 1
        # Asked for by a person it begins anew, and is taken.
        site.answers = lambda _asked, _n: Reply(204)
        posting.redeliver(request.public_id, "aborted", by=admin)
        assert posting.run() == 1
        one.refresh_from_db()
        assert (one.n_attempts, one.taken_at, one.answer) == (1, timezone.now(), "HTTP 204 No Content")
        assert posting.untaken_since(timezone.now()) is None


def run_and_be_killed() -> int:
    """A worker that is killed when its first answer has come and isn't recorded; its exit status."""
    connections.close_all()
    pid = os.fork()
    if not pid:
        try:
            with pytest.MonkeyPatch.context() as dying:
                dying.setattr(posting, "settle", lambda _posted: os.kill(os.getpid(), signal.SIGKILL))
                posting.run()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_after_posting_leaves_a_repeat_with_the_same_id(
    campaign: Campaign, site: Site, secret: str
) -> None:
    log(ask(campaign))
    assert run_and_be_killed() == -signal.SIGKILL
    assert [one for _name, one in told(site)] == ["sent"]
    assert posting.run() == 0, "it is still leased, and what comes after it waits"
    Postback.objects.filter(leased_until__isnull=False).update(leased_until=timezone.now())
    posting.run()
    assert [one for _name, one in told(site)] == ["sent", "sent", "processed"]
    assert site.asked[0].headers["webhook-id"] == site.asked[1].headers["webhook-id"]
    assert site.asked[0].body == site.asked[1].body
    assert not Postback.objects.filter(taken_at=None).exists()


def test_a_late_result_does_not_undo_a_newer_one(campaign: Campaign, site: Site, secret: str) -> None:
    log(ask(campaign), "cancelled")
    posting._look()
    (first,) = posting.lease()
    Postback.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    (second,) = posting.lease()
    posting.settle(posting.Posted(second, is_taken=True, answer="HTTP 200 OK"))
    posting.settle(posting.Posted(first, is_taken=False, answer="HTTP 500 Internal Server Error"))
    one = Postback.objects.get()
    assert (one.answer, one.next_try_at) == ("HTTP 200 OK", None) and one.taken_at is not None


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_post_each_event_once(
    campaign: Campaign, site: Site, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that not their number keeps one from another's.
    monkeypatch.setattr(posting, "MOST_AT_ONCE", 40)
    for _n in range(6):
        log(ask(campaign))
    site.answers = lambda _asked, _n: Reply(200, delay_s=0.1)
    racing.at_once(posting._look, posting._look)
    assert Postback.objects.count() == 12
    racing.at_once(posting.run, posting.run, posting.run)
    posting.run()
    assert Counter(told(site)).most_common(1)[0][1] == 1 and len(site.asked) == 12
    for name in {name for name, _status in told(site)}:
        assert [status for other, status in told(site) if other == name] == ["sent", "processed"]


def test_a_receiver_that_hangs_holds_up_a_bounded_number(
    campaign: Campaign, site: Site, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(posting, "_RUN_S", 0.1)
    monkeypatch.setattr(posting, "MOST_AT_ONCE", 2)
    for _n in range(3):
        log(ask(campaign), "cancelled")
    site.answers = lambda _asked, _n: Reply(delay_s=2)
    started = time.monotonic()
    assert posting.run() == 2
    assert time.monotonic() - started < 1.5
    assert Postback.objects.filter(n_attempts=1, leased_until=None, answer__contains="in time").count() == 2


def test_what_is_posted_of_the_erased_names_nobody(campaign: Campaign, site: Site, secret: str) -> None:
    request = ask(campaign)
    person = log(
        request, "failed", address="u1@example.test", code="550 5.1.1", detail="550 5.1.1 <u1@example.test> unknown"
    )
    posting._look()
    erasure.erase([person], by=factories.user("Admin"))
    posting.run()
    (asked,) = site.asked
    assert b"u1@" not in asked.body and json.loads(asked.body)["metadata"]["reason"] == "550 5.1.1"
    assert "u1@" not in str(list(Postback.objects.values()))


def test_events_go_with_their_requests(campaign: Campaign, site: Site, secret: str) -> None:
    log(ask(campaign))
    posting.run()
    assert Postback.objects.count() == 2
    activity_log.purge(keep=dt.timedelta(0), now=timezone.now() + dt.timedelta(seconds=1))
    assert not Postback.objects.exists() and not TransactionalCall.objects.exists()
    assert SendLog.objects.exists()


def test_settings_take_the_address_and_show_what_was_posted(campaign: Campaign, site: Site, admin: User) -> None:
    client = Client()
    client.force_login(admin)
    page = client.get(URL).content.decode()
    assert "There is no secret to sign with" in page and "No events yet" in page
    assert URL in client.get("/settings/webhooks/").content.decode()
    wrong = client.post(URL, {"address": "http://hooks.example.com/"})
    assert wrong.status_code == 422 and "must begin with https" in wrong.content.decode()
    assert postback_settings.address() == ""
    assert client.post(URL, {"address": f"{site.url}/events"}).status_code == 302
    webhooks.add(by=admin)
    request = ask(campaign)
    log(request)
    site.answers = lambda _asked, _n: Reply(503)
    posting.run()
    with CaptureQueriesContext(connection) as few:
        page = client.get(URL).content.decode()
    assert page.count("HTTP 503 Service Unavailable") == 2 and page.count("Trying again</span>") == 2
    log(ask(campaign))
    posting.run()
    with CaptureQueriesContext(connection) as more:
        client.get(URL)
    assert len(more) == len(few)
    site.answers = lambda _asked, _n: Reply()
    again = {"request": str(request.public_id), "status": "sent"}
    assert client.post(f"{URL}redeliver/", again).status_code == 302
    posting.run()
    page = client.get(URL).content.decode()
    assert page.count("HTTP 200 OK") == 1
    assert client.post(f"{URL}redeliver/", {"request": "x", "status": "sent"}).status_code == 404
