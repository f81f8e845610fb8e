"""Who is meant: how outside programs name people, and the profiles that those names stand for.

Four kinds of names: the id of their system, an alias under a label, an address, and our own id. Looking up changes
nothing and takes one query for each kind that occurs.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from audiences import addresses
from audiences.models import Profile, ProfileAlias

EXTERNAL_ID, ALIAS, EMAIL, BRAZE_ID = "external_user_id", "user_alias", "email", "braze_id"
KINDS = (EXTERNAL_ID, ALIAS, EMAIL, BRAZE_ID)
# Who wins where several people have one address; in the order of `prioritization` the first that tells two apart.
IDENTIFIED, UNIDENTIFIED = "identified", "unidentified"
NEWEST, OLDEST = "most_recently_updated", "least_recently_updated"
PRIORITIES = (IDENTIFIED, UNIDENTIFIED, NEWEST, OLDEST)


@dataclass(frozen=True)
class Name:
    """One name of one person. `label` belongs to an alias, `priorities` (of PRIORITIES) to an address."""

    kind: str
    text: str
    label: str = ""
    priorities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind

    @property
    def shown(self) -> str:
        """As people read it."""
        return f"{self.label}: {self.text}" if self.label else self.text


def find(names: Sequence[Name]) -> list[int | None]:
    """The profile ids of `names`, in their order; None where nobody is meant."""
    by_kind: dict[str, list[Name]] = defaultdict(list)
    for name in names:
        by_kind[name.kind].append(name)
    finders = {EXTERNAL_ID: _by_external_id, ALIAS: _by_alias, EMAIL: _by_email, BRAZE_ID: _by_public_id}
    found: dict[Name, int] = {}
    for kind, some in by_kind.items():
        found |= finders[kind](some)
    return [found.get(name) for name in names]


def _by_external_id(names: Iterable[Name]) -> dict[Name, int]:
    ids = dict(Profile.objects.filter(external_id__in={n.text for n in names}).values_list("external_id", "pk"))
    return {name: ids[name.text] for name in names if name.text in ids}


def _by_alias(names: Iterable[Name]) -> dict[Name, int]:
    wanted = Q()
    for name in names:
        wanted |= Q(label=name.label, name=name.text)
    rows = ProfileAlias.objects.filter(wanted).values_list("label", "name", "profile_id")
    ids = {(label, text): profile_id for label, text, profile_id in rows}
    return {name: ids[name.label, name.text] for name in names if (name.label, name.text) in ids}


def _by_public_id(names: Iterable[Name]) -> dict[Name, int]:
    texts = {name: _uuid(name.text) for name in names}
    ids = dict(Profile.objects.filter(public_id__in={t for t in texts.values() if t}).values_list("public_id", "pk"))
    return {name: ids[text] for name, text in texts.items() if text in ids}


def _by_email(names: Iterable[Name]) -> dict[Name, int]:
    keys = {name: addresses.key(name.text) for name in names}
    people: dict[str, list[Profile]] = defaultdict(list)
    fields = ("id", "email_key", "external_id", "updated_at")
    for profile in Profile.objects.filter(email_key__in={key for key in keys.values() if key}).only(*fields):
        people[profile.email_key].append(profile)
    return {name: _first(people[key], name.priorities).pk for name, key in keys.items() if key in people}


def _first(people: list[Profile], priorities: tuple[str, ...]) -> Profile:
    """Who comes first; without an order the identified, then those changed last."""

    def place(profile: Profile) -> tuple[float, ...]:
        changed = profile.updated_at.timestamp()
        ranks = {IDENTIFIED: profile.external_id is None, UNIDENTIFIED: profile.external_id is not None}
        keys = {**{one: float(rank) for one, rank in ranks.items()}, NEWEST: -changed, OLDEST: changed}
        return (*(keys[one] for one in priorities or (IDENTIFIED, NEWEST)), float(profile.pk))

    return min(people, key=place)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
