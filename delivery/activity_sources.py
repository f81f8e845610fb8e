"""Where the lines of the activity log come from: a statement for each table, and how each is narrowed.

All give the columns of COLUMNS, in this order. The moment of a line is in an index of its table.
"""

from dataclasses import dataclass

COLUMNS = "at, source, a, b, c, what, delivery_id, request_no, profile_id, who, code, detail"
_IN_TIME = "{0}.at > %(low)s AND {0}.at <= %(high)s"
_OF_SEND = "{0}.delivery_id IN (SELECT id FROM delivery_delivery WHERE origin_id = %(origin)s)"
_IN_CHANNEL = "{0}.delivery_id IN (SELECT id FROM delivery_delivery WHERE channel = %(channel)s)"


@dataclass(frozen=True)
class Source:
    """`kinds`: the types it has lines of. `of_search`, `of_origin`, `of_channel`: conditions for people or an id that
    were searched, for one campaign and for one channel; `of_kind` where only some of its lines have the type wanted."""

    sql: str
    kinds: frozenset[str]
    of_search: str
    of_origin: str
    of_channel: str
    of_kind: str = ""


# By number, which is a part of the place of each line.
SOURCES = {
    0: Source(
        """SELECT q.received_at AS at, 0 AS source, q.id AS a, 0::bigint AS b, 0::bigint AS c, 'api' AS what,
            q.delivery_id, q.id AS request_no, NULL::bigint AS profile_id, q.key_label AS who, q.state AS code,
            q.note AS detail
        FROM delivery_triggerrequest q WHERE q.received_at > %(low)s AND q.received_at <= %(high)s""",
        frozenset({"api"}),
        "(q.id IN (SELECT r.request_id FROM delivery_requestrecipient r WHERE r.profile_id = ANY(%(people)s))"
        " OR q.public_id = %(named)s)",
        "q.origin_id = %(origin)s",
        _IN_CHANNEL.format("q"),
    ),
    1: Source(
        f"""SELECT l.at, 1, l.delivery_id, l.request_no, l.profile_id, l.outcome, l.delivery_id, l.request_no,
            l.profile_id, l.address, l.code, l.detail
        FROM delivery_sendlog l WHERE {_IN_TIME.format("l")}""",
        frozenset({"sent", "failed", "not_sent", "cancelled", "unknown"}),
        "l.profile_id = ANY(%(people)s)",
        _OF_SEND.format("l"),
        _IN_CHANNEL.format("l"),
        "l.outcome = %(type)s",
    ),
    2: Source(
        f"""SELECT t.at, 2, t.id, 0, 0, 'deferred', t.delivery_id, t.request_no, t.profile_id, '', t.code, t.reply
        FROM delivery_attempt t WHERE {_IN_TIME.format("t")} AND t.result = 'deferred'""",
        frozenset({"deferred"}),
        "t.profile_id = ANY(%(people)s)",
        _OF_SEND.format("t"),
        _IN_CHANNEL.format("t"),
    ),
    3: Source(
        f"""SELECT e.at, 3, e.id, 0, 0, e.kind, e.delivery_id, e.request_no, e.profile_id, '', e.code, e.detail
        FROM delivery_event e WHERE {_IN_TIME.format("e")} AND e.kind IN ('bounced', 'complained', 'unsubscribed')""",
        frozenset({"bounced", "complained", "unsubscribed"}),
        "e.profile_id = ANY(%(people)s)",
        _OF_SEND.format("e"),
        _IN_CHANNEL.format("e"),
        "e.kind = %(type)s",
    ),
    4: Source(
        f"""SELECT f.at, 4, f.id, 0, 0, 'refused', NULL::bigint, 0, NULL::bigint, f.key_label, f.code, f.sentences
        FROM delivery_refusedcall f WHERE {_IN_TIME.format("f")}""",
        frozenset({"api", "refused"}),
        "f.public_id = %(named)s",
        "f.origin_id = %(origin)s",
        # What a refused call would have sent nobody knows.
        "FALSE",
    ),
    5: Source(
        f"""SELECT m.at, 5, m.id, 0, 0, 'test', NULL::bigint, 0, NULL::bigint, m.address,
            CASE WHEN m.is_taken THEN 'sent' ELSE 'failed' END, m.detail
        FROM delivery_testmessage m WHERE {_IN_TIME.format("m")}""",
        frozenset({"test"}),
        "(lower(m.address) = lower(%(text)s) OR lower(m.address) = ANY(%(addresses)s))",
        "m.origin_id = %(origin)s",
        "%(channel)s = 'email'",
    ),
}
