"""The mail catcher and the inbox pages."""

import smtplib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import AuditEntry
from messaging import inbox
from messaging.channels import email
from messaging.models import CaughtMessage
from tests import factories

SOURCE = (
    b"From: Shop <shop@shop.test>\r\nTo: lea@example.test\r\nSubject: =?utf-8?b?w4l0w6k=?=\r\n folded\r\n"
    b"X-Chappe-Delivery: ref-1\r\nMessage-ID: <abc@shop.test>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Hello <a href='https://a.test/?x=1&amp;y=2'>x</a></p>\r\n"
)


def caught(to: str = "lea@example.test", source: bytes = SOURCE) -> CaughtMessage:
    inbox.store([inbox.Caught("shop@shop.test", to, source)])
    return CaughtMessage.objects.latest("id")


def send(port: int, to: list[str], source: bytes = SOURCE) -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        return client.sendmail("shop@shop.test", to, source)


# --- the catcher ------------------------------------------------------------------------------------------------


def test_what_the_catcher_took_is_in_the_inbox_as_it_came(caught_mail: int) -> None:
    assert send(caught_mail, ["lea@example.test", "tom@example.test"]) == {}
    rows = list(CaughtMessage.objects.order_by("id"))
    assert [row.envelope_to for row in rows] == ["lea@example.test", "tom@example.test"]
    assert (rows[0].subject, rows[0].delivery_ref, rows[0].n_bytes) == ("Été folded", "ref-1", len(SOURCE))
    assert inbox.source(rows[0]) == SOURCE


def test_a_rendered_message_survives_the_wire_byte_for_byte(caught_mail: int) -> None:
    spec = factories.content_spec(body="<body>.\n..\n{{ profile.first_name }}\n.</body>", text=".\n..x\n")
    program = email.compile(
        factories.content.draft_message(spec), delivery_id=1, delivery_ref="ref-2", campaign={"name": "x"}
    )
    payload = program.render(factories.person(first_name=".dot", email="lea@example.test"))
    with smtplib.SMTP("127.0.0.1", caught_mail, timeout=10) as client:
        client.ehlo()
        client.docmd("MAIL", f"FROM:<{payload.mail_from.decode()}>")
        client.docmd("RCPT", f"TO:<{payload.rcpt_to.decode()}>")
        assert client.docmd("DATA")[0] == 354
        client.send(payload.data)
        assert client.getreply()[0] == 250
    row = CaughtMessage.objects.get()
    opened = inbox.opened(row)
    assert row.delivery_ref == "ref-2"
    assert row.envelope_from == payload.mail_from.decode()
    assert opened.html.replace("\r\n", "\n").startswith("<body>.\n..\n.dot\n.<img")
    assert opened.text.replace("\r\n", "\n") == ".\n..x\n"


def test_addresses_for_trying_out_failures(caught_mail: int) -> None:
    refused = send(caught_mail, ["bounce-hard@x.test", "bounce-soft+1@x.test", "ok@x.test"])
    assert {to: answer[0] for to, answer in refused.items()} == {"bounce-hard@x.test": 550, "bounce-soft+1@x.test": 451}
    assert [row.envelope_to for row in CaughtMessage.objects.all()] == ["ok@x.test"]


def test_many_senders_at_once_lose_nothing(caught_mail: int) -> None:
    def one(number: int) -> None:
        assert send(caught_mail, [f"p{number}-{n}@x.test" for n in range(3)]) == {}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(40)))
    assert CaughtMessage.objects.values("envelope_to").distinct().count() == 120


def test_while_the_database_is_away_senders_are_told_to_come_again(caught_mail: int) -> None:
    assert send(caught_mail, ["first@example.test"]) == {}
    with connection.cursor() as cursor:
        # As a restart of PostgreSQL does: the writer's connection is gone.
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    with pytest.raises(smtplib.SMTPDataError) as told:
        send(caught_mail, ["second@example.test"])
    assert told.value.smtp_code == 451
    assert send(caught_mail, ["second@example.test"]) == {}
    assert list(CaughtMessage.objects.order_by("id").values_list("envelope_to", flat=True)) == [
        "first@example.test",
        "second@example.test",
    ]


def test_odd_mail_is_kept_too(caught_mail: int) -> None:
    for source in (
        b"\r\n",
        b"no headers at all",
        b"Subject: \xff\xfe\x00broken\r\n\r\n\x00\xff",
        b"Subject: =?x?q?=41?=\r\n\r\n",
    ):
        assert send(caught_mail, ["lea@example.test"], source) == {}
    client = signed_in("Viewer")
    for row in CaughtMessage.objects.all():
        for tab in ("html", "text", "headers", "source"):
            assert (
                client.get(f"{reverse('messaging:inbox-message', args=[row.public_id])}?tab={tab}").status_code == 200
            )
    assert CaughtMessage.objects.count() == 4


def test_a_port_that_is_taken_is_one_sentence(caught_mail: int) -> None:
    with pytest.raises(CommandError, match=f"Port {caught_mail} on 127.0.0.1 can't be used"):
        call_command("mailcatcher", port=caught_mail)


@pytest.mark.django_db
def test_only_the_newest_are_kept() -> None:
    for number in range(7):
        caught(f"p{number}@x.test")
    with override_settings(INBOX_KEEP=3):
        assert inbox.prune() == 4
        assert inbox.prune() == 0
    assert list(CaughtMessage.objects.order_by("id").values_list("envelope_to", flat=True)) == [
        "p4@x.test", "p5@x.test", "p6@x.test"
    ]  # fmt: skip


# --- the pages --------------------------------------------------------------------------------------------------


def signed_in(role: str = "Admin") -> Client:
    client = Client()
    client.force_login(factories.user(role))
    return client


def page(client: Client, **query: str) -> str:
    return client.get(reverse("messaging:inbox"), query).content.decode()


@pytest.mark.django_db
def test_an_empty_inbox_says_what_it_is() -> None:
    assert "This inbox catches what Chappe sends" in page(signed_in("Viewer"))


@pytest.mark.django_db
def test_messages_are_found_by_address_subject_and_send() -> None:
    caught("lea@example.test")
    caught("tom@example.test", SOURCE.replace(b"ref-1", b"ref-2"))
    client = signed_in("Viewer")
    assert page(client).count("Été folded") == 2
    assert "tom@example.test" not in page(client, q="LEA@")
    assert "lea@example.test" not in page(client, delivery="ref-2")
    assert page(client, q="été").count("Été folded") == 2
    assert "Nothing matches." in page(client, q="nobody")
    assert "Nothing matches." in page(client, q="\x00", delivery="none")


@pytest.mark.django_db
def test_pages_follow_each_other_in_a_fixed_number_of_queries(django_assert_num_queries: Any) -> None:
    inbox.store([inbox.Caught("", f"p{n:03}@x.test", SOURCE) for n in range(inbox.PAGE_SIZE + 5)])
    first = inbox.page()
    assert first.n_found == inbox.PAGE_SIZE + 5 and len(first.rows) == inbox.PAGE_SIZE
    with django_assert_num_queries(2):
        second = inbox.page(before=first.after)
    assert [row.envelope_to for row in second.rows] == [f"p{n:03}@x.test" for n in (4, 3, 2, 1, 0)]
    assert second.after is None
    client = signed_in("Viewer")
    assert f"before={first.after}" in page(client)
    for odd in ("x", "-1", "9" * 30, "²"):
        assert client.get(reverse("messaging:inbox"), {"before": odd}).status_code == 200


@pytest.mark.django_db
def test_the_html_is_shown_in_a_frame_that_can_only_open_links() -> None:
    row = caught(source=SOURCE.replace(b"<p>", b"<script>alert(1)</script><p>"))
    client = signed_in("Viewer")
    shown = client.get(reverse("messaging:inbox-message", args=[row.public_id])).content.decode()
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown
    assert "alert(1)" not in shown
    assert "https://a.test/?x=1&amp;y=2" in shown
    frame = client.get(reverse("messaging:inbox-html", args=[row.public_id]))
    assert frame["Content-Security-Policy"].endswith("sandbox allow-popups allow-popups-to-escape-sandbox")
    assert "default-src 'none'" in frame["Content-Security-Policy"]
    assert b"alert(1)" in frame.content
    assert client.get(reverse("messaging:inbox-message", args=[row.public_id]), {"tab": "x"}).status_code == 404


@pytest.mark.django_db
def test_the_export_is_complete_for_one_send_and_needs_the_right() -> None:
    caught("lea@example.test")
    caught("=cmd@example.test")
    caught("tom@example.test", SOURCE.replace(b"ref-1", b"ref-2"))
    url = reverse("messaging:inbox-export")
    lines = b"".join(signed_in("Operator").get(url, {"delivery": "ref-1"}).streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "received_at,envelope_to,message_id"
    assert [line.split(",")[1:] for line in lines[1:]] == [
        ["lea@example.test", "<abc@shop.test>"],
        ["'=cmd@example.test", "<abc@shop.test>"],
    ]
    assert signed_in("Marketer").get(url).status_code == 403


@pytest.mark.django_db
def test_deleting_everything_is_for_admins_and_leaves_a_trace() -> None:
    caught()
    url = reverse("messaging:inbox-clear")
    for role in ("Viewer", "Marketer", "Operator"):
        assert signed_in(role).post(url).status_code == 403
    assert CaughtMessage.objects.count() == 1
    client = signed_in()
    assert client.get(url).status_code == 405
    assert client.post(url).status_code == 302
    assert not CaughtMessage.objects.exists()
    assert AuditEntry.objects.get(action="inbox.cleared").detail == {"messages": 1}


@pytest.mark.django_db
def test_the_admin_shows_messages_and_changes_none() -> None:
    client, row, message = signed_in(), caught(), factories.message()
    for model, pk in (("caughtmessage", row.pk), ("message", message.pk)):
        assert client.get(reverse(f"admin:messaging_{model}_changelist")).status_code == 200
        assert client.get(reverse(f"admin:messaging_{model}_change", args=[pk])).status_code == 200
        assert client.get(reverse(f"admin:messaging_{model}_add")).status_code == 403
        assert client.post(reverse(f"admin:messaging_{model}_delete", args=[pk])).status_code == 403
    assert CaughtMessage.objects.count() == 1


@pytest.mark.django_db
def test_no_question_breaks_the_pages() -> None:
    client = signed_in("Operator")
    for name in ("q", "delivery", "before"):
        for value in ("\x00", "a\x00b", "'", "%", "9" * 30, "²", "\ud800"):
            assert (
                client.get(reverse("messaging:inbox"), {name: value.encode("utf-8", "surrogatepass")}).status_code
                == 200
            )
    answer = client.get(reverse("messaging:inbox-export"), {"delivery": "a\x00b"})
    assert b"".join(answer.streaming_content).count(b"\n") == 1  # type: ignore[attr-defined]
