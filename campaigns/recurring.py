"""Repeating campaigns: opens, confirms and closes the sends that are planned. Found in the database again and again.

For each active repeating campaign, under its lock and in one transaction:

1. Look after the sends that wait. One of an older version is prepared anew out of the live one, or dropped when its
   time is no longer planned. One that asks nobody is confirmed in the name of who started the campaign. One that
   nobody confirmed in time is dropped, or sent anyway.
2. Open the send whose time has come, 4 hours ahead if somebody must confirm it. A time that passed an hour or longer
   ago while nothing ran is missed for good.

Killed at any line, a campaign is as it was before its transaction, or as after it. Any number of schedulers may run
this: one works at a time, the campaign's lock holds if not, and the database has one send for one planned time.
"""

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from accounts import audit
from campaigns import document as documents
from campaigns import drafts, lifecycle, occurrences, schedules, second_person, sends, staleness
from campaigns.models import Campaign, CampaignSend, CampaignState, CampaignVersion
from delivery import lifecycle as delivery_lifecycle
from delivery import options, refusals
from delivery.models import DeliveryState
from lib.errors import DomainError, NotAllowed

logger = logging.getLogger(__name__)
_LOCK = 0x43680500
_REOPENABLE = frozenset({DeliveryState.NEW, DeliveryState.PREPARING, DeliveryState.PREPARED})


@dataclass(frozen=True)
class _Turn:
    """One look at one locked campaign: its live version, that version's delivery section and calendar, and the time."""

    campaign: Campaign
    version: CampaignVersion
    section: dict[str, Any]
    plan: occurrences.Calendar
    now: dt.datetime

    def asks(self, send: CampaignSend) -> bool:
        """Whether a person must confirm `send`."""
        return bool(schedules.asks(self.section) or _is_held(send))

    def limit(self, send: CampaignSend) -> dt.datetime:
        """From when on `send` is too late: its time to confirm is over, or one that asks nobody is an hour late."""
        if not self.asks(send):
            return send.occurrence_at + options.most_lateness()
        return send.occurrence_at + schedules.confirm_within(self.section)


def run() -> None:
    """Look after every active repeating campaign; one that fails is logged and does not keep the others waiting."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [_LOCK])
        if not cursor.fetchone()[0]:
            return
        try:
            for campaign_id in _active():
                _try(campaign_id)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [_LOCK])


def _active() -> list[int]:
    found = Campaign.objects.filter(
        state=CampaignState.ACTIVE, archived_at__isnull=True, live_version__document__delivery__kind="repeat"
    )
    return list(found.order_by("pk").values_list("pk", flat=True))


def _try(campaign_id: int) -> None:
    try:
        advance(campaign_id)
    except DomainError as refusal:
        logger.warning("repeating campaign %s: %s", campaign_id, refusal.message)
    except (OperationalError, InterfaceError):
        # The database is away: nothing else will work either.
        raise
    except Exception:
        logger.exception("repeating campaign %s failed", campaign_id)


@transaction.atomic
def advance(campaign_id: int) -> None:
    """Do what one campaign has due; nothing when it is not active or does not repeat. Safe to repeat at any time."""
    campaign = drafts.lock_campaign(campaign_id)
    version = campaign.live_version
    if version is None or campaign.archived_at or not lifecycle.is_standing(campaign):
        return
    section = documents.normalise(version.document)["delivery"]
    plan = occurrences.calendar(section) if section["kind"] == "repeat" else None
    if plan is None:
        return
    turn = _Turn(campaign, version, section, plan, timezone.now())
    for send in sends.waiting(campaign):
        _look_after(turn, send)
    _open_due(turn)


def _look_after(turn: _Turn, send: CampaignSend) -> None:
    if send.delivery.refreshing_from is not None:
        # Confirmed, and prepared again at its start.
        return
    since = turn.campaign.activated_at or turn.campaign.created_at
    state = send.delivery.state
    if send.version_id != turn.version.pk:
        _follow(turn, send)
    elif send.occurrence_at <= since:
        _drop(turn, send, "stopped")
    elif state == DeliveryState.PREPARED:
        _decide(turn, send)
    elif state != DeliveryState.PREPARING and turn.now >= turn.limit(send):
        _drop(turn, send, "missed" if state == DeliveryState.MISSED else "unconfirmed")
    elif state == DeliveryState.NEW and (send.delivery.opened_at < since or not turn.asks(send)):
        # Its preparation ended when the campaign was stopped, or somebody stopped it: one that asks nobody is skipped
        # by those who may skip it, not by taking its list away.
        delivery_lifecycle.prepare(send.delivery_id, by=None)


def _follow(turn: _Turn, send: CampaignSend) -> None:
    """Another version is live: its send takes the occurrence if that is still planned and in time."""
    is_planned = occurrences.has(turn.plan, send.occurrence_at) and turn.now < turn.limit(send)
    if not is_planned or send.delivery.state not in _REOPENABLE:
        _drop(turn, send, "calendar")
        return
    send.is_replaced = True
    send.save(update_fields=["is_replaced"])
    _discard(send)
    sends.open_occurrence(turn.campaign, send.occurrence_at, asks_because=send.asks_because)


def _is_held(send: CampaignSend) -> bool:
    """Whether something came up that a person must look at: here, or when it was prepared again at its start."""
    return bool(send.asks_because or send.delivery.failure)


def _decide(turn: _Turn, send: CampaignSend) -> None:
    """What to do with a prepared send of the live version now."""
    if not send.delivery.n_to_send:
        if turn.now >= send.occurrence_at:
            _drop(turn, send, "empty")
        return
    is_late = turn.now >= turn.limit(send)
    if not turn.asks(send):
        if is_late:
            _drop(turn, send, "missed")
        elif turn.now >= send.occurrence_at:
            _confirm(turn, send)
        return
    if not is_late:
        return
    is_sent_anyway = turn.section["if_unconfirmed"] == "send" and not _is_held(send)
    if is_sent_anyway and turn.now <= turn.limit(send) + options.most_lateness() and _confirm(turn, send):
        return
    _drop(turn, send, "unconfirmed")


def _confirm(turn: _Turn, send: CampaignSend) -> bool:
    """Confirm in the name of who started the campaign, or prepare a list anew that rests on what changed since; False
    when somebody must be asked instead: that person may not any more, or it takes more than a new list."""
    person = turn.campaign.activated_by
    try:
        if person is None:
            raise NotAllowed("")
        if not second_person.is_released(turn.campaign, turn.version):
            raise refusals.SecondPerson("")
        if stale := staleness.of_sender(send).message:
            raise refusals.Stale(stale, is_mended=False)
        delivery_lifecycle.confirm_for(send.delivery_id, on_behalf_of=person)
    except refusals.SecondPerson:
        return _ask(turn, send, "second")
    except NotAllowed:
        return _ask(turn, send, "right", name=str(person or ""))
    except refusals.Stale as stale:
        if not stale.is_mended:
            return _ask(turn, send, "stale", problem=stale.message)
        delivery_lifecycle.prepare(send.delivery_id, by=None)
    return True


def _ask(turn: _Turn, send: CampaignSend, because: str, **detail: object) -> bool:
    send.asks_because = because
    send.save(update_fields=["asks_because"])
    _record(turn, "campaign.occurrence_asks", at=send.occurrence_at.isoformat(), cause=because, **detail)
    return False


def _open_due(turn: _Turn) -> None:
    campaign = turn.campaign
    low = campaign.opened_until or campaign.activated_at or campaign.created_at
    lead = occurrences.LEAD if schedules.asks(turn.section) else dt.timedelta(0)
    due = occurrences.between(turn.plan, low, turn.now + lead)
    if not due:
        return
    missed = [one for one in due if turn.now - one.at > options.most_lateness()]
    if missed:
        _record(turn, "campaign.occurrences_missed", n=len(missed), at=missed[-1].at.isoformat())
    # Two planned times are a day apart or nearly so, the hours looked at here are fewer: there is one at the most.
    for one in due[len(missed) :]:
        _open(turn, one.at)
    campaign.opened_until = due[-1].at
    campaign.save(update_fields=["opened_until"])


def _open(turn: _Turn, at: dt.datetime) -> None:
    """Open the send for `at` unless there is one, or was one that somebody skipped. Older ones give way to it."""
    if CampaignSend.objects.filter(campaign=turn.campaign, occurrence_at=at, is_replaced=False).exists():
        return
    for older in sends.waiting(turn.campaign):
        if older.occurrence_at < at:
            _drop(turn, older, "superseded")
    sends.open_occurrence(turn.campaign, at)


def _drop(turn: _Turn, send: CampaignSend, cause: str) -> None:
    """`cause`: "unconfirmed", "missed", "empty", "stopped", "calendar" (no longer planned), "superseded"."""
    _discard(send)
    _record(turn, "campaign.occurrence_skipped", at=send.occurrence_at.isoformat(), cause=cause)


def _discard(send: CampaignSend) -> None:
    if send.delivery.state == DeliveryState.PREPARING:
        delivery_lifecycle.abort(send.delivery_id, by=None)
    delivery_lifecycle.discard(send.delivery_id, by=None)


def _record(turn: _Turn, action: str, **detail: object) -> None:
    subject = ("campaign", str(turn.campaign.public_id))
    audit.record(action, subject=subject, label="scheduler", detail=detail)
