"""What the log pages show in groups: links, failures by reason. Reads only."""

from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from delivery import logs
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


_LINKS = """
SELECT link_no, count(DISTINCT (request_no, profile_id)), count(*)
FROM delivery_event
WHERE opened_month = %s AND delivery_id = %s AND kind = 'clicked' AND NOT is_automatic AND link_no IS NOT NULL
GROUP BY link_no
"""


def links(of: Delivery, *, search: str = "") -> list[Link]:
    """Tracked links of the message with `search` in their address, the most clicked first; links nobody clicked are
    there with 0. Shares are of all clicks."""
    with connection.cursor() as cursor:
        cursor.execute(_LINKS, [of.opened_month, of.pk])
        counts = {number: (people, clicks) for number, people, clicks in cursor.fetchall()}
    total = sum(clicks for _people, clicks in counts.values())
    found = []
    for number, url in enumerate(of.message.links):
        people, clicks = counts.get(number, (0, 0))
        found.append(Link(number, url, people, clicks, clicks / total if total else 0.0))
    found = [link for link in found if search.lower() in link.url.lower()]
    return sorted(found, key=lambda link: (-link.n_people, -link.n_clicks, link.number))


_FAILURES = """
SELECT code, is_event, count(*), min(detail) FROM (
    SELECT code, false AS is_event, detail
    FROM delivery_sendlog l WHERE opened_month = %(month)s AND delivery_id = %(id)s AND outcome = 'failed'
      AND (%(at)s = '' OR lower(address) LIKE %(at)s)
    UNION ALL
    SELECT DISTINCT ON (request_no, profile_id) split_part(detail, ' ', 1), true, detail
    FROM delivery_event e WHERE opened_month = %(month)s AND delivery_id = %(id)s AND kind = 'bounced'
      AND (%(at)s = '' OR EXISTS (SELECT 1 FROM delivery_sendlog l
           WHERE l.opened_month = e.opened_month AND l.delivery_id = e.delivery_id AND l.request_no = e.request_no
             AND l.profile_id = e.profile_id AND lower(l.address) LIKE %(at)s))
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


def failures(of: Delivery, *, domain: str = "", search: str = "") -> list[Failure]:
    """Refusals at hand-over and bounces at `domain`, by code, the most frequent first; those with `search` in their
    words. Shares are of all at that domain."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILURES, {"month": of.opened_month, "id": of.pk, "at": logs.at_domain(domain)})
        rows = cursor.fetchall()
    total = sum(n for _code, _event, n, _detail in rows)
    found = [_failure(code, n, n / total, detail) for code, _is_event, n, detail in rows]
    return [one for one in found if search.lower() in f"{one.reason} {one.example}".lower()]


def _failure(code: str, n: int, share: float, example: str) -> Failure:
    enhanced = code.split(" ")[-1]
    for prefix, reason, advice in _MEANINGS:
        if enhanced.startswith(prefix):
            kind = _SOFT if prefix.startswith("4") else _HARD
            return Failure(f"{reason} ({code})", str(kind), n, share, example, str(advice))
    return Failure(code or _("No code"), "", n, share, example, _("Look at the answer of the mail server."))
