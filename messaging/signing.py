"""DKIM keys of the senders' domains: made here, published by the domain's owner, used from when DNS shows them.

A domain has at most one new key and one active. When the record of the new one is found, it takes over; the one before
is retired, and its record should stay for a week, for mail that is still on its way.
"""

from dataclasses import dataclass
from functools import lru_cache

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from lib.errors import DomainError
from messaging import dkim, domains, sealed
from messaging.models import DkimKey, Message


class KeyUnreadable(DomainError):
    """The private key can't be decrypted any more."""

    code = "dkim_unreadable"


@dataclass(frozen=True)
class State:
    """The keys of one domain; None where there is none."""

    new: DkimKey | None
    active: DkimKey | None


def states(names: list[str]) -> dict[str, State]:
    """The keys of several domains, by domain. One query."""
    new: dict[str, DkimKey] = {}
    active: dict[str, DkimKey] = {}
    for key in DkimKey.objects.filter(domain__in=names, retired_at__isnull=True).defer("secret"):
        (active if key.active_at else new)[key.domain] = key
    return {name: State(new.get(name), active.get(name)) for name in names}


def make(domain: str, *, by: User) -> DkimKey:
    """A new key for `domain`, not used before its record is found. Raises NotAllowed, DomainError if there is one."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    pem = dkim.make_key()
    number = DkimKey.objects.filter(domain=domain).count() + 1
    try:
        with transaction.atomic():
            key = DkimKey.objects.create(
                domain=domain,
                selector=f"chappe{number}",
                secret=sealed.seal(pem.decode()),
                record=dkim.record(pem),
                created_by=by,
            )
            audit.record("dkim.made", subject=("domain", domain), by=by, detail={"selector": key.selector})
    except IntegrityError as error:
        raise DomainError(_("There is a new key already. Add its record first."), code="dkim_new") from error
    return key


def check(domain: str, *, by: User) -> DkimKey | None:
    """Look for the record of the new key, or else of the active one; a new one that is found is used from now on.

    None when the domain has no key. Asks DNS for at most some seconds. Raises NotAllowed.
    """
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    state = states([domain])[domain]
    found = state.new or state.active
    if found is None:
        return None
    problem = domains.look_up(str(found), found.record)
    with transaction.atomic():
        key = DkimKey.objects.select_for_update(no_key=True).get(pk=found.pk)
        key.checked_at, key.problem = timezone.now(), problem
        if not problem and key.active_at is None and key.retired_at is None:
            before = DkimKey.objects.filter(domain=domain, active_at__isnull=False, retired_at__isnull=True)
            before.update(retired_at=timezone.now())
            key.active_at = timezone.now()
            audit.record("dkim.activated", subject=("domain", domain), by=by, detail={"selector": key.selector})
        key.save(update_fields=["checked_at", "problem", "active_at"])
    return key


def retire(domain: str, *, by: User) -> None:
    """Sign no more messages of `domain`, and drop a new key. Raises NotAllowed."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    with transaction.atomic():
        n = DkimKey.objects.filter(domain=domain, retired_at__isnull=True).update(retired_at=timezone.now())
        if n:
            audit.record("dkim.retired", subject=("domain", domain), by=by)


def signer_of(message: Message) -> dkim.Signer | None:
    """What signs this message, by the domain of its sender. As `signer`."""
    return signer(domains.of_address(message.sender_address))


def signer(domain: str) -> dkim.Signer | None:
    """What signs the messages of `domain` now; None when it has no active key. One query. Raises KeyUnreadable."""
    key = DkimKey.objects.filter(domain=domain, active_at__isnull=False, retired_at__isnull=True).first()
    if key is None:
        return None
    try:
        pem = sealed.unseal(key.secret)
    except sealed.Unreadable as error:
        sentence = _(
            "The DKIM key of {domain} can't be read, because the installation's secret key changed. Make a new one."
        )
        raise KeyUnreadable(sentence.format(domain=domain)) from error
    return _signer(domain, key.selector, pem)


@lru_cache(maxsize=16)
def _signer(domain: str, selector: str, pem: str) -> dkim.Signer:
    return dkim.Signer(domain=domain, selector=selector, key=pem.encode())
