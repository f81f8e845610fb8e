"""Mails that come back, as mail servers, feedback loops and people write them, for tests."""

import re
from pathlib import Path

# Real bounce mails beside the repository, on machines that have them.
CORPUS = Path(__file__).parents[3] / "shared" / "data" / "bounces"


def bounce(
    to: str,
    *,
    message_id: str = "",
    status: str = "5.1.1",
    action: str = "failed",
    reply: str = "550 5.1.1 No such user here",
    address: str = "lea@example.test",
    own_id: str = "20261125.ABC@mx.example.test",
) -> bytes:
    """A delivery report in the form of RFC 3464, about a message with `message_id`, sent to the return path `to`."""
    text = f"""\
Return-Path: <>
Delivered-To: {to}
Date: Wed, 25 Nov 2026 12:00:00 +0000
From: MAILER-DAEMON@mx.example.test (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Message-ID: <{own_id}>
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

<{address}>: host mx.example.test said: {reply}

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.test

Final-Recipient: rfc822; {address}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {reply}

--b1
Content-Type: text/rfc822-headers

From: Example Shop <hello@shop.test>
To: {address}
Subject: The sale
Message-ID: <{message_id}>

--b1--
"""
    return text.replace("\n", "\r\n").encode()


def complaint(*, message_id: str = "", unsubscribe: str = "", own_id: str = "fbl.1@fbl.test") -> bytes:
    """A complaint in the form of RFC 5965; `unsubscribe`: the link of the original's List-Unsubscribe."""
    original = (f"Message-ID: <{message_id}>\n" if message_id else "") + (
        f"List-Unsubscribe: <{unsubscribe}>\n" if unsubscribe else ""
    )
    text = f"""\
From: <complaints@fbl.test>
To: <fbl@shop.test>
Subject: FW: The sale
Message-ID: <{own_id}>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

This is an email abuse report.

--b1
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1

--b1
Content-Type: message/rfc822

From: Example Shop <hello@shop.test>
To: <Undisclosed Recipients>
Subject: The sale
{original}
Text

--b1--
"""
    return text.replace("\n", "\r\n").encode()


def plain(to: str, *, auto: str = "") -> bytes:
    """A mail somebody wrote, or, with `auto`, a program."""
    extra = f"Auto-Submitted: {auto}\r\n" if auto else ""
    return (
        f"From: lea@example.test\r\nTo: {to}\r\nSubject: Re: The sale\r\nMessage-ID: <p1@example.test>\r\n{extra}"
        "\r\nUnsubscribe me\r\n"
    ).encode()


def rewritten(name: str, to: str) -> bytes:
    """A mail of the corpus, as if it had come to the return path `to`."""
    source = (CORPUS / name).read_bytes()
    head, separator, body = re.split(rb"(\r?\n\r?\n)", source, maxsplit=1)
    head = re.sub(rb"(?im)^(?:delivered-to|x-original-to|envelope-to):.*(?:\r?\n[ \t].*)*\r?\n", b"", head)
    return b"Delivered-To: " + to.encode() + b"\r\n" + head + separator + body
