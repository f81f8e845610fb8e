"""Amazon SES notifications that come by mail through SNS: JSON in JSON instead of a report."""

import json
from typing import Any, NamedTuple

from messaging.bounces.parsing import Mail

_MAX_RECIPIENTS = 200


class Notification(NamedTuple):
    """`kind`: "bounce", "complaint" or "delivery"; `people`: (address, status, diagnostic) of each."""

    kind: str
    people: tuple[tuple[str, str, str], ...]
    message_id: str


def of(mail: Mail) -> Notification | None:
    """What the mail's text notifies of; None when it is no such notification."""
    text = mail.text.strip()
    if not text.startswith("{") or ("notificationType" not in text and "eventType" not in text):
        return None
    outer = _parsed(text.partition("\n--\n")[0])
    inner = _parsed(outer.get("Message", "")) if "Message" in outer else outer
    kind = str(inner.get("notificationType") or inner.get("eventType") or "").lower()
    details = _dict(inner.get(kind))
    if kind not in ("bounce", "complaint", "delivery"):
        return None
    listed = details.get({"bounce": "bouncedRecipients", "complaint": "complainedRecipients"}.get(kind, "recipients"))
    people = [_person(one) for one in (listed if isinstance(listed, list) else [])[:_MAX_RECIPIENTS]]
    common = _dict(_dict(inner.get("mail")).get("commonHeaders"))
    return Notification(kind, tuple(people), str(common.get("messageId", "")).strip("<> "))


def _person(one: Any) -> tuple[str, str, str]:
    if not isinstance(one, dict):
        return str(one), "", ""
    return str(one.get("emailAddress", "")), str(one.get("status", "")), str(one.get("diagnosticCode", ""))


def _parsed(text: Any) -> dict[str, Any]:
    try:
        # Mail programs break long lines within the strings.
        return _dict(json.loads(str(text), strict=False))
    except (ValueError, RecursionError):
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
