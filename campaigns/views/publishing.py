"""Publish, Modify and Discard: each asks in a dialog (a page without script), then acts by POST."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, roles
from campaigns import alerts, drafts, sends, versions
from campaigns.models import Campaign, CampaignState, Draft, DraftSnapshot
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
    revision = request.POST.get("revision", "")
    try:
        version = versions.publish(
            draft.pk,
            base_revision=int(revision) if revision.isdecimal() else 0,
            note=texts.storable(request.POST.get("note", "")),
            by=header.user_of(request),
        )
    except versions.PublishBlocked:
        return redirect(_review_url(campaign))
    except (drafts.DraftConflict, drafts.DraftGone) as conflict:
        messages.error(request, _("Not published. %(why)s") % {"why": conflict.message})
        return redirect("campaigns:edit", public_id=public_id, step="review")
    return _prepare(request, campaign, version.number)


def _prepare(request: HttpRequest, campaign: Campaign, number: int) -> HttpResponse:
    """One-off: go on to the send. A published version stays published when its send can't be opened now."""
    live = _("Version %(n)d is live.") % {"n": number}
    try:
        delivery = sends.open_send(campaign.pk, by=header.user_of(request))
    except DomainError as refusal:
        messages.warning(request, f"{live} {refusal.message}")
        return redirect("campaigns:detail", public_id=campaign.public_id)
    messages.success(request, live)
    return redirect("campaigns:send", public_id=campaign.public_id, delivery_id=delivery.public_id)


def _ask(request: HttpRequest, campaign: Campaign, draft: Draft) -> HttpResponse:
    now = parts.state(campaign, draft)
    if alerts.blocks(now.alerts):
        return _go(request, _review_url(campaign))
    changed = versions.changes(draft)
    current = sends.current(campaign)
    context = {
        "campaign": campaign,
        "draft": draft,
        "number": versions.next_number(campaign),
        "n_changes": len(changed),
        "live_number": campaign.live_version.number if campaign.live_version else None,
        "warnings": parts.alert_rows(now, level=alerts.WARNING),
        "running": current if current and current.state in ("confirmed", "sending", "paused") else None,
        "is_stopped": campaign.state == CampaignState.STOPPED,
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
            "summary": _draft_summary(draft),
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


def _draft_summary(draft: Draft) -> str:
    """ "12 changes by Ona Operator and Milo Marketer." """
    saved = DraftSnapshot.objects.filter(campaign=draft.campaign, cause="saved", at__gte=draft.created_at)
    people = [str(one) for one in dict.fromkeys(row.by for row in saved.select_related("by").order_by("id")) if one]
    n = len(versions.changes(draft))
    changes = ngettext("%(n)d change", "%(n)d changes", n) % {"n": n}
    if not people:
        return _("%(changes)s.") % {"changes": changes}
    names = (
        people[0]
        if len(people) == 1
        else _("%(names)s and %(last)s") % {"names": ", ".join(people[:-1]), "last": people[-1]}
    )
    return _("%(changes)s by %(names)s.") % {"changes": changes, "names": names}


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
