"""Every combination of facts has the badge that people expect."""

import itertools

import pytest

from campaigns import badges
from campaigns.models import CampaignState as C
from delivery.models import DeliveryState as D

FRESH, STALE = False, True
TABLE = [
    # state, kind, delivery, stale → badge
    (C.DRAFT, "once", "", FRESH, badges.DRAFT),
    (C.PUBLISHED, "once", "", FRESH, badges.PUBLISHED),
    (C.PUBLISHED, "once", D.NEW, FRESH, badges.PUBLISHED),
    (C.PUBLISHED, "once", D.PREPARING, FRESH, badges.PUBLISHED),
    (C.PUBLISHED, "once", D.PREPARED, FRESH, badges.AWAITING),
    (C.PUBLISHED, "once", D.PREPARED, STALE, badges.PUBLISHED),
    (C.PUBLISHED, "once", D.FAILED, FRESH, badges.FAILED),
    (C.PUBLISHED, "once", D.FAILED, STALE, badges.PUBLISHED),
    (C.ACTIVE, "once", D.CONFIRMED, FRESH, badges.SCHEDULED),
    (C.ACTIVE, "once", D.SENDING, FRESH, badges.SENDING),
    (C.ACTIVE, "once", D.SENDING, STALE, badges.SENDING),
    (C.ACTIVE, "once", D.PAUSED, STALE, badges.PAUSED),
    (C.ACTIVE, "once", D.FINISHED, FRESH, badges.SENT),
    (C.ACTIVE, "once", D.FINISHED, STALE, badges.PUBLISHED),
    (C.ACTIVE, "once", D.STOPPED, FRESH, badges.STOPPED),
    (C.ACTIVE, "once", D.MISSED, FRESH, badges.FAILED),
    (C.ACTIVE, "once", D.CANCELLED, FRESH, badges.PUBLISHED),
    (C.ACTIVE, "once", "", FRESH, badges.PUBLISHED),
    (C.ACTIVE, "api", "", FRESH, badges.LIVE),
    (C.ACTIVE, "repeat", D.FINISHED, FRESH, badges.LIVE),
    (C.ACTIVE, "repeat", D.SENDING, FRESH, badges.SENDING),
    (C.PUBLISHED, "api", "", FRESH, badges.PUBLISHED),
    (C.STOPPED, "once", D.STOPPED, FRESH, badges.STOPPED),
    (C.STOPPED, "api", "", FRESH, badges.STOPPED),
]


@pytest.mark.parametrize(("state", "kind", "delivery", "is_stale", "expected"), TABLE)
def test_badge(state: str, kind: str, delivery: str, is_stale: bool, expected: badges.Badge) -> None:
    facts = badges.Facts(state=state, kind=kind, delivery_state=delivery, is_stale=is_stale)
    assert badges.badge(facts) == expected


def test_archived_hides_everything_else_and_no_combination_fails() -> None:
    for state, delivery, stale in itertools.product(C.values, ["", *D.values], [True, False]):
        facts = badges.Facts(state=state, delivery_state=delivery, is_stale=stale)
        assert badges.badge(facts) in badges.ALL
        archived = badges.Facts(state=state, is_archived=True, delivery_state=delivery, is_stale=stale)
        assert badges.badge(archived) == badges.ARCHIVED


def test_codes_and_icons_are_distinct() -> None:
    assert len({badge.code for badge in badges.ALL}) == len(badges.ALL) == 11
    assert len({badge.icon for badge in badges.ALL}) == 11
