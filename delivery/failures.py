"""Why messages of one delivery failed, in groups: refusals at hand-over and what bounced later. Reads only.

Everybody counted is one whom the panel counts as failed, once, with the gravest reason told; so the groups add up to
its figure as of the last rebuild. The words are those of messaging.verdicts.
"""

from collections import defaultdict
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from delivery import logs, reasons, rollups, status
from delivery.models import EMAIL, Delivery
from messaging import calling, verdicts
from messaging.verdicts import Kind


@dataclass(frozen=True)
class Failure:
    reason: str
    kind: str
    n: int
    share: float
    example: str
    advice: str


# Answers that differ only in numbers and addresses are one; where a code says all, the code alone makes the group.
SHAPE = (
    "CASE WHEN code ~ '[245][.][0-9]' THEN '' ELSE left(regexp_replace(detail, '\\S*[@0-9]\\S*', '*', 'g'), 100) END"
)
_REFUSED = f"""
SELECT code, {SHAPE}, min(detail) FROM delivery_sendlog
WHERE opened_month = %(month)s AND delivery_id = %(id)s AND outcome = 'failed' GROUP BY 1, 2
"""
# A person who was retried until the end failed for what the server last answered.
_GROUPS = f"""
{rollups.FAILING}, failing AS (
    SELECT l.code, '' AS verdict, '' AS reason, l.detail,
           CASE WHEN l.code = %(expired)s THEN l.profile_id END AS tried_id, l.request_no
    FROM delivery_sendlog l
    WHERE l.opened_month = %(month)s AND l.delivery_id = %(id)s AND l.outcome = 'failed'
      AND (%(at)s = '' OR lower(l.address) LIKE %(at)s)
    UNION ALL
    SELECT e.code, e.verdict, e.reason, e.detail, NULL, e.request_no FROM (
        SELECT DISTINCT ON (e.request_no, e.profile_id) e.*
        FROM delivery_event e
        JOIN rows r ON r.request_no = e.request_no AND r.profile_id = e.profile_id AND r.verdict = 'failed'
        JOIN delivery_sendlog l ON l.opened_month = e.opened_month AND l.delivery_id = e.delivery_id
          AND l.request_no = e.request_no AND l.profile_id = e.profile_id
        WHERE e.opened_month = %(month)s AND e.delivery_id = %(id)s
          AND (%(at)s = '' OR lower(l.address) LIKE %(at)s)
          AND e.kind IN ('bounced', 'deferred') AND e.verdict <> 'ignored'
        ORDER BY e.request_no, e.profile_id, (e.kind = 'bounced') DESC, (e.verdict <> 'soft') DESC, e.at DESC
    ) e
), told AS (
    SELECT COALESCE(a.code, f.code) AS code, f.verdict, f.reason, COALESCE(a.reply, f.detail) AS detail,
           f.tried_id IS NOT NULL AS is_expired
    FROM failing f
    LEFT JOIN LATERAL (
        SELECT code, reply FROM delivery_attempt
        WHERE opened_month = %(month)s AND delivery_id = %(id)s AND request_no = f.request_no
          AND profile_id = f.tried_id
        ORDER BY attempt DESC LIMIT 1
    ) a ON f.tried_id IS NOT NULL
)
SELECT code, verdict, reason, is_expired, count(*), min(detail)
FROM told
GROUP BY code, verdict, reason, is_expired, {SHAPE}
ORDER BY count(*) DESC LIMIT 500
"""

KINDS: dict[str, str | Promise] = {
    Kind.HARD: _("Hard"),
    Kind.SOFT: _("Soft"),
    Kind.BLOCKED: _("Blocked"),
    Kind.MESSAGE: _("About the message"),
}
_QUARANTINED = _("These addresses are in quarantine. Correct them in your data.")
_COUNTED = _("Nothing for now. An address that fails again and again goes into quarantine by itself.")
_ADVICE: dict[str, str | Promise] = {
    verdicts.USER_UNKNOWN: _QUARANTINED,
    verdicts.INVALID_DOMAIN: _QUARANTINED,
    verdicts.ACCOUNT_DISABLED: _COUNTED,
    verdicts.MAILBOX_FULL: _COUNTED,
    verdicts.UNREACHABLE: _COUNTED,
    verdicts.EXPIRED: _("Their server took too long. A longer validity period gives it more time."),
    verdicts.GREYLISTED: _("Their server wants a second attempt later. A longer validity period gives it more time."),
    verdicts.RATE_LIMITED: _("Send slower to this provider, or spread the send over more hours."),
    verdicts.REFUSED: _("Read the answer: it is about our reputation or a block list, not about the person."),
    verdicts.AUTHENTICATION: _("Check SPF, DKIM and DMARC of the sender's domain."),
    verdicts.SENDER_REFUSED: _("Check the sender's address and its domain."),
    verdicts.TOO_LARGE: _("Make the message smaller: fewer or lighter images."),
    verdicts.CONTENT: _("Read the answer: something in the message is taken for spam or harm."),
    verdicts.UNSUPPORTED_ADDRESS: _("Ask these people for another address."),
}
_LOOK = _("Read the answer of the mail server.")
_ADVICE |= {
    verdicts.SERVER_ERROR: _("Look why the server doesn't answer, or answers with an error."),
    verdicts.CALL_REFUSED: _("Read the answer: the address, the headers or the body are not what the server expects."),
}


def failures(of: Delivery, *, domain: str = "", search: str = "") -> list[Failure]:
    """Failed people with an address at `domain` by reason and kind, the most frequent first; shares are of all of them.
    Groups are given that have `search` in their words."""
    values = rollups.verdict_values(of, timezone.now())
    values |= {"expired": reasons.EXPIRED, "at": logs.at_domain(domain)}
    with rollups.reading() as cursor:
        cursor.execute(_GROUPS, values)
        rows = cursor.fetchall()
    counts: dict[tuple[str, str], int] = defaultdict(int)
    examples: dict[tuple[str, str], str] = {}
    for code, verdict, reason, is_expired, n, example in rows:
        group = _group(code, verdict, reason, is_expired, example) if of.channel == EMAIL else _group_of_call(code)
        counts[group] += n
        # Rows come by size: the first example is of the most frequent answer.
        examples.setdefault(group, example)
    total = sum(counts.values())
    ordered = sorted(counts, key=lambda group: (-counts[group], group))
    found = [_failure(group, counts[group], total, examples[group]) for group in ordered]
    return [one for one in found if search.lower() in f"{one.reason} {one.example}".lower()]


def soft_refusals(of: Delivery) -> tuple[list[str], list[str]]:
    """Codes and SHAPEs of those refusals at hand-over that are no final ones, judged as `failures` judges them.

    Who was retried until the end is among them: each answer on the way was a temporary one.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REFUSED, {"month": of.opened_month, "id": of.pk})
        rows = cursor.fetchall()
    found = [
        (code, shape)
        for code, shape, example in rows
        if code == reasons.EXPIRED or status.is_soft(str(verdicts.of_reply(code, example).kind), code)
    ]
    return [code for code, _shape in found], [shape for _code, shape in found]


def _group(code: str, verdict: str, reason: str, is_expired: bool, example: str) -> tuple[str, str]:
    """(reason, kind) of one row, judged by the one classification where it was not judged when it came."""
    if verdict and reason != verdicts.UNDETERMINED:
        return reason, verdict
    judged = verdicts.of_reply("" if code == reasons.EXPIRED else code, example)
    if is_expired and judged.reason == verdicts.UNDETERMINED:
        return verdicts.EXPIRED, Kind.SOFT
    return judged.reason, verdict or str(judged.kind)


def _group_of_call(code: str) -> tuple[str, str]:
    """The same of a webhook."""
    verdict = calling.of_code(code)
    return verdict.reason, str(verdict.kind)


def _failure(group: tuple[str, str], n: int, total: int, example: str) -> Failure:
    reason, kind = group
    return Failure(
        reason=str(verdicts.REASONS.get(reason, reason)),
        kind=str(KINDS.get(kind, kind)),
        n=n,
        share=n / total,
        example=example,
        advice=str(_ADVICE.get(reason, _LOOK)),
    )
