"""What each provider's events mean, kind by kind, and that no nonsense in them breaks anything."""

import datetime as dt
import random
from typing import Any

import pytest

from messaging import provider_events, verdicts
from messaging.provider_events import Statement, What
from messaging.verdicts import Kind
from tests.messaging import payloads
from tests.messaging.payloads import brevo, mailgun, postmark, sendgrid, ses, ses_bounce

NOW = dt.datetime(2026, 11, 25, 12, 30, tzinfo=dt.UTC)


def status_of(code: int, enhanced: str, message: str) -> dict[str, Any]:
    return {"delivery-status": {"code": code, "enhanced-code": enhanced, "message": message}}


LEFT = {"newTopicPreferences": {"unsubscribeAll": True}}
# Event, and what it says: (what, kind of the verdict) in order.
CASES: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("postmark", "hard", postmark(), [("bounced", "hard")]),
    ("postmark", "bad address", postmark(kind="BadEmailAddress", Details=""), [("bounced", "hard")]),
    ("postmark", "soft", postmark(kind="SoftBounce", Details="smtp;452 4.2.2 Full"), [("bounced", "soft")]),
    ("postmark", "tries again", postmark(kind="Transient", Details="451 4.4.1 Busy"), [("deferred", "soft")]),
    ("postmark", "no DNS now", postmark(kind="DnsError", Details=""), [("deferred", "soft")]),
    ("postmark", "blocked", postmark(kind="Blocked", Details="550 5.7.1 Blocked"), [("bounced", "blocked")]),
    ("postmark", "taken for spam", postmark(kind="SpamNotification"), [("bounced", "blocked")]),
    ("postmark", "DMARC", postmark(kind="DMARCPolicy", Details=""), [("bounced", "blocked")]),
    ("postmark", "virus", postmark(kind="VirusNotification"), [("bounced", "message")]),
    ("postmark", "out of office", postmark(kind="AutoResponder"), []),
    ("postmark", "new address", postmark(kind="AddressChange"), []),
    ("postmark", "suppressed there", postmark(kind="ManuallyDeactivated", Details=""), [("bounced", "hard")]),
    ("postmark", "unsubscribed by mail", postmark(kind="Unsubscribe"), [("unsubscribed", "")]),
    ("postmark", "new type", postmark(kind="Sunspot"), []),
    ("postmark", "delivered", postmark("Delivery"), [("delivered", "")]),
    ("postmark", "complaint", postmark("SpamComplaint"), [("complained", "")]),
    ("postmark", "unsubscribed", postmark("SubscriptionChange"), [("unsubscribed", "")]),
    ("postmark", "subscribed again", postmark("SubscriptionChange", SuppressSending=False), []),
    ("postmark", "our own people", postmark("SubscriptionChange", Origin="Customer"), []),
    ("postmark", "after a bounce", postmark("SubscriptionChange", SuppressionReason="HardBounce"), []),
    ("postmark", "opened", postmark("Open"), []),
    ("postmark", "new record", postmark("Moonrise"), []),
    ("sendgrid", "hard", sendgrid(), [("bounced", "hard")]),
    ("sendgrid", "soft", sendgrid(status="4.2.2", reason="452 4.2.2 Full"), [("bounced", "soft")]),
    ("sendgrid", "policy by its code", sendgrid(status="5.7.1", reason="550 5.7.1 Policy"), [("bounced", "blocked")]),
    ("sendgrid", "blocked", sendgrid(type="blocked"), [("bounced", "blocked")]),
    ("sendgrid", "no code", sendgrid(status="", reason="Something else"), [("bounced", "soft")]),
    ("sendgrid", "dropped: bounced", sendgrid("dropped", reason="Bounced Address"), [("bounced", "hard")]),
    ("sendgrid", "dropped: invalid", sendgrid("dropped", reason="Invalid"), [("bounced", "hard")]),
    (
        "sendgrid",
        "dropped: complained before",
        sendgrid("dropped", reason="Spam Reporting Address"),
        [("bounced", "blocked"), ("complained", "")],
    ),
    (
        "sendgrid",
        "dropped: unsubscribed before",
        sendgrid("dropped", reason="Unsubscribed Address"),
        [("bounced", "blocked"), ("unsubscribed", "")],
    ),
    ("sendgrid", "dropped: content", sendgrid("dropped", reason="Spam Content"), [("bounced", "message")]),
    ("sendgrid", "deferred", sendgrid("deferred", response="451 4.4.1 Busy"), [("deferred", "soft")]),
    ("sendgrid", "complaint", sendgrid("spamreport"), [("complained", "")]),
    ("sendgrid", "unsubscribed", sendgrid("unsubscribe"), [("unsubscribed", "")]),
    ("sendgrid", "delivered", sendgrid("delivered", response="250 OK"), [("delivered", "")]),
    ("sendgrid", "opened", sendgrid("open"), []),
    ("sendgrid", "processed", sendgrid("processed"), []),
    ("sendgrid", "new kind", sendgrid("eclipse"), []),
    ("mailgun", "hard", mailgun(), [("bounced", "hard")]),
    ("mailgun", "policy", mailgun(**status_of(550, "5.7.1", "Policy")), [("bounced", "blocked")]),
    ("mailgun", "too large", mailgun(**status_of(552, "5.3.4", "Too big")), [("bounced", "message")]),
    ("mailgun", "temporary", mailgun(severity="temporary"), [("deferred", "soft")]),
    (
        "mailgun",
        "slowed",
        mailgun(severity="temporary", **status_of(421, "4.7.0", "Try later")),
        [("deferred", "blocked")],
    ),
    ("mailgun", "bounced before", mailgun(reason="suppress-bounce"), [("bounced", "hard")]),
    (
        "mailgun",
        "complained before",
        mailgun(reason="suppress-complaint"),
        [("bounced", "blocked"), ("complained", "")],
    ),
    (
        "mailgun",
        "unsubscribed before",
        mailgun(reason="suppress-unsubscribe"),
        [("bounced", "blocked"), ("unsubscribed", "")],
    ),
    ("mailgun", "without a status", mailgun(**{"delivery-status": None}), [("bounced", "soft")]),
    ("mailgun", "rejected", mailgun("rejected", reject={"reason": "Sandbox"}), [("bounced", "message")]),
    ("mailgun", "delivered", mailgun("delivered"), [("delivered", "")]),
    ("mailgun", "complaint", mailgun("complained"), [("complained", "")]),
    ("mailgun", "unsubscribed", mailgun("unsubscribed"), [("unsubscribed", "")]),
    ("mailgun", "clicked", mailgun("clicked"), []),
    ("mailgun", "new kind", mailgun("eclipsed"), []),
    ("brevo", "hard", brevo(), [("bounced", "hard")]),
    ("brevo", "soft", brevo("soft_bounce", reason="452 4.2.2 Full"), [("bounced", "soft")]),
    ("brevo", "blocked", brevo("blocked", reason="blocked : due to blacklist user"), [("bounced", "blocked")]),
    ("brevo", "invalid", brevo("invalid_email", reason=""), [("bounced", "hard")]),
    ("brevo", "error", brevo("error", reason=""), [("bounced", "message")]),
    ("brevo", "deferred", brevo("deferred", reason="451 4.4.1 Busy"), [("deferred", "soft")]),
    ("brevo", "complaint", brevo("spam"), [("complained", "")]),
    ("brevo", "unsubscribed", brevo("unsubscribe"), [("unsubscribed", "")]),
    ("brevo", "delivered", brevo("delivered"), [("delivered", "")]),
    ("brevo", "fetched by a proxy", brevo("proxy_open"), []),
    ("brevo", "new kind", brevo("eclipse"), []),
    ("ses", "hard", ses(), [("bounced", "hard")]),
    ("ses", "hard, in general", ses_bounce("Permanent", "General", "5.0.0", "550 no"), [("bounced", "hard")]),
    ("ses", "policy, in general", ses_bounce("Permanent", "General", "5.7.1", "550 no"), [("bounced", "blocked")]),
    ("ses", "suppressed", ses_bounce("Permanent", "OnAccountSuppressionList", "5.1.1", ""), [("bounced", "hard")]),
    ("ses", "undetermined", ses_bounce("Permanent", "Undetermined", "5.1.1", "550 5.1.1"), [("bounced", "soft")]),
    ("ses", "unclear", ses_bounce("Undetermined", "Undetermined", "", ""), [("bounced", "soft")]),
    ("ses", "soft", ses_bounce("Transient", "General", "4.4.7", "554 4.4.7 expired"), [("bounced", "soft")]),
    ("ses", "full", ses_bounce("Transient", "MailboxFull", "5.2.2", "552 5.2.2 full"), [("bounced", "soft")]),
    ("ses", "too large", ses_bounce("Transient", "MessageTooLarge", "5.3.4", ""), [("bounced", "message")]),
    ("ses", "content", ses_bounce("Transient", "ContentRejected", "5.6.0", ""), [("bounced", "message")]),
    ("ses", "complaint", ses("Complaint"), [("complained", "")]),
    ("ses", "no spam", ses("Complaint", complaint={"complaintFeedbackType": "not-spam"}), []),
    ("ses", "delivered", ses("Delivery"), [("delivered", "")]),
    ("ses", "delayed", ses("DeliveryDelay"), [("deferred", "soft")]),
    ("ses", "rejected", ses("Reject"), [("bounced", "message")]),
    ("ses", "not rendered", ses("Rendering Failure"), [("bounced", "message")]),
    ("ses", "left all topics", ses("Subscription", subscription=LEFT), [("unsubscribed", "")]),
    ("ses", "opened", ses("Open"), []),
    ("ses", "new kind", ses("Eclipse"), []),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "case", "raw", "expected"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_what_each_event_says(provider: str, case: str, raw: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    said = [(one.what, one.verdict.kind if one.verdict else "") for one in provider_events.read(provider, raw)]
    assert said == expected


@pytest.mark.parametrize(
    ("provider", "raw", "code", "reason"),
    [
        ("postmark", postmark(), "550 5.1.1", verdicts.USER_UNKNOWN),
        ("postmark", postmark(kind="SoftBounce", Details="smtp;452 4.2.2 Full"), "452 4.2.2", verdicts.MAILBOX_FULL),
        ("sendgrid", sendgrid(), "550 5.1.1", verdicts.USER_UNKNOWN),
        ("mailgun", mailgun(), "550 5.1.1", verdicts.USER_UNKNOWN),
        ("mailgun", mailgun(**status_of(552, "5.2.2", "Full")), "552 5.2.2", verdicts.MAILBOX_FULL),
        ("brevo", brevo("soft_bounce", reason="552 5.2.2 Full"), "552 5.2.2", verdicts.MAILBOX_FULL),
        ("brevo", brevo("hard_bounce", reason="550-5.1.1 wrapped"), "550 5.1.1", verdicts.USER_UNKNOWN),
        ("ses", ses(), "550 5.1.1", verdicts.USER_UNKNOWN),
        ("ses", ses_bounce("Transient", "MailboxFull", "5.2.2", "552 5.2.2 x"), "552 5.2.2", verdicts.MAILBOX_FULL),
    ],
)
def test_the_servers_answer_gives_code_and_reason(provider: str, raw: dict[str, Any], code: str, reason: str) -> None:
    (said,) = provider_events.read(provider, raw)
    assert said.verdict is not None
    assert (said.code, said.verdict.reason) == (code, reason)


def test_a_deferral_never_calls_an_address_dead() -> None:
    (said,) = provider_events.read("mailgun", mailgun(severity="temporary", **status_of(550, "5.1.1", "No such user")))
    assert said.what is What.DEFERRED and said.verdict is not None and said.verdict.kind is Kind.SOFT


@pytest.mark.parametrize("provider", provider_events.PROVIDERS)
def test_nonsense_in_an_event_is_not_understood_or_says_nothing(provider: str) -> None:
    draw = random.Random(4)
    odd: list[Any] = [None, 0, -1, 1e300, True, "", "x" * 500, [], {}, ["x"], [{}], {"x": {}}, "\ufffd"]
    for _ in range(1500):
        raw = payloads.WHOLE[provider](draw.choice(KINDS[provider]))
        _spoil(raw, draw, odd)
        try:
            said = provider_events.read(provider, raw)
        except provider_events.NotUnderstood:
            continue
        assert all(isinstance(one, Statement) for one in said)
        at = provider_events.happened_at(provider, raw, received_at=NOW)
        assert NOW - dt.timedelta(days=40) <= at <= NOW
        list(provider_events.possible_tokens(raw))


KINDS = {
    "postmark": ["Bounce", "Delivery", "SpamComplaint", "SubscriptionChange"],
    "sendgrid": ["bounce", "dropped", "deferred", "delivered", "spamreport"],
    "mailgun": ["failed", "delivered", "complained", "rejected"],
    "brevo": ["hard_bounce", "deferred", "delivered", "spam"],
    "ses": ["Bounce", "Complaint", "Delivery", "DeliveryDelay", "Reject", "Subscription"],
}


def _spoil(raw: dict[str, Any], draw: random.Random, odd: list[Any]) -> None:
    """Put something odd, or nothing, at a random place of an event."""
    at: Any = raw
    while True:
        name = draw.choice(list(at)) if isinstance(at, dict) and at else 0
        inner = at[name] if isinstance(at, dict | list) and at else None
        if isinstance(inner, dict | list) and inner and draw.random() < 0.7:
            at = inner
            continue
        if isinstance(at, dict) and draw.random() < 0.3:
            at.pop(name, None)
        elif at:
            at[name] = draw.choice(odd)
        return


@pytest.mark.parametrize(
    ("case", "value", "expected"),
    [
        ("seconds", 1795608000, "12:00:00"),
        ("seconds as text", "1795608000", "12:00:00"),
        ("a fraction", 1795608000.5, "12:00:00"),
        ("milliseconds", 1795608000000, "12:00:00"),
        ("ISO", "2026-11-25T12:00:00Z", "12:00:00"),
        ("ISO with a zone", "2026-11-25T14:00:00+02:00", "12:00:00"),
        ("ISO without", "2026-11-25 12:00:00", "12:00:00"),
        ("1970", 0, "12:30:00"),
        ("the future", 4102444800, "12:30:00"),
        ("far too large", 1e300, "12:30:00"),
        ("infinite", float("inf"), "12:30:00"),
        ("no number", "soon", "12:30:00"),
        ("digits without end", "9" * 5000, "12:30:00"),
        ("true", True, "12:30:00"),
        ("nothing", None, "12:30:00"),
        ("a list", [1795608000], "12:30:00"),
    ],
)
def test_times_are_read_in_any_form_and_believed_within_reason(case: str, value: Any, expected: str) -> None:
    for provider, raw in (
        ("sendgrid", sendgrid(timestamp=value)),
        ("mailgun", mailgun(timestamp=value)),
        ("brevo", brevo(ts_epoch=value)),
        ("postmark", postmark(BouncedAt=value)),
    ):
        assert provider_events.happened_at(provider, raw, received_at=NOW).strftime("%H:%M:%S") == expected, case


def test_tokens_are_looked_for_everywhere_but_not_without_end() -> None:
    token = "AbCdEfGhIjKlMnOp_-"
    for provider, whole in payloads.WHOLE.items():
        assert token in list(provider_events.possible_tokens(whole(token=token))), provider
    assert len(list(provider_events.possible_tokens({"a": [f"{token}{n}" for n in range(5000)]}))) <= 300
