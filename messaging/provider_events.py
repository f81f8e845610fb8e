"""What providers' webhooks report, in our words: Amazon SES, Brevo, Mailgun, Postmark, SendGrid. Pure.

django-anymail says which kind of event one is; it drops what makes a bounce hard or soft, so that is read from the raw
event here. What nobody understands is no statement at all. Sources: the providers' pages on their events, named at
each function; docs/decisions/0051 says what is trusted where they and the server's answer disagree.
"""

import datetime as dt
import enum
import functools
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from anymail.exceptions import AnymailError, AnymailInsecureWebhookWarning, AnymailNotSupportedWarning
from anymail.signals import EventType
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from anymail.webhooks.sendgrid import SendGridTrackingWebhookView

from messaging import verdicts
from messaging.verdicts import Kind, Verdict

# Who may report is checked in delivery.views.hooks; SendGrid's events are read all the same.
warnings.filterwarnings("ignore", category=AnymailInsecureWebhookWarning)
warnings.filterwarnings("ignore", category=AnymailNotSupportedWarning)

Raw = Mapping[str, Any]
PROVIDERS = ("brevo", "mailgun", "postmark", "sendgrid", "ses")


class What(enum.StrEnum):
    """What a provider says about one message, or about the person who got it."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


class Statement(NamedTuple):
    """One thing said. `verdict` of bounces and deferrals; `code` ("550 5.1.1") and `text` of the server's answer."""

    what: What
    verdict: Verdict | None = None
    code: str = ""
    text: str = ""


class NotUnderstood(Exception):
    """The event has not the form its provider documents."""


_HARD = Verdict(Kind.HARD, verdicts.USER_UNKNOWN)
_SOFT = Verdict(Kind.SOFT, verdicts.UNDETERMINED)
_BLOCKED = Verdict(Kind.BLOCKED, verdicts.REFUSED)
_CONTENT = Verdict(Kind.MESSAGE, verdicts.CONTENT)
_PLAIN = {
    EventType.DELIVERED: What.DELIVERED,
    EventType.COMPLAINED: What.COMPLAINED,
    EventType.UNSUBSCRIBED: What.UNSUBSCRIBED,
}
# What a wrong type somewhere in an event makes of reading it.
_MISREAD = (AnymailError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def read(provider: str, raw: Raw) -> list[Statement]:
    """What one event says; nothing for opens, clicks, progress and unknown kinds. Raises NotUnderstood."""
    try:
        return _READERS[provider](raw)
    except _MISREAD as error:
        raise NotUnderstood(f"{type(error).__name__}: {error}"[:200]) from error


def happened_at(provider: str, raw: Raw, *, received_at: dt.datetime) -> dt.datetime:
    """When it happened by the provider's clock; when it was received where that is missing, or can't be."""
    for value in _times(provider, raw):
        at = _moment(value)
        if at is not None and dt.timedelta(days=-40) < at - received_at <= dt.timedelta(0):
            return at
    return received_at


_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{14,80}(?![A-Za-z0-9_-])")
_MOST_CANDIDATES = 300


def possible_tokens(raw: Any) -> Iterator[str]:
    """Every text in an event that could be a signed token of ours: in a Message-ID, a return path, a link, metadata.

    Each provider shows them elsewhere, and other headers than it did last year; the signature says which are ours.
    """
    n = 0
    waiting = [raw]
    while waiting and n < _MOST_CANDIDATES:
        one = waiting.pop(0)
        if isinstance(one, Mapping):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, str):
            for found in _TOKEN.findall(one[:4000]):
                n += 1
                yield found


# --- verdicts -----------------------------------------------------------------------------------------------

_REPLY = re.compile(r"(?:^|[\s;:(])([245]\d\d)(?:[ -]+#?([245]\.\d{1,3}\.\d{1,3}))?(?=[\s;:,)-]|$)")
_ENHANCED = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")


def _code(text: str, *given: object) -> str:
    """ "550 5.1.1" out of what the provider names and the server's answer, as far as it is there."""
    named = " ".join(str(one) for one in given if one)
    if found := _ENHANCED.search(named):
        basic = re.search(r"\b[245]\d\d\b", named.replace(found[0], "")) or _REPLY.search(text)
        return f"{basic[0].strip(' ;:(')[:3]} {found[0]}" if basic else found[0]
    if found := _REPLY.search(text):
        return f"{found[1]} {found[2]}" if found[2] else _with_enhanced(found[1], text)
    basic = re.search(r"\b[245]\d\d\b", named)
    return _with_enhanced(basic[0], text) if basic else ""


def _with_enhanced(basic: str, text: str) -> str:
    enhanced = _ENHANCED.search(text)
    return f"{basic} {enhanced[0]}" if enhanced else basic


def _failed(text: str, *given: object, what: What = What.BOUNCED, verdict: Verdict | None = None) -> Statement:
    """A failure; judged by the server's answer where the provider's own word (`verdict`) decides nothing."""
    code = _code(text, *given)
    judged = verdicts.of_reply(code, text)
    if verdict is not None:
        # The provider decides the kind; the answer may know the reason better.
        judged = judged if judged.kind == verdict.kind and judged.reason != verdicts.UNDETERMINED else verdict
    return Statement(what, judged, code, " ".join(text.split())[:500])


def _deferred(text: str, *given: object) -> Statement:
    judged = _failed(text, *given, what=What.DEFERRED)
    is_hard = judged.verdict is not None and judged.verdict.kind == Kind.HARD
    return judged._replace(verdict=_SOFT) if is_hard else judged


# --- providers ----------------------------------------------------------------------------------------------


def _postmark(raw: Raw) -> list[Statement]:
    """https://postmarkapp.com/developer/api/bounce-api#bounce-types"""
    times = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
    event = _view(PostmarkTrackingWebhookView).esp_to_anymail_event({k: v for k, v in raw.items() if k not in times})
    text = str(raw.get("Details") or raw.get("Description") or "")
    if raw.get("RecordType") == "SubscriptionChange":
        # A bounce or complaint has an event of its own; what our own people suppressed is not the reader's wish.
        is_theirs = raw.get("SuppressSending") is True and raw.get("Origin") == "Recipient"
        is_wish = raw.get("SuppressionReason") == "ManualSuppression"
        return [Statement(What.UNSUBSCRIBED)] if is_theirs and is_wish else []
    if raw.get("RecordType") == "Bounce":
        kind = str(raw.get("Type"))
        if kind in {"Transient", "DnsError"}:
            return [_deferred(text)]
        if kind == "Unsubscribe":
            return [Statement(What.UNSUBSCRIBED)]
        if kind == "SpamComplaint":
            return [Statement(What.COMPLAINED, text=text)]
        verdict = _POSTMARK.get(kind)
        return [_failed(text, verdict=verdict)] if verdict else []
    return _simple(event.event_type, text)


_POSTMARK = {
    "HardBounce": _HARD,
    "BadEmailAddress": _HARD,
    # Postmark sends nothing more there, so nothing would arrive.
    "ManuallyDeactivated": Verdict(Kind.HARD, verdicts.ACCOUNT_DISABLED),
    "SoftBounce": _SOFT,
    "Blocked": _BLOCKED,
    "SpamNotification": _BLOCKED,
    "DMARCPolicy": Verdict(Kind.BLOCKED, verdicts.AUTHENTICATION),
    "VirusNotification": _CONTENT,
    "TemplateRenderingFailed": _CONTENT,
}


def _sendgrid(raw: Raw) -> list[Statement]:
    """https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event"""
    kind, text = raw.get("event"), str(raw.get("reason") or raw.get("response") or "")
    if kind == "bounce":
        verdict = _BLOCKED if raw.get("type") == "blocked" else None
        return [_failed(text, raw.get("status"), verdict=verdict)]
    if kind == "dropped":
        return _sendgrid_dropped(text)
    if kind == "deferred":
        return [_deferred(text, raw.get("status"))]
    known = {name: value for name, value in raw.items() if name != "timestamp"} | {"timestamp": 0}
    event = _view(SendGridTrackingWebhookView).esp_to_anymail_event(known)
    return _simple(event.event_type, text)


def _sendgrid_dropped(text: str) -> list[Statement]:
    """SendGrid did not send it, because of something it knows from before."""
    lowered = text.lower()
    if "spam report" in lowered:
        return [_failed(text, verdict=_BLOCKED), Statement(What.COMPLAINED, text=text)]
    if "unsubscribed" in lowered:
        return [_failed(text, verdict=_BLOCKED), Statement(What.UNSUBSCRIBED)]
    if "bounced address" in lowered or lowered.strip() in {"invalid", "invalid address"}:
        return [_failed(text, verdict=_HARD)]
    return [_failed(text, verdict=_CONTENT)]


def _mailgun(raw: Raw) -> list[Statement]:
    """https://documentation.mailgun.com/docs/mailgun/user-manual/events/events/"""
    data = raw["event-data"]
    status = data.get("delivery-status") or {}
    text = str(status.get("message") or status.get("description") or "")
    named = (status.get("code"), status.get("enhanced-code"))
    reason = str(data.get("reason", ""))
    if data.get("event") == "rejected":
        return [_failed(str((data.get("reject") or {}).get("reason", "")), verdict=_CONTENT)]
    if data.get("event") == "failed":
        if data.get("severity") == "temporary":
            return [_deferred(text, *named)]
        if reason == "suppress-bounce":
            return [_failed(text, verdict=_HARD)]
        if reason in {"suppress-unsubscribe", "suppress-complaint"}:
            after = What.UNSUBSCRIBED if reason == "suppress-unsubscribe" else What.COMPLAINED
            return [_failed(text, verdict=_BLOCKED), Statement(after)]
        return [_failed(text, *named)]
    known = {**raw, "event-data": {name: value for name, value in data.items() if name != "timestamp"}}
    event = _view(MailgunTrackingWebhookView, webhook_signing_key="-").esp_to_anymail_event(known)
    return _simple(event.event_type, text)


def _brevo(raw: Raw) -> list[Statement]:
    """https://developers.brevo.com/docs/transactional-webhooks"""
    text = str(raw.get("reason") or "")
    kind = str(raw.get("event"))
    if kind == "deferred":
        return [_deferred(text)]
    if verdict := _BREVO.get(kind):
        return [_failed(text, verdict=verdict)]
    event = _view(BrevoTrackingWebhookView).esp_to_anymail_event(
        {name: value for name, value in raw.items() if name != "ts_epoch"}
    )
    return _simple(event.event_type, text)


_BREVO = {
    "hard_bounce": _HARD,
    "invalid_email": _HARD,
    "soft_bounce": _SOFT,
    "blocked": _BLOCKED,
    "error": _CONTENT,
}


def _ses(raw: Raw) -> list[Statement]:
    """https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html"""
    kind = raw.get("eventType") or raw.get("notificationType")
    if kind == "Delivery":
        return [Statement(What.DELIVERED, text=str((raw.get("delivery") or {}).get("smtpResponse", "")))]
    if kind == "DeliveryDelay":
        told = _first(raw["deliveryDelay"].get("delayedRecipients"))
        return [_deferred(str(told.get("diagnosticCode", "")), told.get("status"))]
    if kind == "Complaint":
        complaint = raw["complaint"]
        is_spam = complaint.get("complaintFeedbackType") != "not-spam"
        return [Statement(What.COMPLAINED, text=str(complaint.get("complaintFeedbackType") or ""))] if is_spam else []
    if kind in {"Reject", "Rendering Failure"}:
        about = raw.get("reject") or raw.get("failure") or {}
        return [_failed(str(about.get("reason") or about.get("errorMessage") or ""), verdict=_CONTENT)]
    if kind == "Subscription":
        wishes = (raw.get("subscription") or {}).get("newTopicPreferences") or {}
        return [Statement(What.UNSUBSCRIBED)] if wishes.get("unsubscribeAll") is True else []
    return [_ses_bounce(raw["bounce"])] if kind == "Bounce" else []


def _ses_bounce(bounce: Raw) -> Statement:
    told = _first(bounce.get("bouncedRecipients"))
    text, status = str(told.get("diagnosticCode") or bounce.get("bounceSubType") or ""), told.get("status")
    kind, detail = bounce.get("bounceType"), bounce.get("bounceSubType")
    if kind == "Transient":
        return _failed(text, status, verdict=_SES_TRANSIENT.get(str(detail), _SOFT))
    if kind != "Permanent" or detail == "Undetermined":
        return _failed(text, status, verdict=_SOFT)
    judged = _failed(text, status)
    # "General" is what SES calls a refusal by policy too, which must not count against the address.
    is_about_us = judged.verdict is not None and judged.verdict.kind in {Kind.BLOCKED, Kind.MESSAGE}
    return judged if is_about_us and detail == "General" else _failed(text, status, verdict=_HARD)


_SES_TRANSIENT = {
    "MailboxFull": Verdict(Kind.SOFT, verdicts.MAILBOX_FULL),
    "MessageTooLarge": Verdict(Kind.MESSAGE, verdicts.TOO_LARGE),
    "ContentRejected": _CONTENT,
    "AttachmentRejected": _CONTENT,
    "CustomTimeoutExceeded": Verdict(Kind.SOFT, verdicts.EXPIRED),
}
_READERS: dict[str, Callable[[Raw], list[Statement]]] = {
    "brevo": _brevo,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "sendgrid": _sendgrid,
    "ses": _ses,
}


@functools.cache
def _view(of: Any, **keys: str) -> Any:
    """django-anymail's view of a provider, for its tables alone; who may report was checked before."""
    return of(webhook_secret="-", **keys)


def _simple(kind: str, text: str) -> list[Statement]:
    what = _PLAIN.get(kind)
    return [Statement(what, text=" ".join(text.split())[:500])] if what else []


def _first(told: Any) -> Raw:
    """The first recipient of a list; messages of ours have one."""
    return told[0] if isinstance(told, list) and told and isinstance(told[0], Mapping) else {}


# --- times --------------------------------------------------------------------------------------------------


def _times(provider: str, raw: Raw) -> Iterator[Any]:
    if provider == "mailgun" and isinstance(data := raw.get("event-data"), Mapping):
        yield data.get("timestamp")
    if provider == "ses":
        for name in ("bounce", "complaint", "delivery", "deliveryDelay", "subscription"):
            if isinstance(part := raw.get(name), Mapping):
                yield part.get("timestamp")
    for name in ("DeliveredAt", "BouncedAt", "ChangedAt", "timestamp", "ts_epoch"):
        yield raw.get(name)


def _moment(value: Any) -> dt.datetime | None:
    """A time from seconds or milliseconds since 1970, as number or text, or from ISO 8601."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return _iso(str(value))
    if not math.isfinite(number):
        return None
    try:
        return dt.datetime.fromtimestamp(number / 1000 if number > 1e11 else number, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _iso(text: str) -> dt.datetime | None:
    try:
        at = dt.datetime.fromisoformat(text.strip())
        return at.astimezone(dt.UTC) if at.tzinfo else at.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None
