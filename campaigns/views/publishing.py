"""Publish, Modify and Discard: each asks in a dialog (a page without script), then acts by POST."""

import datetime as dt
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, roles
from campaigns import alerts, comparing, drafts, history, schedules, sends, summaries, versions
from campaigns import document as documents
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft, DraftSnapshot
from campaigns.views import header, parts
from lib import texts
from lib.errors import DomainError


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def publish(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask, then publish and start preparing the send; with errors, lead to them."""
    campaign = header.find(public_id)
    draft = header.draft_of(campaign)
    if draft is None:
        return _draft_is_gone(request, campaign)
    if request.method == "GET":
        return _ask(request, campaign, draft)
    if request.POST.get("n_warnings", "0") != "0" and "checked" not in request.POST:
        return _ask(request, campaign, draft, is_unchecked=True)
    revision = request.POST.get("revision", "")
    try:
        version = versions.publish(
            draft.pk,
            base_revision=int(revision) if revision.isdecimal() and len(revision) < 10 else 0,
            note=texts.storable(request.POST.get("note", "")),
            by=header.user_of(request),
        )
    except versions.PublishBlocked:
        return redirect(_review_url(campaign))
    except (drafts.DraftConflict, drafts.DraftGone) as conflict:
        messages.error(request, _("Not published. %(why)s") % {"why": conflict.message})
        return redirect("campaigns:edit", public_id=public_id, step="review")
    return _prepare(request, campaign, version)


def _prepare(request: HttpRequest, campaign: Campaign, version: CampaignVersion) -> HttpResponse:
    """One-off: go on to the send. A published version stays published when its send can't be opened now."""
    at = {"public_id": campaign.public_id}
    published = f"?published={version.number}"
    overview = redirect(reverse("campaigns:detail", kwargs=at) + published)
    if not _prepares(campaign, documents.normalise(version.document)):
        return overview
    try:
        delivery = sends.open_send(campaign.pk, by=header.user_of(request))
    except DomainError as refusal:
        messages.warning(request, refusal.message)
        return overview
    return redirect(reverse("campaigns:send", kwargs={**at, "delivery_id": delivery.public_id}) + published)


def _prepares(campaign: Campaign, document: documents.Document) -> bool:
    """Whether publishing goes on to a send: not for what sends on its own, nor while it is stopped."""
    return document["delivery"]["kind"] not in schedules.STANDING and campaign.state != CampaignState.STOPPED


def _ask(request: HttpRequest, campaign: Campaign, draft: Draft, *, is_unchecked: bool = False) -> HttpResponse:
    """The question; `is_unchecked`: it was answered without ticking that the warnings were checked."""
    now = parts.state(campaign, draft, by=header.user_of(request))
    if alerts.blocks(now.alerts):
        return _go(request, _review_url(campaign))
    document = documents.normalise(draft.document)
    context = {
        "campaign": campaign,
        "draft": draft,
        "number": versions.next_number(campaign),
        "n_changes": _n_changes(campaign, draft) if campaign.live_version else 0,
        "live_number": campaign.live_version.number if campaign.live_version else None,
        "warnings": parts.alert_rows(now, level=alerts.WARNING),
        "running": sends.under_way(campaign),
        "effect": summaries.effect(document, is_stopped=campaign.state == CampaignState.STOPPED),
        "prepares": _prepares(campaign, document),
        "is_unchecked": is_unchecked,
        "dialog_id": "publish-dialog",
    }
    return _dialog(request, "campaigns/publish", context)


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def modify(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask, then make the draft of a published campaign and open it."""
    campaign = header.find(public_id)
    has_draft = Draft.objects.filter(campaign=campaign).exists()
    if request.method == "GET" and not has_draft:
        return _dialog(request, "campaigns/modify", {"campaign": campaign, "dialog_id": "modify-dialog"})
    drafts.modify(campaign.pk, by=header.user_of(request))
    return _go(request, reverse("campaigns:edit", kwargs={"public_id": public_id, "step": "compose"}))


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def discard(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask, then discard the draft; the next page offers to undo."""
    campaign = header.find(public_id)
    draft = header.draft_of(campaign)
    if draft is None:
        return _draft_is_gone(request, campaign)
    if request.method == "GET":
        context = {
            "campaign": campaign,
            "draft": draft,
            "summary": _draft_summary(campaign, draft),
            "dialog_id": "discard-dialog",
        }
        return _dialog(request, "campaigns/discard", context)
    drafts.discard(draft.pk, by=header.user_of(request))
    undo = reverse("campaigns:draft-undo", kwargs={"public_id": public_id})
    messages.success(request, _("Draft discarded."), extra_tags=undo)
    return redirect("campaigns:detail", public_id=public_id)


@require_POST
@access.requires(roles.EDIT)
def undo_discard(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Bring back the draft that was discarded last."""
    campaign = header.find(public_id)
    last = DraftSnapshot.objects.filter(campaign=campaign, cause="discarded").order_by("-at", "-id").first()
    if last is None or Draft.objects.filter(campaign=campaign).exists():
        raise DomainError(_("There is no discarded draft to bring back."), code="nothing_to_undo")
    drafts.restore(campaign.pk, snapshot_id=last.pk, by=header.user_of(request))
    messages.success(request, _("Draft restored."))
    return redirect("campaigns:edit", public_id=public_id, step="compose")


def _draft_summary(campaign: Campaign, draft: Draft) -> str:
    """ "12 changes since 13:40 by Ona Operator and Milo Marketer." """
    n = _n_changes(campaign, draft)
    words = {
        "changes": ngettext("%(n)d change", "%(n)d changes", n) % {"n": n},
        "time": _since(draft.created_at),
        "names": header.joined(history.authors(draft)),
    }
    return _("%(changes)s since %(time)s by %(names)s.") % words


def _since(at: dt.datetime) -> str:
    """13:40 for today, with the day for anything else."""
    local = timezone.localtime(at)
    is_today = local.date() == timezone.localdate()
    return date_format(local, "H:i" if is_today else _("j M, H:i"))


def _n_changes(campaign: Campaign, draft: Draft) -> int:
    """As many as the page "Changes" lists."""
    live = documents.normalise(campaign.live_version.document if campaign.live_version else None)
    return comparing.count(live, documents.normalise(draft.document))


def _dialog(request: HttpRequest, name: str, context: dict[str, object]) -> HttpResponse:
    """The dialog for htmx, else the same question as a page."""
    template = f"{name}_dialog.html" if request.headers.get("HX-Request") else f"{name}_page.html"
    return render(request, template, context)


def _go(request: HttpRequest, url: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)


def _review_url(campaign: Campaign) -> str:
    return reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": "review"}) + "?blocked"


def _draft_is_gone(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    messages.warning(request, drafts.gone(campaign).message)
    return _go(request, reverse("campaigns:detail", kwargs={"public_id": campaign.public_id}))
