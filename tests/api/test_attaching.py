"""Attachments of calls over HTTP: fetched before the answer and never again, kept once, refused with their place."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from api import refusals
from campaigns.models import Campaign
from delivery import activity_log, attached
from delivery.models import RequestAttachment, TriggerRequest
from messaging.channels import email as channel
from messaging.models import AttachedFile, Message
from tests import factories, http_server
from tests.api.callers import Caller
from tests.api.test_messages import email
from tests.http_server import Reply

pytestmark = pytest.mark.django_db
TRIGGER, SEND, LATER = "/campaigns/trigger/send", "/messages/send", "/messages/schedule/create"
PDF = b"%PDF-1.7 one"
TIME = {"time": "2027-01-15T09:00:00Z"}


@pytest.fixture
def site(settings: Any) -> Iterator[http_server.Site]:
    factories.sender(name="Example Shop", address="hello@shop.test")
    factories.profile(external_id="u1", email="u1@example.test")
    with http_server.known_to(settings, lambda _asked, _n: Reply(body=PDF)) as running:
        yield running


@pytest.fixture
def campaign() -> Campaign:
    return factories.published(delivery__kind="api", delivery__reeligibility="always")


def file(site: http_server.Site, name: str = "May.pdf", path: str = "/a") -> dict[str, str]:
    return {"file_name": name, "url": site.url + path}


def kept() -> list[tuple[int, str, bytes]]:
    rows = RequestAttachment.objects.order_by("request", "position").select_related("file")
    return [(row.request_id, row.name, bytes(row.file.data)) for row in rows]


def test_files_are_fetched_outside_a_transaction_once_for_a_call_and_kept_once(
    site: http_server.Site, campaign: Campaign
) -> None:
    caller = Caller()
    body = {"campaign_id": str(campaign.public_id), "recipients": [{"external_user_id": "u1"}]}
    body["attachments"] = [file(site), file(site, "Copy.pdf", "/b")]
    headers = {"Idempotency-Key": "order-1"}
    first = caller.post(TRIGGER, body, headers=headers)
    assert first.status_code == 201, first.json()
    again = caller.post(TRIGGER, body, headers=headers)
    assert again.content == first.content and again["Idempotent-Replayed"] == "true"
    assert [asked.path for asked in site.asked] == ["/a", "/b"], "a replay asks nobody"
    other = caller.post(TRIGGER, {**body, "attachments": [file(site)]}, headers=headers)
    assert (other.status_code, len(site.asked)) == (422, 2)
    request = TriggerRequest.objects.get()
    assert kept() == [(request.pk, "May.pdf", PDF), (request.pk, "Copy.pdf", PDF)]
    assert (request.n_attachments, AttachedFile.objects.count()) == (2, 1)
    sent = {"external_user_ids": ["u1"], "messages": email(attachments=[file(site)])}
    assert caller.post(SEND, sent).status_code == 201
    assert AttachedFile.objects.count() == 1 and len(kept()) == 3


# Attachments, the first line of errors; PLACE stands for where they are in the call.
REFUSED: list[tuple[Any, str]] = [
    ({"file_name": "a.pdf"}, ": Give a list"),
    ([{"file_name": "a.pdf"}], "[0].url: Give this field"),
    ([{"url": "https://shop.test/"}], "[0].file_name: Give this field"),
    ([{"file_name": "a.exe", "url": "https://shop.test/"}], "[0].file_name: Files of this kind (exe)"),
    ([{"file_name": "a.pdf", "url": "http://127.0.0.1:1/"}], "[0].url: 127.0.0.1 is not an address that may"),
    ([{"file_name": "a.pdf", "url": "ftp://shop.test/"}], "[0].url: The address must begin with"),
    ([{"file_name": "a.pdf", "url": "https://shop.test/", "basic_auth_credential": "x"}], "[0].basic_auth_credential"),
    ([{"file_name": "a.pdf", "url": "https://shop.test/"}] * 11, ": Give at most 10."),
    (["SITE", "GONE"], "[1].url: 127.0.0.1 answered 404."),
]


@pytest.mark.parametrize(("given", "told"), REFUSED)
def test_what_is_refused_names_the_file_and_keeps_nothing(
    site: http_server.Site, campaign: Campaign, given: Any, told: str
) -> None:
    site.answers = lambda asked, _n: Reply(status=404 if asked.path == "/gone" else 200, body=PDF)
    files = {"SITE": file(site), "GONE": file(site, path="/gone")}
    if isinstance(given, list):
        given = [files.get(one, one) if isinstance(one, str) else one for one in given]
    people = {"campaign_id": str(campaign.public_id), "recipients": [{"external_user_id": "u1"}]}
    own = {"external_user_ids": ["u1"], "messages": email(attachments=given)}
    for path, body, place in ((TRIGGER, {**people, "attachments": given}, ""), (SEND, own, "messages.email.")):
        answer = Caller().post(path, body)
        assert (answer.status_code, answer.json()["message"]) == (400, refusals.BAD_REQUEST)
        assert answer.json()["errors"][0].startswith(f"{place}attachments{told}"), answer.json()
    assert (TriggerRequest.objects.count(), AttachedFile.objects.count()) == (0, 0)


def test_not_with_broadcast_nor_with_the_schedule_of_a_campaign(site: http_server.Site, campaign: Campaign) -> None:
    body = {"campaign_id": str(campaign.public_id), "attachments": [file(site)]}
    people = {"recipients": [{"external_user_id": "u1"}]}
    for path, more, told in (
        (TRIGGER, {"broadcast": True}, "attachments: They go to people named"),
        ("/campaigns/trigger/schedule/create", {**people, "schedule": TIME}, "attachments: Attachments go with"),
    ):
        answer = Caller().post(path, {**body, **more})
        assert (answer.status_code, answer.json()["errors"][0][: len(told)]) == (400, told)
    assert site.asked == [] and not TriggerRequest.objects.exists()


def test_what_would_be_too_large_for_everybody_is_not_taken(
    site: http_server.Site, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "MAX_BYTES", 400)
    people = {"campaign_id": str(campaign.public_id), "recipients": [{"external_user_id": "u1"}]}
    own = {"external_user_ids": ["u1"], "messages": email(attachments=[file(site)])}
    for path, body, place in ((TRIGGER, {**people, "attachments": [file(site)]}, ""), (SEND, own, "messages.email.")):
        answer = Caller().post(path, body)
        assert answer.json()["errors"] == [
            f"{place}attachments: With them the message has more than 5 MB. Link to them instead."
        ]
    assert not TriggerRequest.objects.exists() and not Message.objects.filter(subject="Your order").exists()


def test_another_message_for_a_schedule_brings_its_own_files(site: http_server.Site) -> None:
    caller = Caller()
    site.answers = lambda asked, _n: Reply(body=asked.path.encode())
    body = {"external_user_ids": ["u1"], "schedule": TIME, "messages": email(attachments=[file(site, path="/old")])}
    schedule = {"schedule_id": caller.post(LATER, body).json()["schedule_id"]}
    assert [data for _request, _name, data in kept()] == [b"/old"]
    update = "/messages/schedule/update"
    assert caller.post(update, {**schedule, "schedule": {"time": "2027-01-16T09:00:00Z"}}).status_code == 201
    assert [data for _request, _name, data in kept()] == [b"/old"]
    new = email(subject="New", attachments=[file(site, path="/new"), file(site, path="/2")])
    assert caller.post(update, {**schedule, "messages": new}).status_code == 201
    assert [data for _request, _name, data in kept()] == [b"/new", b"/2"]
    assert caller.post(update, {**schedule, "messages": email()}).status_code == 201
    assert kept() == [] and TriggerRequest.objects.get().n_attachments == 0


def test_files_go_when_no_request_has_them_any_more(site: http_server.Site, campaign: Campaign) -> None:
    site.answers = lambda asked, _n: Reply(body=asked.path.encode())
    for path in ("/a", "/b"):
        body = {"campaign_id": str(campaign.public_id), "recipients": [{"external_user_id": "u1"}]}
        assert Caller().post(TRIGGER, {**body, "attachments": [file(site, path=path)]}).status_code == 201
    old = TriggerRequest.objects.earliest("pk")
    later = timezone.now() + dt.timedelta(days=2)
    assert attached.purge(now=later) == 0
    TriggerRequest.objects.filter(pk=old.pk).update(handled_at=timezone.now() - dt.timedelta(days=40))
    activity_log.purge(keep=dt.timedelta(days=30))
    assert attached.purge() == 0, "somebody may be about to refer to it"
    assert attached.purge(now=later) == 1
    assert [data for _request, _name, data in kept()] == [b"/b"]
