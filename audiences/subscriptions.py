"""Subscription groups: topics people can leave one by one, who is in which, and the history of it.

A person is in a group by what was said last; who never said anything has the group's default. As consent does, a change
belongs to the mailbox: it counts for every profile of the same address. Global consent stands above all groups: whoever
unsubscribed from everything gets nothing under any group. Each change leaves a SubscriptionChange in its transaction.
Rooms above tell by `register_users` where a group is used, so that it is not archived under a campaign.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from audiences import groups
from audiences.models import GroupState, Subscription, SubscriptionChange, SubscriptionGroup
from audiences.segments import Use
from lib.errors import DomainError


class GroupInvalid(DomainError):
    """A group can't be saved; `fields` has the sentences."""

    code = "group_invalid"
    status = 422


class GroupInUse(DomainError):
    """A group can't be archived because a live campaign sends under it."""

    code = "group_in_use"


class GroupArchived(DomainError):
    """Nobody can be subscribed to an archived group."""

    code = "group_archived"


@dataclass(frozen=True)
class Standing:
    """One group as one person has it; `changed_at` None: never said, so the group's default."""

    group: SubscriptionGroup
    state: str
    changed_at: datetime | None

    @property
    def is_subscribed(self) -> bool:
        return self.state == GroupState.SUBSCRIBED


_users: list[Callable[[SubscriptionGroup], list[Use]]] = []


def register_users(find: Callable[[SubscriptionGroup], list[Use]]) -> None:
    """Add a way to find what is sent under a group, at start-up, from a room above."""
    if find not in _users:
        _users.append(find)


def users_of(group: SubscriptionGroup) -> list[Use]:
    """Everything that is sent under a group, as far as the rooms above tell."""
    return [use for find in _users for use in find(group)]


def create(*, name: str, description: str, default_state: str, is_public: bool, by: User) -> SubscriptionGroup:
    """A new group without members. Raises GroupInvalid, NotAllowed."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    _refuse_problems(name, description)
    if default_state not in GroupState.values:
        sentence = _("Choose what counts for people who never chose.")
        raise GroupInvalid(sentence, fields={"default_state": sentence})
    with _named_once(), transaction.atomic():
        group = SubscriptionGroup.objects.create(
            name=name.strip(),
            description=description.strip(),
            default_state=default_state,
            is_public=is_public,
            created_by=by,
        )
        detail: dict[str, object] = {"name": group.name, "default": default_state}
        audit.record("group.created", subject=("group", str(group.public_id)), by=by, detail=detail)
    return group


def save(group_id: int, *, name: str, description: str, is_public: bool, by: User) -> SubscriptionGroup:
    """Change how a group is called and shown; its default never changes. Raises GroupInvalid, NotAllowed."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    _refuse_problems(name, description)
    with _named_once(), transaction.atomic():
        group = SubscriptionGroup.objects.select_for_update(no_key=True).get(pk=group_id)
        detail: dict[str, object] = {"name": [group.name, name.strip()], "is_public": [group.is_public, is_public]}
        group.name, group.description, group.is_public = name.strip(), description.strip(), is_public
        group.save(update_fields=["name", "description", "is_public"])
        audit.record("group.changed", subject=("group", str(group.public_id)), by=by, detail=detail)
    return group


@transaction.atomic
def archive(group_id: int, *, by: User) -> SubscriptionGroup:
    """Take a group out of use; who is in it is kept. Raises GroupInUse when a live campaign sends under it."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    group = SubscriptionGroup.objects.select_for_update(no_key=True).get(pk=group_id)
    if group.archived_at is not None:
        return group
    if live := [use.label for use in users_of(group) if use.is_live]:
        sentence = _("“{name}” is used by {users}. Take it out there first.")
        raise GroupInUse(sentence.format(name=group.name, users=", ".join(live[:5])))
    group.archived_at = datetime.now(UTC)
    group.save(update_fields=["archived_at"])
    audit.record("group.archived", subject=("group", str(group.public_id)), by=by)
    return group


def restore(group_id: int, *, by: User) -> SubscriptionGroup:
    """Offer an archived group again. Raises GroupInvalid when another one has its name now."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    with _named_once(), transaction.atomic():
        group = SubscriptionGroup.objects.select_for_update(no_key=True).get(pk=group_id)
        if group.archived_at is not None:
            group.archived_at = None
            group.save(update_fields=["archived_at"])
            audit.record("group.restored", subject=("group", str(group.public_id)), by=by)
    return group


def set_state(
    group: SubscriptionGroup,
    profile_ids: Collection[int],
    state: str,
    *,
    source: str,
    reference: str = "",
    by: User | None = None,
) -> int:
    """Subscribe people to a group or unsubscribe them; how many profiles changed. One statement for any number.

    Counts for every profile of the same mailboxes. Safe to repeat: who has the state already, by default or by word, is
    written only once. Locks those profiles in the order of their ids. Raises GroupArchived for a subscription to an
    archived group; an unsubscription is always kept. Ids of nobody are passed over.
    """
    assert state in GroupState.values, state
    if state == GroupState.SUBSCRIBED and group.archived_at is not None:
        raise GroupArchived(_("“{name}” is archived. Nobody can be subscribed to it.").format(name=group.name))
    values: dict[str, Any] = {
        "ids": list(profile_ids), "group": group.pk, "state": state, "source": source,
        "reference": reference[:80], "by": by.pk if by else None,
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK_MAILBOXES, values)
        cursor.execute(_SET, {**values, "ids": [profile_id for (profile_id,) in cursor.fetchall()]})
        return int(cursor.rowcount)


def choose(
    profile_id: int, wanted: Mapping[str, bool], *, source: str, reference: str = "", by: User | None = None
) -> int:
    """Set several groups of one person, by their public ids; how many changed. Unknown and archived ones are left.

    Who says explicitly what silence meant anyway is no change: no row is written for it.
    """
    known = {str(one.group.public_id): one for one in standings(profile_id)}
    n_changed = 0
    with transaction.atomic():
        for public_id, is_wanted in sorted(wanted.items()):
            standing = known.get(public_id)
            if standing is None or standing.is_subscribed == is_wanted:
                continue
            state = GroupState.SUBSCRIBED if is_wanted else GroupState.UNSUBSCRIBED
            set_state(standing.group, [profile_id], state, source=source, reference=reference, by=by)
            n_changed += 1
    return n_changed


def standings(profile_id: int) -> list[Standing]:
    """Every group that is in use with what it is for one person, by name. Two queries."""
    said = {one.group_id: one for one in Subscription.objects.filter(profile_id=profile_id)}
    return [
        Standing(group, said[group.pk].state, said[group.pk].changed_at)
        if group.pk in said
        else Standing(group, group.default_state, None)
        for group in groups.active()
    ]


def changes(profile_id: int, limit: int = 50) -> list[SubscriptionChange]:
    """The newest changes of one person's groups. One query."""
    rows = SubscriptionChange.objects.filter(profile_id=profile_id).select_related("by", "group")
    return list(rows.order_by("-at", "-id")[:limit])


def counts() -> dict[int, tuple[int, int]]:
    """How many people said yes and no, by group. One query over the index, for the page of groups."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT group_id, count(*) FILTER (WHERE state = 'subscribed'),"
            " count(*) FILTER (WHERE state = 'unsubscribed') FROM audiences_subscription GROUP BY group_id"
        )
        return {group_id: (yes, no) for group_id, yes, no in cursor.fetchall()}


_LOCK_MAILBOXES = """
SELECT p.id FROM audiences_profile p WHERE p.id IN (
    SELECT unnest(%(ids)s::bigint[])
    UNION SELECT same.id FROM audiences_profile o JOIN audiences_profile same ON same.email_key = o.email_key
    WHERE o.id = ANY(%(ids)s::bigint[]) AND o.email_key <> '')
ORDER BY p.id FOR NO KEY UPDATE
"""
_SET = """
WITH changed AS (
    INSERT INTO audiences_subscription AS s (group_id, profile_id, state, changed_at)
    SELECT %(group)s, id, %(state)s, now() FROM unnest(%(ids)s::bigint[]) AS id
    ON CONFLICT (group_id, profile_id) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at
    WHERE s.state <> excluded.state
    RETURNING profile_id
)
INSERT INTO audiences_subscriptionchange (profile_id, group_id, at, state, source, reference, by_id)
SELECT profile_id, %(group)s, now(), %(state)s, %(source)s, %(reference)s, %(by)s FROM changed
"""


def _refuse_problems(name: str, description: str) -> None:
    found: dict[str, str] = {}
    if not name.strip():
        found["name"] = _("The name is empty. Enter a name.")
    elif len(name.strip()) > 80:
        found["name"] = _("The name is longer than 80 characters. Shorten it.")
    if len(description.strip()) > 300:
        found["description"] = _("The description is longer than 300 characters. Shorten it.")
    if found:
        raise GroupInvalid(next(iter(found.values())), fields=found)


class _named_once:  # noqa: N801  # a context manager reads as a word
    """Turns the constraint on names into a sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrityError) and "subscription_group_name_once" in str(error):
            sentence = _("There is a group with this name already. Choose another name.")
            raise GroupInvalid(sentence, fields={"name": sentence}) from error
