"""What the log pages show in groups: links, failures by reason, who did what. Reads only."""

import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts import audit
from delivery.models import Delivery


@dataclass(frozen=True)
class Link:
    number: int
    url: str
    n_people: int
    n_clicks: int
    # Of all people who clicked anything; a share of 1.
    share: float


@dataclass(frozen=True)
class Failure:
    reason: str
    kind: str
    n: int
    share: float
    example: str
    advice: str


@dataclass(frozen=True)
class Activity:
    at: dt.datetime
    who: str
    what: str
    detail: str
    tone: str


_LINKS = """
SELECT link_no, count(DISTINCT (request_no, profile_id)), count(*)
FROM delivery_event
WHERE opened_month = %s AND delivery_id = %s AND kind = 'clicked' AND NOT is_automatic AND link_no IS NOT NULL
GROUP BY link_no
"""


def links(of: Delivery) -> list[Link]:
    """Every tracked link of the message, the most clicked first; links nobody clicked are there with 0."""
    with connection.cursor() as cursor:
        cursor.execute(_LINKS, [of.opened_month, of.pk])
        counts = {number: (people, clicks) for number, people, clicks in cursor.fetchall()}
    total = sum(clicks for _people, clicks in counts.values())
    found = []
    for number, url in enumerate(of.message.links):
        people, clicks = counts.get(number, (0, 0))
        found.append(Link(number, url, people, clicks, clicks / total if total else 0.0))
    return sorted(found, key=lambda link: (-link.n_people, -link.n_clicks, link.number))


_FAILURES = """
SELECT code, is_event, count(*), min(detail) FROM (
    SELECT code, false AS is_event, detail
    FROM delivery_sendlog WHERE opened_month = %(month)s AND delivery_id = %(id)s AND outcome = 'failed'
    UNION ALL
    SELECT DISTINCT ON (request_no, profile_id) split_part(detail, ' ', 1), true, detail
    FROM delivery_event WHERE opened_month = %(month)s AND delivery_id = %(id)s AND kind = 'bounced'
) AS failures
GROUP BY code, is_event ORDER BY count(*) DESC LIMIT 100
"""

_HARD, _SOFT = gettext_lazy("Hard"), gettext_lazy("Soft")
# By enhanced status code (RFC 3463), the longest prefix first: what it means, and what to do.
_MEANINGS = (
    ("5.1.1", gettext_lazy("Unknown user"), gettext_lazy("The mailbox doesn't exist. Remove or correct the address.")),
    ("5.1", gettext_lazy("Bad address"), gettext_lazy("Correct the address.")),
    ("5.2.1", gettext_lazy("Mailbox disabled"), gettext_lazy("The mailbox is closed. Remove the address.")),
    ("5.2.2", gettext_lazy("Mailbox full"), gettext_lazy("Try again in a few weeks.")),
    (
        "5.7",
        gettext_lazy("Refused by policy"),
        gettext_lazy("Look at the answer: content, reputation or authentication."),
    ),
    ("4.2.2", gettext_lazy("Mailbox full"), gettext_lazy("Temporary. It is tried again until the validity ends.")),
    ("4.7", gettext_lazy("Slowed by the provider"), gettext_lazy("Temporary. Send slower if it goes on.")),
    ("5", gettext_lazy("Refused"), gettext_lazy("Look at the answer of the mail server.")),
    ("4", gettext_lazy("Temporary failure"), gettext_lazy("It is tried again until the validity period ends.")),
)


def failures(of: Delivery) -> list[Failure]:
    """Refusals at hand-over and bounces, by code, the most frequent first."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILURES, {"month": of.opened_month, "id": of.pk})
        rows = cursor.fetchall()
    total = sum(n for _code, _event, n, _detail in rows)
    return [_failure(code, n, n / total, detail) for code, _is_event, n, detail in rows]


def _failure(code: str, n: int, share: float, example: str) -> Failure:
    enhanced = code.split(" ")[-1]
    for prefix, reason, advice in _MEANINGS:
        if enhanced.startswith(prefix):
            kind = _SOFT if prefix.startswith("4") else _HARD
            return Failure(f"{reason} ({code})", str(kind), n, share, example, str(advice))
    return Failure(code or _("No code"), "", n, share, example, _("Look at the answer of the mail server."))


_ACTIONS = {
    "delivery.opened": pgettext_lazy("send", "Opened"),
    "delivery.preparing": gettext_lazy("Started preparing"),
    "delivery.preparation_aborted": gettext_lazy("Stopped preparing"),
    "delivery.prepared": gettext_lazy("Prepared"),
    "delivery.failed": gettext_lazy("Preparation failed"),
    "delivery.confirmed": gettext_lazy("Confirmed"),
    "delivery.cancelled": gettext_lazy("Cancelled the send"),
    "delivery.started": gettext_lazy("Started sending"),
    "delivery.missed": gettext_lazy("Missed its start"),
    "delivery.paused": gettext_lazy("Paused"),
    "delivery.resumed": gettext_lazy("Resumed"),
    "delivery.retried": gettext_lazy("Retried at once"),
    "delivery.stopped": gettext_lazy("Stopped"),
    "delivery.finished": gettext_lazy("Finished"),
    "delivery.discarded": gettext_lazy("Discarded"),
}
_TONES = {"delivery.failed": "err", "delivery.missed": "err", "delivery.paused": "warn", "delivery.stopped": "warn"}


def activity(of: Delivery) -> list[Activity]:
    """Who did what to this delivery, newest first."""
    return [
        Activity(
            at=entry.at,
            who=str(entry.actor or _("Chappe")),
            what=str(_ACTIONS.get(entry.action, entry.action)),
            detail=str(entry.detail.get("trouble") or entry.detail.get("failure") or ""),
            tone=_TONES.get(entry.action, ""),
        )
        for entry in audit.timeline("delivery", str(of.public_id))
    ]
