"""Requests for a whole audience: each gets a delivery of its own, prepared like any other and let go without asking.

Found in the database again and again, each under the lock of its campaign and in one transaction:

1. Accepted, without a delivery: one is opened out of the live version and prepared.
2. Prepared: it is let go, when the campaign is still active; else it is dropped, and the request says so.
3. Dropped, failed, or let go: the request has its counts and is done with.

Killed at any line, a request is as before that step, or as after it.
"""

import logging

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import contents, drafts, openings
from campaigns.models import Campaign, CampaignState
from delivery import callformat, claims
from delivery import lifecycle as delivery_lifecycle
from delivery.models import Delivery, DeliveryState, RequestState, TriggerRequest
from lib.errors import DomainError

logger = logging.getLogger(__name__)
_LOCK = 0x43680D02
# Requests looked at in one run.
_AT_ONCE = 200
_GOING = frozenset({DeliveryState.CONFIRMED, DeliveryState.SENDING, DeliveryState.PAUSED, DeliveryState.FINISHED})


def run() -> None:
    """Look after every request that waits; one that fails is logged and keeps no other waiting."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [_LOCK])
        if not cursor.fetchone()[0]:
            return
        try:
            waiting = TriggerRequest.objects.filter(state=RequestState.TAKEN).order_by("pk")
            for request_id, kind, origin_id in waiting.values_list("pk", "origin_kind", "origin_id")[:_AT_ONCE]:
                _try(request_id, origin_id if kind == "campaign" else "")
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [_LOCK])


def _try(request_id: int, campaign_id: str) -> None:
    try:
        advance(request_id, campaign_id)
    except DomainError as problem:
        _end(request_id, RequestState.FAILED, problem.message)
    except (OperationalError, InterfaceError):
        # The database is away: nothing else will work either.
        raise
    except Exception:
        logger.exception("request %s failed", request_id)


@transaction.atomic
def advance(request_id: int, campaign_id: str) -> None:
    """The next step of one request; nothing when it waits for its preparation. Safe to repeat.

    `campaign_id` is "" for a request that brought its own message.
    """
    campaign = None
    if campaign_id:
        campaign = drafts.lock_campaign(Campaign.objects.values_list("pk", flat=True).get(public_id=campaign_id))
    request = TriggerRequest.objects.select_for_update(no_key=True, of=("self",)).select_related("delivery")
    found = request.filter(pk=request_id, state=RequestState.TAKEN).first()
    if found is None:
        return
    if found.delivery is None:
        _open(campaign, found)
    elif found.delivery.state == DeliveryState.PREPARED:
        _let_go(campaign, found, found.delivery)
    elif found.delivery.state != DeliveryState.PREPARING:
        _look(campaign, found, found.delivery)


def _open(campaign: Campaign | None, request: TriggerRequest) -> None:
    if not _is_active(campaign):
        _end(request.pk, RequestState.IGNORED, _("The campaign was stopped before the message could be sent."))
        return
    call = callformat.restore(request)
    if campaign is None:
        delivery = contents.open_audience(request)
    else:
        assert campaign.live_version is not None, "an active campaign has a live version"
        own = None
        if request.part:
            own = openings.Own(openings.message_of(request.part), request.part, call.audience or {})
        occasion = openings.Occasion(request_no=request.pk, own=own, local_time=call.local_time)
        delivery = openings.open_one(campaign, campaign.live_version, occasion=occasion).delivery
        if call.audience is not None and own is None:
            delivery.audience = delivery.audience | {"narrowed_by": call.audience}
    delivery.ignores_cap = delivery.ignores_cap or call.ignores_cap
    delivery.save(update_fields=["audience", "ignores_cap"])
    TriggerRequest.objects.filter(pk=request.pk).update(delivery=delivery)
    delivery_lifecycle.prepare(delivery.pk, by=None)


def _let_go(campaign: Campaign | None, request: TriggerRequest, delivery: Delivery) -> None:
    if not _is_active(campaign):
        _drop(delivery)
        _end(request.pk, RequestState.IGNORED, _("The campaign was stopped before the message could be sent."))
        return
    if delivery.n_to_send:
        delivery_lifecycle.release(delivery.pk)
    else:
        _drop(delivery)
    _done(request, delivery)


def _look(campaign: Campaign | None, request: TriggerRequest, delivery: Delivery) -> None:
    """What came of a delivery that is neither prepared nor being prepared."""
    if delivery.state in _GOING:
        _done(request, delivery)
        return
    if delivery.state == DeliveryState.NEW and _is_active(campaign):
        # Its preparation was ended by hand, or by a stop and a new start.
        delivery_lifecycle.prepare(delivery.pk, by=None)
        return
    note = delivery.failure or _("The send was dropped before anything went out.")
    is_failed = delivery.state == DeliveryState.FAILED
    if is_failed:
        claims.free(delivery)
    else:
        _drop(delivery)
    _end(request.pk, RequestState.FAILED if is_failed else RequestState.CANCELLED, note)


def _drop(delivery: Delivery) -> None:
    """Nothing goes out of it, and what it promised is taken back."""
    if delivery.state in {DeliveryState.NEW, DeliveryState.PREPARED, DeliveryState.MISSED}:
        delivery_lifecycle.discard(delivery.pk, by=None)


def _done(request: TriggerRequest, delivery: Delivery) -> None:
    TriggerRequest.objects.filter(pk=request.pk).update(
        state=RequestState.QUEUED,
        handled_at=timezone.now(),
        n_named=delivery.n_targeted or 0,
        n_queued=delivery.n_to_send or 0,
        n_refused=delivery.n_excluded or 0,
    )


def _end(request_id: int, state: RequestState, note: str) -> None:
    TriggerRequest.objects.filter(pk=request_id, state=RequestState.TAKEN).update(
        state=state, note=note, handled_at=timezone.now()
    )


def _is_active(campaign: Campaign | None) -> bool:
    if campaign is None:
        return True
    return campaign.state == CampaignState.ACTIVE and campaign.archived_at is None
