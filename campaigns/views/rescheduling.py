"""Another time for one send: a dialog on its page, a page of its own without script."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access, roles
from campaigns import sends
from campaigns.models import Campaign, CampaignSend
from campaigns.views import header
from campaigns.views import sends as pages
from delivery import forms as delivery_forms
from delivery import pages as delivery_pages
from lib.errors import DomainError


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def reschedule(request: HttpRequest, public_id: UUID, delivery_id: UUID) -> HttpResponse:
    """GET asks; POST gives the send its new time. Operators, and the owner."""
    campaign, send = pages.find(public_id, delivery_id)
    if request.method == "GET":
        return _page(request, campaign, send)
    user = header.user_of(request)
    if not delivery_pages.rights(send.delivery, user).cancel:
        access.check(user, roles.START)
    form = delivery_forms.RescheduleForm(request.POST)
    try:
        if not form.is_valid():
            raise form.problem()
        sends.reschedule(campaign.pk, send.delivery_id, at=form.moment, by=user)
    except DomainError as refusal:
        if refusal.status == 403 or request.headers.get("HX-Request"):
            raise
        form.add_error("date", refusal.message)
        return _page(request, campaign, send, form=form)
    messages.success(request, _("The send has its new time."))
    return pages.to_send(request, campaign, send)


def _page(request: HttpRequest, campaign: Campaign, send: CampaignSend, form: Any = None) -> HttpResponse:
    context = pages.delivery_context(request, campaign, send.delivery)
    if context["reschedule"] is None or not context["may"].cancel:
        return redirect(context["urls"]["back"])
    if form is not None:
        context["reschedule"] |= {name: form.data.get(name, "") for name in ("date", "time", "zone")}
    context |= {"campaign": campaign, "form": form}
    return render(request, "campaigns/campaign_reschedule.html", context, status=422 if form else 200)
