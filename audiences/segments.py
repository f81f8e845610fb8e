"""Segments: saving a rule, deleting, counting, and who uses them.

Rooms above tell by `register_users` where a segment is used, so that it is not deleted under a campaign.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from audiences import estimates, rules
from audiences import fields as field_lists
from audiences.models import Segment, SegmentKind
from lib.errors import DomainError


@dataclass(frozen=True)
class Use:
    """One thing that uses a segment: what it is called, where its page is, whether it is live or scheduled."""

    label: str
    url: str
    is_live: bool = False


class SegmentInvalid(DomainError):
    """The name or the rule can't be saved; `fields` has the sentences."""

    code = "segment_invalid"
    status = 422


class SegmentInUse(DomainError):
    """The segment can't be deleted because something uses it."""

    code = "segment_in_use"


_users: list[Callable[[Segment], list[Use]]] = []


def register_users(find: Callable[[Segment], list[Use]]) -> None:
    """Add a way to find who uses a segment, at start-up, from a room above."""
    if find not in _users:
        _users.append(find)


def users_of(segment: Segment) -> list[Use]:
    """Everything that uses a segment: other segments, and what the rooms above tell."""
    public_id = str(segment.public_id)
    others = Segment.objects.filter(kind=SegmentKind.RULE, deleted_at=None, rule__icontains=public_id).exclude(
        pk=segment.pk
    )
    found = [
        Use(other.name, f"/segments/{other.public_id}/")
        for other in others
        if public_id in field_lists.segments_in(other.rule)
    ]
    return found + [use for find in _users for use in find(segment)]


def behind(audience: Mapping[str, object]) -> list[Segment]:
    """The segments that an audience refers to and those that these refer to, deleted ones as well. A query a level."""
    listed = [*_listed(audience, "segments"), *_listed(audience, "exclude")]
    waiting = {item for item in listed if field_lists.is_public_id(item)}
    waiting |= field_lists.segments_in(audience.get("conditions"))
    found: dict[str, Segment] = {}
    while waiting:
        level = {str(one.public_id): one for one in Segment.objects.filter(public_id__in=waiting)}
        found |= level
        waiting = {item for one in level.values() for item in field_lists.segments_in(one.rule)} - set(found)
    return list(found.values())


def _listed(audience: Mapping[str, object], name: str) -> list[str]:
    items = audience.get(name)
    return [str(item) for item in items] if isinstance(items, list) else []


def create(*, name: str, rule: dict[str, object], by: User) -> Segment:
    """A new rule segment, counted. Raises SegmentInvalid, NotAllowed."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    _refuse_problems(name, rule)
    with _named_once(), transaction.atomic():
        segment = Segment.objects.create(name=name.strip(), rule=rule, owner=by)
        audit.record("segment.created", subject=("segment", str(segment.public_id)), by=by, detail={"rule": rule})
    return count(segment)


def create_list(*, name: str, by: User, fill: Callable[[int], None]) -> Segment:
    """A new list, counted. `fill(segment id)` inserts its members, in the transaction that creates it.

    Raises SegmentInvalid, NotAllowed.
    """
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    _refuse_problems(name, None)
    with _named_once(), transaction.atomic():
        segment = Segment.objects.create(name=name.strip(), kind=SegmentKind.LIST, owner=by)
        fill(segment.pk)
        count(segment)
        detail: dict[str, object] = {"n_people": segment.n_people}
        audit.record("segment.created", subject=("segment", str(segment.public_id)), by=by, detail=detail)
    return segment


def save(segment_id: int, *, name: str, rule: dict[str, object] | None, by: User) -> Segment:
    """Rename a segment and, for a rule segment, change its rule; counted again. Raises SegmentInvalid, NotAllowed.

    The change applies at once to everything that uses the segment.
    """
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    _refuse_problems(name, rule)
    with _named_once(), transaction.atomic():
        segment = Segment.objects.select_for_update(no_key=True).get(pk=segment_id, deleted_at=None)
        detail: dict[str, object] = {"name": [segment.name, name.strip()]}
        segment.name = name.strip()
        if rule is not None and segment.kind == SegmentKind.RULE:
            _refuse_circle(segment, rule)
            detail["rule"] = [segment.rule, rule]
            segment.rule = rule
        segment.save(update_fields=["name", "rule", "updated_at"])
        audit.record("segment.changed", subject=("segment", str(segment.public_id)), by=by, detail=detail)
    return count(segment)


@transaction.atomic
def delete(segment_id: int, *, by: User) -> Segment:
    """Take a segment away that nothing uses. Raises SegmentInUse, which names the users."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    segment = Segment.objects.select_for_update(no_key=True).get(pk=segment_id, deleted_at=None)
    if uses := users_of(segment):
        names = ", ".join(use.label for use in uses[:5])
        raise SegmentInUse(
            _("“{name}” is used by {users}. Take it out there first.").format(name=segment.name, users=names)
        )
    segment.deleted_at = datetime.now(UTC)
    segment.save(update_fields=["deleted_at", "updated_at"])
    audit.record("segment.deleted", subject=("segment", str(segment.public_id)), by=by)
    return segment


def count(segment: Segment) -> Segment:
    """Count its people for the list page; a count that takes too long or a broken rule leaves it unknown."""
    try:
        n_people = (
            _count_members(segment.pk) if segment.kind == SegmentKind.LIST else estimates.count_group(segment.rule)
        )
    except (estimates.TooSlow, rules.RuleProblem):
        segment.n_people = None
    else:
        segment.n_people = n_people
    segment.counted_at = datetime.now(UTC)
    segment.save(update_fields=["n_people", "counted_at"])
    return segment


def recount(segment_id: int) -> None:
    """Count a list after an import."""
    count(Segment.objects.get(pk=segment_id))


def _count_members(segment_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audiences_segmentmember WHERE segment_id = %s", [segment_id])
        return int(cursor.fetchone()[0])


def _refuse_problems(name: str, rule: dict[str, object] | None) -> None:
    found: dict[str, str] = {}
    if not name.strip():
        found["name"] = _("The name is empty. Enter a name.")
    elif len(name.strip()) > 120:
        found["name"] = _("The name is longer than 120 characters. Shorten it.")
    if rule is not None:
        for problem in rules.validate_group(rule):
            found.setdefault("rule", problem.message)
    if found:
        raise SegmentInvalid(next(iter(found.values())), fields=found)


def _refuse_circle(segment: Segment, rule: dict[str, object]) -> None:
    """A segment must not refer to itself, directly or through others."""
    waiting, seen = field_lists.segments_in(rule), set[str]()
    while waiting:
        public_id = waiting.pop()
        if public_id == str(segment.public_id):
            sentence = _("This segment would refer to itself.")
            raise SegmentInvalid(sentence, fields={"rule": sentence})
        seen.add(public_id)
        other = rules.find_segment(public_id)
        waiting |= field_lists.segments_in(other.rule) - seen if other else set()


class _named_once:  # noqa: N801  # a context manager reads as a word
    """Turns the constraint on names into a sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrityError) and "segment_name_once" in str(error):
            sentence = _("There is a segment with this name already. Choose another name.")
            raise SegmentInvalid(sentence, fields={"name": sentence}) from error
