"""Every combination of facts has the badge that people expect."""

import dataclasses
import itertools

from campaigns import badges
from campaigns.models import CampaignState as C
from delivery.models import DeliveryState as D

STATES = ("", *D.values)
P, SCH, SEN, PAU, AWA, FIN, STO, FAI, LIV = (
    badges.PUBLISHED,
    badges.SCHEDULED,
    badges.SENDING,
    badges.PAUSED,
    badges.AWAITING,
    badges.SENT,
    badges.STOPPED,
    badges.FAILED,
    badges.LIVE,
)
# A badge for each state of the current send, in this order:
# none, new, preparing, prepared, confirmed, sending, paused, finished, stopped, cancelled, failed, missed
ROWS: dict[tuple[C, str, str], tuple[badges.Badge, ...]] = {
    (C.PUBLISHED, "once", "fresh"): (P, P, P, AWA, SCH, SEN, PAU, FIN, STO, P, FAI, FAI),
    (C.PUBLISHED, "once", "stale"): (P, P, P, P, SCH, SEN, PAU, P, P, P, P, P),
    (C.ACTIVE, "once", "fresh"): (P, P, P, AWA, SCH, SEN, PAU, FIN, STO, P, FAI, FAI),
    (C.ACTIVE, "once", "stale"): (P, P, P, P, SCH, SEN, PAU, P, P, P, P, P),
    (C.PUBLISHED, "repeat", "fresh"): (P, P, P, AWA, SCH, SEN, PAU, FIN, STO, P, FAI, FAI),
    (C.PUBLISHED, "repeat", "stale"): (P, P, P, P, SCH, SEN, PAU, P, P, P, P, P),
    (C.ACTIVE, "repeat", "fresh"): (LIV, LIV, LIV, AWA, SCH, SEN, PAU, LIV, LIV, LIV, FAI, FAI),
    (C.ACTIVE, "repeat", "stale"): (LIV, LIV, LIV, LIV, SCH, SEN, PAU, LIV, LIV, LIV, LIV, LIV),
    (C.PUBLISHED, "api", "fresh"): (P, P, P, AWA, SCH, SEN, PAU, FIN, STO, P, FAI, FAI),
    (C.PUBLISHED, "api", "stale"): (P, P, P, P, SCH, SEN, PAU, P, P, P, P, P),
    # Requests are sent all the time: only a pause is news.
    (C.ACTIVE, "api", "fresh"): (LIV, LIV, LIV, LIV, LIV, LIV, PAU, LIV, LIV, LIV, LIV, LIV),
    (C.ACTIVE, "api", "stale"): (LIV, LIV, LIV, LIV, LIV, LIV, PAU, LIV, LIV, LIV, LIV, LIV),
}
SAME = {"at": "once"}
EVERY = list(itertools.product(C, ("once", "at", "repeat", "api"), ("fresh", "stale"), range(len(STATES))))


def expected(state: C, kind: str, age: str, place: int) -> badges.Badge:
    if state == C.DRAFT:
        return badges.DRAFT
    return badges.STOPPED if state == C.STOPPED else ROWS[state, SAME.get(kind, kind), age][place]


def test_every_combination_has_the_badge_of_the_table() -> None:
    wrong = []
    for state, kind, age, place in EVERY:
        facts = badges.Facts(state=state, kind=kind, delivery_state=STATES[place], is_stale=age == "stale")
        if badges.badge(facts) != expected(state, kind, age, place):
            wrong.append((facts, badges.badge(facts).code))
        assert badges.badge(dataclasses.replace(facts, is_archived=True)) == badges.ARCHIVED
    assert wrong == []
    assert len(EVERY) == 4 * 4 * 2 * 12


def test_codes_and_icons_are_distinct() -> None:
    assert len({badge.code for badge in badges.ALL}) == len(badges.ALL) == 11
    assert len({badge.icon for badge in badges.ALL}) == 11


def test_each_badge_has_the_label_tone_and_icon_of_the_design() -> None:
    shown = {badge.code: (str(badge.label), badge.tone, badge.icon) for badge in badges.ALL}
    assert shown == {
        "draft": ("Draft", "neutral", "pencil-line"),
        "published": ("Published", "info", "circle-check-big"),
        "awaiting": ("Awaiting confirmation", "warn", "hourglass"),
        "scheduled": ("Scheduled", "info", "calendar-clock"),
        "live": ("Live", "ok", "radio"),
        "sending": ("Sending", "teal", "loader"),
        "paused": ("Paused", "warn", "pause"),
        "sent": ("Sent", "ok", "check"),
        "stopped": ("Stopped", "neutral", "octagon-x"),
        "failed": ("Failed", "err", "triangle-alert"),
        "archived": ("Archived", "outline", "archive"),
    }
