"""The message activity log: one line for each request, message, deferral and answer of all sends, newest first.

It is read from where these things stand anyway: requests, send log, attempts, events. Each has its time in an index,
and only as far back is looked as a page needs: five minutes first, then longer. Requests are kept as long as is set in
Settings, messages as long as their sends.
"""

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from audiences import profiles
from audiences.models import Profile
from delivery import reasons
from delivery import recipients as records
from delivery.models import Delivery, RequestRecipient, RequestState, SendLog, TriggerRequest

PAGE = 50
# How far back is looked, one after the other, until the page is full.
_SPANS = tuple(dt.timedelta(minutes=n) for n in (5, 60, 360, 1440, 7 * 1440))
# People a search may stand for.
_MOST_FOUND = 200

# Type → its words, tone and icon.
TYPES: dict[str, tuple[str | Promise, str, str]] = {
    "api": (_("API request"), "info", "code"),
    "sent": (pgettext_lazy("message", "Sent"), "ok", "check"),
    "failed": (pgettext_lazy("message", "Failed"), "err", "x"),
    "deferred": (pgettext_lazy("event", "Deferred"), "warn", "clock"),
    "not_sent": (pgettext_lazy("message", "Not sent"), "warn", "circle-minus"),
    "cancelled": (pgettext_lazy("message", "Cancelled"), "neutral", "ban"),
    "unknown": (pgettext_lazy("message", "Unknown"), "warn", "circle-question-mark"),
    "bounced": (pgettext_lazy("event", "Bounced"), "err", "mail-x"),
    "complained": (pgettext_lazy("event", "Complained"), "err", "flag"),
    "unsubscribed": (pgettext_lazy("event", "Unsubscribed"), "neutral", "user-x"),
}
# Days that can be chosen.
RANGES = (1, 7, 30, 90)


@dataclass(frozen=True)
class Filter:
    """What the reader asked for; "" means everything. `before`: the key of the last line that was shown."""

    search: str = ""
    type: str = ""
    days: int = 1
    origin_id: str = ""
    before: str = ""


class Line(NamedTuple):
    """One line. (at, source, a, b, c) is its place; `what` a key of TYPES; the rest depends on it."""

    at: dt.datetime
    source: int
    a: int
    b: int
    c: int
    what: str
    delivery_id: int | None
    request_no: int
    profile_id: int | None
    who: str
    code: str
    detail: str

    @property
    def key(self) -> str:
        return f"{self.at.isoformat()}_{self.source}_{self.a}_{self.b}_{self.c}"


@dataclass(frozen=True)
class Page:
    """Up to PAGE lines, what they speak of by id, and the key from which the next page goes on."""

    lines: list[Line]
    deliveries: dict[int, Delivery]
    requests: dict[int, TriggerRequest]
    people: dict[int, Profile]
    next: str = ""


_SOURCES = {
    0: """SELECT q.received_at AS at, 0 AS source, q.id AS a, 0::bigint AS b, 0::bigint AS c, 'api' AS what,
        q.delivery_id, q.id AS request_no, NULL::bigint AS profile_id, q.key_label AS who, q.state AS code,
        q.note AS detail
    FROM delivery_triggerrequest q WHERE q.received_at > %(low)s AND q.received_at <= %(high)s""",
    1: """SELECT l.at, 1, l.delivery_id, l.request_no, l.profile_id, l.outcome, l.delivery_id, l.request_no,
        l.profile_id, l.address, l.code, l.detail
    FROM delivery_sendlog l WHERE l.at > %(low)s AND l.at <= %(high)s""",
    2: """SELECT t.at, 2, t.id, 0, 0, 'deferred', t.delivery_id, t.request_no, t.profile_id, '', t.code, t.reply
    FROM delivery_attempt t WHERE t.at > %(low)s AND t.at <= %(high)s AND t.result = 'deferred'""",
    3: """SELECT e.at, 3, e.id, 0, 0, e.kind, e.delivery_id, e.request_no, e.profile_id, '', e.code, e.detail
    FROM delivery_event e WHERE e.at > %(low)s AND e.at <= %(high)s
        AND e.kind IN ('bounced', 'complained', 'unsubscribed')""",
}
_COLUMNS = "at, source, a, b, c, what, delivery_id, request_no, profile_id, who, code, detail"
_PEOPLE = {
    0: "q.id IN (SELECT r.request_id FROM delivery_requestrecipient r WHERE r.profile_id = ANY(%(people)s))",
    1: "l.profile_id = ANY(%(people)s)",
    2: "t.profile_id = ANY(%(people)s)",
    3: "e.profile_id = ANY(%(people)s)",
}
_ALIAS = {0: "q", 1: "l", 2: "t", 3: "e"}
_KIND = {1: "l.outcome = %(type)s", 3: "e.kind = %(type)s"}


def page(wanted: Filter) -> Page:
    """The lines of one page. At most five looks at the log, four queries for what the lines speak of."""
    lines = _lines(wanted)
    following = lines[PAGE - 1].key if len(lines) > PAGE else ""
    lines = lines[:PAGE]
    ids = {line.delivery_id for line in lines if line.delivery_id}
    asked = {line.request_no for line in lines if line.what == "api"}
    people = {line.profile_id for line in lines if line.profile_id}
    return Page(
        lines,
        Delivery.objects.in_bulk(ids),
        TriggerRequest.objects.in_bulk(asked),
        Profile.objects.in_bulk(people),
        following,
    )


def _lines(wanted: Filter) -> list[Line]:
    high, after = _place(wanted.before)
    floor = timezone.now() - dt.timedelta(days=wanted.days)
    values: dict[str, Any] = {"high": high, "type": wanted.type, "origin": wanted.origin_id, "n": PAGE + 1, **after}
    where = [*_wheres(wanted, values)]
    if not where:
        return []
    found: list[Line] = []
    for span in (*_SPANS, dt.timedelta(days=wanted.days)):
        values["low"] = max(high - span, floor)
        with connection.cursor() as cursor:
            cursor.execute(_statement(where, has_place=bool(after)), values)
            found = [Line(*row) for row in cursor.fetchall()]
        if len(found) > PAGE or values["low"] <= floor:
            break
    return found


def _statement(sources: list[str], *, has_place: bool) -> str:
    beyond = " WHERE (at, source, a, b, c) < (%(high)s, %(source)s, %(a)s, %(b)s, %(c)s)" if has_place else ""
    every = " UNION ALL ".join(f"({one})" for one in sources)
    return (
        f"SELECT * FROM ({every}) AS line ({_COLUMNS}){beyond}"
        " ORDER BY at DESC, source DESC, a DESC, b DESC, c DESC LIMIT %(n)s"
    )


def _wheres(wanted: Filter, values: dict[str, Any]) -> Iterator[str]:
    """The statement of each source that can have what is wanted; fills `values`."""
    named: uuid.UUID | None = None
    if wanted.search:
        named = _request_id(wanted.search)
        values["named"] = named
        values["people"] = [profile.pk for profile in profiles.find(wanted.search, _MOST_FOUND)]
    for number, sql in _SOURCES.items():
        if wanted.type and not _has_type(number, wanted.type):
            continue
        more = ""
        if wanted.type in TYPES and number in _KIND:
            more += f" AND {_KIND[number]}"
        if wanted.search:
            by_id = " OR q.public_id = %(named)s" if named and number == 0 else ""
            more += f" AND ({_PEOPLE[number]}{by_id})"
        if wanted.origin_id:
            alias = _ALIAS[number]
            more += (
                " AND q.origin_id = %(origin)s"
                if number == 0
                else f" AND {alias}.delivery_id IN (SELECT id FROM delivery_delivery WHERE origin_id = %(origin)s)"
            )
        yield sql + more


def _has_type(source: int, wanted: str) -> bool:
    kinds = {
        0: {"api"},
        1: {"sent", "failed", "not_sent", "cancelled", "unknown"},
        2: {"deferred"},
        3: {"bounced", "complained", "unsubscribed"},
    }
    return wanted in kinds[source]


def _place(key: str) -> tuple[dt.datetime, dict[str, Any]]:
    """The time a page goes back from and, after a line, that line's place. Nonsense begins at the top."""
    try:
        at, *numbers = key.split("_")
        source, a, b, c = (int(number) for number in numbers)
        moment = dt.datetime.fromisoformat(at)
    except ValueError:
        return timezone.now(), {}
    if moment.tzinfo is None or max(abs(n) for n in (source, a, b, c)) >= 2**63:
        return timezone.now(), {}
    return moment, {"source": source, "a": a, "b": b, "c": c}


def _request_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Named:
    """One person of a request: what was queued became `outcome` ("" while it waits), or `reason` says why not."""

    row: RequestRecipient
    profile: Profile | None
    outcome: str
    sentence: str


def recipients(request: TriggerRequest) -> list[Named]:
    """Everybody a request names, in its order, and what became of them. Three queries."""
    rows = list(request.recipients.order_by("position"))
    ids = [row.profile_id for row in rows if row.profile_id]
    people = Profile.objects.in_bulk(ids)
    logged = {}
    if request.delivery is not None:
        mine = {"opened_month": request.delivery.opened_month, "delivery": request.delivery, "request_no": request.pk}
        logged = {row.profile_id: row for row in SendLog.objects.filter(**mine, profile_id__in=ids)}
    found = []
    for row in rows:
        log = logged.get(row.profile_id or 0) if not row.reason else None
        sentence = reasons.whole_sentence(row.reason, row.detail) if row.reason else records.answer(log) if log else ""
        outcome = "not_sent" if row.reason else log.outcome if log else ""
        found.append(Named(row, people.get(row.profile_id or 0), outcome, sentence))
    return found


def purge(*, keep: dt.timedelta, now: dt.datetime | None = None) -> int:
    """Delete requests that were done with so long ago, with their recipients; how many. Messages stay in the log."""
    over = (now or timezone.now()) - keep
    done = TriggerRequest.objects.filter(handled_at__lt=over).exclude(
        state__in=[RequestState.SCHEDULED, RequestState.TAKEN]
    )
    n = 0
    while ids := list(done.order_by("pk").values_list("pk", flat=True)[:1000]):
        TriggerRequest.objects.filter(pk__in=ids).delete()
        n += len(ids)
    return n
