"""Mails that come back, end to end: the pipe, the mailbox, forgeries, unsubscribe mails, the same mail twice."""

import base64
import io
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection

from audiences import profiles
from audiences.models import Consent, ConsentChange, Profile, QuarantineEntry
from delivery import inbound, kpi, logs, return_mail, rollups, tasks
from delivery.models import Delivery, Event
from delivery.return_mail import Result
from messaging import links
from tests.delivery import mails
from tests.delivery.test_inbound import sent
from tests.imap_server import Box, Imap

pytestmark = pytest.mark.django_db


def returned(of: Delivery, person: Profile) -> str:
    """The return path of the message this person got."""
    return f"bounce+{links.token(of.pk, person.pk)}@shop.test"


def hexadecimal(of: Delivery, person: Profile) -> str:
    """The same in the form that survives a change of case, after such a change."""
    token = links.token(of.pk, person.pk)
    return f"BOUNCE+{base64.urlsafe_b64decode(token + '=' * (-len(token) % 4)).hex().upper()}@SHOP.TEST"


def message_id(of: Delivery, person: Profile) -> str:
    return f"{links.token(of.pk, person.pk)}@shop.test"


def page(of: Delivery, person: Profile) -> str:
    return links.page_token(of.pk, person.pk)


def nothing_moved() -> bool:
    return not (Event.objects.exists() or QuarantineEntry.objects.exists() or ConsentChange.objects.exists())


def piped(source: bytes, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    """What `manage.py receive_bounce` ends with."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(source)))
    try:
        call_command("receive_bounce", stdout=io.StringIO(), stderr=io.StringIO())
    except SystemExit as stop:
        return stop.code
    return 0


def test_a_hard_bounce_through_the_pipe_fails_the_message_and_quarantines_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, (person, other) = sent(2)
    assert piped(mails.bounce(returned(made, person)), monkeypatch) == 0
    (event,) = Event.objects.all()
    assert (event.kind, event.verdict, event.reason, event.profile_id) == ("bounced", "hard", "user_unknown", person.pk)
    assert [profiles.quarantined(one.email_key) is not None for one in (person, other)] == [True, False]
    rollups.rebuild(made.pk)
    panel = kpi.panel(made)
    assert (panel.sent, panel.delivered, panel.failed) == (2, 1, 1)
    shown = {row.profile_id: (row.status, row.answer) for row in logs.sending(made, logs.Filter()).rows}
    assert shown[person.pk][0] == "failed" and "No such user here" in shown[person.pk][1]


@pytest.mark.parametrize(
    ("case", "mail", "kinds", "result"),
    [
        ("hard", lambda d, p: mails.bounce(returned(d, p)), ["bounced"], Result.RECORDED),
        (
            "in hexadecimal, its case changed",
            lambda d, p: mails.bounce(hexadecimal(d, p)),
            ["bounced"],
            Result.RECORDED,
        ),
        (
            "by the Message-ID when the return path was lost",
            lambda d, p: mails.bounce("bounces@shop.test", message_id=message_id(d, p)),
            ["bounced"],
            Result.RECORDED,
        ),
        (
            "soft",
            lambda d, p: mails.bounce(returned(d, p), status="4.2.2", reply="452 4.2.2 Full"),
            ["bounced"],
            Result.RECORDED,
        ),
        (
            "delayed",
            lambda d, p: mails.bounce(returned(d, p), action="delayed", status="4.4.1", reply="451 4.4.1 Busy"),
            ["deferred"],
            Result.RECORDED,
        ),
        (
            "delivered",
            lambda d, p: mails.bounce(returned(d, p), action="delivered", status="2.0.0", reply="250 2.0.0 OK"),
            ["delivered"],
            Result.RECORDED,
        ),
        ("complaint", lambda d, p: mails.complaint(message_id=message_id(d, p)), ["complained"], Result.RECORDED),
        (
            "complaint without Message-ID",
            lambda d, p: mails.complaint(unsubscribe=links.unsubscribe_url(page(d, p))),
            ["complained"],
            Result.RECORDED,
        ),
        ("out of office", lambda d, p: mails.plain(returned(d, p), auto="auto-replied"), [], Result.IGNORED),
        ("somebody writes", lambda d, p: mails.plain(returned(d, p)), [], Result.NOT_OURS),
        (
            "unsubscribe",
            lambda d, p: mails.plain(f"unsubscribe+{page(d, p)}@shop.test"),
            ["unsubscribed"],
            Result.UNSUBSCRIBED,
        ),
        (
            "unsubscribe, by a program",
            lambda d, p: mails.plain(f"unsubscribe+{page(d, p)}@shop.test", auto="auto-generated"),
            ["unsubscribed"],
            Result.UNSUBSCRIBED,
        ),
        ("nothing at all", lambda _d, _p: b"", [], Result.NOT_OURS),
    ],
)
def test_what_each_kind_of_mail_does(
    case: str, mail: Callable[[Delivery, Profile], bytes], kinds: list[str], result: Result
) -> None:
    made, (person,) = sent()
    assert return_mail.handle(mail(made, person)) == result, case
    assert list(Event.objects.values_list("kind", flat=True)) == kinds, case


def test_an_unsubscribe_mail_does_what_the_page_does_and_may_come_twice() -> None:
    made, (person, other) = sent(2)
    for _ in range(2):
        assert return_mail.handle(mails.plain(f"Unsubscribe+{page(made, person)}@shop.test")) == Result.UNSUBSCRIBED
    states = [Profile.objects.get(pk=one.pk).email_consent for one in (person, other)]
    assert states == [Consent.UNSUBSCRIBED, Consent.SUBSCRIBED]
    assert [change.source for change in ConsentChange.objects.all()] == ["mailto"]
    assert Event.objects.count() == 1 and not QuarantineEntry.objects.exists()


def forgeries(of: Delivery, person: Profile) -> dict[str, bytes]:
    """Mails that claim to be about a message of ours and prove nothing."""
    token = links.token(of.pk, person.pk)
    broken = token[:4] + ("A" if token[4] != "A" else "B") + token[5:]
    return {
        "no token": mails.bounce("bounce@shop.test", address=person.email),
        "a broken token": mails.bounce(f"bounce+{broken}@shop.test", message_id=f"{broken}@shop.test"),
        "the token of the reader's page": mails.bounce(f"bounce+{page(of, person)}@shop.test"),
        "numbers in clear": mails.bounce(f"bounce+{of.pk}.{person.pk}.0@shop.test"),
        "another tag": mails.bounce(f"sales+{token}@shop.test"),
        "an address that is none": mails.bounce("bounce+"),
        "complaint without proof": mails.complaint(message_id="1@shop.test", unsubscribe="https://x.test/u/AAAAAAAAAAAAAAAA/"),
        "unsubscribe with a token strangers see": mails.plain(f"unsubscribe+{token}@shop.test"),
        "unsubscribe without": mails.plain("unsubscribe@shop.test"),
    }  # fmt: skip


def test_a_forged_mail_changes_nothing() -> None:
    made, (person,) = sent()
    for case, mail in forgeries(made, person).items():
        assert return_mail.handle(mail) == Result.NOT_OURS, case
        assert nothing_moved(), case
    # The same with the right token does something.
    assert return_mail.handle(mails.bounce(returned(made, person))) == Result.RECORDED


def test_test_messages_belong_to_no_delivery() -> None:
    _made, (person,) = sent()
    token, open_token = links.token(0, person.pk), links.page_token(0, person.pk)
    assert return_mail.handle(mails.bounce(f"bounce+{token}@shop.test")) == Result.IGNORED
    assert return_mail.handle(mails.plain(f"unsubscribe+{open_token}@shop.test")) == Result.IGNORED
    assert nothing_moved()


def test_the_same_mail_twice_is_one_event_and_another_is_another() -> None:
    made, (person, other) = sent(2)
    mail = mails.bounce(returned(made, person))
    assert [return_mail.handle(mail) for _ in range(2)] == [Result.RECORDED, Result.REPEATED]
    # It came through another server meanwhile.
    assert return_mail.handle(b"Received: from relay.test by mx.test\r\n" + mail) == Result.REPEATED
    # A server that gives all its mails one Message-ID hides none of them.
    assert return_mail.handle(mails.bounce(returned(made, other))) == Result.RECORDED
    assert (
        return_mail.handle(mails.bounce(returned(made, person), status="5.7.1", reply="550 5.7.1 Policy"))
        == Result.RECORDED
    )
    assert Event.objects.count() == 3


def test_a_report_about_a_send_whose_log_is_gone_is_dropped() -> None:
    _made, (person,) = sent()
    gone = Delivery(pk=10**9)
    assert return_mail.handle(mails.bounce(returned(gone, person))) == Result.TOO_OLD
    assert nothing_moved()


def test_the_pipe_asks_for_the_mail_again_while_the_database_is_away() -> None:
    made, (person,) = sent()
    mail = mails.bounce(returned(made, person))
    # Nobody listens there.
    environment = os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    command = [sys.executable, "manage.py", "receive_bounce"]
    done = subprocess.run(
        command, input=mail, env=environment, cwd=settings.BASE_DIR, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == os.EX_TEMPFAIL == 75, done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_the_pipe_never_returns_a_mail_to_its_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (person,) = sent()
    for mail in forgeries(made, person).values():
        assert piped(mail, monkeypatch) == 0
    monkeypatch.setattr(inbound, "record", lambda _items: 1 / 0)
    assert piped(mails.bounce(returned(made, person)), monkeypatch) == os.EX_TEMPFAIL


def test_a_mailbox_is_read_deleted_and_what_is_not_understood_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    made, people = sent(3)
    box = Box()
    box.put(
        mails.bounce(returned(made, people[0])),
        mails.plain("bounce@shop.test"),
        mails.complaint(message_id=message_id(made, people[1])),
        mails.plain(returned(made, people[2]), auto="auto-replied"),
        mails.bounce(returned(made, people[0])),
        mails.plain(f"unsubscribe+{page(made, people[2])}@shop.test"),
    )
    with Imap(box) as url:
        monkeypatch.setattr(settings, "BOUNCE_MAILBOX", url)
        tasks.fetch_bounces()
        assert return_mail.poll() == (0, 0, False)
    assert sorted(Event.objects.values_list("kind", flat=True)) == ["bounced", "complained", "unsubscribed"]
    assert sorted(QuarantineEntry.objects.values_list("reason", flat=True)) == ["complaint", "user_unknown"]
    assert [b"Unsubscribe me" in mail for mail in box.mails.values()] == [True]
    assert list(box.flags.values()) == [{"\\Flagged"}]


def test_mails_stay_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    made, people = sent(2)
    box = Box()
    box.put(*(mails.bounce(returned(made, person)) for person in people))
    record = inbound.record
    answers = itertools.chain([record], itertools.repeat(_away))
    with Imap(box) as url:
        monkeypatch.setattr(settings, "BOUNCE_MAILBOX", url)
        monkeypatch.setattr(inbound, "record", lambda items: next(answers)(items))
        return_mail.poll()
        assert (len(box.mails), Event.objects.count()) == (1, 1)
        monkeypatch.setattr(inbound, "record", record)
        return_mail.poll()
    assert (len(box.mails), Event.objects.count()) == (0, 2)


def _away(_items: Any) -> None:
    raise OperationalError("the database is away")


def test_without_a_mailbox_and_with_one_that_does_not_answer_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert return_mail.poll() is None
    monkeypatch.setattr(settings, "BOUNCE_MAILBOX", "imap://a:b@127.0.0.1:1/")
    assert return_mail.poll() is None


@pytest.mark.django_db(transaction=True)
def test_one_mail_in_two_processes_at_once_is_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (person,) = sent()
    mail = mails.bounce(returned(made, person), status="4.2.2", reply="452 4.2.2 Full")
    barrier, results = threading.Barrier(6), []

    def work() -> None:
        barrier.wait()
        results.append(return_mail.handle(mail))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [Result.RECORDED] + [Result.REPEATED] * 5
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_processes_never_read_the_mailbox_together(monkeypatch: pytest.MonkeyPatch) -> None:
    made, people = sent(4)
    box, results, barrier = Box(), [], threading.Barrier(2)
    box.put(*(mails.bounce(returned(made, person)) for person in people))

    def work() -> None:
        barrier.wait()
        results.append(return_mail.poll())
        connection.close()

    with Imap(box) as url:
        monkeypatch.setattr(settings, "BOUNCE_MAILBOX", url)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(one.n_deleted for one in results if one) == 4
    assert sum(command.startswith("UID FETCH") for command in box.seen) == 8
    assert Event.objects.count() == 4


@pytest.mark.skipif(not mails.CORPUS.exists(), reason="the corpus of real mails is not on this machine")
def test_real_bounce_mails_with_our_return_path_are_believed_and_without_it_are_not() -> None:
    labels = json.loads((Path(mails.CORPUS) / "labels.json").read_text())
    names = sorted(name for name in labels if name.startswith(("lhost-postfix", "lhost-sendmail", "rfc3464")))[:12]
    assert names
    made, people = sent(len(names))
    for name in names:
        assert return_mail.handle((mails.CORPUS / name).read_bytes()) in {Result.NOT_OURS, Result.IGNORED}, name
        assert nothing_moved()
    for name, person in zip(names, people, strict=True):
        result = return_mail.handle(mails.rewritten(name, returned(made, person)))
        assert result in {Result.RECORDED, Result.IGNORED}, name
    bounced = set(Event.objects.filter(kind__in=["bounced", "deferred"]).values_list("profile_id", flat=True))
    assert bounced == {person.pk for person in people}
