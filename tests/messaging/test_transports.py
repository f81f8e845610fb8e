"""Senders and mail servers: who may change them, how secrets are kept, what a connection test says."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import AuditEntry, User
from lib.errors import DomainError, NotAllowed
from messaging import senders, testsend, transports
from messaging.models import CaughtMessage, Sender, Transport
from tests import factories

pytestmark = pytest.mark.django_db


def settings_of(**fields: Any) -> transports.ServerSettings:
    defaults: dict[str, Any] = {
        "name": "Relay", "host": "smtp.example.test", "port": 587, "security": "starttls", "username": "shop",
        "password": "s3cret", "n_connections": 4, "rate_per_minute": None, "feedback": "bounces_only",
    }  # fmt: skip
    return transports.ServerSettings(**{**defaults, **fields})


def admin() -> User:
    return factories.user("Admin")


# --- transports -----------------------------------------------------------------------------------------------


def test_the_default_transport_follows_the_environment() -> None:
    with override_settings(SMTP_URL="smtp+starttls://me%40x:p%2Fw@mail.example.test:2525"):
        server = transports.server(transports.default())
    assert (server.host, server.port, server.security) == ("mail.example.test", 2525, "starttls")
    assert (server.username, server.password) == ("me@x", "p/w")
    assert transports.default().pk == transports.default().pk
    assert Transport.objects.count() == 1


@pytest.mark.parametrize(
    ("url", "is_production", "expected"),
    [
        ("smtp://127.0.0.1:1025", False, True),
        ("smtp://127.0.0.1:1025", True, False),
        ("smtp://mail.example.test", False, False),
    ],
)
def test_the_catcher_is_recognised(url: str, is_production: bool, expected: bool) -> None:
    with override_settings(SMTP_URL=url, IS_PRODUCTION=is_production):
        assert transports.is_catcher(transports.default()) is expected


def test_a_saved_secret_is_encrypted_and_comes_back_only_for_sending() -> None:
    transport = transports.save(transports.default().pk, settings_of(), by=admin())
    stored = Transport.objects.get(pk=transport.pk)
    assert b"s3cret" not in bytes(stored.secret or b"")
    assert transports.server(stored).password == "s3cret"
    assert "s3cret" not in repr(transports.server(stored))
    assert "s3cret" not in str(list(AuditEntry.objects.values_list("detail", flat=True)))
    assert stored.secret_set_at is not None and not stored.uses_environment


def test_a_password_that_was_not_typed_is_kept_and_an_empty_one_removes_it() -> None:
    by = admin()
    transport = transports.save(transports.default().pk, settings_of(), by=by)
    set_at = transport.secret_set_at
    kept = transports.save(transport.pk, settings_of(password=None, n_connections=9), by=by)
    assert transports.server(kept).password == "s3cret" and kept.secret_set_at == set_at
    removed = transports.save(transport.pk, settings_of(password=""), by=by)
    assert transports.server(removed).password == "" and removed.secret_set_at is None


@pytest.mark.parametrize("change", [{"host": "evil.example.test"}, {"port": 25}, {"username": "other"}])
def test_a_stored_password_is_never_sent_to_another_server(change: dict[str, Any]) -> None:
    by = admin()
    transport = transports.save(transports.default().pk, settings_of(), by=by)
    for attempt in (
        lambda: transports.save(transport.pk, settings_of(password=None, **change), by=by),
        lambda: transports.candidate(transport, settings_of(password=None, **change)),
    ):
        with pytest.raises(transports.TransportInvalid) as caught:
            attempt()
        assert list(caught.value.fields) == ["password"]
    assert transports.server(Transport.objects.get()).host == "smtp.example.test"


def test_a_password_of_another_installation_is_told() -> None:
    transport = transports.save(transports.default().pk, settings_of(), by=admin())
    with override_settings(SECRET_KEY="another" * 10), pytest.raises(transports.TransportInvalid) as caught:
        transports.server(transport)
    assert "Enter it again" in caught.value.message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": ""}, "host"),
        ({"host": "smtp://x"}, "host"),
        ({"host": "a b"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 70000}, "port"),
        ({"security": "ssl"}, "security"),
        ({"security": "none"}, "security"),
        ({"n_connections": 0}, "n_connections"),
        ({"rate_per_minute": 0}, "rate_per_minute"),
        ({"feedback": "x"}, "feedback"),
    ],
)
def test_wrong_settings_are_told_at_their_field(change: dict[str, Any], field: str) -> None:
    by, transport = admin(), transports.default()
    with pytest.raises(transports.TransportInvalid) as caught:
        transports.save(transport.pk, settings_of(**change), by=by)
    assert list(caught.value.fields) == [field]
    assert Transport.objects.get().uses_environment


@pytest.mark.parametrize("host", ["127.0.0.1", "mail.example.test", "::1", "2001:db8::1"])
def test_hosts_and_addresses_are_taken(host: str) -> None:
    transports.validate(settings_of(host=host))


@pytest.mark.parametrize("role", ["", "Viewer", "Marketer", "Operator"])
def test_only_admins_change_mail_servers_and_senders(role: str) -> None:
    by, transport, sender = factories.user(role), transports.default(), factories.sender()
    for change in (
        lambda: transports.save(transport.pk, settings_of(), by=by),
        lambda: transports.use_environment(transport.pk, by=by),
        lambda: senders.save(name="x", address="x@y.test", reply_to="", by=by),
        lambda: senders.make_default(sender.pk, by=by),
        lambda: senders.archive(sender.pk, by=by),
        lambda: senders.restore(sender.pk, by=by),
    ):
        with pytest.raises(NotAllowed):
            change()
    assert Transport.objects.get().uses_environment
    assert Sender.objects.get().archived_at is None


def test_going_back_to_the_environment_forgets_the_password() -> None:
    by = admin()
    transport = transports.save(transports.default().pk, settings_of(), by=by)
    back = transports.use_environment(transport.pk, by=by)
    assert back.uses_environment and back.secret is None


# --- senders ----------------------------------------------------------------------------------------------------


def test_the_first_sender_becomes_the_default_and_another_can() -> None:
    by = admin()
    first = senders.save(name="Shop", address="a@shop.test", reply_to="", by=by)
    second = senders.save(name="News", address="b@shop.test", reply_to="c@shop.test", by=by)
    assert senders.default() == first
    senders.make_default(second.pk, by=by)
    assert senders.default() == second
    assert Sender.objects.filter(is_default=True).count() == 1
    senders.archive(first.pk, by=by)
    assert senders.active() == [second] and senders.archived() == [first]
    with pytest.raises(senders.SenderInvalid):
        senders.archive(second.pk, by=by)
    with pytest.raises(senders.SenderInvalid):
        senders.make_default(first.pk, by=by)
    senders.restore(first.pk, by=by)
    assert senders.active() == [second, first]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "\r\n"}, "name"),
        ({"address": ""}, "address"),
        ({"address": "x"}, "address"),
        ({"address": "a@b.test\r\nBcc: c@d.test"}, "address"),
        ({"reply_to": "nobody"}, "reply_to"),
    ],
)
def test_a_sender_that_can_not_send_is_refused(fields: dict[str, str], field: str) -> None:
    by = admin()
    with pytest.raises(senders.SenderInvalid) as caught:
        senders.save(**{"name": "Shop", "address": "a@shop.test", "reply_to": "", **fields}, by=by)  # type: ignore[arg-type]
    assert list(caught.value.fields) == [field]
    assert not Sender.objects.exists()


def test_editing_a_sender_leaves_published_messages_alone() -> None:
    by = admin()
    sender = senders.save(name="Shop", address="a@shop.test", reply_to="", by=by)
    message = factories.message(sender_name=sender.name, sender_address=sender.address)
    senders.save(name="New name", address="new@shop.test", reply_to="", by=by, sender_id=sender.pk)
    message.refresh_from_db()
    assert (message.sender_name, message.sender_address) == ("Shop", "a@shop.test")
    assert senders.usage() == {"a@shop.test": 1}


# --- with a server on this machine ------------------------------------------------------------------------------


@contextmanager
def scripted(*answers: bytes) -> Iterator[int]:
    """A server that says `answers`, one for the greeting and one for each line it gets; gives its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _address = listening.accept()
        # The other side may be gone before the last answer.
        with connection, connection.makefile("rb") as lines, suppress(ConnectionError):
            for answer in answers:
                connection.sendall(answer)
                if not lines.readline():
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.close()
    thread.join(timeout=5)


def checked(port: int, **fields: Any) -> transports.Transcript:
    server = transports.candidate(
        transports.default(),
        settings_of(
            **{"host": "127.0.0.1", "port": port, "security": "none", "username": "", "password": "", **fields}
        ),
    )
    return transports.check_connection(server)


def test_a_working_server_is_told_with_its_conversation() -> None:
    with scripted(b"220 hello\r\n", b"250 here\r\n", b"221 bye\r\n") as port:
        transcript = checked(port)
    assert transcript.ok and transcript.problem == ""
    assert any("220 hello" in line for line in transcript.lines)


def test_a_refused_connection_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    transcript = checked(port)
    assert not transcript.ok
    assert transcript.problem.endswith(".") and "\n" not in transcript.problem


def test_wrong_credentials_are_told_and_masked() -> None:
    with scripted(b"220 hello\r\n", b"250-here\r\n250 AUTH PLAIN\r\n", b"535 5.7.8 no\r\n", b"221 bye\r\n") as port:
        transcript = checked(port, username="shop", password="s3cret")
    assert not transcript.ok and transcript.problem
    text = "\n".join(transcript.lines)
    assert "535" in text
    # "\0shop\0s3cret" as AUTH PLAIN would send it.
    assert "s3cret" not in text and "AHNob3AAczNjcmV0" not in text


def test_a_server_without_tls_is_told() -> None:
    with scripted(b"220 hello\r\n", b"250 here\r\n", b"221 bye\r\n") as port:
        transcript = checked(port, security="starttls")
    assert not transcript.ok
    assert "STARTTLS" in transcript.problem or "encrypt" in transcript.problem.lower()


@pytest.mark.django_db(transaction=True)
def test_a_test_send_reaches_the_inbox_marked_as_a_test(caught_mail: int) -> None:
    with override_settings(SMTP_URL=f"smtp://127.0.0.1:{caught_mail}"):
        results = testsend.send(
            factories.content_spec(subject="Hi {{ profile.first_name }}, {{ api_trigger_properties.order.number }}"),
            to=["me@example.test", "me@example.test", " bad", "bounce-hard@example.test"],
            person=factories.person(first_name="Zoë"),
            campaign={"name": "x"},
            trigger={"order": {"number": 1042}},
        )
    assert [(r.address, r.ok) for r in results] == [
        ("me@example.test", True),
        ("bad", False),
        ("bounce-hard@example.test", False),
    ]
    assert results[1].message == "This is not a valid address."
    assert "550" in results[2].message
    caught = CaughtMessage.objects.get()
    assert (caught.subject, caught.envelope_to, caught.delivery_ref) == (
        "[Test] Hi Zoë, 1042",
        "me@example.test",
        "test",
    )


@pytest.mark.parametrize("to", [[], [" "], [f"a{n}@b.test" for n in range(11)]])
def test_a_test_needs_some_and_not_too_many_addresses(to: list[str]) -> None:
    with pytest.raises(DomainError):
        testsend.send(factories.content_spec(), to=to, person=None, campaign={})


def test_a_test_without_a_server_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with override_settings(SMTP_URL=f"smtp://127.0.0.1:{port}"):
        results = testsend.send(factories.content_spec(), to=["me@example.test"], person=None, campaign={})
    assert not results[0].ok and results[0].message


# --- pages ------------------------------------------------------------------------------------------------------


def signed_in(role: str = "Admin") -> Client:
    client = Client()
    client.force_login(factories.user(role))
    return client


def form_values(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Relay", "host": "smtp.example.test", "port": "587", "security": "starttls", "username": "shop",
        "password": "s3cret", "n_connections": "4", "rate_per_minute": "", "feedback": "real_time", **fields,
    }  # fmt: skip


def test_the_sending_page_saves_and_never_shows_the_password() -> None:
    client, url = signed_in(), reverse("messaging:settings-sending")
    assert client.post(url, form_values()).status_code == 302
    page = client.get(url).content.decode()
    assert "smtp.example.test" in page and "Set on" in page
    assert "s3cret" not in page
    refused = client.post(url, form_values(port="0", password=""))
    assert refused.status_code == 422 and "Enter a port from 1 to 65535." in refused.content.decode()


def test_the_connection_test_shows_a_transcript_and_keeps_what_was_typed() -> None:
    client, url = signed_in(), reverse("messaging:sending-test")
    with scripted(b"220 hello\r\n", b"250 here\r\n", b"221 bye\r\n") as port:
        values = form_values(host="127.0.0.1", port=str(port), security="none", username="", password="")
        fragment = client.post(url, values, headers={"HX-Request": "true"}).content.decode()
    assert "The connection works." in fragment and "<html" not in fragment
    refused = client.post(url, form_values(host="")).content.decode()
    assert "Enter the name of the mail server" in refused and 'value="Relay"' in refused
    assert Transport.objects.get().uses_environment


def test_senders_are_added_edited_and_archived_on_their_pages() -> None:
    client = signed_in()
    url = reverse("messaging:sender-new")
    assert client.post(url, {"name": "", "address": "x", "reply_to": ""}).status_code == 422
    assert client.post(url, {"name": "Shop", "address": "a@shop.test", "reply_to": ""}).status_code == 302
    sender = Sender.objects.get()
    assert client.post(reverse("messaging:sender", args=[sender.public_id]), {"name": "New", "address": "a@shop.test"})
    assert "New" in client.get(reverse("messaging:settings-senders")).content.decode()
    refused = client.post(reverse("messaging:sender-archive", args=[sender.public_id]), headers={"Accept": "text/html"})
    assert refused.status_code == 409
    assert Sender.objects.get().archived_at is None


def test_the_menu_of_a_sender_can_really_be_posted() -> None:
    factories.sender(is_default=True)
    other = factories.sender()
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("Admin"))
    shown = client.get(reverse("messaging:settings-senders")).content.decode()
    url = reverse("messaging:sender-default", args=[other.public_id])
    form = shown[shown.index(f'action="{url}"') :]
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form[: form.index("</form>")])
    assert found, "the form has no token"
    assert client.post(url, {"csrfmiddlewaretoken": found[1]}).status_code == 302
    assert senders.default() == other
