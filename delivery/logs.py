"""The log pages of one delivery: rows of the send log, exclusions, events, links, failures. Reads only.

Lists are keyset pages in the order of an index, so page one thousand costs what page one does. A search finds people
first (`audiences.profiles.find`) and then looks them up by key; no log is ever searched by text.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from audiences import profiles
from audiences.models import Profile
from delivery import reasons, recipients, rollups, status
from delivery.models import Delivery, Event, EventKind, Exclusion, Outcome, SendLog
from messaging.models import Feedback
from messaging.verdicts import Kind

PAGE = 50
Row = TypeVar("Row")
# People a search may stand for.
_MOST_FOUND = 200
# Rows read at once by an export.
_BATCH = 2000


@dataclass(frozen=True)
class Filter:
    """What the reader asked for; "" and None mean everything."""

    search: str = ""
    status: str = ""
    reason: str = ""
    kind: str = ""
    severity: str = ""
    # What stands after the @ of the address.
    domain: str = ""
    has_automatic: bool = False
    # The key after which (or, `is_back`, before which) the page begins.
    after: int | None = None
    is_back: bool = False
    # The request of `after`, where one person may be in several; 0 elsewhere.
    after_request: int = 0


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Up to PAGE rows and the keys of the neighbouring pages, None where there is none."""

    rows: list[Row]
    previous: int | str | None = None
    next: int | str | None = None


@dataclass(frozen=True)
class Sending:
    profile: Profile | None
    profile_id: int
    address: str
    status: status.Status
    at: dt.datetime
    n_attempts: int
    answer: str
    request_no: int = 0


@dataclass(frozen=True)
class Excluded:
    profile: Profile | None
    profile_id: int
    reason: str
    detail: str


@dataclass(frozen=True)
class Tracked:
    profile: Profile | None
    profile_id: int
    at: dt.datetime
    kind: str
    label: str
    link: str
    client: str
    is_automatic: bool


def sending(of: Delivery, wanted: Filter) -> Page[Sending]:
    """Recipients with an outcome, by profile. Those who wait have no row yet."""
    if of.is_standing:
        requested, before, after = _by_request(_sendlog(of, wanted), wanted)
        return Page(_sending_rows(of, requested), before, after)
    rows, previous, following = keyset(_sendlog(of, wanted), wanted, "profile_id")
    return Page(_sending_rows(of, rows), previous, following)


def exclusions(of: Delivery, wanted: Filter) -> Page[Excluded]:
    """People who were targeted and left out, by profile."""
    rows, previous, following = keyset(_exclusions(of, wanted), wanted, "profile_id")
    return Page(_excluded_rows(rows), previous, following)


def tracking(of: Delivery, wanted: Filter) -> Page[Tracked]:
    """Opens, clicks, unsubscribes and complaints, newest first."""
    rows, previous, following = keyset(_events(of, wanted), wanted, "id", is_newest_first=True)
    return Page(_tracked_rows(of, rows), previous, following)


def export_sending(of: Delivery, wanted: Filter) -> Iterator[Sending]:
    """All rows of `sending`, in batches."""
    if of.is_standing:
        for requested in _batches_by_request(_sendlog(of, wanted)):
            yield from _sending_rows(of, requested)
        return
    for rows in batches(_sendlog(of, wanted), "profile_id"):
        yield from _sending_rows(of, rows)


def export_exclusions(of: Delivery, wanted: Filter) -> Iterator[Excluded]:
    for rows in batches(_exclusions(of, wanted), "profile_id"):
        yield from _excluded_rows(rows)


def export_tracking(of: Delivery, wanted: Filter) -> Iterator[Tracked]:
    for rows in batches(_events(of, wanted), "id"):
        yield from _tracked_rows(of, rows)


def keyset(
    rows: QuerySet[Any], wanted: Filter, key: str, *, is_newest_first: bool = False
) -> tuple[list[Any], int | None, int | None]:
    """The rows of the page in order of `key`, and the keys from which the previous and the next page go on."""
    is_rising = wanted.is_back == is_newest_first
    if wanted.after is not None:
        rows = rows.filter(**{f"{key}__{'gt' if is_rising else 'lt'}": wanted.after})
    found = list(rows.order_by(key if is_rising else f"-{key}")[: PAGE + 1])
    has_more = len(found) > PAGE
    found = found[:PAGE]
    if wanted.is_back:
        found.reverse()
    if not found:
        return [], None, None
    has_previous = has_more if wanted.is_back else wanted.after is not None
    has_next = wanted.is_back or has_more
    return found, getattr(found[0], key) if has_previous else None, getattr(found[-1], key) if has_next else None


def batches(rows: QuerySet[Any], key: str) -> Iterator[list[Any]]:
    """A keyset walk instead of a cursor: a long download holds no transaction open."""
    after = None
    while True:
        part = rows.filter(**{f"{key}__gt": after}) if after is not None else rows
        found = list(part.order_by(key)[:_BATCH])
        if not found:
            return
        yield found
        after = getattr(found[-1], key)


def _by_request(rows: QuerySet[SendLog], wanted: Filter) -> tuple[list[SendLog], str | None, str | None]:
    """As `keyset`, newest request first: a person may be in many requests of a standing delivery. Keys: "17.4031"."""
    is_rising = wanted.is_back
    if wanted.after is not None:
        rows = rows.filter(_beyond((wanted.after_request, wanted.after), is_rising=is_rising))
    order = ("request_no", "profile_id") if is_rising else ("-request_no", "-profile_id")
    found = list(rows.order_by(*order)[: PAGE + 1])
    has_more = len(found) > PAGE
    found = found[:PAGE]
    if is_rising:
        found.reverse()
    if not found:
        return [], None, None
    has_previous = has_more if is_rising else wanted.after is not None
    keys = [f"{row.request_no}.{row.profile_id}" for row in (found[0], found[-1])]
    return found, keys[0] if has_previous else None, keys[1] if is_rising or has_more else None


def _batches_by_request(rows: QuerySet[SendLog]) -> Iterator[list[SendLog]]:
    after = (0, 0)
    while found := list(rows.filter(_beyond(after, is_rising=True)).order_by("request_no", "profile_id")[:_BATCH]):
        yield found
        after = (found[-1].request_no, found[-1].profile_id)


def _beyond(key: tuple[int, int], *, is_rising: bool) -> Q:
    side = "gt" if is_rising else "lt"
    return Q(**{f"request_no__{side}": key[0]}) | Q(**{"request_no": key[0], f"profile_id__{side}": key[1]})


def _sendlog(of: Delivery, wanted: Filter) -> QuerySet[SendLog]:
    rows = SendLog.objects.filter(opened_month=of.opened_month, delivery=of)
    if wanted.search:
        rows = rows.filter(profile_id__in=_people(wanted.search))
    if wanted.domain:
        rows = rows.filter(address__iendswith=f"@{wanted.domain}")
    return rows.filter(_with_status(of, wanted.status)) if wanted.status else rows


def at_domain(domain: str) -> str:
    """The LIKE pattern of addresses at `domain`, lower case; "" for no domain."""
    escaped = domain.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%@{escaped}" if escaped else ""


def _with_status(of: Delivery, wanted: str) -> Q:
    """Rows of a status; the rules of `status.derive`, by the few people who bounced or were confirmed."""
    if wanted not in {status.Status.PENDING, status.Status.SENT, status.Status.FAILED}:
        return Q(outcome=wanted)
    same = {"request_no": OuterRef("request_no"), "profile_id": OuterRef("profile_id")}
    answers = Event.objects.filter(opened_month=of.opened_month, delivery=of, **same)
    bounced = answers.filter(kind=EventKind.BOUNCED).exclude(verdict=Kind.IGNORED)
    is_soft = Q(verdict=Kind.SOFT) | (~Q(verdict=Kind.HARD) & Q(code__startswith="4"))
    final = Q(Exists(bounced.exclude(is_soft)))
    soft = Q(Exists(bounced.filter(is_soft)))
    confirmed = Q(Exists(answers.filter(kind=EventKind.DELIVERED)))
    handed = Q(outcome=Outcome.SENT)
    is_real_time = of.feedback == Feedback.REAL_TIME
    if is_real_time:
        soft |= Q(Exists(answers.filter(kind=EventKind.DEFERRED)))
    is_over = Q(at__lte=rollups.final_until(of, timezone.now()))
    failed = final | (soft & ~confirmed if is_real_time else soft & ~confirmed & is_over)
    if wanted == status.Status.FAILED:
        return Q(outcome=Outcome.FAILED) | (handed & failed)
    if wanted == status.Status.PENDING:
        return handed & ~failed & ~confirmed if is_real_time else Q(profile_id__in=[])
    return handed & ~final & confirmed if is_real_time else handed & ~failed


def _sending_rows(of: Delivery, rows: list[SendLog]) -> list[Sending]:
    ids = [row.profile_id for row in rows]
    people = Profile.objects.in_bulk(ids)
    answers: dict[tuple[int, int], list[Event]] = {}
    events = Event.objects.filter(opened_month=of.opened_month, delivery=of, kind__in=status.KINDS, profile_id__in=ids)
    for event in events.order_by("at", "id"):
        answers.setdefault((event.request_no, event.profile_id), []).append(event)
    now = timezone.now()
    found = []
    for row in rows:
        came = answers.get((row.request_no, row.profile_id), [])
        known = status.facts((event.kind, event.verdict, event.code) for event in came)
        seen = status.derive(
            row.outcome, known, feedback=of.feedback, is_final=rollups.is_final(of, now, handed_at=row.at)
        )
        said = recipients.bounce_answer(came) if seen == status.Status.FAILED else ""
        found.append(
            Sending(
                profile=people.get(row.profile_id),
                profile_id=row.profile_id,
                address=row.address,
                status=seen,
                at=row.at,
                n_attempts=row.n_attempts,
                answer=said or recipients.answer(row),
                request_no=row.request_no,
            )
        )
    return found


def _exclusions(of: Delivery, wanted: Filter) -> QuerySet[Exclusion]:
    rows = Exclusion.objects.filter(delivery=of)
    if wanted.search:
        rows = rows.filter(profile_id__in=_people(wanted.search))
    return rows.filter(reason=wanted.reason) if wanted.reason else rows


def _excluded_rows(rows: list[Exclusion]) -> list[Excluded]:
    people = Profile.objects.in_bulk([row.profile_id for row in rows])
    return [
        Excluded(
            people.get(row.profile_id),
            row.profile_id,
            reasons.exclusion_sentence(row.reason),
            reasons.detail(row.reason, row.detail),
        )
        for row in rows
    ]


def _events(of: Delivery, wanted: Filter) -> QuerySet[Event]:
    shown = [EventKind.OPENED, EventKind.CLICKED, EventKind.UNSUBSCRIBED, EventKind.COMPLAINED]
    kinds = [wanted.kind] if wanted.kind in shown else shown
    rows = Event.objects.filter(opened_month=of.opened_month, delivery=of, kind__in=kinds)
    if not wanted.has_automatic:
        rows = rows.filter(is_automatic=False)
    return rows.filter(profile_id__in=_people(wanted.search)) if wanted.search else rows


def _tracked_rows(of: Delivery, rows: list[Event]) -> list[Tracked]:
    people = Profile.objects.in_bulk([row.profile_id for row in rows])
    return [
        Tracked(
            profile=people.get(row.profile_id),
            profile_id=row.profile_id,
            at=row.at,
            kind=row.kind,
            label=str(row.get_kind_display()),
            link=recipients.link(of, row.link_no) if row.link_no is not None else "",
            client=row.detail,
            is_automatic=row.is_automatic,
        )
        for row in rows
    ]


def _people(search: str) -> list[int]:
    return [person.pk for person in profiles.find(search, limit=_MOST_FOUND)]
