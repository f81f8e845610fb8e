"""Who of the people that a request names may get the message now, and why the others may not.

The same questions as preparation asks, of a few people instead of everybody, in the order of delivery.reasons; who had
it before is asked last, see delivery.claims. Asked in the transaction that queues them, and again at each window.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection
from django.utils import timezone

from audiences import rules
from delivery import choosing, reasons, served
from delivery.models import Delivery
from lib import memory, statements

_CAP_LOCKS = 0x43680D01
_ASK = """
SELECT p.id, p.email, p.email_key, p.time_zone, {reason} FROM audiences_profile p WHERE p.id = ANY(%s::bigint[])
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
    if narrowed is None:
        question = _questions.get(delivery.pk, lambda: _question(delivery, None))
    else:
        question = _question(delivery, narrowed)
    found = _answers(question, sorted(set(ids)))
    limit = None if ignores_cap else served.cap(delivery, is_fresh=False)
    if limit is not None:
        found |= _above(limit, [one for one in found.values() if not one.reason])
    return found


@dataclass(frozen=True)
class _Question:
    """SQL of everybody's reason, without a value but the ids; `group`: what is told to who left it."""

    sql: str
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
    return _Question(_ASK.format(reason=reason_sql), audience.group.name if audience.group else "")


def _answers(question: _Question, ids: list[int]) -> dict[int, Judged]:
    found = {}
    for profile_id, email, email_key, zone, reason in statements.run(question.sql, (statements.array(ids),)):
        detail = question.group if reason == reasons.UNSUBSCRIBED_GROUP else ""
        found[profile_id] = Judged(profile_id, email, email_key, zone, reason, detail)
    return found


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
        for key in keys:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_CAP_LOCKS, key])
        # A statement after the locks sees what whoever had them before has queued.
        cursor.execute(_HAD, {"since": since, "ids": [one.id for one in people]})
        had = dict(cursor.fetchall())
    detail = f" {limit.hours} {limit.most}"
    return {
        one.id: replace(one, reason=reasons.FREQUENCY_CAP, detail=f"{had[one.id]}{detail}")
        for one in people
        if had[one.id] >= limit.most
    }
