"""Erasing people for good: nothing stays that says who they were, and nobody writes to them again.

What they were in counts stays as rows with a number that leads to nobody. That their address must not be written to
stays as a keyed hash (HMAC-SHA-256 under the installation's secret), which proves an address that is given again and
gives none away. Rooms above clear what they keep by `register`; what comes in later about an erased person, such as the
outcome of a message under way, is cleared by `clear_late` every night.

Backups, files of an import that still runs and mails in a provider's report are not looked through; they go with their
own time.
"""

import datetime as dt
import hmac
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from audiences import subscriptions, turns
from audiences.models import (
    AddressError,
    Consent,
    ErasedProfile,
    GroupState,
    Profile,
    QuarantineEntry,
    Subscription,
    SubscriptionGroup,
    WithheldAddress,
)

# Bounces come for days, reports of a provider for weeks.
_LATE = dt.timedelta(days=60)


@dataclass(frozen=True)
class Trace:
    """Who is erased. `names` are addresses and ids as they may stand in files, in lower case."""

    ids: tuple[int, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recalled:
    """What hashes say of addresses: which had unsubscribed from everything, the groups that others had left, and why
    some were in quarantine. `digests` has all of them."""

    left: frozenset[str] = frozenset()
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, bytes] = field(default_factory=dict)


NOTHING = Recalled()
_clearers: list[Callable[[Trace], None]] = []


def register(clear: Callable[[Trace], None]) -> None:
    """Add what clears a room above, at start-up. Called in the transaction of the erasure; safe to run twice."""
    if clear not in _clearers:
        _clearers.append(clear)


@transaction.atomic
def erase(profile_ids: Collection[int], *, by: User | None = None, label: str = "") -> int:
    """Erase people; how many there were. Safe to repeat. Give `by` or, for machines, `label`, as for audit.record.

    Waits for whoever makes people, so that an address that comes at the same time meets its hash.
    """
    turns.take()
    people = list(Profile.objects.select_for_update().filter(pk__in=profile_ids).order_by("pk"))
    if not people:
        return 0
    ids = [person.pk for person in people]
    keys = {person.email_key for person in people if person.email_key}
    shared = Profile.objects.filter(email_key__in=keys).exclude(pk__in=ids).values_list("email_key", flat=True)
    own = sorted(keys - set(shared))
    _withhold(people, own)
    QuarantineEntry.objects.filter(address_key__in=own).delete()
    AddressError.objects.filter(address_key__in=own).delete()
    audit.forget("address", own)
    names = {name.lower() for person in people for name in (person.email, person.external_id or "") if name}
    trace = Trace(tuple(ids), tuple(sorted(names | keys)))
    _clear_files(trace)
    for clear in _clearers:
        clear(trace)
    ErasedProfile.objects.bulk_create((ErasedProfile(profile_id=pk) for pk in ids), ignore_conflicts=True)
    Profile.objects.filter(pk__in=ids).delete()
    for person in people:
        audit.record("profile.erased", subject=("profile", str(person.public_id)), by=by, label=label)
    return len(people)


@transaction.atomic
def clear_late(*, now: dt.datetime | None = None) -> int:
    """Clear what came in about those erased lately; how many they are. Safe to run at any time."""
    oldest = (now or timezone.now()) - _LATE
    ids = tuple(ErasedProfile.objects.filter(erased_at__gte=oldest).order_by("pk").values_list("profile_id", flat=True))
    for clear in _clearers:
        if ids:
            clear(Trace(ids))
    ErasedProfile.objects.filter(erased_at__lt=oldest).delete()
    return len(ids)


def recall(keys: Iterable[str]) -> Recalled:
    """What is known of addresses that come again. One query, none without any address.

    The caller unsubscribes their people and calls `settle` when they are written.
    """
    digests = {digest(key): key for key in keys if key}
    found = list(WithheldAddress.objects.filter(digest__in=digests)) if digests else []
    if not found:
        return NOTHING
    entries = [(digests[bytes(one.digest)], one) for one in found]
    return Recalled(
        frozenset(key for key, one in entries if one.is_unsubscribed),
        {key: tuple(one.group_ids) for key, one in entries if one.group_ids},
        {key: one.reason for key, one in entries if one.reason},
        {key: bytes(one.digest) for key, one in entries},
    )


def settle(recalled: Recalled) -> None:
    """Say in plain rows again what was recalled of the addresses that somebody has by now: quarantine and groups left.

    Their hashes are gone afterwards. Those of addresses that nobody kept in the end stay.
    """
    if not recalled.digests:
        return
    people = dict(Profile.objects.filter(email_key__in=recalled.digests).values_list("pk", "email_key"))
    held = set(people.values())
    QuarantineEntry.objects.bulk_create(
        (
            QuarantineEntry(address_key=key, reason=reason, evidence="Kept from before the person was erased.")
            for key, reason in sorted(recalled.reasons.items())
            if key in held
        ),
        ignore_conflicts=True,
    )
    groups = SubscriptionGroup.objects.in_bulk({group_id for ids in recalled.groups.values() for group_id in ids})
    for group_id, group in sorted(groups.items()):
        ids = [pk for pk, key in people.items() if group_id in recalled.groups.get(key, ())]
        subscriptions.set_state(group, ids, GroupState.UNSUBSCRIBED, source="erasure")
    WithheldAddress.objects.filter(digest__in=[recalled.digests[key] for key in held]).delete()


def is_any_withheld() -> bool:
    """Whether `recall` can find anything at all. One query."""
    return WithheldAddress.objects.exists()


def digest(address_key: str) -> bytes:
    """Another SECRET_KEY makes all hashes worthless."""
    return hmac.digest(b"withheld addresses " + settings.SECRET_KEY.encode(), address_key.encode(), "sha256")


def _withhold(people: Sequence[Profile], keys: list[str]) -> None:
    """Hashes of those addresses that nobody may write to, or not about everything."""
    by_id = {person.pk: person.email_key for person in people}
    groups: dict[str, set[int]] = {}
    said = Subscription.objects.filter(profile_id__in=by_id, state=GroupState.UNSUBSCRIBED)
    for profile_id, group_id in said.values_list("profile_id", "group_id"):
        groups.setdefault(by_id[profile_id], set()).add(group_id)
    left = {person.email_key for person in people if person.email_consent == Consent.UNSUBSCRIBED}
    active = QuarantineEntry.objects.filter(address_key__in=keys, released_at=None)
    reasons = dict(active.values_list("address_key", "reason"))
    WithheldAddress.objects.bulk_create(
        (
            WithheldAddress(
                digest=digest(key),
                is_unsubscribed=key in left,
                reason=reasons.get(key, ""),
                group_ids=sorted(groups.get(key, ())),
            )
            for key in keys
            if key in left or key in reasons or key in groups
        ),
        ignore_conflicts=True,
    )


# Cells are kept up to their beginning; see ProfileImport and ProfileImportRefusal.
_CUTS = (120, 200)
_NAMED = "(SELECT 1 FROM jsonb_array_elements_text({row}) AS cell WHERE lower(trim(cell)) = ANY(%(names)s))"
_REFUSALS = f"""
UPDATE audiences_profileimportrefusal r SET cells = '[]', detail = '' WHERE EXISTS {_NAMED.format(row="r.cells")}
"""
_SAMPLES = f"""
UPDATE audiences_profileimport i SET sample = COALESCE((
    SELECT jsonb_agg(line) FROM jsonb_array_elements(i.sample) AS line
    WHERE NOT EXISTS {_NAMED.format(row="line")}), '[]')
WHERE EXISTS (SELECT 1 FROM jsonb_array_elements(i.sample) AS line WHERE EXISTS {_NAMED.format(row="line")})
"""


def _clear_files(trace: Trace) -> None:
    """What is kept of files: first rows, and rows that were not imported. Reads all of them: there are few."""
    with connection.cursor() as cursor:
        for statement in (_REFUSALS, _SAMPLES):
            cursor.execute(statement, {"names": [name[:cut] for name in trace.names for cut in _CUTS]})
