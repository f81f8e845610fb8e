"""Signatures that an independent verifier accepts, and that break when anything signed is changed."""

import re
from typing import Any

import dkim as dkimpy
import pytest

from messaging import dkim
from messaging.channels import email
from tests import factories

KEY = dkim.make_key()
HEAD = (
    b"From: Shop <hello@shop.test>\r\nTo: a@example.test\r\nSubject: Autumn   is\r\n here\r\n"
    b"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <x@shop.test>\r\nMIME-Version: 1.0\r\n"
    b"List-Unsubscribe: <https://shop.test/u/1/>\r\nX-Other: 1\r\n"
)
BODY = b"Hello  \t world \r\n\r\n.dot\r\n  \r\n\r\n"


def verified(message: bytes) -> bool:
    def record(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"s1._domainkey.shop.test."
        return dkim.record(KEY).encode()

    return bool(dkimpy.verify(message, dnsfunc=record))


def signed(head: bytes = HEAD, body: bytes = BODY) -> bytes:
    signer = dkim.Signer(domain="shop.test", selector="s1", key=KEY)
    return signer.header(head, body) + head + b"\r\n" + body


@pytest.mark.parametrize(
    "body",
    [BODY, b"", b"\r\n", b"x", b"x\r\n\r\n\r\n", b" \t\r\n", b"a \r\n b\r\n", b"\r\n\r\nx\r\n", "Été\r\n".encode()],
)
def test_an_independent_verifier_accepts_it(body: bytes) -> None:
    assert verified(signed(body=body))


def test_blanks_and_folds_that_relays_change_do_not_break_it() -> None:
    assert verified(signed().replace(b"Subject: Autumn   is\r\n here", b"Subject:Autumn is here"))
    assert verified(signed().replace(b"Hello  \t world \r\n", b"Hello world\r\n"))
    assert verified(signed() + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"Hello", b"Hallo", id="body"),
        pytest.param(b"Subject: Autumn", b"Subject: Winter", id="subject"),
        pytest.param(b"From: Shop", b"From: Bank", id="from"),
        pytest.param(b"X-Other", b"From: Bank <b@bank.test>\r\nX-Other", id="a second From"),
        pytest.param(b"X-Other", b"Subject: Win\r\nX-Other", id="a second Subject"),
        pytest.param(b"X-Other", b"Reply-To: b@bank.test\r\nX-Other", id="a Reply-To that was not there"),
        pytest.param(b"/u/1/", b"/u/2/", id="unsubscribe link"),
        pytest.param(b".dot", b".dot\r\nmore", id="more body"),
    ],
)
def test_whatever_is_signed_can_not_be_changed(old: bytes, new: bytes) -> None:
    assert not verified(signed().replace(old, new))


def test_what_is_not_signed_can_be_changed() -> None:
    assert verified(signed().replace(b"X-Other: 1", b"X-Other: 2"))


def test_lines_are_short_and_no_length_is_given() -> None:
    header = dkim.Signer(domain="shop.test", selector="s1", key=KEY).header(HEAD, BODY)
    assert max(len(line) for line in header.split(b"\r\n")) <= 90
    assert not re.search(rb"[; ]l=", header) and header.endswith(b"\r\n") and b"a=rsa-sha256" in header


@pytest.mark.parametrize("key", [b"", b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dkim.Signer(domain="shop.test", selector="s1", key=key)


@pytest.mark.django_db
def test_a_rendered_message_is_signed_as_the_reader_gets_it(settings: Any) -> None:
    body = factories.HTML_BODY.replace("</body>", "<p>\n.a line with a dot\n..two</p></body>")
    message = factories.message(body=body, sender_address="hello@shop.test")
    program = email.compile(message, delivery_id=1, delivery_ref="x", campaign={})
    data = program.render(factories.person(email="léa@example.test".replace("é", "e"))).data
    sent = dkim.Signer(domain="shop.test", selector="s1", key=KEY).sign(data)
    assert sent.endswith(b"\r\n.\r\n")
    received = sent[:-3].replace(b"\r\n..", b"\r\n.")
    assert verified(received)
