"""Who of the people that a request names may get the message now, and why the others may not.

The same questions as preparation asks, of a few people instead of everybody, in the order of delivery.reasons; who had
it before is asked last, see delivery.claims. Asked in the transaction that queues them, and again at each window.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.db import connection
from django.utils import timezone

from audiences import rules
from delivery import choosing, reasons, served
from delivery.models import Delivery
from lib import memory, statements

_CAP_LOCKS = 0x43680D01
_ASK = """
SELECT p.external_id, p.id, p.email, p.email_key, p.time_zone, {reason} FROM audiences_profile p WHERE {who}
"""
_BY_ID = "p.id = ANY(%s::bigint[])"
_BY_EXTERNAL_ID = "p.external_id = ANY(ARRAY(SELECT json_array_elements_text(%s::json)))"
# In the order of what is locked, so that two requests never wait for each other.
_LOCK = """
SELECT pg_advisory_xact_lock(%s, key) FROM (
    SELECT DISTINCT hashtext(one) AS key FROM unnest(%s::text[]) AS one ORDER BY key
) keys
"""
_HAD = """
SELECT o.id, (
    SELECT count(*) FROM audiences_profile p JOIN delivery_sendlog l ON l.profile_id = p.id
    JOIN delivery_delivery d ON d.id = l.delivery_id AND d.channel = 'email'
    WHERE (p.id = o.id OR (o.email_key <> '' AND p.email_key = o.email_key))
        AND l.outcome IN ('sent', 'unknown') AND l.at > %(since)s
) + (
    SELECT count(*) FROM audiences_profile p
    JOIN delivery_requestrecipient r ON r.profile_id = p.id AND r.reason = ''
    JOIN delivery_triggerrequest q ON q.id = r.request_id AND q.handled_at > %(since)s
    JOIN delivery_delivery d ON d.id = q.delivery_id AND d.channel = 'email'
    WHERE (p.id = o.id OR (o.email_key <> '' AND p.email_key = o.email_key))
        AND NOT EXISTS (SELECT 1 FROM delivery_sendlog l WHERE l.opened_month = d.opened_month
            AND l.delivery_id = d.id AND l.request_no = q.id AND l.profile_id = p.id)
)
FROM audiences_profile o WHERE o.id = ANY(%(ids)s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """One person: `reason` "" when nothing keeps them from it; `detail` as reasons.detail reads it."""

    id: int
    email: str
    email_key: str
    time_zone: str
    reason: str
    detail: str = ""


def judge(
    delivery: Delivery, ids: Iterable[int], *, narrowed: Mapping[str, object] | None = None, ignores_cap: bool = False
) -> dict[int, Judged]:
    """The people of `ids` that there are, by id. `narrowed`: another audience they must be in, of an API call.

    Locks the mailboxes until the transaction ends where a sending limit is set, so that two requests can't both be the
    last message. One query, two with a limit; what the audience means and the limit are remembered for a second.
    Raises rules.RuleProblem.
    """
    question = _asked(delivery, narrowed)
    rows = statements.run(question.by_id, (statements.array(sorted(set(ids))),))
    return _judged(delivery, question, rows, ignores_cap=ignores_cap)


def judge_named(
    delivery: Delivery,
    external_ids: Iterable[str],
    *,
    narrowed: Mapping[str, object] | None = None,
    ignores_cap: bool = False,
) -> tuple[dict[str, int], dict[int, Judged]]:
    """The same for people by the ids of their own system, and who has which: looked up and judged at once."""
    question = _asked(delivery, narrowed)
    rows = statements.run(question.by_external_id, (msgspec.json.encode(list(external_ids)).decode(),))
    ids = {str(row[0]): int(row[1]) for row in rows}
    return ids, _judged(delivery, question, rows, ignores_cap=ignores_cap)


def _asked(delivery: Delivery, narrowed: Mapping[str, object] | None) -> "_Question":
    if narrowed is not None:
        return _question(delivery, narrowed)
    return _questions.get(delivery.pk, lambda: _question(delivery, None))


def _judged(
    delivery: Delivery, question: "_Question", rows: Iterable[tuple[Any, ...]], *, ignores_cap: bool
) -> dict[int, Judged]:
    found = {}
    for _external_id, profile_id, email, email_key, zone, reason in rows:
        detail = question.group if reason == reasons.UNSUBSCRIBED_GROUP else ""
        found[profile_id] = Judged(profile_id, email, email_key, zone, reason, detail)
    limit = None if ignores_cap else served.cap(delivery, is_fresh=False)
    if limit is not None:
        found |= _above(limit, [one for one in found.values() if not one.reason])
    return found


@dataclass(frozen=True)
class _Question:
    """SQL of everybody's reason, without a value but whom it is about; `group`: what is told to who left it."""

    by_id: str
    by_external_id: str
    group: str


_questions: memory.Memory[_Question] = memory.Memory()


def _question(delivery: Delivery, narrowed: Mapping[str, object] | None) -> _Question:
    audience = rules.compile_audience(delivery.audience)
    wanted = [audience.targeted]
    if narrowed is not None:
        wanted.append(rules.compile_audience(dict(narrowed)).targeted)
    mail, control = choosing.kept_by_mail(delivery, audience), choosing.control_group(delivery)
    sql = ""
    params: list[Any] = []
    for fragment in wanted:
        sql += f" WHEN NOT ({fragment.sql}) THEN '{reasons.NOT_IN_AUDIENCE}'"
        params += fragment.params
    more: list[Any] = [*mail.params]
    tail = ""
    for one, reason in ((audience.left_out, reasons.EXCLUDED_SEGMENT), (control, reasons.CONTROL_GROUP)):
        if one is not None:
            tail += f" WHEN {one.sql} THEN '{reason}'"
            more += one.params
    rest = f"COALESCE({mail.sql}, CASE{tail} END)" if tail else mail.sql
    reason_sql = statements.literal(f"COALESCE(CASE{sql} ELSE {rest} END, '')", [*params, *more])
    by_id, by_external_id = (_ASK.format(reason=reason_sql, who=who) for who in (_BY_ID, _BY_EXTERNAL_ID))
    return _Question(by_id, by_external_id, audience.group.name if audience.group else "")


def _above(limit: served.Cap, people: list[Judged]) -> dict[int, Judged]:
    """Those of `people` who had as much as the sending limit allows, with that as the reason.

    What counts: messages handed over, and those that requests have promised. People who wait in a large send may get
    what they asked for before it.
    """
    if not people:
        return {}
    since = timezone.now() - dt.timedelta(hours=limit.hours)
    keys = sorted({one.email_key for one in people})
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [_CAP_LOCKS, keys])
        # A statement after the locks sees what whoever had them before has queued.
        cursor.execute(_HAD, {"since": since, "ids": [one.id for one in people]})
        had = dict(cursor.fetchall())
    detail = f" {limit.hours} {limit.most}"
    return {
        one.id: replace(one, reason=reasons.FREQUENCY_CAP, detail=f"{had[one.id]}{detail}")
        for one in people
        if had[one.id] >= limit.most
    }
