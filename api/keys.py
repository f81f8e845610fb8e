"""Keys of outside programs: making one, finding it by what a call presents, and revoking it.

A key is `chappe_` + 8 characters that people see again + `_` + 32 secret ones (190 random bits) + 6 that check the
rest, so that tools that look for leaked secrets know one with certainty. Only its SHA-256 is stored: at that length a
slow hash adds nothing. It is found by that digest, so no answer depends on how much of a guess was right.
"""

import hashlib
import ipaddress
import re
import secrets
import string
import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from api import scopes
from api.models import ApiKey
from lib import memory
from lib.errors import DomainError

_ALPHABET = string.ascii_letters + string.digits
_SHAPE = re.compile(r"chappe_[A-Za-z0-9]{8}_[A-Za-z0-9]{38}")
# A use is written at most once in this time: calls of one key must not wait for each other.
_USED_EVERY = timedelta(minutes=1)
_MOST_NETWORKS = 50
# A key that was used this lately is revoked only by who types its name.
RECENTLY = timedelta(hours=24)


_keys: "memory.Memory[ApiKey | None]" = memory.Memory()


class KeyInvalid(DomainError):
    """A key can't be made of this; `fields` has the sentences."""

    code = "key_invalid"
    status = 422


class KeyMade(DomainError):
    """The same form was sent twice: the key is there, and can't be shown again."""

    code = "key_made"


@dataclass(frozen=True)
class Wanted:
    """What a new key shall be. `networks` as typed, one to a line or separated by commas."""

    name: str
    scopes: tuple[str, ...]
    networks: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Made:
    """A new key. `token` is shown to whoever made it, once; nothing can bring it back."""

    key: ApiKey
    token: str


def create(wanted: Wanted, *, by: User, public_id: uuid.UUID | None = None) -> Made:
    """A new key with exactly these scopes. Raises NotAllowed, KeyInvalid; KeyMade for a `public_id` that is there."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    networks = _checked(wanted)
    if public_id is not None and ApiKey.objects.filter(public_id=public_id).exists():
        raise KeyMade(_("This key was made already. It can't be shown again; revoke it if nobody has it."))
    token = _token()
    with transaction.atomic():
        key = ApiKey.objects.create(
            public_id=public_id or uuid.uuid4(),
            name=wanted.name.strip(),
            prefix=token[:15],
            digest=digest(token),
            scopes=[name for name in scopes.BY_NAME if name in wanted.scopes],
            networks=networks,
            expires_at=wanted.expires_at,
            created_by=by,
        )
        detail: dict[str, object] = {"name": key.name, "scopes": key.scopes, "networks": key.networks}
        audit.record("api_key.created", subject=_subject(key), by=by, detail=detail)
    memory.forget()
    return Made(key, token)


def revoke(key_id: int, *, by: User, typed_name: str = "") -> ApiKey:
    """End a key at once; safe to repeat. Raises NotAllowed; KeyInvalid when its name must be typed and was not."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    with transaction.atomic():
        key = ApiKey.objects.select_for_update(no_key=True).get(pk=key_id)
        if key.revoked_at is not None:
            return key
        if is_in_use(key) and typed_name.strip() != key.name:
            sentence = _("Type the name of the key, “{name}”.").format(name=key.name)
            raise KeyInvalid(sentence, fields={"typed_name": sentence})
        key.revoked_at, key.revoked_by = timezone.now(), by
        key.save(update_fields=["revoked_at", "revoked_by"])
        audit.record("api_key.revoked", subject=_subject(key), by=by, detail={"name": key.name})
    memory.forget()
    return key


def take_over(key_id: int, *, by: User) -> ApiKey:
    """Calls with the key act in the name of `by` from now on; safe to repeat. Raises NotAllowed, KeyInvalid (revoked).

    For keys of people who left or changed their role: the program keeps its key.
    """
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    with transaction.atomic():
        key = ApiKey.objects.select_for_update(no_key=True, of=("self",)).select_related("created_by").get(pk=key_id)
        if key.revoked_at is not None:
            raise KeyInvalid(_("This key was revoked."))
        if key.created_by_id == by.pk:
            return key
        detail: dict[str, object] = {"name": key.name, "from": str(key.created_by.public_id)}
        key.created_by = by
        key.save(update_fields=["created_by"])
        audit.record("api_key.taken_over", subject=_subject(key), by=by, detail=detail)
    memory.forget()
    return key


def usable_of(person: User) -> list[ApiKey]:
    """Keys that act in the name of a person and are neither revoked nor expired, by name."""
    now = timezone.now()
    found = ApiKey.objects.filter(created_by=person, revoked_at=None).order_by("name", "pk")
    return [key for key in found if not is_expired(key, now)]


def lost_with(person: User) -> list[str]:
    """What programs lose when `person` may no longer sign in, for accounts.leaving."""
    sentence = _("Calls with the API key “{name}” are refused until an admin takes it over.")
    return [sentence.format(name=key.name) for key in usable_of(person)]


def find(token: str) -> ApiKey | None:
    """The key of a token, whatever became of it, as it was at most a second ago; None for anything else.

    One query, also for nonsense, which is remembered like a key: neither costs more than the other.
    """
    found = digest(token)
    return _keys.get(found, lambda: ApiKey.objects.select_related("created_by").filter(digest=found).first())


def listed() -> list[ApiKey]:
    """All keys, usable ones first, newest first."""
    found = list(
        ApiKey.objects.select_related("created_by", "revoked_by")
        .prefetch_related("created_by__groups")
        .order_by("-created_at", "-pk")
    )
    now = timezone.now()
    return sorted(found, key=lambda key: not is_usable(key, now))


def is_usable(key: ApiKey, now: datetime) -> bool:
    """Whether calls with this key are answered, their address apart."""
    return key.revoked_at is None and not is_expired(key, now) and key.created_by.is_active


def is_expired(key: ApiKey, now: datetime) -> bool:
    return key.expires_at is not None and key.expires_at <= now


def is_in_use(key: ApiKey) -> bool:
    """Whether a call came with it in the last day."""
    return key.last_used_at is not None and key.last_used_at > timezone.now() - RECENTLY


def is_from(key: ApiKey, address: str) -> bool:
    """Whether `address` is in one of the key's networks; any is when it has none. IPv4 inside IPv6 counts as IPv4."""
    if not key.networks:
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in ipaddress.ip_network(network) for network in key.networks)


def mark_used(key: ApiKey, *, address: str) -> None:
    """Remember that a call came; written at most once a minute, by one of the calls that come at the same time."""
    now = timezone.now()
    if key.last_used_at is not None and key.last_used_at > now - _USED_EVERY:
        return
    is_old = Q(last_used_at=None) | Q(last_used_at__lte=now - _USED_EVERY)
    ApiKey.objects.filter(is_old, pk=key.pk).update(last_used_at=now, last_used_from=address[:45])
    key.last_used_at = now


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def is_shaped(token: str) -> bool:
    """Whether this can be a key at all, by its shape and its last six characters."""
    return bool(_SHAPE.fullmatch(token)) and token[-6:] == _checksum(token[:-6])


def _token() -> str:
    def some(n: int) -> str:
        return "".join(secrets.choice(_ALPHABET) for _number in range(n))

    body = f"chappe_{some(8)}_{some(32)}"
    return body + _checksum(body)


def _checksum(body: str) -> str:
    """CRC-32 in base 62, six characters."""
    number, found = zlib.crc32(body.encode()), ""
    for _number in range(6):
        number, rest = divmod(number, 62)
        found += _ALPHABET[rest]
    return found


def _checked(wanted: Wanted) -> list[str]:
    """The networks in their short form. Raises KeyInvalid."""
    found: dict[str, str] = {}
    if not wanted.name.strip():
        found["name"] = _("The name is empty. Enter a name.")
    elif len(wanted.name.strip()) > 80:
        found["name"] = _("The name is longer than 80 characters. Shorten it.")
    if not wanted.scopes or not set(wanted.scopes) <= set(scopes.BY_NAME):
        found["scopes"] = _("Choose at least one thing the key may do.")
    if wanted.expires_at is not None and wanted.expires_at <= timezone.now():
        found["expires_on"] = _("This day is over. Choose a later one, or none.")
    typed = [part for part in re.split(r"[\s,;]+", wanted.networks) if part]
    networks = [_network(part) for part in typed]
    if unknown := [part for part, network in zip(typed, networks, strict=True) if not network]:
        sentence = _("“{text}” is no IP address and no network. Enter one such as 192.0.2.7 or 192.0.2.0/24.")
        found["networks"] = sentence.format(text=unknown[0][:60])
    elif len(typed) > _MOST_NETWORKS:
        found["networks"] = _("Use at most {n} networks.").format(n=_MOST_NETWORKS)
    if found:
        raise KeyInvalid(next(iter(found.values())), fields=found)
    return list(dict.fromkeys(networks))


def _network(typed: str) -> str:
    """ "192.0.2.7/24" → "192.0.2.0/24"; "" for what is none."""
    try:
        return str(ipaddress.ip_network(typed, strict=False))
    except ValueError:
        return ""


def labels(names: Iterable[str]) -> list[str]:
    """What scopes allow, in words; a scope that is no more stands as it is."""
    return [str(scopes.BY_NAME[name].label) if name in scopes.BY_NAME else name for name in names]


def _subject(key: ApiKey) -> tuple[str, str]:
    return ("api_key", str(key.public_id))
