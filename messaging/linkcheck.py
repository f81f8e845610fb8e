"""Do the links of a message lead anywhere? Asked by the editor, found out in the background, said as an alert.

`want` notes links, `check_waiting` asks their servers every few seconds while some wait, `broken` tells what they
answered. A link may lead anywhere its author likes, so that it is asked through messaging.outward; who runs the
installation in a closed network can allow all other addresses by a setting. Nothing is said about a server that doesn't
answer, or that answers machines differently from people (401, 403, 429).
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urljoin

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from messaging import outward
from messaging.models import LinkCheck

# A link is asked again after this long, if somebody still wants to know.
_FRESH = dt.timedelta(hours=24)
_KEPT = dt.timedelta(days=7)
# Of one message; the others are not looked at.
_MOST = 100
_BATCH = 40
_N_THREADS = 8
_TIMEOUT_S = 5
# Of one answer's head together: a server that sends a byte now and then keeps within the other limit for ever.
_ANSWER_S = 10
_MAX_REDIRECTS = 5
# Statuses that say something about us, not about the page: sign-in, forbidden, method, too many, blocked by policy.
_NOT_BROKEN = frozenset({401, 403, 405, 406, 407, 408, 425, 429, 451, 501, 503, 999})
# Servers that refuse HEAD are asked with GET.
_ASK_AGAIN = frozenset({400, 403, 404, 405, 406, 500, 501, 503})
_USER_AGENT = "Chappe link check"


@dataclass(frozen=True)
class Broken:
    """A link and the HTTP status its server answered."""

    url: str
    status: int


def want(urls: Iterable[str]) -> None:
    """Note that somebody wants to know about `urls`; those that can be checked will be. Safe to repeat."""
    wanted = [url for url in dict.fromkeys(urls) if _is_checkable(url)][:_MOST]
    now = timezone.now()
    LinkCheck.objects.bulk_create(
        [LinkCheck(sha256=_mark(url), url=url, wanted_at=now) for url in wanted],
        update_conflicts=True,
        unique_fields=["sha256"],
        update_fields=["wanted_at"],
    )


def broken(urls: Iterable[str]) -> list[Broken]:
    """Those of `urls` whose server lately answered that there is nothing, in their order. One query."""
    marks = {_mark(url): url for url in dict.fromkeys(urls) if _is_checkable(url)}
    if not marks:
        return []
    since = timezone.now() - _KEPT
    found = LinkCheck.objects.filter(sha256__in=list(marks), status__gte=400, checked_at__gte=since)
    statuses = {row.sha256: row.status for row in found.exclude(status__in=_NOT_BROKEN) if row.status}
    return [Broken(url, statuses[mark]) for mark, url in marks.items() if mark in statuses]


def check_waiting() -> int:
    """Ask about the links that wait, a batch at most; how many were asked. For one background task at a time.

    Killed in the middle, the links of the batch are asked again: nothing is lost, a server is asked twice.
    """
    rows = list(_waiting().order_by("wanted_at")[:_BATCH])
    with ThreadPoolExecutor(_N_THREADS) as pool:
        statuses = list(pool.map(lambda row: status(row.url), rows))
    now = timezone.now()
    for row, found in zip(rows, statuses, strict=True):
        row.checked_at, row.status = now, found
    LinkCheck.objects.bulk_update(rows, ["checked_at", "status"])
    return len(rows)


def drop_forgotten() -> None:
    """Delete what nobody asked for within a week."""
    LinkCheck.objects.filter(wanted_at__lt=timezone.now() - _KEPT).delete()


def status(url: str) -> int | None:
    """The HTTP status behind `url`, redirects followed; None when nothing answers or nothing may be asked.

    Contacts the network for at most some seconds a hop; never raises for what a server does.
    """
    for method in ("HEAD", "GET"):
        try:
            found = _follow(url, method)
        except (outward.OutwardProblem, ValueError):
            return None
        if found not in _ASK_AGAIN:
            return found
    return found


def _follow(url: str, method: str) -> int:
    for _hop in range(_MAX_REDIRECTS + 1):
        answer = outward.send(
            method,
            url,
            {"User-Agent": _USER_AGENT},
            most_bytes=0,
            timeout=_ANSWER_S,
            connect_timeout=_TIMEOUT_S,
            anywhere=settings.LINK_CHECK_PRIVATE,
        )
        location = answer.headers.get("location")
        if not (location and 300 <= answer.status < 400):
            return answer.status
        url = urljoin(url, location)
    raise ValueError("redirects without end")


def _waiting() -> QuerySet[LinkCheck]:
    """Links that were never asked, or so long ago that whoever wants to know now should hear something newer."""
    return LinkCheck.objects.filter(Q(checked_at=None) | Q(checked_at__lt=F("wanted_at") - _FRESH))


def _is_checkable(url: str) -> bool:
    """A link as it is in everybody's message: a personal one is another for each person."""
    return re.match(r"https?://", url, re.IGNORECASE) is not None and "{{" not in url and "{%" not in url


def _mark(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
