"""Whose domain is it: a sender's domain is verified when its DNS carries the record that only its owner can add.

The record's value is made from the domain and the installation's secret, so nothing has to be kept to check it again.
Whether unverified domains may send is a setting (VERIFIED_DOMAINS_ONLY). What receiving servers ask for beside it (SPF,
DKIM, DMARC) is set up at the relay.
"""

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

import dns.exception
import dns.resolver
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from messaging.models import Sender, SenderDomain

_TIMEOUT_S = 5
_PREFIX = "chappe="


@dataclass(frozen=True)
class Domain:
    """One domain of the senders, with the TXT record that verifies it. `problem` as in SenderDomain."""

    name: str
    record_name: str
    record_value: str
    is_verified: bool
    problem: str


def every() -> list[Domain]:
    """The domains of all senders that can be chosen, by name."""
    names = sorted({of_address(address) for address in _addresses()})
    rows = {row.domain: row for row in SenderDomain.objects.filter(domain__in=names)}
    return [_domain(name, rows.get(name)) for name in names]


def is_verified(address: str) -> bool:
    """Whether the domain of `address` was verified and not found missing since. One query."""
    return SenderDomain.objects.filter(domain=of_address(address), verified_at__isnull=False).exists()


def problem(address: str) -> str:
    """Why nothing may be sent from `address`, in words; "" when it may. One query at most."""
    if not settings.VERIFIED_DOMAINS_ONLY or is_verified(address):
        return ""
    name = {"domain": of_address(address)}
    return _("The domain %(domain)s isn't verified. Verify it or choose another sender.") % name


def check(name: str, *, by: User) -> Domain:
    """Look the record of a domain up and remember what was found. Asks DNS for at most some seconds."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    problem = _look_up(name)
    now = timezone.now()
    row, _is_new = SenderDomain.objects.get_or_create(domain=name)
    row.checked_at, row.problem = now, problem
    if not problem:
        row.verified_at = row.verified_at or now
    elif problem != "unreachable":
        # A resolver that doesn't answer takes nothing back.
        row.verified_at = None
    row.save(update_fields=["checked_at", "problem", "verified_at"])
    audit.record("domain.checked", subject=("domain", name), by=by, detail={"problem": problem})
    return _domain(name, row)


def of_address(address: str) -> str:
    """The domain of an address, as DNS writes it: lower case, international names as A-labels."""
    domain = address.rpartition("@")[2].strip().lower()
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain


def _domain(name: str, row: SenderDomain | None) -> Domain:
    is_verified = row is not None and row.verified_at is not None
    return Domain(name, f"_chappe.{name}", _value(name), is_verified, row.problem if row else "")


def _value(name: str) -> str:
    digest = hashlib.blake2s(name.encode(), key=settings.SECRET_KEY.encode()[:32], person=b"domain").digest()
    return _PREFIX + base64.b32encode(digest[:15]).decode().lower()


def txt(name: str) -> list[str] | None:
    """The TXT records of a name, [] when it has none, None when DNS doesn't answer within some seconds."""
    resolver = dns.resolver.Resolver(configure=not settings.DNS_URL)
    if settings.DNS_URL:
        server = urlsplit(settings.DNS_URL)
        resolver.nameservers, resolver.port = [str(server.hostname)], server.port or 53
    try:
        answer = resolver.resolve(name, "TXT", lifetime=_TIMEOUT_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException:
        return None
    return [b"".join(record.strings).decode("ascii", "replace") for record in answer]


def _look_up(name: str) -> str:
    return look_up(f"_chappe.{name}", _value(name))


def look_up(host: str, wanted: str) -> str:
    """Whether the TXT record at `host` says `wanted`: "" when it does, else the problem as in SenderDomain."""
    values = txt(host)
    if values is None:
        return "unreachable"
    if not values:
        return "missing"
    return "" if wanted in values else "other"


def _addresses() -> list[str]:
    return list(Sender.objects.filter(archived_at=None).values_list("address", flat=True))
