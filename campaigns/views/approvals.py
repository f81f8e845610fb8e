"""The inbox of requests to confirm a send, and one request read-only with its answers."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access, roles
from campaigns import approvals, asking, comparing, sources, summaries
from campaigns import document as documents
from campaigns.models import CampaignVersion, ConfirmationRequest, RequestStatus
from campaigns.views import choices, header, parts, requesting, sends
from delivery.models import Delivery
from lib.errors import DomainError

# The newest of what ended.
_DONE = 50
_BADGES: dict[str, tuple[str, str]] = {
    RequestStatus.OPEN: ("violet", "hourglass"),
    RequestStatus.CONFIRMED: ("ok", "circle-check"),
    RequestStatus.CHANGES: ("warn", "message-square"),
    RequestStatus.DECLINED: ("err", "circle-x"),
    RequestStatus.WITHDRAWN: ("neutral", "circle-minus"),
    RequestStatus.CLOSED: ("neutral", "circle-minus"),
}
_TABS: dict[str, Promise] = {
    "waiting": gettext_lazy("Waiting for you"),
    "mine": gettext_lazy("Requested by you"),
    "done": gettext_lazy("Done"),
}


@require_safe
@access.requires(roles.EDIT)
def index(request: HttpRequest) -> HttpResponse:
    """Three tabs: what waits for this person, what they asked for and is open, and what ended."""
    user = header.user_of(request)
    may_confirm = user.has_perm(roles.START)
    tab = request.GET.get("tab", "")
    if tab not in _TABS:
        tab = "waiting" if may_confirm else "mine"
    is_open = {"status": RequestStatus.OPEN}
    lists = {
        "waiting": approvals.light(approvals.waiting_for(user)),
        "mine": approvals.light(approvals.visible(user).filter(requested_by=user, **is_open).order_by("-pk")),
        "done": approvals.light(approvals.visible(user).exclude(**is_open).order_by("-answered_at"))[:_DONE],
    }
    others = [*approvals.light(approvals.waiting_for_others(user))] if tab == "waiting" else []
    rows = [_row(found) for found in lists[tab]]
    counts = {name: len(rows) if name == tab else lists[name].count() for name in ("waiting", "mine")}
    context = {
        "tab": tab,
        "tabs": _tabs(tab, counts),
        "rows": rows,
        "others": [_row(found) for found in others],
        "may_confirm": may_confirm,
    }
    return render(request, "campaigns/approval_list.html", context)


@require_safe
@access.requires(roles.EDIT)
def detail(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """One request: what would be sent, to whom, what changed, and the answers."""
    found = requesting.find(request, request_id)
    user = header.user_of(request)
    document = documents.normalise(found.send.version.document)
    context = sends.delivery_context(request, found.send.campaign, found.send.delivery)
    is_open = found.status == RequestStatus.OPEN
    context |= {
        "asked": found,
        "badge": _badge(found),
        "outcome": asking.outcome(found),
        "people_asked": asking.waited_for(found) if is_open else "",
        "when": asking.when(found),
        "is_open": is_open,
        "is_own": found.requested_by_id == user.pk,
        "may_answer": is_open and found.requested_by_id != user.pk and user.has_perm(roles.START),
        "again_at": approvals.remindable_at(found),
        "campaign": found.send.campaign,
        "version": found.send.version,
        "version_key": str(found.send.version.number),
        "cards": summaries.cards(document),
        "send_url": requesting.send_url(found.send),
        "people": choices.people(user),
        **_changes(found.send.version, document),
    }
    context["urls"] = context["urls"] | {"confirm": _url("confirm", found), "back": asking.page(found)}
    return render(request, "campaigns/approval_detail.html", context)


@require_http_methods(["GET", "POST"])
@access.requires(roles.START)
def confirm(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """As campaigns.views.sends.confirm, for a request: whoever answered first has answered."""
    found = requesting.find(request, request_id)

    def release(**shown: Any) -> Delivery:
        return approvals.confirm(found.pk, by=header.user_of(request), **shown)

    return sends.answer_confirm(request, found.send.campaign, found.send, release)


@require_http_methods(["GET", "POST"])
@access.requires(roles.START)
def changes(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Ask what must change, then answer with it."""
    found = requesting.find(request, request_id)
    if request.method == "GET":
        return _ask(request, found, "changes")
    try:
        approvals.ask_for_changes(found.pk, message=request.POST.get("message", ""), by=header.user_of(request))
    except DomainError as refusal:
        if not refusal.fields:
            raise
        return _ask(request, found, "changes", error=refusal.message)
    return _done(request, _("%(name)s was told what to change.") % {"name": found.requested_by})


@require_http_methods(["GET", "POST"])
@access.requires(roles.START)
def decline(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Ask, then answer no."""
    found = requesting.find(request, request_id)
    if request.method == "GET":
        return _ask(request, found, "decline")
    approvals.decline(found.pk, message=request.POST.get("message", ""), by=header.user_of(request))
    return _done(request, _("Declined. %(name)s was told.") % {"name": found.requested_by})


def _ask(request: HttpRequest, found: ConfirmationRequest, answer: str, *, error: str = "") -> HttpResponse:
    context = {
        "asked": found,
        "campaign": found.send.campaign,
        "answer": answer,
        "url": _url(answer, found),
        "back_url": asking.page(found),
        "error": error,
        "dialog_id": "answer-dialog",
    }
    is_fragment = request.method == "GET" and request.headers.get("HX-Request")
    template = "campaigns/approval_answer_dialog.html" if is_fragment else "campaigns/approval_answer_page.html"
    return render(request, template, context, status=422 if error else 200)


def _done(request: HttpRequest, sentence: str) -> HttpResponse:
    messages.success(request, sentence)
    return redirect("campaigns:approvals")


def _url(answer: str, found: ConfirmationRequest) -> str:
    return reverse(f"campaigns:approval-{answer}", kwargs={"request_id": found.public_id})


def _tabs(current: str, counts: dict[str, int]) -> list[dict[str, object]]:
    here = reverse("campaigns:approvals")
    return [
        {"label": label, "url": f"{here}?tab={name}", "is_current": name == current, "count": counts.get(name)}
        for name, label in _TABS.items()
    ]


def _badge(found: ConfirmationRequest) -> dict[str, str]:
    tone, icon = _BADGES[found.status]
    return {"label": str(found.get_status_display()), "tone": tone, "icon": icon}


def _row(found: ConfirmationRequest) -> dict[str, Any]:
    return {
        "request": found,
        "name": found.send.campaign.name,
        "emails": asking.emails(found.n_to_send),
        "when": asking.when(found),
        "url": asking.page(found),
        "is_open": found.status == RequestStatus.OPEN,
        "to": str(found.to) if found.to else _("anyone who can confirm"),
        "badge": _badge(found),
        "outcome": asking.outcome(found),
    }


def _changes(version: CampaignVersion, document: documents.Document) -> dict[str, Any]:
    """What differs from the version before; `before` None for the first."""
    before = version.campaign.versions.filter(number__lt=version.number).order_by("-number").first()
    if before is None:
        return {"before": None}
    campaign = version.campaign
    sections = comparing.sections(sources.of_version(campaign, before).document, document)
    changed = [section for section in sections if section.rows]
    at = {"public_id": campaign.public_id, "a": before.number, "b": version.number}
    return {
        "before": before,
        "sections": [(one, parts.step_label(one.step), comparing.body_summary(one)) for one in changed],
        "compare_url": reverse("campaigns:compare", kwargs=at),
    }
