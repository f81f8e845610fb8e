"""Webhooks from the call over HTTP to the log: a real receiver on loopback that checks, refuses, breaks and is slow."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audiences import erasure
from audiences.models import Profile, QuarantineEntry
from delivery import domain_days, failures, panels, refused, requests
from delivery.models import Attempt, Delivery, DomainDay, NotedRefusal, SendLog, Shard, TriggerRequest
from messaging import calling, webhooks
from messaging.models import Message
from tests import factories
from tests.api.callers import Caller
from tests.flows.test_api_sends import work
from tests.flows.test_pipeline_crashes import start_drain, wait_for
from tests.http_server import Asked, Reply, Site

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret() -> str:
    """The channel is on."""
    return webhooks.add(by=factories.user("Admin")).text


def ask(site: Site, caller: Caller | None = None, **fields: Any) -> Any:
    webhook = {
        "url": f"{site.url}/people/{{{{ profile.external_id }}}}?from={{{{ api_trigger_properties.shop }}}}",
        "request_method": "POST",
        "request_headers": {"Content-Type": "application/json", "X-Country": "{{ profile.country }}"},
        "body": '{"name": "{{ profile.first_name }}"}',
        **fields.pop("webhook", {}),
    }
    body = {"external_user_ids": ["u1"], "messages": {"webhook": webhook}, **fields}
    body = {name: value for name, value in body.items() if value is not None}
    return (caller or Caller()).post("/messages/send", body)


def is_signed(asked: Asked, secret: str) -> bool:
    """As a receiver checks it, by the words of the standard."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join((asked.headers["webhook-id"].encode(), asked.headers["webhook-timestamp"].encode(), asked.body))
    wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in asked.headers["webhook-signature"].split(" ")


def test_from_the_call_to_the_log(site: Site, secret: str) -> None:
    factories.profile(external_id="u1", email="", first_name="Léa", country="France")
    factories.profile(external_id="u2", email="u2@example.test", email_consent="unsubscribed", first_name="Bo")
    answer = ask(site, external_user_ids=["u1", "u2", "nobody"])
    assert answer.status_code == 201, answer.json()
    work()
    request = TriggerRequest.objects.get()
    assert (request.public_id.hex, request.label) == (answer.json()["dispatch_id"], f"POST 127.0.0.1:{site.port}")
    assert (request.n_named, request.n_queued) == (3, 2)
    asked = sorted(site.asked, key=lambda one: one.path)
    assert [one.path for one in asked] == ["/people/u1?from=", "/people/u2?from="]
    assert json.loads(asked[0].body) == {"name": "Léa"}
    assert asked[0].headers["x-country"] == "France" and asked[0].headers["content-type"] == "application/json"
    assert all(is_signed(one, secret) for one in asked)
    assert abs(int(asked[0].headers["webhook-timestamp"]) - time.time()) < 60
    assert asked[0].headers["webhook-id"] != asked[1].headers["webhook-id"]
    rows = SendLog.objects.values_list("outcome", "address", "code", "detail", "n_attempts")
    assert list(rows) == [("sent", "", "", "HTTP 200 OK", 1)] * 2
    message = Message.objects.get()
    assert (message.channel, message.subject, message.sender_address) == ("webhook", "", "")
    assert (Delivery.objects.get().channel, Delivery.objects.get().state) == ("webhook", "sending")


def due_now() -> None:
    """As if every pause was over."""
    Shard.objects.filter(state="waiting").update(due_at=timezone.now())


def outcomes() -> dict[str, tuple[str, str, int]]:
    """What became of each person: outcome, code and attempts."""
    names = dict(Profile.objects.values_list("pk", "external_id"))
    rows = SendLog.objects.values_list("profile_id", "outcome", "code", "n_attempts")
    return {names[pk]: (outcome, code, n) for pk, outcome, code, n in rows}


def answered(answers: dict[str, list[Reply]]) -> Callable[[Asked, int], Reply]:
    """By person the answers in turn, the last one again and again."""

    def reply(asked: Asked, _n: int) -> Reply:
        mine = answers[asked.path.partition("?")[0].rpartition("/")[2]]
        return mine.pop(0) if len(mine) > 1 else mine[0]

    return reply


def test_each_answer_is_about_its_own_person(site: Site, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling.Pool, "usual", calling.Timeouts(connect=1, whole=0.5))
    answers = {
        "ok": [Reply(204)],
        "gone": [Reply(404, {"Content-Type": "text/plain"}, b"No such person")],
        "moved": [Reply(302, {"Location": f"{site.url}/elsewhere"})],
        "later": [Reply(429, {"Retry-After": "600"}), Reply(200)],
        "down": [Reply(503)],
        "back": [Reply(500), Reply(hangs_up=True), Reply(200)],
        "slow": [Reply(200, delay_s=1.5)],
        "huge": [Reply(200, {}, b"x" * 2_000_000)],
    }
    site.answers = answered(answers)
    for name in answers:
        factories.profile(external_id=name)
    assert ask(site, external_user_ids=list(answers)).status_code == 201
    started = timezone.now()
    work()
    assert outcomes() == {
        "ok": ("sent", "", 1),
        "huge": ("sent", "", 1),
        "gone": ("failed", "HTTP 404", 1),
        "moved": ("failed", "HTTP 302", 1),
    }
    assert SendLog.objects.get(code="HTTP 404").detail == "HTTP 404 Not Found: No such person"
    assert Attempt.objects.filter(result="deferred").count() == 4
    # Those who asked us to stay away come last; who comes soon may be in two shards, as the clock has it.
    *soon, late = Shard.objects.filter(state="waiting").order_by("due_at")
    assert (sum(shard.n_ids for shard in soon), late.n_ids) == (3, 1)
    assert all(dt.timedelta(minutes=1) <= shard.due_at - started <= dt.timedelta(minutes=2) for shard in soon)
    assert dt.timedelta(minutes=10) <= late.due_at - started <= dt.timedelta(minutes=11)
    for _attempt in range(4):
        due_now()
        work()
    assert outcomes() | {"slow": ("failed", "no_answer", 5)} == outcomes()
    found = outcomes()
    assert (found["later"], found["back"]) == (("sent", "", 2), ("sent", "", 3))
    assert found["down"] == ("failed", "HTTP 503", 5)
    assert not Shard.objects.filter(state__in=["waiting", "leased"]).exists()
    ids = {(asked.path, asked.headers["webhook-id"]) for asked in site.asked}
    assert len(ids) == len(answers) == len({one for _path, one in ids})
    assert "/elsewhere" not in {asked.path for asked in site.asked}
    assert_pages_speak_of_no_email(Delivery.objects.get())
    gone = Profile.objects.get(external_id="gone")
    erasure.erase([gone.pk], label="test")
    assert list(SendLog.objects.filter(profile_id=gone.pk).values_list("address", "detail", "code")) == [
        ("", "", "HTTP 404")
    ]
    assert not Attempt.objects.filter(profile_id=gone.pk).exclude(reply="").exists()


def assert_pages_speak_of_no_email(delivery: Delivery) -> None:
    """The panel, the log, the failures and one person's record."""
    tiles = panels.of(delivery, timezone.now())["tiles"]
    assert [tile.label for tile in tiles] == ["To send", "Sent", "Errors"]
    groups = {group.reason: group.n for group in failures.failures(delivery)}
    assert groups == {"Refused by the server": 2, "Error or no answer of the server": 2}
    domain_days.refresh_recent()
    domain_days.refresh()
    refused.hold_against_addresses()
    assert not DomainDay.objects.exists() and not NotedRefusal.objects.exists() and not QuarantineEntry.objects.exists()
    client = Client()
    client.force_login(factories.user("Admin"))
    request, person = TriggerRequest.objects.get(), Profile.objects.get(external_id="gone")
    record = reverse("delivery:recipient", args=[delivery.public_id, person.public_id])
    pages = [reverse("delivery:log", args=[delivery.public_id, tab]) for tab in ("sending", "failures", "activity")]
    for page in (*pages, f"{record}?request={request.pk}", reverse("delivery:activity")):
        text = client.get(page).content.decode().partition("<main")[2]
        assert text and "mail server" not in text and "Top links" not in text, page
    shown = reverse("delivery:recipient-message", args=[delivery.public_id, person.public_id])
    assert "/people/gone?…" in client.get(f"{shown}?request={request.pk}").content.decode()


def test_what_can_not_be_reached_is_tried_until_its_time_is_over(site: Site, secret: str, settings: Any) -> None:
    factories.profile(external_id="u1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    settings.OUTWARD_HOSTS |= {f"127.0.0.1:{port}"}
    ask(site, webhook={"url": f"http://127.0.0.1:{port}/"})
    for _attempt in range(7):
        due_now()
        work()
    assert outcomes() == {}
    assert Attempt.objects.filter(code="unreachable").count() >= 7
    Shard.objects.filter(state="waiting").update(valid_until=timezone.now())
    work()
    assert outcomes()["u1"][:2] == ("failed", "expired")


def test_a_name_that_leads_into_our_network_is_never_called(site: Site, secret: str, settings: Any) -> None:
    factories.profile(external_id="u1", city=f"localhost:{site.port}")
    factories.profile(external_id="u2", city="localhost")
    ask(site, external_user_ids=["u1", "u2"], webhook={"url": "http://{{ profile.city }}/"})
    work()
    found = outcomes()
    assert (found["u1"][:2], found["u2"][:2]) == (("not_sent", "render_error"), ("failed", "address_refused"))
    assert site.asked == []


def test_kill_9_calls_nobody_twice(site: Site, secret: str) -> None:
    site.answers = lambda _asked, n: Reply(200, delay_s=0 if n < 20 else 0.4)
    people = [factories.profile(external_id=f"p{n}") for n in range(50)]
    ask(site, external_user_ids=[person.external_id for person in people])
    delivery = Delivery.objects.get()
    process = start_drain(delivery)
    wait_for(lambda: len(site.asked) >= 30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    site.answers = lambda _asked, _n: Reply()
    time.sleep(0.5)
    work()
    calls = Counter(asked.path for asked in site.asked)
    assert max(calls.values()) == 1
    found = outcomes()
    unknown = {name for name, (outcome, _code, _n) in found.items() if outcome == "unknown"}
    assert len(found) == 50 and 0 < len(unknown) <= calling.N_THREADS
    assert {path.partition("?")[0].rpartition("/")[2] for path in calls} | unknown == found.keys()
    assert set(SendLog.objects.values_list("address", flat=True)) == {""}


def test_switched_off_in_between_it_waits_and_comes_later(site: Site, secret: str) -> None:
    factories.profile(external_id="u1")
    admin = factories.user("Admin")
    ask(site)
    webhooks.retire(webhooks.listed()[0].public_id, by=admin)
    work()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.pause_cause) == ("paused", "transport")
    assert ask(site).status_code == 400
    webhooks.add(by=admin)
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=1), tick=True):
        work()
    assert outcomes()["u1"][0] == "sent"
    assert len(site.asked) == 1


def test_a_whole_audience_and_a_time_of_its_own(site: Site, secret: str) -> None:
    """Two people of one mailbox, one without any, one who left, and one in quarantine: each is called once."""
    factories.configure(delivery__cap_messages=1, delivery__cap_hours=24)
    for name, email in (("a", "same@example.test"), ("b", "same@example.test"), ("c", "")):
        factories.profile(external_id=name, email=email, country="France")
    factories.profile(external_id="d", email_consent="unsubscribed", country="France")
    factories.profile(external_id="e", country="Peru")
    segment = factories.segment(members=list(Profile.objects.filter(country="France")))
    caller = Caller()
    whole = {"external_user_ids": None, "segment_id": str(segment.public_id), "broadcast": True}
    for _call in range(2):
        assert ask(site, caller, **whole).status_code == 201
        work()
    paths = Counter(asked.path for asked in site.asked)
    assert paths == {f"/people/{name}?from=": 2 for name in "abcd"}
    one = Delivery.objects.filter(is_standing=False).first()
    assert one is not None and (one.n_to_send, one.n_excluded) == (4, 0)
    assert [sample["problem"] for sample in one.samples] == [""] * 4
    assert one.samples[0]["subject"].startswith("POST http://127.0.0.1")


def test_one_that_waits_for_its_time_can_become_another(site: Site, secret: str) -> None:
    factories.profile(external_id="u1")
    caller, at = Caller(), timezone.now() + dt.timedelta(hours=1)
    webhook = {"url": f"{site.url}/first", "request_method": "POST"}
    body = {"external_user_ids": ["u1"], "messages": {"webhook": webhook}, "schedule": {"time": at.isoformat()}}
    made = caller.post("/messages/schedule/create", body).json()
    other = {"webhook": {"url": f"{site.url}/second", "request_method": "DELETE"}}
    changed = caller.post("/messages/schedule/update", {"schedule_id": made["schedule_id"], "messages": other})
    assert changed.status_code in {200, 201}, changed.json()
    with time_machine.travel(at + dt.timedelta(seconds=1), tick=True):
        requests.run_due()
    # PostgreSQL has a clock of its own.
    due_now()
    work()
    assert [(asked.method, asked.path) for asked in site.asked] == [("DELETE", "/second")]
