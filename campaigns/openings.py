"""Deliveries out of versions: one for each occasion, and the standing ones of a campaign that requests trigger.

A campaign that is active and triggered by the API has exactly one open standing delivery, of its live version, for its
own message, and at most one for each message of calls that is counted under it (its parts): one at least while a
request with that message waits for its time. `follow` sees to that in the transaction that changes either. One of an
older version takes no more requests, and sends what it took with the message it has. Locks: the campaign first, then
deliveries; the caller holds the campaign's.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from campaigns import document as documents
from campaigns import schedules, spreads
from campaigns.models import Campaign, CampaignSend, CampaignState, CampaignVersion
from delivery import lifecycle as delivery_lifecycle
from delivery import opening
from delivery.models import RequestState, TriggerRequest
from messaging.models import Message

# Whoever is named.
EVERYBODY: dict[str, object] = {
    "conditions": {
        "match": "any",
        "rules": [{"field": "profile.email", "op": "is_set"}, {"field": "profile.email", "op": "is_not_set"}],
    }
}
# As part of a delivery and in its audience: it reaches people who unsubscribed, see audiences.mailable.
_TO_ALL = ":all"
# Of a campaign's audience, what holds for messages of calls that are counted under it.
_KEPT = ("subscription_group", "control_percent")


@dataclass(frozen=True)
class Own:
    """A message of a call, counted under the campaign as a `part` of it, for the people of `audience`."""

    message: Message
    part: str
    audience: Mapping[str, object] = field(default_factory=lambda: EVERYBODY)


@dataclass(frozen=True)
class Occasion:
    """What a delivery is opened for: a planned time of a repeating campaign, a whole audience of a request, or
    (`is_standing`) whatever is asked for from now on. Nothing of it for a send that people confirm. `own`: another
    message than the version's. `local_time`: the wall time at which each person gets it."""

    at: dt.datetime | None = None
    asks_because: str = ""
    is_standing: bool = False
    request_no: int = 0
    own: Own | None = None
    local_time: str = ""


ONCE = Occasion()


def open_one(
    campaign: Campaign,
    version: CampaignVersion,
    *,
    occasion: Occasion = ONCE,
    by: User | None = None,
    estimated: int | None = None,
) -> CampaignSend:
    """A new delivery of `version`, in state `new`."""
    document = documents.normalise(version.document)
    section = document["delivery"]
    chosen = schedules.moment(section) if section["kind"] == "at" else None
    rate = section["rate_per_minute"]
    own = occasion.own
    delivery = opening.open_delivery(
        message=own.message if own else version.message,
        audience=_own_audience(own, document["audience"]) if own else document["audience"],
        label=f"{campaign.name}: {own.message.subject}"
        if own
        else _("%(name)s, version %(n)d") % {"name": campaign.name, "n": version.number},
        origin=("campaign", str(campaign.public_id)),
        validity_s=int(section["validity_hours"]) * 3600,
        re_eligible_after_s=documents.re_eligible_after_s(section),
        rate_per_minute=int(rate) if rate else None,
        scheduled_at=occasion.at or (chosen.at if chosen else None),
        scheduled_zone=section["zone"] if occasion.at else chosen.zone if chosen else "",
        spread=at_local_time(spreads.of(section), occasion.local_time),
        owner=campaign.owner,
        author=version.published_by,
        by=by,
        n_estimated=estimated,
        ignores_cap=section["ignores_cap"],
        is_standing=occasion.is_standing,
        request_no=occasion.request_no,
        part=own.part if own else "",
    )
    return CampaignSend.objects.create(
        campaign=campaign,
        version=version,
        delivery=delivery,
        occurrence_at=occasion.at or timezone.now(),
        asks_because=occasion.asks_because,
    )


def follow(campaign: Campaign, *, by: User) -> None:
    """Open and close standing deliveries so that they fit the campaign's state and live version. Safe to repeat.

    Waits for requests that are being taken: none of them is lost, and none is taken afterwards by what was closed.
    """
    version = campaign.live_version if takes_requests(campaign) else None
    parts = set[str]()
    standing = {"campaign": campaign, "delivery__is_standing": True, "delivery__closed_at": None}
    for send in CampaignSend.objects.filter(**standing).select_related("delivery").order_by("pk"):
        if version is not None and send.version_id == version.pk:
            parts.add(send.delivery.part)
        else:
            delivery_lifecycle.close(send.delivery_id, by=by)
    if version is None:
        return
    # Asked after the closing: what was being planned meanwhile is seen.
    for wanted in sorted({"", *_waiting_parts(campaign)} - parts):
        own = Own(message_of(wanted), wanted) if wanted else None
        send = open_one(campaign, version, occasion=Occasion(is_standing=True, own=own), by=by)
        delivery_lifecycle.stand(send.delivery_id, by=by)


def part(message: Message | None, *, to_all: bool) -> str:
    """The part of its origin that a message of a call is; None where the message is the origin."""
    return f"{message.public_id if message else ''}{_TO_ALL if to_all else ''}"


def message_of(part: str) -> Message:
    """The message of a campaign's part."""
    return Message.objects.get(public_id=part.partition(":")[0])


def at_local_time(spread: opening.Spread, local_time: str) -> opening.Spread:
    """`spread`, or each person at a time of their own."""
    return replace(spread, local_time=local_time, waves=None) if local_time else spread


def is_to_all(part: str) -> bool:
    return part.endswith(_TO_ALL)


def for_part(part: str, audience: Mapping[str, object]) -> dict[str, object]:
    """`audience` with what the part says about consent."""
    return {**audience, **({"reaches_unsubscribed": True} if is_to_all(part) else {})}


def takes_requests(campaign: Campaign) -> bool:
    """Whether what asks for `campaign` is sent: it is active and triggered by the API."""
    version = campaign.live_version
    is_active = campaign.state == CampaignState.ACTIVE and campaign.archived_at is None
    return (
        is_active and version is not None and schedules.is_triggered(documents.normalise(version.document)["delivery"])
    )


def _waiting_parts(campaign: Campaign) -> Iterable[str]:
    mine = TriggerRequest.objects.filter(origin_kind="campaign", origin_id=str(campaign.public_id))
    waiting = mine.filter(state=RequestState.SCHEDULED).exclude(part="")
    return waiting.order_by().values_list("part", flat=True).distinct()


def _own_audience(own: Own, audience: Mapping[str, Any]) -> dict[str, object]:
    kept = {name: audience[name] for name in _KEPT if audience.get(name)}
    return for_part(own.part, {**own.audience, **kept})
