"""Sends of a campaign: their list, and the page of one, which composes the fragments of the delivery room."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, audit, roles
from campaigns import document as documents
from campaigns import lifecycle, periods, schedules, sends, staleness, summaries, tested
from campaigns.models import Campaign, CampaignSend
from campaigns.views import header, requesting, standing
from delivery import forms as delivery_forms
from delivery import kpi, pages, sums, timing, totals
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError

_CONFIRMED = "delivery.confirmed"
# Messages of calls that the page of a month lists; all are in its figures.
_LISTED = 100


@access.requires(roles.VIEW)
def index(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """All sends of one campaign, newest first."""
    campaign = header.find(public_id)
    found, counted = sends.history(campaign), sums.by_month(_origin(campaign))
    figures = _figures(found)
    groups = periods.group(found, counted)
    newest = Delivery.objects.in_bulk([one.newest for one in groups if one.period is not None])
    rows = [
        _row(public_id, one.sends[0], figures)
        if one.period is None
        else _period_row(public_id, one, figures, newest[one.newest])
        for one in groups
    ]
    context = {"head": header.build(request, campaign, view="sends"), "campaign": campaign, "rows": rows}
    every = [*figures.values(), *(one.figures for one in counted)]
    context["total"] = totals.total(every) if len(figures) + sum(one.n for one in counted) > 1 else None
    return render(request, "campaigns/campaign_sends.html", context)


@access.requires(roles.VIEW)
def period(request: HttpRequest, public_id: UUID, unit: str, first: str) -> HttpResponse:
    """The repeating sends of one period with their figures added up."""
    campaign = header.find(public_id)
    asked = periods.parse(unit, first)
    if asked is None:
        raise Http404(_("There is no such period."))
    own = [send for send in sends.history(campaign) if periods.of_send(send) == asked]
    counted = sums.by_month(_origin(campaign), only=asked.first) if asked.unit == "month" else []
    listed = sends.counted(campaign, asked.first, _LISTED) if counted else []
    figures = _figures(own)
    total = totals.total([*figures.values(), *(one.figures for one in counted)])
    figures |= _figures(listed)
    found = sorted([*own, *listed], key=lambda send: send.pk, reverse=True)
    context = {
        "head": header.build(request, campaign, view="send"),
        "campaign": campaign,
        "period": periods.words(asked),
        "rows": [_row(public_id, one, figures) for one in found],
        "total": total,
        "n_sends": len(own) + sum(one.n for one in counted),
        "n_listed": len(found),
    }
    return render(request, "campaigns/campaign_period.html", context)


def _origin(campaign: Campaign) -> tuple[str, str]:
    return "campaign", str(campaign.public_id)


def _figures(found: list[CampaignSend]) -> dict[int, kpi.Summary]:
    return kpi.summaries([one.delivery_id for one in found if one.delivery.state != DeliveryState.CANCELLED])


def _row(public_id: UUID, send: CampaignSend, figures: dict[int, kpi.Summary]) -> dict[str, Any]:
    counted = figures.get(send.delivery_id)
    return {
        "url": reverse("campaigns:send", kwargs={"public_id": public_id, "delivery_id": send.delivery.public_id}),
        "number": send.version.number,
        "delivery": send.delivery,
        "own": send.subject if send.delivery.part else "",  # type: ignore[attr-defined]
        # Of a standing one as many as were asked for until now, as on its panel.
        "to_send": counted.to_send if counted and send.delivery.is_standing else send.delivery.n_to_send,
        "badge": pages.badge(send.delivery),
        "figures": counted if send.delivery.started_at else None,
    }


def _period_row(
    public_id: UUID, group: periods.Group, figures: dict[int, kpi.Summary], newest: Delivery
) -> dict[str, Any]:
    """One line for all sends of a period; the badge is that of the newest."""
    assert group.period is not None
    at = {"public_id": public_id, "unit": group.period.unit, "first": group.period.first.isoformat()}
    own = [figures[one.delivery_id] for one in group.sends if one.delivery_id in figures]
    total = totals.total([*own, *([group.counted.figures] if group.counted else [])])
    has_started = any(one.delivery.started_at for one in group.sends)
    return {
        "url": reverse("campaigns:period", kwargs=at),
        "period": periods.words(group.period),
        "n_sends": group.n,
        "is_own": bool(group.counted) and not group.sends,
        "to_send": total.to_send,
        "badge": pages.badge(newest),
        "figures": total if has_started or (group.counted and group.counted.has_started) else None,
    }


@require_POST
@access.requires(roles.EDIT)
def new(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Start preparing a send of the live version."""
    campaign = header.find(public_id)
    delivery = sends.open_send(campaign.pk, by=header.user_of(request))
    return redirect("campaigns:send", public_id=public_id, delivery_id=delivery.public_id)


@access.requires(roles.VIEW)
def detail(request: HttpRequest, public_id: UUID, delivery_id: UUID) -> HttpResponse:
    """One send: preparation, confirmation, countdown or panel, whatever it is at."""
    campaign, send = find(public_id, delivery_id)
    context = {
        "head": header.build(request, campaign, view="send"),
        "campaign": campaign,
        "send": send,
        **delivery_context(request, campaign, send.delivery),
    }
    return render(request, "campaigns/campaign_send.html", context)


@require_http_methods(["GET", "POST"])
@access.requires(roles.VIEW)
def confirm(request: HttpRequest, public_id: UUID, delivery_id: UUID) -> HttpResponse:
    """GET asks, as a page or a dialog; POST releases the send. Who may is decided where it happens."""
    campaign, send = find(public_id, delivery_id)

    def release(**shown: Any) -> Delivery:
        return sends.confirm(campaign.pk, send.delivery_id, by=header.user_of(request), **shown)

    return answer_confirm(request, campaign, send, release)


def answer_confirm(
    request: HttpRequest, campaign: Campaign, send: CampaignSend, release: Callable[..., Delivery]
) -> HttpResponse:
    """The answer to a GET or POST of a confirm page. `release` takes seal, n_to_send and key of the page, as they were
    posted, and confirms."""
    if request.method == "GET":
        return _confirm_page(request, campaign, send)
    access.check(header.user_of(request), roles.START)
    form = delivery_forms.ConfirmForm(request.POST, delivery=send.delivery)
    if not form.is_valid():
        if request.headers.get("HX-Request"):
            raise form.problem()
        return _confirm_page(request, campaign, send, form=form)
    shown = form.cleaned_data
    try:
        release(seal=shown["seal"], n_to_send=shown["n_to_send"], key=str(shown["key"]))
    except DomainError as refusal:
        if refusal.status == 403 or request.headers.get("HX-Request"):
            raise
        messages.error(request, refusal.message)
        _campaign, now = find(campaign.public_id, send.delivery.public_id)
        return _confirm_page(request, header.find(campaign.public_id), now, status=refusal.status)
    return to_send(request, campaign, send)


def _confirm_page(
    request: HttpRequest, campaign: Campaign, send: CampaignSend, *, form: Any = None, status: int = 0
) -> HttpResponse:
    context = {
        "head": header.build(request, campaign, view="send"),
        "campaign": campaign,
        "form": form,
        **delivery_context(request, campaign, send.delivery),
    }
    context["urls"] = context["urls"] | {"confirm": request.path}
    return render(request, "campaigns/campaign_confirm.html", context, status=status or (422 if form else 200))


@require_POST
@access.requires(roles.EDIT)
def cancel(request: HttpRequest, public_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Take the confirmation back before the first message."""
    campaign, send = find(public_id, delivery_id)
    sends.cancel(campaign.pk, send.delivery_id, by=header.user_of(request))
    messages.success(request, _("The send was cancelled. Nothing was sent."))
    return to_send(request, campaign, send)


def delivery_context(request: HttpRequest, campaign: Campaign, delivery: Delivery) -> dict[str, Any]:
    """The values of the delivery room's fragments, with the addresses of this room."""
    at = {"public_id": campaign.public_id, "delivery_id": delivery.public_id}
    send = sends.of_delivery(delivery)
    assert send is not None, "found through its campaign"
    stale = staleness.of(campaign, send)
    context = pages.context(
        delivery,
        header.user_of(request),
        confirm_url=reverse("campaigns:confirm", kwargs=at),
        cancel_url=reverse("campaigns:cancel-send", kwargs=at),
        back_url=reverse("campaigns:send", kwargs=at),
        stale=[stale.message] if stale.code else [],
        fix_urls=_fix_urls(request, campaign),
    )
    document = documents.normalise(send.version.document)
    context["urls"]["reschedule"] = reverse("campaigns:reschedule", kwargs=at)
    if stale.code == "published_again" and not lifecycle.is_standing(campaign):
        # The list of an older version can't be mended: this opens a send of the live one in its place.
        new_url = reverse("campaigns:send-new", kwargs={"public_id": campaign.public_id})
        context["urls"] = context["urls"] | {"prepare": new_url}
    context |= requesting.context(send, header.user_of(request), stale=bool(context["stale"]))
    is_prepared = delivery.state == DeliveryState.PREPARED
    is_standing = document["delivery"]["kind"] in schedules.STANDING
    return context | {
        "tested": (tested.of_version(send.version) or "") if is_prepared else None,
        "reschedule": timing.new_time(delivery) if sends.deadline(send) is None else None,
        "occurrence": standing.occurrence(campaign, send, header.user_of(request)),
        "is_confirmed_alone": _is_confirmed_alone(delivery),
        "is_repeating": document["delivery"]["kind"] == "repeat",
        "conversions": summaries.conversions(document) if delivery.started_at else [],
        "duplicate_url": reverse("campaigns:duplicate", args=[campaign.public_id]),
        "again_url": reverse("campaigns:send-new", args=[campaign.public_id]) if not is_standing else "",
    }


def _fix_urls(request: HttpRequest, campaign: Campaign) -> dict[str, str]:
    """Where somebody puts right what stops a send: the draft's steps, or the page that makes a draft first."""
    user = header.user_of(request)
    at = {"public_id": campaign.public_id}
    urls = {}
    if user.has_perm(roles.EDIT) and campaign.archived_at is None:
        modify = reverse("campaigns:modify", kwargs=at)
        has_draft = header.draft_of(campaign) is not None
        for step in ("compose", "audience", "delivery"):
            urls[step] = reverse("campaigns:edit", kwargs=at | {"step": step}) if has_draft else modify
    if user.has_perm(roles.MANAGE_TRANSPORTS):
        urls["senders"] = reverse("messaging:settings-senders")
    return urls


def _is_confirmed_alone(delivery: Delivery) -> bool:
    """Whether the machine confirmed it in somebody's name, while that matters: before it starts."""
    if delivery.state != DeliveryState.CONFIRMED:
        return False
    last = next((row for row in audit.timeline("delivery", str(delivery.public_id)) if row.action == _CONFIRMED), None)
    return last is not None and last.actor_id is None


def to_send(request: HttpRequest, campaign: Campaign, send: CampaignSend) -> HttpResponse:
    """On to the page of the send, whole, also for htmx."""
    at = {"public_id": campaign.public_id, "delivery_id": send.delivery.public_id}
    url = reverse("campaigns:send", kwargs=at)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)


def find(public_id: UUID, delivery_id: UUID) -> tuple[Campaign, CampaignSend]:
    campaign = header.find(public_id)
    send = (
        CampaignSend.objects.select_related(
            "delivery__message", "delivery__confirmed_by", "delivery__prepared_by", "delivery__owner", "version"
        )
        .filter(campaign=campaign, delivery__public_id=delivery_id)
        .first()
    )
    if send is None:
        raise Http404(_("This send doesn't exist."))
    return campaign, send
