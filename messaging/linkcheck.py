"""Do the links of a message lead anywhere? Asked by the editor, found out in the background, said as an alert.

`want` notes links, `check_waiting` asks their servers every few seconds while some wait, `broken` tells what they
answered. A link may lead anywhere its author likes, so that only public addresses on the two usual
ports are ever contacted; who runs the installation in a closed network can allow the others by a setting. Nothing is
said about a server that doesn't answer, or that answers machines differently from people (401, 403, 429).
"""

import contextlib
import datetime as dt
import hashlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

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
# Addresses that hold an IPv4 address, to which a gateway may pass them on (RFC 6052, RFC 8215, RFC 3056).
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")))
_USER_AGENT = "Chappe link check"
_KEPT_AS_WRITTEN = "%/:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True)
class Broken:
    """A link and the HTTP status its server answered."""

    url: str
    status: int


class _Refused(Exception):
    """The address is not one that may be contacted."""


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
        except (OSError, http.client.HTTPException, ValueError, _Refused):
            return None
        if found not in _ASK_AGAIN:
            return found
    return found


def _follow(url: str, method: str) -> int:
    for _hop in range(_MAX_REDIRECTS + 1):
        answered, location = _ask(urlsplit(url), method)
        if not (location and 300 <= answered < 400):
            return answered
        url = urljoin(url, location)
    raise _Refused("redirects without end")


def _ask(parts: SplitResult, method: str) -> tuple[int, str]:
    """(status, Location) of one request. The connection goes to the very address that was judged."""
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise _Refused(parts.scheme)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    client = http.client.HTTPConnection(parts.hostname, port, timeout=_TIMEOUT_S)
    client.sock = _connected(parts.hostname, port, is_tls=parts.scheme == "https")
    end = threading.Timer(_ANSWER_S, _hang_up, [client.sock])
    end.start()
    try:
        path = quote(parts.path or "/", safe=_KEPT_AS_WRITTEN)
        query = f"?{quote(parts.query, safe=_KEPT_AS_WRITTEN)}" if parts.query else ""
        client.request(method, path + query, headers={"User-Agent": _USER_AGENT, "Connection": "close"})
        response = client.getresponse()
        return response.status, response.getheader("Location") or ""
    finally:
        end.cancel()
        client.close()


def _hang_up(connection: socket.socket) -> None:
    """Whoever reads from it is told that nothing more comes."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _connected(host: str, port: int, *, is_tls: bool) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    if not settings.LINK_CHECK_PRIVATE and (port not in {80, 443} or not all(map(_is_public, addresses))):
        raise _Refused(host)
    plain = socket.create_connection((addresses[0], port), timeout=_TIMEOUT_S)
    if not is_tls:
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if any(parsed in network for network in _TRANSLATED):
            return False
        parsed = parsed.ipv4_mapped or parsed
    return parsed.is_global and not parsed.is_multicast


def _waiting() -> QuerySet[LinkCheck]:
    """Links that were never asked, or so long ago that whoever wants to know now should hear something newer."""
    return LinkCheck.objects.filter(Q(checked_at=None) | Q(checked_at__lt=F("wanted_at") - _FRESH))


def _is_checkable(url: str) -> bool:
    """A link as it is in everybody's message: a personal one is another for each person."""
    return re.match(r"https?://", url, re.IGNORECASE) is not None and "{{" not in url and "{%" not in url


def _mark(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
