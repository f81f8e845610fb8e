"""The only place that moves a campaign's state.

Each function: lock the row, check the capability on a fresh user, make the transition, save named fields, write one
audit row, return the campaign. Allowed moves are the decorators; a move that is not allowed is a DomainError in words.
Sends are moved by delivery.lifecycle; `stop` calls it for each open send of the campaign in the same transaction.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_fsm import TransitionNotAllowed, transition

from accounts import access, audit, roles
from accounts.models import User
from campaigns import digests, drafts, occurrences, openings, schedules, second_person, settling
from campaigns import document as documents
from campaigns.models import Campaign, CampaignSend, CampaignState, CampaignVersion
from delivery import doors
from delivery import lifecycle as delivery_lifecycle
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError, NotAllowed

_STATE: Any = Campaign._meta.get_field("state")

_ACTIVATED = ("activated_by", "activated_at", "opened_until")
# Sends that would still do something by themselves.
OPEN = frozenset({DeliveryState.PREPARING, DeliveryState.CONFIRMED, DeliveryState.SENDING, DeliveryState.PAUSED})


@transition(field=_STATE, source=CampaignState.DRAFT, target=CampaignState.PUBLISHED)
def _publish_first(campaign: Campaign) -> None:
    pass


@transition(field=_STATE, source=[CampaignState.PUBLISHED, CampaignState.ACTIVE, CampaignState.STOPPED], target=None)
def _publish_again(campaign: Campaign) -> None:
    pass


@transition(field=_STATE, source=CampaignState.PUBLISHED, target=CampaignState.ACTIVE)
def _activate(campaign: Campaign) -> None:
    pass


@transition(field=_STATE, source=[CampaignState.PUBLISHED, CampaignState.ACTIVE], target=CampaignState.STOPPED)
def _stop(campaign: Campaign) -> None:
    pass


@transition(field=_STATE, source=CampaignState.STOPPED, target=CampaignState.ACTIVE)
def _resume(campaign: Campaign) -> None:
    pass


@transition(field=_STATE, source=CampaignState.ACTIVE, target=CampaignState.PUBLISHED)
def _deactivate(campaign: Campaign) -> None:
    pass


def publish(campaign_id: int, *, version: CampaignVersion, by: User) -> Campaign:
    """Make `version` live for the next execution; a running send keeps its own. Called by campaigns.versions only.

    Only people who may start sends publish what sends without being confirmed. A campaign that sends on its own and
    gets another kind of delivery is published only, until somebody starts it again; an API-triggered one is ready at
    once, unless the installation asks for an operator.
    """
    with transaction.atomic():
        campaign = _locked(campaign_id)
        user = access.fresh(by)
        access.check(user, roles.EDIT)
        section = documents.normalise(version.document)["delivery"]
        if schedules.sends_unasked(section):
            access.check(user, roles.START)
        before = documents.normalise(campaign.live_version.document)["delivery"] if campaign.live_version else None
        _move(campaign, _publish_first if campaign.state == CampaignState.DRAFT else _publish_again)
        campaign.live_version = version
        campaign.edited_at, campaign.edited_by = timezone.now(), by
        _record("campaign.published", campaign, by, version=version.number, note=version.note)
        _take_kind(campaign, before, section, by)
        campaign.save(update_fields=["state", "live_version", "edited_at", "edited_by", *_ACTIVATED])
        openings.follow(campaign, by=by)
        settling.close(campaign, why="published", number=version.number, by=by)
        digests.refresh(campaign)
    return campaign


def _take_kind(campaign: Campaign, before: dict[str, Any] | None, section: dict[str, Any], by: User) -> None:
    """The moves that follow from when the new live version is sent. Saved by `publish`."""
    kind = section["kind"]
    was_kind = before["kind"] if before else kind
    if campaign.state == CampaignState.ACTIVE and kind != was_kind and {kind, was_kind} & schedules.STANDING:
        _move(campaign, _deactivate)
        _record("campaign.kind_changed", campaign, by, kind=kind)
    needs_person = settings.ACTIVATE_TRIGGERED or second_person.is_on()
    if campaign.state == CampaignState.PUBLISHED and kind == "api" and not needs_person:
        _move(campaign, _activate)
        _activated(campaign, by)
        _record("campaign.activated", campaign, by, cause="published")
    if before is None or occurrences.calendar(before) != occurrences.calendar(section):
        # Times of a new calendar that were before it was published are not caught up.
        campaign.opened_until = timezone.now()


def activate(campaign_id: int, *, by: User, action: str = "campaign.activated") -> Campaign:
    """Published → active: a send of it was confirmed. By campaigns.sends, in the transaction that confirms; and by
    `start`. `action` is what the audit row calls it."""
    with transaction.atomic():
        campaign = _locked(campaign_id)
        access.check(access.fresh(by), roles.START)
        _move(campaign, _activate)
        _activated(campaign, by)
        campaign.save(update_fields=["state", *_ACTIVATED])
        openings.follow(campaign, by=by)
        _record(action, campaign, by)
    return campaign


def start(campaign_id: int, *, by: User) -> Campaign:
    """Published → active for a campaign that sends on its own from now on: repeating, or triggered by the API.

    Raises DomainError for a one-off campaign, and for a calendar in which no send is left.
    """
    with transaction.atomic():
        campaign = _locked(campaign_id)
        access.check(access.fresh(by), roles.START)
        section = documents.normalise(campaign.live_version.document if campaign.live_version else None)["delivery"]
        if section["kind"] not in schedules.STANDING:
            sentence = _("%(name)s is sent once, so it is confirmed and not started.") % {"name": campaign.name}
            raise DomainError(sentence, code="not_standing")
        second_person.check_start(campaign, by)
        plan = occurrences.calendar(section) if section["kind"] == "repeat" else None
        if plan is not None and not occurrences.after(plan, timezone.now(), limit=1):
            raise DomainError(_("No more sends are planned. Change the schedule first."), code="no_send_left")
        return activate(campaign_id, by=by, action="campaign.started")


def deactivate(campaign_id: int, *, by: User) -> Campaign:
    """Active → published: its last confirmed send was cancelled before anything went out; also by the owner."""
    with transaction.atomic():
        campaign = _locked(campaign_id)
        _check_start_or_owner(campaign, by)
        if _open_sends(campaign, {DeliveryState.CONFIRMED, DeliveryState.SENDING, DeliveryState.PAUSED}):
            raise DomainError(_("%(name)s has another send under way.") % {"name": campaign.name}, code="send_open")
        _move(campaign, _deactivate)
        campaign.save(update_fields=["state"])
        _record("campaign.deactivated", campaign, by)
    return campaign


def stop(campaign_id: int, *, by: User) -> Campaign:
    """Send nothing any more: cancels what is scheduled, stops what runs, in this transaction. The draft stays."""
    with transaction.atomic():
        campaign = _locked(campaign_id)
        access.check(access.fresh(by), roles.START)
        _move(campaign, _stop)
        for delivery in _locked_sends(campaign):
            if would_send(delivery):
                _end(delivery, by)
        campaign.stop_cause = "person"
        campaign.save(update_fields=["state", "stop_cause"])
        settling.close(campaign, why="stopped", by=by)
        _record("campaign.stopped", campaign, by)
    return campaign


def resume(campaign_id: int, *, by: User) -> Campaign:
    """Stopped → active. Nothing missed or stopped is caught up; a one-off send is prepared and confirmed anew."""
    with transaction.atomic():
        campaign = _locked(campaign_id)
        access.check(access.fresh(by), roles.START)
        if _kind(campaign) in schedules.STANDING:
            second_person.check_start(campaign, by)
        _move(campaign, _resume)
        campaign.stop_cause = ""
        _activated(campaign, by)
        campaign.save(update_fields=["state", "stop_cause", *_ACTIVATED])
        openings.follow(campaign, by=by)
        _record("campaign.resumed", campaign, by)
    return campaign


def archive(campaign_id: int, *, by: User) -> Campaign:
    """Hide it and refuse changes; its owner or an operator. Refused while a send is open or it sends on its own."""
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        _check_editor_of(campaign, by)
        if campaign.archived_at:
            return campaign
        if any(would_send(delivery) for delivery in _locked_sends(campaign)) or is_standing(campaign):
            badge = _("live") if is_standing(campaign) else _("sending or scheduled")
            sentence = _("%(name)s is %(state)s. Stop it first.") % {"name": campaign.name, "state": badge}
            raise DomainError(sentence, code="send_open")
        campaign.archived_at = timezone.now()
        campaign.save(update_fields=["archived_at"])
        settling.close(campaign, why="archived", by=by)
        _record("campaign.archived", campaign, by)
    return campaign


def unarchive(campaign_id: int, *, by: User) -> Campaign:
    """Show it again, in the state it had."""
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        _check_editor_of(campaign, by)
        if campaign.archived_at:
            campaign.archived_at = None
            campaign.save(update_fields=["archived_at"])
            _record("campaign.unarchived", campaign, by)
    return campaign


def delete(campaign_id: int, *, by: User) -> None:
    """Delete a campaign that was never published, with its draft and history. Others are archived instead."""
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        _check_editor_of(campaign, by)
        if campaign.state != CampaignState.DRAFT:
            sentence = _("%(name)s was published. Archive it instead.") % {"name": campaign.name}
            raise DomainError(sentence, code="was_published")
        _record("campaign.deleted", campaign, by, name=campaign.name)
        campaign.delete()


def is_standing(campaign: Campaign) -> bool:
    """Whether an active campaign sends on its own, without another confirmation."""
    return campaign.state == CampaignState.ACTIVE and _kind(campaign) in schedules.STANDING


def _kind(campaign: Campaign) -> str:
    """How the live version is sent; "" without one."""
    version = campaign.live_version
    return str(version.document["delivery"]["kind"]) if version else ""


def _activated(campaign: Campaign, by: User) -> None:
    """Remember who let it send, and that what was planned before this moment is not caught up."""
    now = timezone.now()
    campaign.activated_by, campaign.activated_at, campaign.opened_until = by, now, now


def would_send(delivery: Delivery) -> bool:
    """Whether something may still go out of it, by itself or after a tick: also of one that was confirmed and is
    prepared again at its start."""
    return delivery.state in OPEN or delivery.refreshing_from is not None


def _end(delivery: Delivery, by: User) -> None:
    if delivery.state == DeliveryState.CONFIRMED:
        delivery_lifecycle.cancel(delivery.pk, by=by)
    if delivery.state in {DeliveryState.CONFIRMED, DeliveryState.PREPARED}:
        delivery_lifecycle.discard(delivery.pk, by=by)
    elif delivery.state == DeliveryState.PREPARING:
        delivery_lifecycle.abort(delivery.pk, by=by)
    else:
        if delivery.is_standing:
            delivery_lifecycle.close(delivery.pk, by=by)
        delivery_lifecycle.stop(delivery.pk, by=by)


def _locked(campaign_id: int) -> Campaign:
    campaign = drafts.lock_campaign(campaign_id)
    if campaign.archived_at:
        raise DomainError(_("%(name)s is archived. Unarchive it first.") % {"name": campaign.name}, code="archived")
    return campaign


def _move(campaign: Campaign, step: Callable[[Campaign], Any]) -> None:
    before = CampaignState(campaign.state).label
    try:
        step(campaign)
    except TransitionNotAllowed as error:
        sentence = _("%(name)s is %(state)s, so this can't be done.") % {"name": campaign.name, "state": before.lower()}
        raise DomainError(sentence, code="wrong_state") from error


def _open_sends(campaign: Campaign, states: frozenset[DeliveryState] | set[DeliveryState]) -> list[Delivery]:
    sends = CampaignSend.objects.filter(campaign=campaign, delivery__state__in=states).select_related("delivery")
    return [send.delivery for send in sends.order_by("delivery_id")]


def _locked_sends(campaign: Campaign) -> list[Delivery]:
    """Every send that is not over, locked: none starts, ends or is prepared while it is judged."""
    found = Delivery.objects.filter(pk__in=CampaignSend.objects.filter(campaign=campaign).values("delivery_id"))
    found = found.filter(state__in=[*OPEN, DeliveryState.PREPARED])
    doors.close(found.filter(is_standing=True).values_list("pk", flat=True))
    return list(found.select_for_update(no_key=True).order_by("pk"))


def _check_editor_of(campaign: Campaign, by: User) -> None:
    """Marketers act on their own campaigns, people who may start sends on everybody's."""
    user = access.fresh(by)
    access.check(user, roles.EDIT)
    if campaign.owner_id != user.pk and not user.has_perm(roles.START):
        raise NotAllowed(
            _("This is a campaign of %(name)s. Its owner or an operator can do this.") % {"name": campaign.owner}
        )


def _check_start_or_owner(campaign: Campaign, by: User) -> None:
    user = access.fresh(by)
    if campaign.owner_id == user.pk:
        access.check(user, roles.EDIT)
    else:
        access.check(user, roles.START)


def _record(action: str, campaign: Campaign, by: User, **detail: object) -> None:
    audit.record(action, subject=("campaign", str(campaign.public_id)), by=by, detail=detail)
