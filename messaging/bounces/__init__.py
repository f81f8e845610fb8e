"""Reads mails that come back: failures, delays, complaints, automatic replies. Standard forms only (RFC 3464, 5965)."""

import email
import email.policy
import enum
import re
from email.message import Message as Mail
from email.utils import parseaddr
from typing import NamedTuple

from messaging import verdicts


class MailKind(enum.StrEnum):
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto_reply"
    DELIVERED = "delivered"
    DELAYED = "delayed"
    OTHER = "other"


class Recipient(NamedTuple):
    address: str
    verdict: verdicts.Verdict
    code: str
    text: str


class Report(NamedTuple):
    kind: MailKind
    recipients: tuple[Recipient, ...]
    message_id: str
    envelope_to: str
    x_delivery: str


_ACTIONS = {"failed": MailKind.BOUNCE, "delayed": MailKind.DELAYED, "delivered": MailKind.DELIVERED}


def read(source: bytes) -> Report:
    """What a mail reports. Never raises."""
    mail = email.message_from_bytes(source, policy=email.policy.compat32)
    envelope_to = next((mail[name] for name in ("Delivered-To", "X-Original-To", "To") if mail[name]), "")
    original = _original(mail, source)
    kind, recipients = _kind(mail)
    return Report(
        kind,
        recipients,
        str(original.get("Message-ID", "")).strip(),
        parseaddr(str(envelope_to))[1],
        str(original.get("X-Chappe-Delivery", "")).strip(),
    )


def _kind(mail: Mail) -> tuple[MailKind, tuple[Recipient, ...]]:
    parts = {part.get_content_type(): part for part in mail.walk()}
    if "message/feedback-report" in parts:
        return MailKind.COMPLAINT, ()
    if "message/delivery-status" in parts:
        blocks = [block for block in parts["message/delivery-status"].walk() if block["Action"]]
        found = [_recipient(block) for block in blocks]
        actions = [str(block["Action"]).strip().lower() for block in blocks]
        return next((_ACTIONS[one] for one in actions if one in _ACTIONS), MailKind.OTHER), tuple(found)
    if str(mail.get("Auto-Submitted", "no")).lower() != "no":
        return MailKind.AUTO_REPLY, ()
    return MailKind.OTHER, ()


def _recipient(block: Mail) -> Recipient:
    address = str(block.get("Final-Recipient", "")).rpartition(";")[2].strip()
    code, text = str(block.get("Status", "")).strip(), str(block.get("Diagnostic-Code", "")).rpartition("; ")[2]
    return Recipient(address, verdicts.of_reply(code, text), code, " ".join(text.split()))


def _original(mail: Mail, source: bytes) -> Mail:
    for part in mail.walk():
        if part.get_content_type() in {"message/rfc822", "text/rfc822-headers"}:
            payload = part.get_payload()
            return payload[0] if isinstance(payload, list) else email.message_from_string(str(payload))
    found = re.findall(rb"(?mi)^Message-ID:\s*(<[^>\s]+>)", source)
    blank = Mail()
    if found:
        blank["Message-ID"] = found[-1].decode("ascii", "replace")
    return blank
