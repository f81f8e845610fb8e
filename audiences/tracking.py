"""One call of an outside program about people: what it says of them first, then what they did, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from audiences import activity, upserts
from audiences.activity import Bought, Happening
from audiences.identities import Found
from audiences.reworking import Change, Problem
from audiences.upserts import Source


@dataclass(frozen=True)
class Tracked:
    """What was done: numbers of the events and purchases that were stored, and what was left out of the changes.

    `found` has the people, those who were made included.
    """

    found: Found
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
    did: list[Happening | Bought] = [*happenings, *bought]
    makeable = [one.who for one in did if one.may_make]
    applied = upserts.apply(changes, source=source, others=[one.who for one in did], makeable=makeable)
    events, purchases = activity.record(happenings, bought, applied.found) if did else ([], [])
    return Tracked(applied.found, applied.problems, events, purchases)
