"""Asking for the confirmation of a send: the question, what the campaign's pages say meanwhile, Remind, Withdraw."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, roles
from accounts.models import User
from campaigns import approvals, asking
from campaigns.models import CampaignSend, ConfirmationRequest, RequestStatus
from campaigns.views import header
from delivery import headlines, moments, pages
from delivery.models import DeliveryState
from lib.errors import DomainError

_UNCONFIRMED = frozenset({DeliveryState.NEW, DeliveryState.PREPARING, DeliveryState.PREPARED, DeliveryState.FAILED})
# How a request ended that its campaign's page still tells, and in which tone.
_TOLD = {
    RequestStatus.CHANGES: "warn",
    RequestStatus.DECLINED: "err",
    RequestStatus.CLOSED: "info",
}


class RequestForm(forms.Form):
    """Who is asked, why, and until when. `seal` is the list that was looked at."""

    seal = forms.CharField(max_length=64, widget=forms.HiddenInput)
    to = forms.ChoiceField(label=gettext_lazy("To"), required=False)
    note = forms.CharField(
        label=gettext_lazy("Note"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
    needed_by = forms.DateTimeField(
        label=gettext_lazy("Needed by"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, data: Any = None, *, send: CampaignSend, by: User) -> None:
        super().__init__(data, initial={"seal": send.delivery.seal})
        people = [person for person in asking.confirmers(send.delivery.author_id) if person.pk != by.pk]
        self.people = {str(person.public_id): person for person in people}
        names = [(public_id, str(person)) for public_id, person in self.people.items()]
        self.fields["to"].choices = [("", _("Anyone who can confirm")), *names]  # type: ignore[attr-defined]
        self.fields["needed_by"].help_text = _("In your time zone, %(zone)s.") % {
            "zone": timezone.get_current_timezone_name()
        }

    def asked(self) -> approvals.Asked:
        values = self.cleaned_data
        return approvals.Asked(self.people.get(values["to"]), values["note"], values["needed_by"])


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def ask(request: HttpRequest, public_id: UUID, delivery_id: UUID) -> HttpResponse:
    """GET asks for whom, why and until when, as a dialog or a page; POST makes the request."""
    send = _send(public_id, delivery_id)
    user = header.user_of(request)
    form = RequestForm(request.POST or None, send=send, by=user)
    if request.method == "POST" and form.is_valid():
        try:
            approvals.ask(
                send.campaign_id, send.delivery_id, seal=form.cleaned_data["seal"], asked=form.asked(), by=user
            )
        except DomainError as refusal:
            if not refusal.fields:
                raise
            for name, sentence in refusal.fields.items():
                form.add_error(name, sentence)
        else:
            messages.success(request, _("Confirmation requested."))
            return redirect("campaigns:send", public_id=public_id, delivery_id=delivery_id)
    context = {
        "campaign": send.campaign,
        "delivery": send.delivery,
        "form": form,
        "when": moments.when(send.delivery.scheduled_at, send.delivery.scheduled_zone),
        "ask_url": request.path,
        "back_url": reverse("campaigns:send", kwargs={"public_id": public_id, "delivery_id": delivery_id}),
        "dialog_id": "request-dialog",
    }
    is_fragment = request.method == "GET" and request.headers.get("HX-Request")
    template = "campaigns/approval_ask_dialog.html" if is_fragment else "campaigns/approval_ask_page.html"
    return render(request, template, context, status=422 if form.errors else 200)


@access.requires(roles.VIEW)
def banner(request: HttpRequest, public_id: UUID, delivery_id: UUID) -> HttpResponse:
    """What the campaign's pages say about the newest request, for pages that stay open."""
    send = _send(public_id, delivery_id)
    found = request_card(send, header.user_of(request))
    is_over = found is None or not found["is_open"]
    context = {"asked": found, "is_update": True}
    return render(request, "campaigns/_request_banner.html", context, status=286 if is_over else 200)


@require_POST
@access.requires(roles.EDIT)
def withdraw(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Take the request back; by who made it, or an operator."""
    found = find(request, request_id)
    approvals.withdraw(found.pk, by=header.user_of(request))
    messages.success(request, _("The request is withdrawn."))
    return redirect(send_url(found.send))


@require_POST
@access.requires(roles.EDIT)
def remind(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Mail who was asked once more; by who made it, or an operator."""
    found = find(request, request_id)
    try:
        approvals.remind(found.pk, by=header.user_of(request))
    except DomainError as refusal:
        if refusal.code != "reminded":
            raise
        messages.warning(request, refusal.message)
    else:
        messages.success(request, _("Reminder sent to %(names)s.") % {"names": asking.waited_for(found)})
    return redirect(send_url(found.send))


def find(request: HttpRequest, request_id: UUID) -> ConfirmationRequest:
    """The request of an address, if this person may see it; 404 for none, NotAllowed for somebody else's."""
    found = approvals.find(request_id)
    if found is None:
        raise Http404(_("This request doesn't exist."))
    approvals.check_visible(found, header.user_of(request))
    return found


def send_url(send: CampaignSend) -> str:
    at = {"public_id": send.campaign.public_id, "delivery_id": send.delivery.public_id}
    return reverse("campaigns:send", kwargs=at)


def context(send: CampaignSend, user: User, *, stale: bool) -> dict[str, Any]:
    """What the pages of a send show about confirming by somebody else: `asked` (the banner) and `ask_url` ("" where
    a request can't be made or isn't needed)."""
    delivery = send.delivery
    asked = request_card(send, user)
    may_ask = delivery.state == DeliveryState.PREPARED and user.has_perm(roles.EDIT) and bool(delivery.n_to_send)
    is_needed = not user.has_perm(roles.START) or pages.needs_another(delivery, user)
    at = {"public_id": send.campaign.public_id, "delivery_id": delivery.public_id}
    is_open = asked is not None and asked["is_open"]
    ask_url = reverse("campaigns:ask", kwargs=at) if may_ask and is_needed and not is_open and not stale else ""
    return {"asked": asked, "ask_url": ask_url}


def request_card(send: CampaignSend, user: User) -> dict[str, Any] | None:
    """The newest request about a send, while it matters: open, or answered with something else than a confirmation."""
    if send.delivery.state not in _UNCONFIRMED:
        return None
    found = approvals.latest_for(send.delivery)
    if found is None or (found.status != RequestStatus.OPEN and found.status not in _TOLD):
        return None
    is_open = found.status == RequestStatus.OPEN
    is_own = found.requested_by_id == user.pk
    may_see = is_own or user.has_perm(roles.START)
    at = {"public_id": send.campaign.public_id, "delivery_id": send.delivery.public_id}
    return {
        "request": found,
        "is_open": is_open,
        "is_own": is_own,
        "people": asking.waited_for(found) if is_open else "",
        "outcome": asking.outcome(found),
        "tone": "info" if is_open else _TOLD[RequestStatus(found.status)],
        "url": asking.page(found) if may_see else "",
        "may_answer": is_open and not is_own and user.has_perm(roles.START),
        "again_at": approvals.remindable_at(found),
        "requested": headlines.time(found.requested_at),
        "reminded": headlines.time(found.reminded_at),
        "live_url": reverse("campaigns:request-banner", kwargs=at),
    }


def _send(public_id: UUID, delivery_id: UUID) -> CampaignSend:
    found = (
        CampaignSend.objects.select_related("campaign", "delivery", "version")
        .filter(campaign__public_id=public_id, delivery__public_id=delivery_id)
        .first()
    )
    if found is None:
        raise Http404(_("This send doesn't exist."))
    return found
