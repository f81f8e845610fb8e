"""The one badge of a campaign, derived from its state and its current send. Pure; the table is in the tests."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from campaigns import schedules
from campaigns.models import CampaignState
from delivery.models import DeliveryState


@dataclass(frozen=True)
class Facts:
    """What the badge depends on. `delivery_state` is "" without a send; `is_stale`: a newer version is live."""

    state: str
    is_archived: bool = False
    kind: str = "once"
    delivery_state: str = ""
    is_stale: bool = False


@dataclass(frozen=True)
class Badge:
    """`code` is for filters and tests; label, tone and icon are what people see."""

    code: str
    label: str | Promise
    tone: str
    icon: str


DRAFT = Badge("draft", _("Draft"), "neutral", "pencil-line")
PUBLISHED = Badge("published", _("Published"), "info", "circle-check-big")
AWAITING = Badge("awaiting", _("Awaiting confirmation"), "warn", "hourglass")
SCHEDULED = Badge("scheduled", _("Scheduled"), "info", "calendar-clock")
LIVE = Badge("live", _("Live"), "ok", "radio")
SENDING = Badge("sending", _("Sending"), "teal", "loader")
PAUSED = Badge("paused", _("Paused"), "warn", "pause")
SENT = Badge("sent", pgettext_lazy("campaign status", "Sent"), "ok", "check")
STOPPED = Badge("stopped", pgettext_lazy("campaign status", "Stopped"), "neutral", "octagon-x")
FAILED = Badge("failed", _("Failed"), "err", "triangle-alert")
ARCHIVED = Badge("archived", _("Archived"), "outline", "archive")
ALL = (DRAFT, PUBLISHED, AWAITING, SCHEDULED, LIVE, SENDING, PAUSED, SENT, STOPPED, FAILED, ARCHIVED)

# While one of these runs, publishing a newer version does not change what people see.
_RUNNING = {
    DeliveryState.CONFIRMED: SCHEDULED,
    DeliveryState.SENDING: SENDING,
    DeliveryState.PAUSED: PAUSED,
}
_RESTING = {
    DeliveryState.PREPARED: AWAITING,
    DeliveryState.FINISHED: SENT,
    DeliveryState.STOPPED: STOPPED,
    DeliveryState.FAILED: FAILED,
    DeliveryState.MISSED: FAILED,
}
_WAITING = {state: _RESTING[state] for state in (DeliveryState.PREPARED, DeliveryState.FAILED, DeliveryState.MISSED)}


def badge(facts: Facts) -> Badge:
    """The badge for `facts`: the campaign's own end states first, then what its current send does."""
    if facts.is_archived:
        return ARCHIVED
    if facts.state == CampaignState.DRAFT:
        return DRAFT
    if facts.state == CampaignState.STOPPED:
        return STOPPED
    state = DeliveryState(facts.delivery_state) if facts.delivery_state else None
    if facts.state == CampaignState.ACTIVE and schedules.is_triggered({"kind": facts.kind}):
        # What requests asked for is sent all the time; only a pause is news.
        return PAUSED if state == DeliveryState.PAUSED else LIVE
    if state in _RUNNING:
        return _RUNNING[state]
    if facts.state == CampaignState.ACTIVE and facts.kind in schedules.STANDING:
        # Between two sends it is live; a send that waits for somebody, or went wrong, is what they must see.
        return _WAITING.get(state, LIVE) if state and not facts.is_stale else LIVE
    if state in _RESTING and not facts.is_stale:
        return _RESTING[state]
    return PUBLISHED
