"""The message activity log: one line for each request, message, deferral and answer of all sends, for each refused call
and each test message; newest first.

It is read from where these things stand anyway (activity_sources). Each has its time in an index, and only as far back
is looked as a page needs: some seconds first, then longer. Requests, refused calls and tests are kept as long as is set
in Settings, messages as long as their sends.
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
from delivery import origins, reasons
from delivery import recipients as records
from delivery.activity_sources import COLUMNS, SOURCES
from delivery.models import (
    EMAIL,
    Delivery,
    RefusedCall,
    RequestRecipient,
    RequestState,
    SendLog,
    TestMessage,
    TriggerRequest,
)
from messaging import webhook_content

PAGE = 50
# How far back is looked, one after the other, until the page is full.
_SPANS = tuple(dt.timedelta(seconds=n) for n in (15, 300, 3600, 6 * 3600, 86_400, 7 * 86_400))
# People a search may stand for.
_MOST_FOUND = 200
# Sends whose campaigns can be chosen.
_MOST_SENDS = 200

# Type → its words, tone and icon.
TYPES: dict[str, tuple[str | Promise, str, str]] = {
    "api": (_("API request"), "info", "code"),
    "refused": (_("Refused request"), "err", "octagon-x"),
    "sent": (pgettext_lazy("message", "Sent"), "ok", "check"),
    "failed": (pgettext_lazy("message", "Failed"), "err", "x"),
    "deferred": (pgettext_lazy("event", "Deferred"), "warn", "clock"),
    "not_sent": (pgettext_lazy("message", "Not sent"), "warn", "circle-minus"),
    "cancelled": (pgettext_lazy("message", "Cancelled"), "neutral", "ban"),
    "unknown": (pgettext_lazy("message", "Unknown"), "warn", "circle-question-mark"),
    "bounced": (pgettext_lazy("event", "Bounced"), "err", "mail-x"),
    "complained": (pgettext_lazy("event", "Complained"), "err", "flag"),
    "unsubscribed": (pgettext_lazy("event", "Unsubscribed"), "neutral", "user-x"),
    "test": (_("Test message"), "neutral", "flask-conical"),
}
CHANNELS: dict[str, str | Promise] = {EMAIL: _("Email"), webhook_content.CHANNEL: _("Webhook")}
# Days that can be chosen.
RANGES = (1, 7, 30, 90)


@dataclass(frozen=True)
class Filter:
    """What the reader asked for; "" means everything. `before`: the key of the last line that was shown."""

    search: str = ""
    type: str = ""
    days: int = 1
    origin_id: str = ""
    channel: str = ""
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
    refused: dict[int, RefusedCall]
    tests: dict[int, TestMessage]
    next: str = ""


def page(wanted: Filter) -> Page:
    """The lines of one page. At most seven looks at the log, six queries for what the lines speak of."""
    lines = _lines(wanted)
    following = lines[PAGE - 1].key if len(lines) > PAGE else ""
    lines = lines[:PAGE]
    return Page(
        lines,
        Delivery.objects.in_bulk({line.delivery_id for line in lines if line.delivery_id}),
        TriggerRequest.objects.in_bulk({line.request_no for line in lines if line.what == "api"}),
        Profile.objects.in_bulk({line.profile_id for line in lines if line.profile_id}),
        RefusedCall.objects.in_bulk({line.a for line in lines if line.what == "refused"}),
        TestMessage.objects.select_related("by").in_bulk({line.a for line in lines if line.what == "test"}),
        following,
    )


def campaigns(kinds: list[str]) -> list[tuple[str, str]]:
    """(origin id, name) of what was sent lately, of these kinds of origins; newest first. A query, and one a kind."""
    sent = (
        Delivery.objects.filter(origin_kind__in=kinds).order_by("-pk").values_list("origin_kind", "origin_id", "label")
    )
    newest: dict[str, str] = {}
    of_kind: dict[str, set[str]] = {}
    for kind, origin_id, label in sent[:_MOST_SENDS]:
        newest.setdefault(origin_id, label)
        of_kind.setdefault(kind, set()).add(origin_id)
    for kind, ids in of_kind.items():
        # Labels are those of single sends, with their versions.
        newest |= origins.names(kind, ids)
    return list(newest.items())


def _lines(wanted: Filter) -> list[Line]:
    high, after = _place(wanted.before)
    floor = timezone.now() - dt.timedelta(days=wanted.days)
    values: dict[str, Any] = {"high": high, "type": wanted.type, "origin": wanted.origin_id, "n": PAGE + 1, **after}
    values["channel"] = wanted.channel
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
        f"SELECT * FROM ({every}) AS line ({COLUMNS}){beyond}"
        " ORDER BY at DESC, source DESC, a DESC, b DESC, c DESC LIMIT %(n)s"
    )


def _wheres(wanted: Filter, values: dict[str, Any]) -> Iterator[str]:
    """The statement of each source that can have what is wanted; fills `values`."""
    if wanted.search:
        people = profiles.find(wanted.search, _MOST_FOUND)
        values |= {"named": _request_id(wanted.search), "text": wanted.search}
        values |= {"people": [one.pk for one in people], "addresses": [one.email.lower() for one in people]}
    for source in SOURCES.values():
        if wanted.type and wanted.type not in source.kinds:
            continue
        conditions = (
            (source.of_kind, wanted.type),
            (source.of_search, wanted.search),
            (source.of_origin, wanted.origin_id),
            (source.of_channel, wanted.channel),
        )
        yield " AND ".join([source.sql, *(sql for sql, is_wanted in conditions if sql and is_wanted)])


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
