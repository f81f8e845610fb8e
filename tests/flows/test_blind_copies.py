"""Blind copies: one for each message that a server took, and nothing that happens to them is anybody's outcome."""

import email
import email.policy
from typing import Any

import pytest
from django.utils import timezone

from accounts import installation
from campaigns import contents
from delivery.models import Outcome, SendLog, Shard, TriggerRequest
from messaging import blind_copies
from messaging.models import Message
from tests import factories, smtp_server
from tests.api.callers import Caller
from tests.api.test_messages import FOOTER
from tests.api.test_messages import email as written
from tests.flows.test_api_sends import work

pytestmark = pytest.mark.django_db(transaction=True)
ARCHIVE = "Archive@shop.test"


def allow(*lines: str) -> None:
    installation.save({blind_copies.SETTING: "\n".join(lines)}, by=factories.user("Admin"))


def ask(*names: str, bcc: str) -> None:
    factories.sender(name="Example Shop", address="hello@shop.test")
    for name in names:
        factories.profile(external_id=name, email=f"{name}@example.test")
    body = '<p>{{ profile.email }} <a href="https://shop.test/sale">Sale</a></p>' + FOOTER
    call = {"external_user_ids": list(names), "messages": written(body=body, bcc=bcc)}
    assert Caller().post("/messages/send", call).status_code == 201


def outcomes() -> dict[str, str]:
    return {row.address.partition("@")[0]: row.outcome for row in SendLog.objects.all()}


def test_each_message_that_was_taken_has_one_copy_that_is_nobodys(mail_server: smtp_server.Server) -> None:
    allow("other@shop.test", ARCHIVE)
    ask("a", "rcpt550-b", "dot451-c", bcc="archive@shop.test")
    work()
    mail_server.script.answers["dot451-c"] = ("dot", "250 2.0.0 taken")
    Shard.objects.update(due_at=timezone.now())
    work()
    assert outcomes() == {"a": Outcome.SENT, "rcpt550-b": Outcome.FAILED, "dot451-c": Outcome.SENT}
    request = TriggerRequest.objects.get()
    assert (SendLog.objects.count(), request.n_named, request.n_queued) == (3, 3, 3)
    got: dict[str, list[bytes]] = {}
    for to, data in mail_server.accepted:
        got.setdefault(to, []).append(data)
    assert {to: len(datas) for to, datas in got.items()} == {
        "a@example.test": 1,
        "dot451-c@example.test": 1,
        ARCHIVE: 2,
    }
    copies = [email.message_from_bytes(data, policy=email.policy.default) for data in got[ARCHIVE]]
    assert sorted(copy["To"] for copy in copies) == ["a@example.test", "dot451-c@example.test"]
    first = email.message_from_bytes(got["a@example.test"][0], policy=email.policy.default)
    for copy in copies:
        html = copy.get_body(("html",)).get_content()
        assert 'href="https://shop.test/sale"' in html and 'href="#"' in html and "/c/" not in html
        assert copy["List-Unsubscribe"] is None and copy["Message-ID"] != first["Message-ID"]
        assert copy["Subject"] == first["Subject"] and "X-PM-Metadata-chappe" not in copy
        assert copy["Bcc"] is None and first["Bcc"] is None


@pytest.mark.parametrize("faulty", ["rcpt550-archive", "dropdot-archive"])
def test_what_becomes_of_copies_changes_nothing(mail_server: smtp_server.Server, faulty: str) -> None:
    allow(f"{faulty}@shop.test")
    names = [f"u{n}" for n in range(6)]
    ask(*names, bcc=f"{faulty}@shop.test")
    work()
    for _turn in range(2):
        Shard.objects.update(due_at=timezone.now())
        work()
    assert outcomes() == dict.fromkeys(names, Outcome.SENT)
    taken = [to for to, _data in mail_server.accepted if not to.startswith(faulty)]
    assert sorted(taken) == [f"{name}@example.test" for name in names], "nobody twice"


def test_an_address_that_was_taken_out_of_settings_gets_no_more(mail_server: smtp_server.Server) -> None:
    allow(ARCHIVE)
    ask("a", bcc=ARCHIVE)
    allow("")
    work()
    assert [to for to, _data in mail_server.accepted] == ["a@example.test"]


def test_only_addresses_of_settings(settings: Any) -> None:
    factories.sender(name="Example Shop", address="hello@shop.test")
    for text, told in (("a@shop.test\nnonsense", "not a valid address"), ("a@shop.test\n" * 21, "at most 20")):
        assert told in blind_copies.read(text)[1]
    allow(ARCHIVE)
    plain = contents.read(written())
    assert contents.read(written(bcc="archive@SHOP.test")).bcc == ARCHIVE and plain.bcc == ""
    with pytest.raises(contents.MessageInvalid, match=r"messages\.email\.bcc must be one of"):
        contents.read(written(bcc="all@evil.test"))
    assert not Message.objects.exists()
