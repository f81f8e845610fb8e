"""Files of calls, from the server they lie on to somebody's inbox: over real HTTP and real SMTP on loopback, signed."""

import email as mail
import email.policy
from typing import Any

import dkim as dkimpy
import pytest
from django.utils import timezone

from delivery import drains
from delivery.models import SendLog, Shard
from messaging import dkim, sealed
from messaging.models import DkimKey
from tests import factories, http_server, smtp_server
from tests.api.callers import Caller
from tests.api.test_messages import FOOTER, email
from tests.flows.test_api_sends import API, TRIGGER, named, work
from tests.http_server import Reply

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "Rechnung für Mai.pdf"


def files_of(data: bytes) -> dict[str | None, bytes]:
    message = mail.message_from_bytes(data, policy=email_policy)
    assert isinstance(message, mail.message.EmailMessage) and message.get_body(("html",)) is not None
    return {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}  # type: ignore[misc]


email_policy = mail.policy.default


def signing_key() -> bytes:
    pem = dkim.make_key()
    DkimKey.objects.create(
        domain="shop.test", selector="s1", secret=sealed.seal(pem.decode()), record=dkim.record(pem),
        created_by=factories.user("Admin"), active_at=timezone.now(),
    )  # fmt: skip
    return pem


def test_files_arrive_with_the_messages_of_their_call_only(
    mail_server: smtp_server.Server, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a trigger, of a message of its own and of one for a segment; somebody deferred gets them the second time.

    Memory has room for the files of one request.
    """
    monkeypatch.setattr(drains, "_MOST_CARRIED", 1)
    people = [factories.profile(external_id=f"u{n}", email=f"u{n}@example.test") for n in range(3)]
    factories.profile(external_id="late", email="dot451-late@example.test")
    factories.sender(name="Example Shop", address="hello@shop.test")
    pem, segment = signing_key(), factories.segment(members=people[2:])
    made, caller = factories.published(**API, delivery__reeligibility="always"), Caller()
    with http_server.known_to(settings, lambda asked, _n: Reply(body=b"%PDF" + asked.path.encode() * 9000)) as site:
        files = [{"file_name": name, "url": f"{site.url}/{n}"} for n, name in enumerate((NAME, "b.csv"))]
        of = {"campaign_id": str(made.public_id), "recipients": named("u0", "late")}
        assert caller.post(TRIGGER, {**of, "attachments": files}).status_code == 201
        assert caller.post(TRIGGER, {**of, "recipients": named("u1")}).status_code == 201
        own = {"messages": email(body=FOOTER, attachments=files[:1], headers={"X-Reader": "{{ profile.email }}"})}
        assert caller.post("/messages/send", {**own, "external_user_ids": ["u1"]}).status_code == 201
        whole = {**own, "segment_id": str(segment.public_id), "broadcast": True}
        assert caller.post("/messages/send", whole).status_code == 201
    work()
    mail_server.script.answers["dot451-late"] = ("dot", "250 2.0.0 taken")
    Shard.objects.update(due_at=timezone.now())
    work()
    both = {NAME: b"%PDF" + b"/0" * 9000, "b.csv": b"%PDF" + b"/1" * 9000}
    got: dict[str, list[Any]] = {}
    for address, data in mail_server.accepted:
        got.setdefault(address, []).append(files_of(data))
        assert dkimpy.verify(data, dnsfunc=lambda name, timeout=5: dkim.record(pem).encode())
    assert got.pop("u1@example.test") in ([{}, {NAME: both[NAME]}], [{NAME: both[NAME]}, {}])
    assert got == {
        "u0@example.test": [both], "dot451-late@example.test": [both], "u2@example.test": [{NAME: both[NAME]}]
    }  # fmt: skip
    assert sorted(line for _to, data in mail_server.accepted for line in data.splitlines() if b"X-Reader" in line) == [
        b"X-Reader: u1@example.test", b"X-Reader: u2@example.test"
    ]  # fmt: skip
    assert SendLog.objects.filter(outcome="sent").count() == 5
