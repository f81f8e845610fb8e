"""One call of an outside program about people: what it says of them first, then what they did, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from audiences import activity, addresses, arrivals, erasure, upserts
from audiences.activity import Bought, Happening
from audiences.arrivals import Name
from audiences.reworking import Change, Problem
from audiences.upserts import Source


@dataclass(frozen=True)
class Tracked:
    """What was done: numbers of the events and purchases that were stored, and what was left out of the changes.

    `found` has the people, those who were made included.
    """

    found: arrivals.Found
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
    found = arrivals.find_or_make(
        {one.who for one in everything}, makeable=[one.who for one in everything if one.may_make]
    )
    recalled = erasure.recall(_addresses(everything, found))
    # Who is made by an address alone, for an event, may have left before.
    named = (Change(one.who) for one in everything if recalled is not erasure.NOTHING and one.who.by is Name.EMAIL)
    written = [*changes, *named]
    problems = upserts.write(written, found, types=types, source=source, recalled=recalled) if written else []
    events, purchases = activity.record(happenings, bought, found) if happenings or bought else ([], [])
    return Tracked(found, [one for one in problems if one.number < len(changes)], events, purchases)


def _addresses(everything: Sequence[Change | Happening | Bought], found: arrivals.Found) -> set[str]:
    """The mailboxes that these people have by name or get."""
    there = [one for one in everything if one.who in found]
    named = {one.who.key for one in there if one.who.by is Name.EMAIL}
    return named | {addresses.key(one.columns.get("email", "")) for one in there if isinstance(one, Change)}
