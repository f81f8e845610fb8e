"""How requests to confirm a send end: by an answer, or by themselves when what they ask about is no more.

The only writer of an ended request. It is told of every move of a delivery (delivery.origins), under that delivery's
lock and in its transaction, and by campaigns.lifecycle of what happens to a campaign. Locks: campaign, delivery,
request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import User
from campaigns import asking
from campaigns.models import Campaign, ConfirmationRequest, RequestStatus
from delivery.models import Delivery

# What happened to a delivery → why its request closes.
_CLOSES = {"delivery.preparing": "prepared", "delivery.discarded": "discarded"}
_ACTIONS = {
    RequestStatus.CONFIRMED: "campaign.request_confirmed",
    RequestStatus.CHANGES: "campaign.request_changes",
    RequestStatus.DECLINED: "campaign.request_declined",
    RequestStatus.WITHDRAWN: "campaign.request_withdrawn",
    RequestStatus.CLOSED: "campaign.request_closed",
}


@dataclass(frozen=True)
class Ending:
    """How a request ends: `answer` of a person; `why` and `number` (of a version) when it closes by itself."""

    status: RequestStatus
    answer: str = ""
    why: str = ""
    number: int | None = None


def moved(delivery: Delivery, action: str, by: User | None) -> None:
    """A delivery was moved: confirmed by whatever way, prepared again, or discarded."""
    requests = _open().filter(send__delivery=delivery)
    if action == "delivery.confirmed":
        _each(requests, Ending(RequestStatus.CONFIRMED), by=delivery.confirmed_by)
    elif action in _CLOSES:
        _each(requests, Ending(RequestStatus.CLOSED, why=_CLOSES[action]), by=by)


def close(campaign: Campaign, *, why: str, by: User, number: int | None = None) -> None:
    """Close what is open for any send of `campaign`, whose lock the caller holds. `why` as in the model."""
    _each(_open().filter(send__campaign=campaign), Ending(RequestStatus.CLOSED, why=why, number=number), by=by)


def close_archived(campaigns: Sequence[Campaign], *, by: User) -> None:
    """Close what is open for any send of `campaigns`, whose locks the caller holds. One query, and some for each."""
    requests = _open().filter(send__campaign__in=campaigns).order_by("pk")
    _each(requests, Ending(RequestStatus.CLOSED, why="archived"), by=by)


def end(request: ConfirmationRequest, ending: Ending, *, by: User | None) -> bool:
    """End `request` if it still is open, tell who asked, leave an audit row. False when somebody else was first."""
    ended = {
        "status": ending.status,
        "answered_by": by,
        "answered_at": timezone.now(),
        "answer": ending.answer,
        "closed_why": ending.why,
        "closed_number": ending.number,
    }
    if not ConfirmationRequest.objects.filter(pk=request.pk, status=RequestStatus.OPEN).update(**ended):
        return False
    for name, value in ended.items():
        setattr(request, name, value)
    detail: dict[str, object] = {"request": str(request.public_id), "answer": ending.answer, "why": ending.why}
    subject = ("campaign", str(request.send.campaign.public_id))
    audit.record(_ACTIONS[ending.status], subject=subject, by=by, label="" if by else "scheduler", detail=detail)
    if by is None or by.pk != request.requested_by_id:
        asking.tell_ended(request)
    return True


def _each(requests: Iterable[ConfirmationRequest], ending: Ending, *, by: User | None) -> None:
    for request in requests:
        end(request, ending, by=by)


def _open() -> QuerySet[ConfirmationRequest]:
    related = ("send__campaign", "send__delivery", "requested_by", "to")
    return ConfirmationRequest.objects.filter(status=RequestStatus.OPEN).select_related(*related)
