"""Sends of a campaign: which delivery is a send of which version, and the moves that touch both.

A delivery knows nothing of campaigns. Here the live version is compared with the one that was prepared, and the
campaign's own state moves in the same transaction as the delivery's. Locks: campaign first, delivery second.
"""

import datetime as dt

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from audiences import estimates
from campaigns import document as documents
from campaigns import drafts, lifecycle, openings, schedules, staleness
from campaigns.models import Campaign, CampaignSend, CampaignState, CampaignVersion
from delivery import lifecycle as delivery_lifecycle
from delivery import rescheduling
from delivery.models import Delivery, DeliveryState
from lib import walltimes
from lib.errors import DomainError

# A send that was only prepared gives way to one of a newer version.
_YIELDING = frozenset({DeliveryState.NEW, DeliveryState.PREPARED, DeliveryState.MISSED})
_UNDER_WAY = frozenset({DeliveryState.CONFIRMED, DeliveryState.SENDING, DeliveryState.PAUSED})

# None of these becomes unconfirmed again without the campaign's lock.
_RELEASED = frozenset({*_UNDER_WAY, DeliveryState.FINISHED, DeliveryState.STOPPED})

# Both are judged in a room of their own, which approvals ask as well.
deadline = staleness.deadline
Staleness = staleness.Staleness


def open_send(campaign_id: int, *, by: User) -> Delivery:
    """Start preparing a send of the live version; return its delivery.

    A prepared send of the same version is prepared again, one of an older version is discarded. Safe to repeat while
    it prepares. Raises DomainError: never published, stopped, archived, sending on its own, or a confirmed send is
    under way.
    """
    access.check(by, roles.EDIT)
    estimated = _estimated(Campaign.objects.select_related("live_version").get(pk=campaign_id))
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        version = _sendable_version(campaign)
        if documents.normalise(version.document)["delivery"]["kind"] in schedules.STANDING:
            raise DomainError(_("%(name)s sends on its own.") % {"name": campaign.name}, code="standing")
        for send in _sends(campaign).filter(delivery__state__in=[*_YIELDING, *_UNDER_WAY, DeliveryState.PREPARING]):
            delivery = send.delivery
            if delivery.state in _UNDER_WAY or delivery.refreshing_from is not None:
                sentence = _("%(label)s is confirmed or sending. Wait for it, cancel or stop it first.")
                raise DomainError(sentence % {"label": delivery.label}, code="send_open")
            if send.version_id == version.pk and delivery.state == DeliveryState.PREPARING:
                return delivery
            if send.version_id == version.pk:
                return delivery_lifecycle.prepare(delivery.pk, by=by)
            if delivery.state == DeliveryState.PREPARING:
                delivery_lifecycle.abort(delivery.pk, by=by)
            delivery_lifecycle.discard(delivery.pk, by=by)
            send.is_replaced = True
            send.save(update_fields=["is_replaced"])
        delivery = openings.open_one(campaign, version, by=by, estimated=estimated).delivery
        return delivery_lifecycle.prepare(delivery.pk, by=by)


def open_occurrence(campaign: Campaign, at: dt.datetime, *, asks_because: str = "") -> CampaignSend:
    """Open the send planned for `at` out of the live version and start preparing it. By campaigns.recurring, in the
    transaction in which it locked `campaign`, so that a crash leaves nothing or a send that is being prepared."""
    occasion = openings.Occasion(at=at, asks_because=asks_because)
    send = openings.open_one(campaign, _sendable_version(campaign), occasion=occasion)
    delivery_lifecycle.prepare(send.delivery_id, by=None)
    return send


def confirm(campaign_id: int, delivery_id: int, *, by: User, seal: str, n_to_send: int, key: str = "") -> Delivery:
    """Release the send and make the campaign active, in one transaction; refused when another version is live by now.

    `seal` and `n_to_send` are what the page showed, `key` is the page's own. Raises what delivery.lifecycle.confirm
    raises, and "stale".
    """
    access.check(access.fresh(by), roles.START)
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        send = _send(campaign, delivery_id)
        if send.delivery.state not in _RELEASED:
            # For one that is confirmed already, who did it is the answer, not what changed since.
            stale = staleness.of(campaign, send)
            if stale.code:
                raise DomainError(stale.message, code="stale")
        delivery = delivery_lifecycle.confirm(delivery_id, by=by, seal=seal, n_to_send=n_to_send, key=key)
        if campaign.state == CampaignState.PUBLISHED:
            lifecycle.activate(campaign_id, by=by)
    return delivery


def cancel(campaign_id: int, delivery_id: int, *, by: User) -> Delivery:
    """Take a confirmation back before the first message; the campaign is published again, the list stays prepared.

    A repeating campaign stays active: this send waits for a person until its time to confirm is over.
    """
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        send = _send(campaign, delivery_id)
        if deadline(send) is not None:
            send.asks_because = "cancelled"
            send.save(update_fields=["asks_because"])
        delivery = delivery_lifecycle.cancel(delivery_id, by=by)
        others = _sends(campaign).filter(delivery__state__in=_UNDER_WAY).exists()
        if campaign.state == CampaignState.ACTIVE and not others and not lifecycle.is_standing(campaign):
            lifecycle.deactivate(campaign_id, by=by)
    return delivery


def reschedule(campaign_id: int, delivery_id: int, *, at: walltimes.Moment, by: User) -> Delivery:
    """Give one send another time; the campaign and its version keep theirs. Not for one of a repeating campaign, whose
    time names it. Raises what delivery.rescheduling raises."""
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        send = _send(campaign, delivery_id)
        if deadline(send) is not None:
            raise DomainError(_("A send of a repeating campaign has its time. Skip it instead."), code="standing")
        return rescheduling.reschedule(delivery_id, at=at, by=by)


def skip(campaign_id: int, delivery_id: int, *, by: User) -> Delivery:
    """Let one planned send of a repeating campaign pass; the campaign stays as it is. By an operator or the owner.

    Raises DomainError for a one-off send, and when it is confirmed: that is cancelled first.
    """
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        user = access.fresh(by)
        access.check(user, roles.EDIT if campaign.owner_id == user.pk else roles.START)
        send = _send(campaign, delivery_id)
        if deadline(send) is None:
            raise DomainError(_("Only a send of a repeating campaign can be skipped."), code="not_standing")
        if send.delivery.state == DeliveryState.PREPARING:
            delivery_lifecycle.abort(delivery_id, by=by)
        delivery = delivery_lifecycle.discard(delivery_id, by=by)
        detail: dict[str, object] = {"at": send.occurrence_at.isoformat(), "cause": "person"}
        subject = ("campaign", str(campaign.public_id))
        audit.record("campaign.occurrence_skipped", subject=subject, by=by, detail=detail)
    return delivery


def waiting(campaign: Campaign) -> list[CampaignSend]:
    """Sends that were opened, are not confirmed and were not dropped, oldest first."""
    states = [*_YIELDING, DeliveryState.PREPARING]
    return list(_sends(campaign).filter(delivery__state__in=states))


def current(campaign: Campaign) -> Delivery | None:
    """The send people mean: the newest that was not called off, is of no single request and sends the campaign's own
    message; None before the first."""
    found = (
        _sends(campaign)
        .filter(delivery__request_no=0, delivery__part="")
        .exclude(delivery__state=DeliveryState.CANCELLED)
    )
    send = found.order_by("-pk").first()
    return send.delivery if send else None


def under_way(campaign: Campaign) -> list[CampaignSend]:
    """Confirmed, sending and paused sends with their versions, which they keep whatever is published; oldest first."""
    return list(_sends(campaign).filter(delivery__state__in=_UNDER_WAY))


def history(campaign: Campaign) -> list[CampaignSend]:
    """All sends of its own message, newest first, with delivery, the `subject` of its message, who confirmed it, and
    version (without its document, but its delivery section as `section`)."""
    return list(_listed(campaign).filter(delivery__part=""))


def counted(campaign: Campaign, month: dt.date, limit: int) -> list[CampaignSend]:
    """The same of messages of calls: the newest `limit` of the month that begins on that day, where the reader is."""
    begin = timezone.make_aware(dt.datetime.combine(month, dt.time.min))
    end = timezone.make_aware(dt.datetime.combine((month + dt.timedelta(days=31)).replace(day=1), dt.time.min))
    opened = _listed(campaign).filter(delivery__opened_at__gte=begin, delivery__opened_at__lt=end)
    return list(opened.exclude(delivery__part="")[:limit])


def _listed(campaign: Campaign) -> QuerySet[CampaignSend]:
    sends = _sends(campaign).select_related("delivery__confirmed_by", "version").defer("version__document")
    more = {"section": F("version__document__delivery"), "subject": F("delivery__message__subject")}
    return sends.annotate(**more).order_by("-pk")


def of_delivery(delivery: Delivery) -> CampaignSend | None:
    """Which campaign and version a delivery belongs to; None when it was not opened by a campaign."""
    return CampaignSend.objects.select_related("campaign", "version", "delivery").filter(delivery=delivery).first()


def _sends(campaign: Campaign) -> QuerySet[CampaignSend]:
    return CampaignSend.objects.filter(campaign=campaign).select_related("delivery", "version").order_by("pk")


def _send(campaign: Campaign, delivery_id: int) -> CampaignSend:
    return CampaignSend.objects.get(campaign=campaign, delivery_id=delivery_id)


def _sendable_version(campaign: Campaign) -> CampaignVersion:
    name = {"name": campaign.name}
    if campaign.archived_at:
        raise DomainError(_("%(name)s is archived. Unarchive it first.") % name, code="archived")
    if campaign.state == CampaignState.STOPPED:
        raise DomainError(_("%(name)s is stopped. Resume it first.") % name, code="stopped")
    if campaign.live_version is None:
        raise DomainError(_("%(name)s isn't published. Publish it first.") % name, code="not_published")
    return campaign.live_version


def _estimated(campaign: Campaign) -> int | None:
    """How many people the estimate says now, to be shown beside those prepared; None when it can't be counted."""
    if campaign.live_version is None:
        return None
    try:
        return estimates.estimate(documents.normalise(campaign.live_version.document)["audience"]).n_people
    except DomainError:
        return None
