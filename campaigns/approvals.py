"""Asking somebody to confirm a send, and their answers. People who edit ask, people who may start sends answer.

A request is about one frozen list: the seal and the count that who asked has seen. It ends by itself when that list is
no more (campaigns.settling). Locks: campaign, delivery, request, each only where it is needed.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from campaigns import asking, drafts, sends, settling, staleness
from campaigns.models import CampaignSend, ConfirmationRequest, RequestStatus
from campaigns.settling import Ending
from delivery import gate
from delivery import staleness as list_staleness
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError, NotAllowed

REMIND_EVERY = dt.timedelta(hours=1)
_RELATED = (
    "send__campaign__live_version",
    "send__version__published_by",
    "send__delivery__message",
    "send__delivery__prepared_by",
    "requested_by",
    "to",
    "answered_by",
)


@dataclass(frozen=True)
class Asked:
    """What somebody fills in: for whom (None: anyone who may), why, and until when."""

    to: User | None = None
    note: str = ""
    needed_by: dt.datetime | None = None


def ask(campaign_id: int, delivery_id: int, *, seal: str, asked: Asked, by: User) -> ConfirmationRequest:
    """Ask for the confirmation of the prepared list with this seal, and mail who can give it.

    Raises NotAllowed, DomainError: another list or an outdated one, nobody to send to, a request is open already, or
    the person may not confirm it.
    """
    with transaction.atomic():
        campaign = drafts.lock_campaign(campaign_id)
        access.check(access.fresh(by), roles.EDIT)
        send = CampaignSend.objects.select_related("version", "delivery__message").get(
            campaign=campaign, delivery_id=delivery_id
        )
        send.campaign = campaign
        n_to_send = _check_list(send, seal)
        _check_asked(send, asked, by)
        if found := open_for(send.delivery):
            sentence = _("%(name)s asked already. Wait for the answer, or have it withdrawn.")
            raise DomainError(sentence % {"name": found.requested_by}, code="request_open")
        request = ConfirmationRequest.objects.create(
            send=send,
            seal=seal,
            n_to_send=n_to_send,
            requested_by=by,
            to=asked.to,
            note=" ".join(asked.note.replace("\0", "").split())[:500],
            needed_by=asked.needed_by,
        )
        _record("campaign.request_opened", request, by)
        asking.tell_asked(request)
    return request


def withdraw(request_id: int, *, by: User) -> ConfirmationRequest:
    """Take an open request back; by who asked, or somebody who may start sends."""
    with transaction.atomic():
        request = _locked(request_id)
        _check_own(request, by)
        settling.end(request, Ending(RequestStatus.WITHDRAWN), by=by)
    return request


def remind(request_id: int, *, by: User) -> ConfirmationRequest:
    """Mail who was asked once more, at most once an hour; by who asked, or who may start sends."""
    with transaction.atomic():
        request = _locked(request_id)
        _check_own(request, by)
        if (again := remindable_at(request)) is not None:
            time = date_format(timezone.localtime(again), "H:i")
            raise DomainError(
                _("A reminder was sent less than an hour ago. The next is possible at %(time)s.") % {"time": time},
                code="reminded",
            )
        request.reminded_at = timezone.now()
        request.save(update_fields=["reminded_at"])
        _record("campaign.request_reminded", request, by)
        asking.tell_asked(request, is_reminder=True)
    return request


def ask_for_changes(request_id: int, *, message: str, by: User) -> ConfirmationRequest:
    """Answer that something must change first, and what."""
    if not message.strip():
        sentence = _("The message is empty. Say what must change.")
        raise DomainError(sentence, code="message_missing", status=422, fields={"message": sentence})
    return _answer(request_id, Ending(RequestStatus.CHANGES, answer=_text(message)), by)


def decline(request_id: int, *, message: str = "", by: User) -> ConfirmationRequest:
    """Answer no. The list stays prepared; another request may be made."""
    return _answer(request_id, Ending(RequestStatus.DECLINED, answer=_text(message)), by)


def confirm(request_id: int, *, by: User, seal: str, n_to_send: int, key: str = "") -> Delivery:
    """Confirm the send that an open request asks about; raises what sends.confirm raises, and that it was answered.

    Of two people who answer at once, one way or the other, the first is the answer.
    """
    with transaction.atomic():
        found = get_by_id(request_id)
        drafts.lock_campaign(found.send.campaign_id)
        delivery = Delivery.objects.select_for_update(no_key=True).get(pk=found.send.delivery_id)
        access.check(access.fresh(by), roles.START)
        if found.status != RequestStatus.CONFIRMED and not (key and gate.is_repeated(delivery, by, key)):
            _locked(request_id)
        ids = (found.send.campaign_id, delivery.pk)
        return sends.confirm(*ids, by=by, seal=seal, n_to_send=n_to_send, key=key)


def remindable_at(request: ConfirmationRequest) -> dt.datetime | None:
    """From when on a reminder is possible again; None when it is now."""
    if request.reminded_at is None:
        return None
    again = request.reminded_at + REMIND_EVERY
    return again if again > timezone.now() else None


def open_for(delivery: Delivery) -> ConfirmationRequest | None:
    """The open request about a send, if any."""
    return _all().filter(send__delivery=delivery, status=RequestStatus.OPEN).first()


def latest_for(delivery: Delivery) -> ConfirmationRequest | None:
    """The newest request about a send, open or not."""
    return _all().filter(send__delivery=delivery).order_by("-pk").first()


def find(public_id: UUID) -> ConfirmationRequest | None:
    return _all().filter(public_id=public_id).first()


def check_visible(request: ConfirmationRequest, user: User) -> None:
    """Raise NotAllowed unless `user` made the request, was asked, or may start sends."""
    if user.pk not in {request.requested_by_id, request.to_id}:
        access.check(user, roles.START)


def light(requests: QuerySet[ConfirmationRequest]) -> QuerySet[ConfirmationRequest]:
    """The same for a list, which shows no documents and no messages."""
    related = ("send__campaign", "send__delivery", "requested_by", "to", "answered_by")
    return requests.select_related(None).select_related(*related)


def get_by_id(request_id: int) -> ConfirmationRequest:
    return _all().get(pk=request_id)


def visible(user: User) -> QuerySet[ConfirmationRequest]:
    """What `user` may see: their own requests and those made to them; everything for people who may start sends."""
    if user.has_perm(roles.START):
        return _all()
    return _all().filter(Q(requested_by=user) | Q(to=user))


def waiting_for(user: User) -> QuerySet[ConfirmationRequest]:
    """Open requests that `user` can answer: made to them or to anyone, by somebody else. Oldest first."""
    if not user.has_perm(roles.START):
        return _all().none()
    mine = Q(to=user) | Q(to__isnull=True)
    return _all().filter(mine, status=RequestStatus.OPEN).exclude(requested_by=user).order_by("pk")


def waiting_for_others(user: User) -> QuerySet[ConfirmationRequest]:
    """Open requests to somebody else by somebody else, for people who may start sends. Oldest first."""
    if not user.has_perm(roles.START):
        return _all().none()
    mine = Q(to=user) | Q(to__isnull=True) | Q(requested_by=user)
    return _all().filter(status=RequestStatus.OPEN).exclude(mine).order_by("pk")


def n_waiting(user: User) -> int:
    """How many `waiting_for` has. One query, none for people who can't confirm."""
    return waiting_for(user).count() if user.has_perm(roles.START) else 0


def _answer(request_id: int, ending: Ending, by: User) -> ConfirmationRequest:
    with transaction.atomic():
        request = _locked(request_id)
        access.check(access.fresh(by), roles.START)
        settling.end(request, ending, by=by)
    return request


def _all() -> QuerySet[ConfirmationRequest]:
    return ConfirmationRequest.objects.select_related(*_RELATED)


def _locked(request_id: int) -> ConfirmationRequest:
    """The open request, locked; one that ended is refused with how it did."""
    request = _all().select_for_update(no_key=True, of=("self",)).get(pk=request_id)
    if request.status != RequestStatus.OPEN:
        raise DomainError(asking.outcome(request), code="request_ended")
    return request


def _check_own(request: ConfirmationRequest, by: User) -> None:
    user = access.fresh(by)
    access.check(user, roles.EDIT)
    if request.requested_by_id != user.pk and not user.has_perm(roles.START):
        raise NotAllowed(_("This is a request of %(name)s.") % {"name": request.requested_by})


def _check_list(send: CampaignSend, seal: str) -> int:
    """How many it is sent to; a DomainError unless it could be confirmed as it was shown. Locks the delivery."""
    delivery = Delivery.objects.select_for_update(no_key=True).get(pk=send.delivery_id)
    if delivery.state != DeliveryState.PREPARED or not seal or delivery.seal != seal:
        raise DomainError(_("This list isn't ready any more. Reload the page to see what happened."), code="stale")
    if not delivery.n_to_send:
        raise DomainError(_("Nobody to send to."), code="empty")
    found = staleness.of(send.campaign, send).message
    found = found or next((reason.message for reason in list_staleness.reasons(delivery, timezone.now())), "")
    if found:
        raise DomainError(found, code="stale")
    return delivery.n_to_send


def _check_asked(send: CampaignSend, asked: Asked, by: User) -> None:
    if asked.needed_by is not None and asked.needed_by <= timezone.now():
        sentence = _("This time is over. Choose a later one.")
        raise DomainError(sentence, code="needed_by", status=422, fields={"needed_by": sentence})
    people = {person.pk for person in asking.confirmers(send.delivery.author_id)} - {by.pk}
    if not people:
        sentence = _("Nobody else can confirm it yet. An admin can give somebody the %(role)s role.")
        raise DomainError(sentence % {"role": _(roles.role_with(roles.START))}, code="nobody")
    if asked.to is not None and asked.to.pk not in people:
        sentence = _("%(name)s can't confirm this send. Choose somebody else.") % {"name": asked.to}
        raise DomainError(sentence, code="to", status=422, fields={"to": sentence})


def _record(action: str, request: ConfirmationRequest, by: User) -> None:
    detail: dict[str, object] = {"request": str(request.public_id), "n_to_send": request.n_to_send}
    if request.to is not None:
        detail["to"] = str(request.to)
    audit.record(action, subject=("campaign", str(request.send.campaign.public_id)), by=by, detail=detail)


def _text(message: str) -> str:
    return message.replace("\0", "").replace("\r\n", "\n").strip()[:1000]
