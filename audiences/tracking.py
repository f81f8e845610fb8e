"""One call of an outside program about people: what it says of them first, then what they did, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from audiences import activity, identities, upserts
from audiences.activity import Bought, Happening
from audiences.reworking import Change, Problem
from audiences.upserts import Source


@dataclass(frozen=True)
class Tracked:
    """What was done: numbers of the events and purchases that were stored, and what was left out of the changes.

    `found` has the people, those who were made included.
    """

    found: identities.Found
    problems: list[Problem]
    events: list[int]
    purchases: list[int]


@transaction.atomic
def track(
    changes: Sequence[Change],
    happenings: Sequence[Happening] = (),
    bought: Sequence[Bought] = (),
    *,
    source: Source,
) -> Tracked:
    """Make and change people, and store what they did. A few statements for any number.

    The changes are safe to repeat, apart from numbers that are added; events and purchases are not.
    """
    everything: list[Change | Happening | Bought] = [*changes, *happenings, *bought]
    types = upserts.define(changes)
    found = identities.find_or_make(
        {one.who for one in everything}, makeable={one.who for one in everything if one.may_make}
    )
    problems = upserts.write(changes, found, types=types, source=source) if changes else []
    events, purchases = activity.record(happenings, bought, found) if happenings or bought else ([], [])
    return Tracked(found, problems, events, purchases)
