"""Mails to the people of the installation: left with what they are about, sent once, and never in anybody's way."""

import datetime as dt
import email
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default as modern
from typing import Any, cast

import pytest
from django.db import connections, transaction
from django.utils import timezone

from messaging import notices
from messaging.models import Notice, Sender
from tests import factories
from tests.smtp_server import Script, Server

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail_server(settings: Any) -> Iterator[Server]:
    server = Server(Script())
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    yield server
    server.stop()


@pytest.fixture
def _sender(db: None) -> None:
    Sender.objects.create(name="Büro, Paris", address="hello@büro.example", is_default=True)


def received(server: Server) -> list[EmailMessage]:
    return [cast(EmailMessage, email.message_from_bytes(data, policy=modern)) for _to, data in server.accepted]


@pytest.mark.usefixtures("_sender")
def test_a_notice_arrives_whole_and_once(mail_server: Server, settings: Any) -> None:
    settings.PUBLIC_URL = "https://chappe.example"
    person = factories.user("Operator", name="Léa Été")
    notices.send(to=person, subject="Ready:\r\nBcc: x@example.test", body=".dot\n\nÀ toi", url="/approvals/1/")
    assert notices.send_due() == 1 and notices.send_due() == 0
    (mail,) = received(mail_server)
    assert mail["To"].addresses[0].addr_spec == person.email and mail["To"].addresses[0].display_name == "Léa Été"
    assert mail["Subject"] == "Ready: Bcc: x@example.test" and mail["Bcc"] is None
    assert mail["From"].addresses[0].addr_spec == "hello@xn--bro-hoa.example"
    assert mail.get_content().splitlines() == [".dot", "", "À toi", "", "https://chappe.example/approvals/1/"]
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.usefixtures("_sender")
def test_people_nobody_can_write_to_keep_nobody_else_from_their_mail(mail_server: Server) -> None:
    unwritable = [
        factories.user("Operator", email=address)
        for address in (
            "a@",
            "@",
            "",
            "a@b..example",
            "a b@c.example",
            "ü@c.example",
            "a@b.example\r\nBcc: x@y.example",
        )
    ]
    unwritable.append(factories.user("Operator", name="a\r\nBcc: x@y.example"))
    for person in [*unwritable, factories.user("Operator", email="ada@bücher.example")]:
        notices.send(to=person, subject="Look", body="-")
    assert notices.send_due() == 1
    assert [to for to, _data in mail_server.accepted] == ["ada@xn--bcher-kva.example"]
    assert Notice.objects.filter(sent_at=None, due_at=None).exclude(problem="").count() == len(unwritable)


@pytest.mark.usefixtures("_sender")
def test_nothing_is_left_for_what_was_rolled_back_repeated_or_for_people_who_left(mail_server: Server) -> None:
    person, gone = factories.user("Operator"), factories.user("Admin")
    gone.is_active = False
    with transaction.atomic():
        notices.send(to=person, subject="Never", body="-")
        transaction.set_rollback(True)
    for _again in range(2):
        notices.send(to=person, subject="Once", body="-", key="alert:1")
    notices.send(to=gone, subject="Gone", body="-")
    assert [notice.subject for notice in Notice.objects.all()] == ["Once"]


@pytest.mark.usefixtures("_sender")
def test_a_deferred_notice_comes_again_a_refused_one_is_given_up_and_neighbours_arrive(mail_server: Server) -> None:
    for local in ("rcpt451-a", "rcpt550-b", "c"):
        user = factories.user("Operator")
        user.email = f"{local}@example.test"
        user.save(update_fields=["email"])
        notices.send(to=user, subject=local, body="-")
    assert notices.send_due() == 1
    deferred, refused, sent = Notice.objects.order_by("pk")
    assert deferred.due_at is not None and deferred.due_at > timezone.now() and deferred.problem.startswith("451")
    assert refused.due_at is None and refused.sent_at is None and refused.problem.startswith("550")
    assert sent.sent_at is not None and sent.due_at is None
    for _attempt in range(4):
        Notice.objects.filter(pk=deferred.pk).update(due_at=timezone.now() - dt.timedelta(seconds=1))
        notices.send_due()
    deferred.refresh_from_db()
    assert deferred.due_at is None and deferred.sent_at is None and deferred.n_attempts == 5


def test_without_a_sender_or_a_server_notices_wait(settings: Any) -> None:
    settings.SMTP_URL = "smtp://127.0.0.1:1"
    notices.send(to=factories.user("Operator"), subject="Wait", body="-")
    assert notices.send_due() == 0
    Sender.objects.create(name="Shop", address="shop@example.test", is_default=True)
    Notice.objects.update(due_at=timezone.now())
    assert notices.send_due() == 0
    notice = Notice.objects.get()
    assert notice.sent_at is None and notice.due_at is not None and notice.n_attempts == 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_each_notice_once(mail_server: Server) -> None:
    Sender.objects.create(name="Shop", address="shop@example.test", is_default=True)
    person = factories.user("Operator")
    for number in range(20):
        notices.send(to=person, subject=str(number), body="-")
    ready = threading.Barrier(2)

    def work() -> None:
        ready.wait()
        notices.send_due()
        connections.close_all()

    workers = [threading.Thread(target=work) for _worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    notices.send_due()
    assert sorted(mail["Subject"] for mail in received(mail_server)) == sorted(map(str, range(20)))
