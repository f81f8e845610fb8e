"""The made-up log of a send: outcomes, opens and clicks over time, written set-based so that the panel is full.

Chance is a hash of the profile's id, so the same people give the same figures. Follows the log's own rules: one row per
person, counters of a shard beside the rows they count, events after the row they belong to.
"""

import datetime as dt
from typing import Any

from django.db import connection

from delivery import domain_days, rollups
from delivery.models import Delivery
from messaging import verdicts

# Messages a minute the made-up server took.
_PER_MINUTE = 12_000

# u(id, k): a number in [0, 1) for profile `id` and question `k`.
_CHANCE = "((hashint8extended({id}, {k}) & 9223372036854775807) / 9223372036854775808.0)"

_LOG = """
INSERT INTO delivery_sendlog
    (opened_month, delivery_id, request_no, profile_id, outcome, at, address, n_attempts, code, detail)
SELECT %(month)s, %(delivery)s, 0, p.id,
       CASE WHEN {u1} < 0.9925 THEN 'sent' WHEN {u1} < 0.9985 THEN 'failed' ELSE 'not_sent' END,
       %(start)s::timestamptz + n * %(step)s * interval '1 second',
       p.email,
       CASE WHEN {u1} >= 0.9985 THEN 0 ELSE 1 END,
       CASE WHEN {u1} < 0.9925 THEN '' WHEN {u1} < 0.9965 THEN '550 5.1.1' WHEN {u1} < 0.9985 THEN '550 5.7.1'
            ELSE 'unsubscribed' END,
       CASE WHEN {u1} < 0.9925 THEN '' WHEN {u1} < 0.9965 THEN '550 5.1.1 No such mailbox'
            WHEN {u1} < 0.9985 THEN '550 5.7.1 Message refused by local policy' ELSE '' END
FROM (SELECT person AS id, row_number() OVER (ORDER BY s.number, person) AS n
      FROM delivery_shard s CROSS JOIN unnest(s.ids) AS person WHERE s.delivery_id = %(delivery)s) AS people
JOIN audiences_profile p ON p.id = people.id
"""

_SHARDS = """
UPDATE delivery_shard s SET state = 'done', n_authorised = s.n_ids, n_sent = c.sent, n_failed = c.failed,
       n_not_sent = c.not_sent
FROM (SELECT s.id, count(*) FILTER (WHERE l.outcome = 'sent') AS sent,
             count(*) FILTER (WHERE l.outcome = 'failed') AS failed,
             count(*) FILTER (WHERE l.outcome = 'not_sent') AS not_sent
      FROM delivery_shard s CROSS JOIN unnest(s.ids) AS person
      JOIN delivery_sendlog l ON l.opened_month = %(month)s AND l.delivery_id = s.delivery_id AND l.request_no = 0
                             AND l.profile_id = person
      WHERE s.delivery_id = %(delivery)s GROUP BY s.id) AS c
WHERE c.id = s.id
"""

# %(kind)s events for the people of `{who}`, `{after}` seconds after the hand-over; never in the future.
_EVENTS = """
INSERT INTO delivery_event (opened_month, delivery_id, request_no, profile_id, kind, at, link_no, is_automatic, detail,
    code, verdict, reason)
SELECT l.opened_month, l.delivery_id, 0, l.profile_id, %(kind)s,
       LEAST(l.at + {after} * interval '1 second', %(now)s::timestamptz), {link}, %(automatic)s, %(detail)s,
       %(code)s, %(verdict)s, %(reason)s
FROM (SELECT * FROM delivery_sendlog
      WHERE opened_month = %(month)s AND delivery_id = %(delivery)s AND outcome = 'sent') AS l
WHERE {who}
ORDER BY 6
"""
# Answers of bounce mails, each with the share of all bounces up to and with it.
_BOUNCES = (
    (0.5, "550 5.1.1 The mailbox doesn't exist"),
    (0.75, "452 4.2.2 The mailbox is full"),
    (0.9, "550 5.2.1 The account is disabled"),
    (1.0, "550 5.7.1 Message refused by local policy"),
)
_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15"
_LAPTOP = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"


def fill(delivery: Delivery, *, now: dt.datetime) -> None:
    """Give everybody in the shards of a sending `delivery` an outcome, and some of them events until `now`."""
    assert delivery.started_at is not None
    base: dict[str, Any] = {"month": delivery.opened_month, "delivery": delivery.pk, "now": now}
    n_links = len(delivery.message.links)
    u = {f"u{k}": _CHANCE.format(id="l.profile_id", k=k) for k in range(1, 9)}
    log = _LOG.format(u1=_CHANCE.format(id="p.id", k=1))
    is_bounced, is_open = f"{u['u2']} < 0.009", f"{u['u2']} >= 0.009 AND {u['u3']} < 0.37"
    reading = f"(40 - ln(1 - {u['u4']}) * 16000)"
    first_link = f"floor({u['u6']} * {u['u6']} * {max(1, n_links)})::smallint"
    with connection.cursor() as cursor:
        cursor.execute(log, {**base, "start": delivery.started_at, "step": 60 / _PER_MINUTE})
        # All of it is one transaction, so that autovacuum has not seen these rows and the planner would loop over them.
        cursor.execute("ANALYZE delivery_shard, delivery_sendlog")
        cursor.execute(_SHARDS, base)

        def events(
            kind: str, who: str, after: str, *, detail: str, link: str = "NULL::smallint", automatic: bool = False
        ) -> None:
            statement = _EVENTS.format(who=who, after=after, link=link)
            why = _judged(detail) if kind == "bounced" else {"code": "", "verdict": "", "reason": ""}
            cursor.execute(statement, {**base, **why, "kind": kind, "detail": detail, "automatic": automatic})

        lowest = 0.0
        for highest, answer in _BOUNCES:
            some = f"{is_bounced} AND {u['u5']} >= {lowest} AND {u['u5']} < {highest}"
            events("bounced", some, f"(20 + {u['u4']} * 900)", detail=answer)
            lowest = highest
        events("opened", is_open, reading, detail=_PHONE)
        events("opened", f"{is_open} AND {u['u5']} < 0.2", f"({reading} + 40000 * {u['u7']})", detail=_LAPTOP)
        events(
            "opened",
            f"NOT {is_bounced} AND {u['u8']} < 0.12",
            f"(2 + 9 * {u['u4']})",
            detail="Mozilla/5.0",
            automatic=True,
        )
        if n_links:
            clicking = f"({reading} + 8 + 150 * {u['u6']})"
            events("clicked", f"{is_open} AND {u['u5']} < 0.21", clicking, detail=_PHONE, link=first_link)
            again = f"({reading} + 300 + 900 * {u['u7']})"
            last_link = f"least({n_links - 1}, floor({u['u7']} * {n_links}))::smallint"
            events("clicked", f"{is_open} AND {u['u5']} < 0.05", again, detail=_LAPTOP, link=last_link)
        leaving = f"({reading} + 60)"
        events("unsubscribed", f"{is_open} AND {u['u7']} < 0.008", leaving, detail=_PHONE)
        events("complained", f"{is_open} AND {u['u7']} > 0.997", leaving, detail="")
        cursor.execute("ANALYZE delivery_event")
    _withdraw(delivery)
    _quarantine(delivery)
    rollups.rebuild(delivery.pk)
    domain_days.rebuild(delivery.pk)


def _withdraw(delivery: Delivery) -> None:
    """The consent of those who unsubscribed, with where it came from."""
    base: dict[str, Any] = {
        "month": delivery.opened_month,
        "delivery": delivery.pk,
        "reference": str(delivery.public_id),
    }
    left = (
        "(SELECT profile_id, min(at) AS at FROM delivery_event WHERE opened_month = %(month)s"
        " AND delivery_id = %(delivery)s AND kind = 'unsubscribed' GROUP BY profile_id)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE audiences_profile p SET email_consent = 'unsubscribed', consent_changed_at = e.at"
            f" FROM {left} AS e WHERE e.profile_id = p.id",
            base,
        )
        cursor.execute(
            f"INSERT INTO audiences_consentchange (profile_id, at, state, source, reference)"
            f" SELECT e.profile_id, e.at, 'unsubscribed', 'one_click', %(reference)s FROM {left} AS e",
            base,
        )


def _judged(answer: str) -> dict[str, str]:
    """What follows from a bounce with this answer, as the columns of an event."""
    code = " ".join(answer.split()[:2])
    verdict = verdicts.of_reply(code, answer)
    return {"code": code, "verdict": str(verdict.kind), "reason": verdict.reason}


def _quarantine(delivery: Delivery) -> None:
    """The addresses that will never work, and those of people who complained."""
    base: dict[str, Any] = {"month": delivery.opened_month, "delivery": delivery.pk}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audiences_quarantineentry (address_key, reason, evidence, since, release_note)"
            " SELECT DISTINCT ON (p.email_key) p.email_key, e.reason, e.evidence, e.at, '' FROM ("
            "  SELECT profile_id, at, CASE kind WHEN 'complained' THEN 'complaint' ELSE reason END AS reason,"
            "         detail AS evidence FROM delivery_event WHERE opened_month = %(month)s"
            "   AND delivery_id = %(delivery)s AND (kind = 'complained' OR verdict = 'hard')"
            "  UNION ALL SELECT profile_id, at, 'user_unknown', detail FROM delivery_sendlog"
            "   WHERE opened_month = %(month)s AND delivery_id = %(delivery)s AND code = '550 5.1.1') AS e"
            " JOIN audiences_profile p ON p.id = e.profile_id WHERE p.email_key <> '' AND NOT p.is_test"
            " ON CONFLICT DO NOTHING",
            base,
        )
