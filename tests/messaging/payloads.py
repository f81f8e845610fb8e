"""Events as five providers post them, written after their documentation; the texts in them are examples."""

import copy
import time
from typing import Any


def postmark(record: str = "Bounce", kind: str = "HardBounce", *, token: str = "", **fields: Any) -> dict[str, Any]:
    """One event of Postmark. The token is in metadata, where the header X-PM-Metadata-… of a message puts it."""
    event: dict[str, Any] = {
        "RecordType": record,
        "MessageStream": "broadcast",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "ServerID": 23,
        "Tag": "",
        "Metadata": {"message": token},
    }
    if record == "Bounce":
        event |= {
            "ID": 4323372036854775807, "Type": kind, "TypeCode": 1, "Name": kind, "Email": "lea@example.test",
            "From": "hello@shop.test", "BouncedAt": "2026-11-25T12:00:00Z", "Inactive": True, "CanActivate": True,
            "Description": "The server was unable to deliver your message.", "Subject": "The sale",
            "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
        }  # fmt: skip
    if record == "Delivery":
        event |= {"Recipient": "lea@example.test", "DeliveredAt": "2026-11-25T12:00:00Z", "Details": "250 2.0.0 OK"}
    if record == "SpamComplaint":
        event |= {"ID": 42, "Type": "SpamComplaint", "Email": "lea@example.test", "BouncedAt": "2026-11-25T12:00:00Z"}
    if record == "SubscriptionChange":
        event |= {
            "Recipient": "lea@example.test", "Origin": "Recipient", "SuppressSending": True,
            "SuppressionReason": "ManualSuppression", "ChangedAt": "2026-11-25T12:00:00Z",
        }  # fmt: skip
    return event | fields


def sendgrid(event: str = "bounce", *, token: str = "", **fields: Any) -> dict[str, Any]:
    """One event of the list that SendGrid posts; `smtp-id` is the Message-ID that the message had."""
    whole: dict[str, Any] = {
        "email": "lea@example.test",
        "timestamp": int(time.time()) - 60,
        "smtp-id": f"<{token}@shop.test>",
        "event": event,
        "sg_event_id": f"ZGVsaXZlcmVk{event}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    }
    if event == "bounce":
        whole |= {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 The account does not exist."}
    return whole | fields


def mailgun(event: str = "failed", *, token: str = "", **fields: Any) -> dict[str, Any]:
    """What Mailgun posts, without the signature."""
    data: dict[str, Any] = {
        "event": event,
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": time.time() - 60,
        "log-level": "error",
        "recipient": "lea@example.test",
        "recipient-domain": "example.test",
        "message": {"headers": {"message-id": f"{token}@shop.test", "to": "lea@example.test"}, "size": 20000},
        "tags": [],
        "user-variables": {},
    }
    if event == "failed":
        data |= {
            "severity": "permanent",
            "reason": "bounce",
            "delivery-status": {
                "code": 550, "enhanced-code": "5.1.1", "attempt-no": 1, "description": "",
                "message": "5.1.1 The email account that you tried to reach does not exist.",
            },
        }  # fmt: skip
    return {"event-data": data | fields}


def brevo(event: str = "hard_bounce", *, token: str = "", **fields: Any) -> dict[str, Any]:
    """One event of Brevo. The token is in the header X-Mailin-custom of a message, which Brevo gives back."""
    return {
        "event": event, "email": "lea@example.test", "id": 26224, "date": "2026-11-25 12:00:00",
        "ts": 1795608000, "message-id": "<202611251200.1@smtp-relay.mailin.fr>", "ts_event": 1795608000,
        "subject": "The sale", "X-Mailin-custom": f'{{"message": "{token}"}}', "sending_ip": "185.41.28.109",
        "ts_epoch": int(time.time() * 1000) - 60_000, "reason": "550 5.1.1 User unknown", "tags": [],
    } | fields  # fmt: skip


def ses(kind: str = "Bounce", *, token: str = "", **fields: Any) -> dict[str, Any]:
    """The event inside an SNS notification; `source` is the return path that the message had."""
    event: dict[str, Any] = {
        "eventType": kind,
        "mail": {
            "timestamp": "2026-11-25T11:59:00.000Z", "source": f"bounce+{token}@shop.test",
            "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
            "destination": ["lea@example.test"], "headersTruncated": False,
            "headers": [{"name": "Message-ID", "value": f"<{token}@shop.test>"}],
        },
    }  # fmt: skip
    parts: dict[str, dict[str, Any]] = {
        "Bounce": {"bounce": {
            "bounceType": "Permanent", "bounceSubType": "NoEmail", "timestamp": "2026-11-25T12:00:00.000Z",
            "feedbackId": "EXAMPLE-1", "reportingMTA": "dns; a8-70.smtp-out.amazonses.com",
            "bouncedRecipients": [{"emailAddress": "lea@example.test", "action": "failed", "status": "5.1.1",
                                   "diagnosticCode": "smtp; 550 5.1.1 user unknown"}]}},
        "Complaint": {"complaint": {
            "complainedRecipients": [{"emailAddress": "lea@example.test"}], "timestamp": "2026-11-25T12:00:00.000Z",
            "feedbackId": "EXAMPLE-2", "complaintFeedbackType": "abuse", "complaintSubType": None}},
        "Delivery": {"delivery": {"timestamp": "2026-11-25T12:00:00.000Z", "processingTimeMillis": 546,
                                  "recipients": ["lea@example.test"], "smtpResponse": "250 2.6.0 Message received"}},
        "DeliveryDelay": {"deliveryDelay": {
            "timestamp": "2026-11-25T12:00:00.000Z", "delayType": "TransientCommunicationFailure",
            "delayedRecipients": [{"emailAddress": "lea@example.test", "status": "4.4.1",
                                   "diagnosticCode": "smtp; 421 4.4.1 Unable to connect"}]}},
        "Reject": {"reject": {"reason": "Bad content"}},
        "Rendering Failure": {"failure": {"templateName": "T", "errorMessage": "Attribute missing"}},
    }  # fmt: skip
    return event | copy.deepcopy(parts.get(kind, {})) | fields


def ses_bounce(kind: str, detail: str, status: str, diagnostic: str, *, token: str = "") -> dict[str, Any]:
    event = ses(token=token)
    event["bounce"] |= {"bounceType": kind, "bounceSubType": detail}
    event["bounce"]["bouncedRecipients"][0] |= {"status": status, "diagnosticCode": f"smtp; {diagnostic}"}
    return event


WHOLE = {"postmark": postmark, "sendgrid": sendgrid, "mailgun": mailgun, "brevo": brevo, "ses": ses}
