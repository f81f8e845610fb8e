"""Rows of the campaign list: finished values, and what this person may do with the campaign now."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from accounts import roles
from accounts.models import User
from campaigns import badges, facts, lifecycle
from campaigns.models import Campaign, CampaignState
from delivery import headlines, kpi
from delivery.models import Delivery, DeliveryState


@dataclass(frozen=True)
class Row:
    """One campaign. `actions` are codes in menu order; `summary` has the figures of the current send."""

    id: int
    public_id: str
    name: str
    subject: str
    badge: badges.Badge
    has_draft_changes: bool
    # A confirmation was requested. At most one marker stands after a name, and this one first.
    is_in_review: bool
    channel: str
    tags: tuple[str, ...]
    owner: str
    is_mine: bool
    edited_at: dt.datetime
    edited_by: str
    delivery_id: str
    delivery_state: str
    scheduled_at: dt.datetime | None
    scheduled_zone: str
    ended_at: dt.datetime | None
    n_to_send: int | None
    preparing_rate: float | None
    summary: kpi.Summary | None
    # "4 min" until the last message, while that is known.
    left: str
    is_moving: bool
    actions: tuple[str, ...]


_MOVING = frozenset({DeliveryState.PREPARING, DeliveryState.SENDING, DeliveryState.PAUSED})
# A confirmed send moves when it is about to start; until then its row has nothing new to tell.
_SOON = dt.timedelta(minutes=10)


def build(campaigns: Sequence[Campaign], user: User) -> tuple[Row, ...]:
    """Rows for campaigns annotated by campaigns.listing; a fixed number of queries for any number of them."""
    ids = [campaign.current_delivery for campaign in campaigns if campaign.current_delivery]  # type: ignore[attr-defined]
    deliveries = Delivery.objects.in_bulk(ids)
    shown = [one.pk for one in deliveries.values() if one.started_at]
    summaries = kpi.summaries(shown) if shown else {}
    may_edit, may_start = user.has_perm(roles.EDIT), user.has_perm(roles.START)
    return tuple(
        _row(campaign, deliveries.get(campaign.current_delivery), summaries, user, may_edit, may_start)  # type: ignore[attr-defined]
        for campaign in campaigns
    )


def _row(
    campaign: Campaign,
    delivery: Delivery | None,
    summaries: dict[int, kpi.Summary],
    user: User,
    may_edit: bool,
    may_start: bool,
) -> Row:
    badge = facts.derive(campaign.facts).badge  # type: ignore[attr-defined]
    is_mine = campaign.owner_id == user.pk
    state = delivery.state if delivery else ""
    may = _May(may_edit, may_start, is_mine)
    summary = summaries.get(delivery.pk) if delivery else None
    return Row(
        id=campaign.pk,
        public_id=str(campaign.public_id),
        name=campaign.name,
        subject=campaign.subject or "",  # type: ignore[attr-defined]
        badge=badge,
        has_draft_changes=campaign.state != CampaignState.DRAFT and campaign.has_draft,  # type: ignore[attr-defined]
        is_in_review=campaign.is_in_review,  # type: ignore[attr-defined]
        channel="email",
        tags=tuple(campaign.tags),
        owner=str(campaign.owner),
        is_mine=is_mine,
        edited_at=campaign.edited_at,
        edited_by=str(campaign.edited_by or ""),
        delivery_id=str(delivery.public_id) if delivery else "",
        delivery_state=state,
        scheduled_at=delivery.start_at or delivery.scheduled_at
        if delivery and state == DeliveryState.CONFIRMED
        else None,
        scheduled_zone=delivery.scheduled_zone if delivery else "",
        ended_at=delivery.ended_at if delivery else None,
        n_to_send=delivery.n_to_send if delivery else None,
        preparing_rate=_preparing_rate(delivery),
        summary=summary,
        left=headlines.duration(summary.eta_s) if summary and summary.eta_s and summary.eta_s >= 5 else "",
        is_moving=_is_moving(delivery),
        actions=actions(campaign, state, badge, may),
    )


@dataclass(frozen=True)
class _May:
    """What the person may do: edit campaigns, start sends; and whether this campaign is their own."""

    edit: bool
    start: bool
    owns: bool


def actions(campaign: Campaign, delivery_state: str, badge: badges.Badge, may: _May) -> tuple[str, ...]:
    """What is possible now for this person, in menu order: open, continue_draft, edit_draft, modify, duplicate,
    cancel_send, pause, archive, unarchive, delete, copy_id."""
    found = ["open"]
    is_draft = campaign.state == CampaignState.DRAFT
    if may.edit and badge != badges.ARCHIVED:
        found.append("continue_draft" if is_draft else "edit_draft" if campaign.has_draft else "modify")  # type: ignore[attr-defined]
    if may.edit:
        found.append("duplicate")
    if delivery_state == DeliveryState.CONFIRMED and (may.start or (may.owns and may.edit)):
        found.append("cancel_send")
    if delivery_state == DeliveryState.SENDING and (may.start or (may.owns and may.edit)):
        found.append("pause")
    if may.edit and (may.start or may.owns):
        if badge == badges.ARCHIVED:
            found.append("unarchive")
        elif delivery_state not in lifecycle.OPEN and badge != badges.LIVE:
            found.append("archive")
        if is_draft:
            found.append("delete")
    return (*found, "copy_id")


def _is_moving(delivery: Delivery | None) -> bool:
    if delivery is None or delivery.state != DeliveryState.CONFIRMED:
        return delivery is not None and delivery.state in _MOVING
    return delivery.start_at is None or delivery.start_at < timezone.now() + _SOON


def _preparing_rate(delivery: Delivery | None) -> float | None:
    """How far a preparation is, by the estimate; None while nothing can be said."""
    if delivery is None or delivery.state != DeliveryState.PREPARING or not delivery.n_estimated:
        return None
    return min(0.99, delivery.n_prepared / delivery.n_estimated)
