"""HTTP to addresses that people or programs name, without a way into the network we stand in.

Every request: the name is resolved once, all its addresses are judged, and the connection goes to one of those, with
the name kept for Host and TLS. Only addresses that the whole internet can reach, http and https on ports 80 and 443, no
user names in addresses. CHAPPE_OUTWARD_HOSTS names exceptions for an installation's own network. Nothing is sent
through a proxy, no cookies are kept, each request has a connection of its own, and no answer is awaited longer or read
further than was said. Resolving a name takes as long as the machine's resolver lets it.
"""

import contextlib
import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from lib.errors import DomainError

_PORTS = {"http": 80, "https": 443}
_MAX_REDIRECTS = 3
_USER_AGENT = "Chappe"
_KEPT_AS_WRITTEN = "%/:=&?~#+!$,;'@()*[]"
_METHOD = re.compile(r"[A-Z]{3,10}")
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f]")
# Of IPv6 only what is given out for the internet (RFC 4291 §2.4), without what wraps an IPv4 address for a gateway.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_DENIED_V6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2002::/16", "3fff::/20")))
# Relays of 6to4, and blocks of single purposes, that nobody's web server has (RFC 7526, RFC 6890).
_DENIED_V4 = tuple(map(ipaddress.IPv4Network, ("192.88.99.0/24", "192.0.0.0/24")))
_BLOCK = 64 * 1024

# What went wrong, by when. REFUSED, UNREACHABLE and LATE: nothing of the request left. NO_ANSWER: it may have arrived.
REFUSED = "address_refused"
UNREACHABLE = "unreachable"
LATE = "too_late"
NO_ANSWER = "no_answer"
# Only of `fetch`.
BAD_STATUS = "bad_status"
TOO_LARGE = "too_large"


class OutwardProblem(DomainError):
    """There is no answer to use; `code` is one of the above, `message` a sentence that names the host, never the
    whole address, which may hold a secret.
    """

    code = NO_ANSWER
    status = 502


@dataclass(frozen=True)
class Answer:
    """What a server said. Names of `headers` are in lower case; of several with one name the first counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    # In lower case, without parameters: "image/png".
    content_type: str
    # There was more of the body than was read, or it broke off.
    is_cut: bool = False


def fetch(
    url: str, *, most_bytes: int, timeout: float, headers: Mapping[str, str] | None = None, anywhere: bool = False
) -> Answer:
    """What lies at `url`, redirects followed (each judged anew, none from https to http, `headers` kept on one host
    only). `timeout`: seconds for everything together. Raises OutwardProblem, for any status but 200 and for more than
    `most_bytes` as well.
    """
    ends_at, own = time.monotonic() + timeout, dict(headers or {})
    for _hop in range(_MAX_REDIRECTS + 1):
        left = max(0.001, ends_at - time.monotonic())
        answer = send("GET", url, headers=own, most_bytes=most_bytes, timeout=left, anywhere=anywhere)
        location = answer.headers.get("location")
        if not (location and 300 <= answer.status < 400):
            return _whole(answer, url, most_bytes)
        target = urljoin(url, location)
        if url.lower().startswith("https:") and not target.lower().startswith("https:"):
            raise OutwardProblem(_("%(host)s leads from https to http.") % {"host": _host(url)}, code=REFUSED)
        if urlsplit(target).netloc != urlsplit(url).netloc:
            own = {}
        url = target
    raise OutwardProblem(_("%(host)s redirects too often.") % {"host": _host(url)}, code=BAD_STATUS)


def send(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    most_bytes: int = _BLOCK,
    timeout: float = 10,
    connect_timeout: float | None = None,
    anywhere: bool = False,
    may_send: Callable[[], bool] | None = None,
) -> Answer:
    """One request, no redirect followed; of the answer's body `most_bytes` at most, and then `is_cut`.

    `timeout`: seconds for everything together; `connect_timeout`: of those until the connection stands.
    `may_send` is asked when it stands, just before the first byte; False raises LATE. `anywhere`: any address and port,
    for callers with a setting that says so. Raises OutwardProblem.
    """
    parts = _parts(url)
    assert _METHOD.fullmatch(method), method
    ends_at = time.monotonic() + timeout
    line = _Line(_connected(parts, min(timeout, connect_timeout or timeout), anywhere=anywhere), ends_at)
    try:
        if may_send is not None and not may_send():
            raise OutwardProblem(_("The connection took too long."), code=LATE)
        own = {} if any(name.lower() == "user-agent" for name in headers or {}) else {"User-Agent": _USER_AGENT}
        return _talk(line, parts, method, {**own, **(headers or {})}, body, most_bytes)
    finally:
        line.hang_up()


def check(url: str) -> None:
    """Whether `url` may be asked at all, as far as can be seen without asking a name server. Raises OutwardProblem."""
    parts = _parts(url)
    with contextlib.suppress(ValueError):
        _judge(parts, [str(ipaddress.ip_address(parts.hostname or ""))], anywhere=False)
    if not _is_listed(parts) and _port(parts) not in _PORTS.values():
        raise _refused(parts)


def is_listed(url: str) -> bool:
    """Whether CHAPPE_OUTWARD_HOSTS names the host of `url`. Raises OutwardProblem for what is no address."""
    return _is_listed(_parts(url))


def is_public(address: str) -> bool:
    """Whether the whole internet can reach `address` (IPv4 or IPv6, text) and it leads nowhere else."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            known = parsed in _GLOBAL_V6 and not any(parsed in network for network in _DENIED_V6)
            return known and parsed.is_global
        parsed = parsed.ipv4_mapped
    return parsed.is_global and not parsed.is_multicast and not any(parsed in network for network in _DENIED_V4)


class _Line:
    """A connection as http.client writes and reads it, on which everything together ends at one moment."""

    def __init__(self, connection: socket.socket, ends_at: float) -> None:
        self._connection = connection
        self._ends_at = ends_at

    def _hurry(self) -> None:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)

    def sendall(self, data: Any) -> None:
        self._hurry()
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self), _BLOCK)

    def receive_into(self, buffer: Any) -> int:
        self._hurry()
        return self._connection.recv_into(buffer)

    def close(self) -> None:
        """By http.client, once it has the head of the answer; the body is still to be read."""

    def hang_up(self) -> None:
        self._connection.close()


class _Reader(io.RawIOBase):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive_into(buffer)


def _talk(
    line: _Line, parts: SplitResult, method: str, headers: dict[str, str], body: bytes | None, most_bytes: int
) -> Answer:
    client = http.client.HTTPConnection(_ascii_host(parts), _port(parts))
    # Its own `connect` is never called: it would resolve the name again.
    client.auto_open = 0
    client.sock = line
    if parts.scheme == "https":
        client.default_port = _PORTS["https"]
    path = quote(parts.path or "/", safe=_KEPT_AS_WRITTEN)
    query = f"?{quote(parts.query, safe=_KEPT_AS_WRITTEN)}" if parts.query else ""
    try:
        client.request(method, path + query, body=body, headers={**headers, "Connection": "close"})
        response = client.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise OutwardProblem(_unanswered(error, _host_of(parts)), code=NO_ANSWER) from error
    except ValueError as error:
        # Of a header, before anything was sent.
        raise OutwardProblem(_("A header has characters that none can have."), code=REFUSED) from error
    found: dict[str, str] = {}
    for name, value in response.getheaders():
        found.setdefault(name.lower(), value)
    kind = found.get("content-type", "").partition(";")[0].strip().lower()
    read, is_cut = _read(response, most_bytes)
    return Answer(response.status, found, read, kind, is_cut)


def _read(response: http.client.HTTPResponse, most_bytes: int) -> tuple[bytes, bool]:
    """The body and whether some of it is missing. One that breaks off takes nothing from the status."""
    if not most_bytes:
        return b"", True
    try:
        read = response.read(most_bytes + 1)
    except http.client.IncompleteRead as error:
        return error.partial[:most_bytes], True
    except (OSError, http.client.HTTPException):
        return b"", True
    return read[:most_bytes], len(read) > most_bytes or bool(response.length)


def _unanswered(error: Exception, host: str) -> str:
    if isinstance(error, TimeoutError):
        return _("%(host)s did not answer in time.") % {"host": host}
    if isinstance(error, OSError):
        return _("%(host)s ended the connection before it answered.") % {"host": host}
    return _("%(host)s did not answer in HTTP.") % {"host": host}


def _whole(answer: Answer, url: str, most_bytes: int) -> Answer:
    if answer.status != 200:
        sentence = _("%(host)s answered %(status)s.") % {"host": _host(url), "status": answer.status}
        raise OutwardProblem(sentence, code=BAD_STATUS)
    coding = answer.headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        # It wasn't asked for, so it isn't undone either: a small file may hold an endless one.
        sentence = _("%(host)s answered with “Content-Encoding: %(coding)s”, which wasn't asked for.")
        raise OutwardProblem(sentence % {"host": _host(url), "coding": coding[:60]}, code=BAD_STATUS)
    if answer.is_cut and len(answer.body) < most_bytes:
        sentence = _("%(host)s ended the connection before it answered.") % {"host": _host(url)}
        raise OutwardProblem(sentence, code=NO_ANSWER)
    if answer.is_cut:
        sentence = _("What %(host)s gives has more than %(n)s bytes.") % {"host": _host(url), "n": most_bytes}
        raise OutwardProblem(sentence, code=TOO_LARGE)
    return answer


def _connected(parts: SplitResult, timeout: float, *, anywhere: bool) -> socket.socket:
    """A connection to one of the addresses that were judged, encrypted where the address says so."""
    host, port, ends_at = _ascii_host(parts), _port(parts), time.monotonic() + timeout
    if not (anywhere or _is_listed(parts) or port in _PORTS.values()):
        raise _refused(parts)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    except (OSError, UnicodeError) as error:
        raise OutwardProblem(_("There is no address for %(host)s.") % {"host": host}, code=UNREACHABLE) from error
    _judge(parts, addresses, anywhere=anywhere)
    problem: Exception | None = None
    for address in addresses:
        try:
            return _one_connected(address, parts, ends_at)
        except OSError as error:
            problem = error
    if isinstance(problem, ssl.SSLCertVerificationError):
        sentence = _("The certificate of %(host)s can't be trusted: %(why)s.")
        sentence %= {"host": host, "why": problem.verify_message}
    else:
        sentence = _("%(host)s can't be reached.") % {"host": host}
    raise OutwardProblem(sentence, code=UNREACHABLE) from problem


def _one_connected(address: str, parts: SplitResult, ends_at: float) -> socket.socket:
    left = max(0.001, ends_at - time.monotonic())
    # With a number for a name nothing is looked up again.
    plain = socket.create_connection((address, _port(parts)), timeout=left)
    if parts.scheme != "https":
        return plain
    try:
        plain.settimeout(max(0.001, ends_at - time.monotonic()))
        return _context().wrap_socket(plain, server_hostname=_ascii_host(parts))
    except BaseException:
        plain.close()
        raise


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _judge(parts: SplitResult, addresses: list[str], *, anywhere: bool) -> None:
    """One address that isn't public is enough: which one answers could be chosen by whoever runs the name server."""
    if not anywhere and not _is_listed(parts) and not all(map(is_public, addresses)):
        raise _refused(parts)


def _is_listed(parts: SplitResult) -> bool:
    """Whether CHAPPE_OUTWARD_HOSTS has it: `host` allows the two usual ports, `host:port` that port."""
    host, port = (parts.hostname or "").lower(), _port(parts)
    shown = f"[{host}]" if ":" in host else host
    listed = settings.OUTWARD_HOSTS
    return (shown in listed and port in _PORTS.values()) or f"{shown}:{port}" in listed


def _parts(url: str) -> SplitResult:
    """The address in its parts. Raises OutwardProblem for what is none, and for what must not be in one."""
    # The parser drops line breaks without a word, so they are looked for before it.
    if any(ord(one) < 32 or ord(one) == 127 for one in url):
        raise OutwardProblem(_("The address has characters that none can have."), code=REFUSED)
    try:
        parts = urlsplit(url.strip())
        _port(parts)
        host = _ascii_host(parts)
    except (ValueError, UnicodeError):
        raise OutwardProblem(_("This is no address of the web."), code=REFUSED) from None
    if parts.scheme not in _PORTS or not host or _UNSENDABLE.search(host):
        raise OutwardProblem(_("The address must begin with https:// or http://, and name a host."), code=REFUSED)
    if "@" in parts.netloc:
        sentence = _("The address must not hold a user name or a password. Send them in the header Authorization.")
        raise OutwardProblem(sentence, code=REFUSED)
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS.get(parts.scheme, 0)


def _ascii_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _host_of(parts: SplitResult) -> str:
    return parts.hostname or ""


def _host(url: str) -> str:
    return _host_of(urlsplit(url))


def _refused(parts: SplitResult) -> OutwardProblem:
    sentence = _(
        "%(host)s is not an address that may be contacted: only public ones on ports 80 and 443, and those that"
        " CHAPPE_OUTWARD_HOSTS names."
    )
    return OutwardProblem(sentence % {"host": _host_of(parts)}, code=REFUSED)
