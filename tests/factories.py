"""Objects for tests: plain functions with overrides, sorted by room."""

import functools
import itertools

from django.contrib.auth.hashers import make_password

from accounts import roles
from accounts.models import User
from audiences import addresses
from audiences.models import AttributeDefinition, Profile, Segment, SegmentKind, SegmentMember

_numbers = itertools.count(1)
PASSWORD = "a long enough secret"

# --- accounts -----------------------------------------------------------------------------------------------


@functools.cache
def _password_hash() -> str:
    """Hashing is slow on purpose; once is enough for a test run."""
    return make_password(PASSWORD)


def user(role: str = "", **fields: object) -> User:
    """A person who can sign in with PASSWORD; `role` "" is a stranger without any right."""
    n = next(_numbers)
    defaults = {"email": f"{role.lower() or 'nobody'}{n}@chappe.test", "name": f"{role or 'Nobody'} {n}"}
    made = User.objects.create(**{**defaults, "password": _password_hash(), **fields})
    if role:
        roles.give(made, role)
    return made


# --- audiences ----------------------------------------------------------------------------------------------


def profile(**fields: object) -> Profile:
    n = next(_numbers)
    email = fields.pop("email", f"person{n}@example.test")
    return Profile.objects.create(
        **{"email": email, "email_key": addresses.key(str(email)), "first_name": f"First{n}", **fields}
    )


def attribute(name: str, kind: str = "text") -> AttributeDefinition:
    return AttributeDefinition.objects.get_or_create(name=name, defaults={"type": kind})[0]


def segment(
    rule: dict[str, object] | None = None, *, members: list[Profile] | None = None, **fields: object
) -> Segment:
    """A rule segment, or a list of `members`."""
    kind = SegmentKind.RULE if members is None else SegmentKind.LIST
    made = Segment.objects.create(**{"name": f"Segment {next(_numbers)}", "kind": kind, "rule": rule or {}, **fields})
    SegmentMember.objects.bulk_create(SegmentMember(segment=made, profile=member) for member in members or [])
    return made
