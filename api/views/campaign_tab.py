"""The API tab of a campaign's page: ids, calls ready to be run, one try, and the last requests."""

import json
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import access, roles
from accounts.models import User
from api import campaign_calls, envelope, trying
from api.views import triggers
from campaigns import search, triggering
from campaigns.models import Campaign, CampaignState
from campaigns.views import header
from delivery import activity_log
from delivery.models import RequestState, TriggerRequest
from delivery.views import activity
from lib.errors import DomainError

# Requests listed; the activity log has the others.
_REQUESTS = 10
_FIELD = "property:"


@access.requires(roles.VIEW)
@require_safe
def show(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The tab; `tried` names a request of this campaign whose answer is shown."""
    campaign = header.find(public_id)
    context = _page(request, campaign)
    tried = request.GET.get("tried", "")
    if search.is_public_id(tried) and (found := _requests(campaign).filter(public_id=tried).first()):
        context |= _tried(found)
    return render(request, "api/campaign_tab.html", context)


@require_POST
@access.requires(roles.START)
def trial(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Send one request; the answer as a fragment for htmx, else on the tab."""
    campaign = header.find(public_id)
    is_part = request.headers.get("HX-Request") == "true"
    try:
        asked = _try(request, campaign)
    except DomainError as problem:
        context = {"problem": problem.message} | ({} if is_part else _page(request, campaign))
        template = "api/_tried.html" if is_part else "api/campaign_tab.html"
        return render(request, template, context, status=422)
    if is_part:
        news = {"is_update": True, "campaign": campaign, "requests": _listed(campaign)}
        return render(request, "api/_tried.html", _tried(asked) | news)
    tab = reverse("api:campaign-tab", kwargs={"public_id": public_id})
    return redirect(f"{tab}?tried={asked.public_id}#try")


def _try(request: HttpRequest, campaign: Campaign) -> TriggerRequest:
    document = campaign_calls.shown(campaign, None)
    names = [name for name, _sample in campaign_calls.of(campaign, document).properties]
    values = {name: request.POST.get(f"{_FIELD}{name}", "").replace("\x00", "")[:5_000] for name in names}
    trigger = campaign_calls.typed(values, names)
    chosen = request.POST.get("person", "")
    _person, answer = trying.send(campaign, profile_id=chosen, trigger=trigger, by=header.user_of(request))
    return answer.request


def _page(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    user = header.user_of(request)
    head = header.build(request, campaign, view="api")
    document = campaign_calls.shown(campaign, head.draft)
    is_triggered = campaign_calls.is_triggered(document)
    calls = campaign_calls.of(campaign, document)
    may_try = user.has_perm(roles.START)
    return {
        "head": head,
        "campaign": campaign,
        "calls": calls,
        "is_triggered": is_triggered,
        "scope": campaign_calls.SCOPE,
        "state": _state(campaign, is_triggered=is_triggered),
        "may_make_keys": user.has_perm(roles.MANAGE_TRANSPORTS),
        "may_try": may_try,
        "why_not": "" if may_try else _why_not(),
        "people": _people(user) if may_try else [],
        "fields": [(f"{_FIELD}{name}", name, sample) for name, sample in calls.properties],
        "requests": _listed(campaign),
    }


def _requests(campaign: Campaign) -> QuerySet[TriggerRequest]:
    mine = TriggerRequest.objects.filter(origin_kind="campaign", origin_id=str(campaign.public_id))
    return mine.select_related("delivery").order_by("-received_at", "-pk")


def _state(campaign: Campaign, *, is_triggered: bool) -> dict[str, str] | None:
    """What a call gets now; None for a campaign that nothing triggers."""
    if not is_triggered:
        return None
    if campaign.live_version_id is None:
        return {"tone": "warn", "text": _("Not published yet: requests are refused with 400.")}
    if campaign.archived_at:
        return {"tone": "warn", "text": _("Archived: requests are accepted, and nothing is sent.")}
    if campaign.state == CampaignState.STOPPED:
        return {"tone": "warn", "text": _("Stopped: requests are accepted, and nothing is sent.")}
    if campaign.state != CampaignState.ACTIVE:
        return {"tone": "warn", "text": _("Not activated yet: requests are refused with 400.")}
    return {"tone": "ok", "text": _("Ready to be triggered.")}


def _why_not() -> str:
    deputies = header.joined([str(person) for person in roles.holders(roles.START)])
    role = _(roles.role_with(roles.START))
    needs = _("Sending a request needs the %(role)s role.") % {"role": role}
    if not deputies:
        return needs
    can = _("%(people)s can do it.") % {"people": deputies}
    return f"{needs} {can}"


def _people(user: User) -> list[dict[str, str]]:
    found = []
    for one in trying.people(user):
        label = _("%(person)s, test profile") % {"person": one.email} if one.is_test else one.email
        found.append({"value": str(one.public_id), "label": label})
    return found


def _tried(asked: TriggerRequest) -> dict[str, Any]:
    """The answer to one request as a program reads it, and in words."""
    notice = asked.note if asked.state == RequestState.IGNORED else ""
    told = envelope.Answer(triggers.told(triggering.Answer(asked, notice))).content()
    named = next(iter(activity_log.recipients(asked)), None)
    person = named.profile if named else None
    words = _("Accepted. The message is queued.")
    if person and asked.n_queued:
        words = _("Accepted. The message to %(email)s is queued.") % {"email": person.email}
    elif not asked.n_queued:
        why = notice or (named.sentence if named else "")
        words = _("Accepted, and nothing is sent: %(why)s") % {"why": why}
    return {
        "tried": asked,
        "is_sent": bool(asked.n_queued),
        "words": words,
        "answer": json.dumps(told, indent=2, ensure_ascii=False),
        "request_url": reverse("delivery:activity-request", args=[asked.public_id]),
    }


def _listed(campaign: Campaign) -> list[dict[str, Any]]:
    return [_row(one) for one in _requests(campaign)[:_REQUESTS]]


def _row(asked: TriggerRequest) -> dict[str, Any]:
    return {
        "at": asked.received_at,
        "badge": activity.status(asked),
        "who": asked.key_label or _("API"),
        "detail": asked.note or activity.counts(asked),
        "url": reverse("delivery:activity-request", args=[asked.public_id]),
    }
