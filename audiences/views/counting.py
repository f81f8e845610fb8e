"""Fragments about an audience that is being edited: how many, who, and whether somebody is in it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts import access, roles
from audiences import estimates, mailable, rules
from lib import texts
from lib.errors import DomainError

_REASONS = {
    estimates.LEFT_OUT: gettext_lazy("left out"),
    mailable.NO_ADDRESS: gettext_lazy("no address"),
    mailable.INVALID_ADDRESS: gettext_lazy("invalid address"),
    mailable.UNSUBSCRIBED: gettext_lazy("unsubscribed"),
    mailable.UNSUBSCRIBED_GROUP: gettext_lazy("unsubscribed from the group"),
    mailable.QUARANTINED: gettext_lazy("quarantined"),
}


@access.requires(roles.VIEW)
@require_POST
def estimate(request: HttpRequest) -> HttpResponse:
    """The count of an audience. What is unfinished gets a sentence instead of numbers, and is no error."""
    doc = _audience(request)
    if not _is_begun(doc):
        return render(request, "audiences/_estimate.html", {"problem": _("Nothing is chosen yet.")})
    try:
        counted = estimates.estimate(doc)
        context = {
            "estimate": counted,
            "reasons": [(_REASONS[reason], n) for reason, n in counted.by_reason.items()],
            "blame": estimates.blame(doc) if counted.n_people == 0 else None,
            "sentence": rules.describe(doc),
            "counted_at": timezone.now(),
            "took_s": max(0.1, counted.seconds),
        }
    except DomainError as problem:
        context = {"problem": problem.message, "sentence": rules.describe(doc) if doc.get("conditions") else ""}
    return render(request, "audiences/_estimate.html", context)


@access.requires(roles.VIEW)
@require_POST
def membership(request: HttpRequest) -> HttpResponse:
    email = texts.storable(request.POST.get("email", ""))[:320]
    try:
        lines = estimates.membership(_audience(request), email)
        context = {"email": email.strip(), "lines": lines, "is_in": all(is_met for _text, is_met in lines)}
    except DomainError as problem:
        context = {"problem": problem.message}
    return render(request, "audiences/_membership_answer.html", context)


@access.requires(roles.MANAGE_AUDIENCE)
@require_POST
def sample(request: HttpRequest) -> HttpResponse:
    """Ten people of an audience, at random."""
    try:
        context: dict[str, object] = {"people": estimates.sample(_audience(request))}
    except DomainError as problem:
        context = {"problem": problem.message}
    return render(request, "audiences/_sample.html", context)


def _is_begun(doc: dict[str, object]) -> bool:
    conditions = doc.get("conditions")
    return bool(doc.get("segments") or (conditions.get("rules") if isinstance(conditions, dict) else conditions))


def _audience(request: HttpRequest) -> dict[str, object]:
    """The audience of the request; {} for anything that is none, which reads as an empty one."""
    try:
        doc = texts.json_of(request.POST.get("audience", ""))
    except (ValueError, RecursionError):
        return {}
    if isinstance(doc, dict) and "rules" in doc:
        return {"conditions": doc}
    return doc if isinstance(doc, dict) else {}
