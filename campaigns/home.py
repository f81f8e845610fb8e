"""What Home shows one person: what needs them, what is sending, what comes, what went, and their drafts.

Reads only, a fixed number of queries. Until the first send it is a checklist that ticks itself.
"""

import datetime as dt
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet
from django.db.models.fields.json import KeyTransform
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import roles
from accounts.models import AuditEntry, User
from audiences.models import Profile
from campaigns import document as documents
from campaigns import occurrences
from campaigns.models import Campaign, CampaignSend, CampaignState, Draft
from delivery import kpi
from delivery.models import Delivery, DeliveryState
from messaging import transports
from messaging.models import Sender

_AHEAD = dt.timedelta(days=7)
_SHOWN = 5


@dataclass(frozen=True)
class Item:
    """One send of one campaign, with its figures where it has some."""

    campaign_id: str
    name: str
    delivery_id: str
    # Of Needs you: "confirm", "paused", "failed", "missed"; "" elsewhere.
    need: str
    state: str
    n_to_send: int | None
    at: dt.datetime | None
    zone: str
    detail: str
    summary: kpi.Summary | None
    may_pause: bool


@dataclass(frozen=True)
class Planned:
    """The next send of a repeating campaign that is not opened yet; `n_more` follow it in the days shown."""

    campaign_id: str
    name: str
    at: dt.datetime
    zone: str
    n_more: int


@dataclass(frozen=True)
class DraftItem:
    """One draft this person began or saved last."""

    campaign_id: str
    name: str
    saved_at: dt.datetime
    is_new: bool


@dataclass(frozen=True)
class Step:
    """One line of the first-run checklist."""

    code: str
    label: str | Promise
    is_done: bool


@dataclass(frozen=True)
class Home:
    """Everything the page shows. `checklist` is empty once something was sent."""

    needs_you: tuple[Item, ...]
    sending: tuple[Item, ...]
    upcoming: tuple[Item, ...]
    planned: tuple[Planned, ...]
    last: tuple[Item, ...]
    drafts: tuple[DraftItem, ...]
    checklist: tuple[Step, ...]
    has_profiles: bool


def build(user: User) -> Home:
    """Home for `user`, at this moment."""
    now = timezone.now()
    sends = CampaignSend.objects.filter(campaign__archived_at__isnull=True).select_related("campaign", "delivery")
    # What requests asked for is sent all the time; only a pause is news.
    moving = Q(delivery__state=DeliveryState.SENDING, delivery__is_standing=False)
    sending = list(sends.filter(moving | Q(delivery__state=DeliveryState.PAUSED)).order_by("delivery__part", "pk")[:20])
    upcoming = list(
        sends.filter(delivery__state=DeliveryState.CONFIRMED, delivery__start_at__lt=now + _AHEAD).order_by(
            "delivery__start_at"
        )[:20]
    )
    last = list(
        sends.filter(delivery__state=DeliveryState.FINISHED, delivery__part="").order_by("-delivery__ended_at")[:_SHOWN]
    )
    summaries = kpi.summaries([send.delivery_id for send in [*sending, *last]]) if sending or last else {}
    has_profiles = Profile.objects.exists()
    return Home(
        needs_you=tuple(_item(send, summaries, user, need=_need(send)) for send in _waiting(sends, user, now)),
        sending=tuple(_item(send, summaries, user) for send in sending),
        upcoming=tuple(_item(send, summaries, user) for send in upcoming),
        planned=_planned(now),
        last=tuple(_item(send, summaries, user) for send in last),
        drafts=_drafts(user),
        checklist=() if last or sending else _checklist(user, has_profiles),
        has_profiles=has_profiles,
    )


def _planned(now: dt.datetime) -> tuple[Planned, ...]:
    """What repeating campaigns send next in these days, as far as it is not opened yet; twenty at most. Two queries."""
    repeating = (
        Campaign.objects.filter(
            state=CampaignState.ACTIVE, archived_at__isnull=True, live_version__document__delivery__kind="repeat"
        )
        .annotate(section=KeyTransform("delivery", "live_version__document"))
        .values_list("pk", "public_id", "name", "section")
    )
    sends = CampaignSend.objects.filter(occurrence_at__gt=now, is_replaced=False)
    opened = set(sends.values_list("campaign_id", "occurrence_at"))
    found = []
    for pk, public_id, name, section in repeating:
        plan = occurrences.calendar(documents.normalise({"delivery": section})["delivery"])
        coming = occurrences.between(plan, now, now + _AHEAD) if plan else []
        times = [one.at for one in coming if (pk, one.at) not in opened]
        if plan and times:
            found.append(Planned(str(public_id), name, times[0], plan.zone, len(times) - 1))
    return tuple(sorted(found, key=lambda one: one.at)[:20])


def _waiting(sends: QuerySet[CampaignSend], user: User, now: dt.datetime) -> list[CampaignSend]:
    """Sends that only a person can move on: to confirm, paused by trouble, failed or missed lately. Operators see
    everybody's, marketers what is theirs and theirs to mend, viewers nothing."""
    if not user.has_perm(roles.EDIT):
        return []
    is_live = Q(version_id=F("campaign__live_version_id")) & ~Q(campaign__state=CampaignState.STOPPED)
    recent = Q(delivery__opened_at__gt=now - _AHEAD)
    mend = Q(delivery__state__in=[DeliveryState.FAILED, DeliveryState.MISSED]) & recent & is_live
    paused = Q(delivery__state=DeliveryState.PAUSED)
    if user.has_perm(roles.START):
        wanted = mend | paused | (Q(delivery__state=DeliveryState.PREPARED) & is_live)
    else:
        wanted = (mend | paused) & Q(campaign__owner=user)
    # Messages of calls last: a mail server that is away pauses all of them.
    return list(sends.filter(wanted).order_by("delivery__part", "-pk")[:20])


def _need(send: CampaignSend) -> str:
    return {
        DeliveryState.PREPARED: "confirm",
        DeliveryState.PAUSED: "paused",
        DeliveryState.FAILED: "failed",
        DeliveryState.MISSED: "missed",
    }[DeliveryState(send.delivery.state)]


def _item(send: CampaignSend, summaries: dict[int, kpi.Summary], user: User, *, need: str = "") -> Item:
    delivery = send.delivery
    is_owner = send.campaign.owner_id == user.pk and user.has_perm(roles.EDIT)
    return Item(
        campaign_id=str(send.campaign.public_id),
        name=send.campaign.name,
        delivery_id=str(delivery.public_id),
        need=need,
        state=delivery.state,
        n_to_send=delivery.n_to_send,
        at=_time(delivery),
        zone=delivery.scheduled_zone,
        detail=delivery.failure or delivery.trouble,
        summary=summaries.get(delivery.pk),
        may_pause=delivery.state == DeliveryState.SENDING and (is_owner or user.has_perm(roles.START)),
    )


def _time(delivery: Delivery) -> dt.datetime | None:
    """The time that matters for its state: when it ended, was paused, or will start."""
    return delivery.ended_at or delivery.paused_at or delivery.start_at or delivery.scheduled_at


def _drafts(user: User) -> tuple[DraftItem, ...]:
    mine = Draft.objects.filter(Q(campaign__owner=user) | Q(saved_by=user), campaign__archived_at__isnull=True)
    found = mine.select_related("campaign").defer("document").order_by("-saved_at")[:_SHOWN]
    return tuple(
        DraftItem(
            str(draft.campaign.public_id),
            draft.campaign.name,
            draft.saved_at,
            draft.campaign.state == CampaignState.DRAFT,
        )
        for draft in found
    )


def _checklist(user: User, has_profiles: bool) -> tuple[Step, ...]:
    is_connected = not transports.is_catcher(transports.default())
    has_tested = AuditEntry.objects.filter(action="campaign.tested").exists()
    return (
        Step("transport", _("Connect a mail server"), is_connected),
        Step("sender", _("Add a sender"), Sender.objects.filter(archived_at__isnull=True).exists()),
        Step("test", _("Send yourself a test"), has_tested),
        Step("people", _("Import people"), has_profiles),
        Step(
            "send",
            _("Send your first campaign"),
            Campaign.objects.filter(sends__delivery__started_at__isnull=False).exists(),
        ),
    )
