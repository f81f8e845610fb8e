"""Campaigns that send on their own: what their pages say about it, Start, and Skip for one planned send."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, roles
from accounts.models import User
from audiences import estimates
from campaigns import document as documents
from campaigns import lifecycle, occurrences, rhythms, schedules, sends, summaries
from campaigns.models import Campaign, CampaignSend, CampaignState
from campaigns.views import header
from delivery.models import DeliveryState
from lib.errors import DomainError

_WAITING = frozenset({DeliveryState.NEW, DeliveryState.PREPARING, DeliveryState.PREPARED, DeliveryState.MISSED})


@require_http_methods(["GET", "POST"])
@access.requires(roles.START)
def start(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask with the next sends and the number of people, then let the campaign send on its own."""
    campaign = header.find(public_id)
    if request.method == "GET":
        template = "start_dialog.html" if request.headers.get("HX-Request") else "start_page.html"
        context = card(campaign, header.user_of(request)) or {}
        context |= {"campaign": campaign, "dialog_id": "start-dialog", "n_people": _people(campaign)}
        return render(request, f"campaigns/{template}", context)
    lifecycle.start(campaign.pk, by=header.user_of(request))
    messages.success(request, _("%(name)s is live.") % {"name": campaign.name})
    return redirect("campaigns:detail", public_id=public_id)


@require_POST
@access.requires(roles.EDIT)
def skip(request: HttpRequest, public_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Let one planned send pass. Operators, and the owner; who is neither is refused by the work function."""
    campaign = header.find(public_id)
    send = CampaignSend.objects.filter(campaign=campaign, delivery__public_id=delivery_id).first()
    if send is not None:
        sends.skip(campaign.pk, send.delivery_id, by=header.user_of(request))
        messages.success(request, _("This send is skipped. The campaign goes on with the next."))
    return redirect("campaigns:detail", public_id=public_id)


def card(campaign: Campaign, user: User) -> dict[str, Any] | None:
    """What the page of a campaign says about sending on its own; None for a one-off campaign."""
    document = documents.normalise(campaign.live_version.document if campaign.live_version else None)
    section = document["delivery"]
    if campaign.live_version is None or section["kind"] not in schedules.STANDING:
        return None
    reader = timezone.get_current_timezone_name()
    may_start = user.has_perm(roles.START)
    return {
        "kind": section["kind"],
        "state": campaign.state,
        "can_start": campaign.state == CampaignState.PUBLISHED and campaign.archived_at is None,
        "may_start": may_start,
        "deputies": [] if may_start else [str(person) for person in roles.holders(roles.START)],
        "start_role": _(roles.role_with(roles.START)),
        "sentence": summaries.sentence(document, reader_zone=reader),
        "upcoming": rhythms.upcoming(section, now=timezone.now(), reader_zone=reader)
        if section["kind"] == "repeat"
        else None,
        "asks": schedules.asks(section),
        "confirmation": summaries.confirmation(section),
        "since": campaign.activated_at,
        "by": str(campaign.activated_by or ""),
    }


def occurrence(campaign: Campaign, send: CampaignSend, user: User) -> dict[str, Any] | None:
    """What to say about a planned send of a repeating campaign that waits; None when there is nothing to say."""
    until = sends.deadline(send)
    is_active = campaign.state == CampaignState.ACTIVE
    if until is None or not is_active or send.delivery.state not in _WAITING or campaign.archived_at:
        return None
    at = {"public_id": campaign.public_id, "delivery_id": send.delivery.public_id}
    is_owner = campaign.owner_id == user.pk and user.has_perm(roles.EDIT)
    return {
        "text": _occurrence_text(campaign, send),
        "skip_url": reverse("campaigns:skip-send", kwargs=at),
        "may_skip": is_owner or user.has_perm(roles.START),
    }


def _occurrence_text(campaign: Campaign, send: CampaignSend) -> str:
    section = documents.normalise(send.version.document)["delivery"]
    zone = section["zone"]
    when = rhythms.moment(send.occurrence_at, zone, reader_zone=timezone.get_current_timezone_name())
    n = send.delivery.n_to_send or 0
    if send.version_id != campaign.live_version_id:
        return _("Send of %(when)s: a newer version is live, so it is prepared again in a moment.") % {"when": when}
    if send.delivery.state != DeliveryState.PREPARED or not n:
        return _("Send of %(when)s.") % {"when": when}
    emails = ngettext("%(n)s email", "%(n)s emails", n) % {"n": number_format(n, force_grouping=True)}
    ready = _("Send of %(when)s is ready: %(emails)s.") % {"when": when, "emails": emails}
    if not schedules.asks(section) and not send.asks_because:
        return " ".join((ready, _("It is confirmed by itself at its time.")))
    return " ".join(part for part in (ready, _why(campaign, send), _before(send, section)) if part)


def _why(campaign: Campaign, send: CampaignSend) -> str:
    if send.asks_because == "cancelled":
        return _("Its confirmation was cancelled.")
    if send.asks_because == "right":
        return _("%(name)s started this campaign and can't start sends any more, so somebody else must confirm.") % {
            "name": campaign.activated_by
        }
    if send.asks_because == "second":
        return _("It is the first of a new version, so somebody else than who published it must confirm.")
    if send.asks_because == "stale":
        return _("It couldn't be confirmed by itself, so somebody must look at it.")
    return ""


def _before(send: CampaignSend, section: dict[str, Any]) -> str:
    until = sends.deadline(send)
    assert until is not None, "asked before"
    zone = section["zone"]
    is_same_day = occurrences.today(zone, until) == occurrences.today(zone, send.occurrence_at)
    local = timezone.localtime(until)
    text = rhythms.moment(until, zone) if not is_same_day else rhythms.clock(until, zone)
    if rhythms.clock(until, zone) != date_format(local, "H:i"):
        text = _("%(text)s (%(time)s your time)") % {"text": text, "time": date_format(local, "H:i")}
    if section["if_unconfirmed"] == "send" and not send.asks_because:
        return _("Confirm before %(time)s or it is sent then.") % {"time": text}
    return _("Confirm before %(time)s or it is skipped.") % {"time": text}


def _people(campaign: Campaign) -> int | None:
    """How many can get it now; None when that can't be counted."""
    try:
        document = documents.normalise(campaign.live_version.document if campaign.live_version else None)
        return estimates.estimate(document["audience"]).n_reachable
    except DomainError:
        return None
