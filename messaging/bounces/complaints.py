"""Complaints: feedback reports (RFC 5965), and those of Outlook.com, which are the message and a subject only."""

import re

from messaging.bounces import parsing
from messaging.bounces.parsing import Mail

# Not from a person who doesn't want our mail: taken back, about authentication (RFC 6591), or about a virus.
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "dkim", "dmarc", "spf", "virus"})
_SUBJECT = re.compile(r"^\W*complaint about message from\b", re.IGNORECASE)
_FIELDS = ("original-rcpt-to", "removal-recipient", "original-recipient", "final-recipient")
_HEADERS = ("X-HmXmrOriginalRecipient", "X-Original-To", "Delivered-To", "To")


def is_report(mail: Mail) -> bool:
    """Whether the mail is a feedback report, of whatever type."""
    return bool(mail.parts_of(parsing.FEEDBACK_TYPE))


def complainer(mail: Mail) -> str | None:
    """The address of whom complained ("" where the report hides it); None when the mail is no complaint."""
    reports = mail.parts_of(parsing.FEEDBACK_TYPE)
    original = parsing.headers_of(mail.original)
    if not reports:
        if not (mail.original and _SUBJECT.match(mail.header("Subject"))):
            return None
        return _first_address(*(parsing.header(original, name) for name in _HEADERS))
    fields = parsing.headers_of(reports[0])
    if parsing.header(fields, "Feedback-Type").lower() in _NO_COMPLAINT:
        return None
    named = (parsing.header(fields, name) for name in _FIELDS)
    return _first_address(*named, *(parsing.header(original, name) for name in _HEADERS))


def feedback_type(mail: Mail) -> str:
    reports = mail.parts_of(parsing.FEEDBACK_TYPE)
    return parsing.header(parsing.headers_of(reports[0]), "Feedback-Type") if reports else ""


def _first_address(*values: str) -> str:
    return next((found[0] for value in values if (found := parsing.addresses_in(value))), "")
