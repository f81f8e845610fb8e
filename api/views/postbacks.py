"""Settings, Webhooks, events of transactional messages: the address, and what was posted to it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, installation, roles, setting_tabs
from accounts.models import User
from api import postback_settings, posting
from api.models import Postback
from messaging import webhooks

TAB = "messaging:settings-webhooks"
_N_SHOWN = 50


class AddressForm(forms.Form):
    address = forms.CharField(
        required=False,
        label=gettext_lazy("Address for transactional events"),
        help_text=gettext_lazy("Begins with https://. Empty: nothing is posted."),
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


@access.requires(roles.MANAGE_TRANSPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        form = AddressForm(request.POST)
        if form.is_valid() and _is_saved(request, form):
            messages.success(request, _("Settings saved."))
            return redirect("api:postbacks")
        return render(request, "api/postbacks.html", _context(form), status=422)
    return render(
        request, "api/postbacks.html", _context(AddressForm(initial={"address": postback_settings.address()}))
    )


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def redeliver(request: HttpRequest) -> HttpResponse:
    """Post one event again; `request` is the call's id, `status` the event's."""
    try:
        posting.redeliver(UUID(request.POST.get("request", "")), request.POST.get("status", ""), by=_person(request))
    except (ValueError, Postback.DoesNotExist):
        raise Http404 from None
    messages.success(request, _("The event is posted again."))
    return redirect("api:postbacks")


def _is_saved(request: HttpRequest, form: AddressForm) -> bool:
    try:
        installation.save({postback_settings.ADDRESS: form.cleaned_data["address"]}, by=_person(request))
    except installation.SettingsInvalid as problem:
        form.add_error("address", problem.message)
        return False
    return True


def _context(form: AddressForm) -> dict[str, Any]:
    """Six queries, whatever there is to show."""
    untaken = posting.untaken_since(timezone.now())
    address = postback_settings.address()
    return {
        "tabs": setting_tabs.tabs(TAB),
        "form": form,
        "is_on": bool(address),
        "has_secret": webhooks.is_on(),
        "untaken": {"since": untaken[0], "answer": untaken[1]} if untaken and address else None,
        "rows": [_row(one) for one in posting.newest(_N_SHOWN)],
    }


def _row(one: Postback) -> dict[str, Any]:
    request = one.call.request
    return {
        "at": one.happened_at,
        "status": one.status,
        "label": request.label,
        "request": request.public_id,
        "dispatch_id": request.public_id.hex,
        "badge": _badge(one),
        "answer": one.answer,
        "answered_at": one.answered_at,
        "next_at": one.next_try_at if one.answered_at else None,
    }


def _badge(one: Postback) -> dict[str, str]:
    if one.taken_at is not None:
        return {"label": pgettext("postback", "Taken"), "tone": "ok", "icon": "check"}
    if one.next_try_at is None:
        return {"label": pgettext("postback", "Given up"), "tone": "err", "icon": "x"}
    if one.answered_at is not None:
        return {"label": pgettext("postback", "Trying again"), "tone": "warn", "icon": "clock"}
    return {"label": pgettext("postback", "Waiting"), "tone": "neutral", "icon": "clock"}


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
