"""The preview as one person, and the test send. A preview renders what is on the screen and stores nothing."""

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, roles
from accounts.models import User
from audiences import addresses, profiles
from audiences.models import Profile
from audiences.profiles import Person
from campaigns import document as documents
from campaigns import drafts, search, sources
from campaigns.models import Campaign, Draft
from campaigns.views import header, previews
from delivery import test_messages
from delivery.callformat import Origin
from lib.errors import DomainError
from messaging import content, testsend

# Addresses one test may go to.
_MAX_TESTS = 10


@require_http_methods(["GET", "POST"])
@access.requires(roles.VIEW)
def frame(request: HttpRequest, public_id: UUID, variant: str) -> HttpResponse:
    """The message alone, under a policy of its own, for a sandboxed frame."""
    if variant not in previews.VARIANTS:
        raise Http404
    return previews.frame(request, _show(request, header.find(public_id)), variant)


@require_http_methods(["GET", "POST"])
@access.requires(roles.VIEW)
def head(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Sender, subject and preheader as this person sees them, the size, and what is wrong."""
    can_edit = header.user_of(request).has_perm(roles.EDIT) and "version" not in request.GET
    return previews.head(request, _show(request, header.find(public_id)), can_edit=can_edit)


@require_POST
@access.requires(roles.EDIT)
def test(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Send the saved draft to a few addresses; the answer says for each what became of it, or why nothing was sent."""
    campaign = header.find(public_id)
    draft = Draft.objects.filter(campaign=campaign).first()
    if draft is None:
        raise drafts.gone(campaign)
    user = header.user_of(request)
    try:
        results = _send_test(request, campaign, draft, user)
    except DomainError as problem:
        return render(request, "campaigns/_test_result.html", {"problem": problem.message}, status=422)
    origin = Origin("campaign", str(campaign.public_id), campaign.name)
    test_messages.record(origin, results, by=user)
    is_sent = any(result.ok for result in results)
    if is_sent:
        drafts.mark_tested(draft.pk, revision=draft.revision, by=user)
    context = {"results": results, "is_sent": is_sent, "mine": user.email}
    context["at"] = date_format(timezone.localtime(), "H:i")
    return render(request, "campaigns/_test_result.html", context)


def _send_test(request: HttpRequest, campaign: Campaign, draft: Draft, user: User) -> list[testsend.TestResult]:
    to = _addresses(" ".join(request.POST.getlist("to")))
    spec = documents.content_spec(documents.normalise(draft.document))
    problems = [problem for problem in content.check(spec) if problem.level == "error" and problem.code in _STOPS]
    if problems:
        raise DomainError(problems[0].message, code="content_invalid", status=422)
    if not spec.sender_address:
        raise DomainError(_("There is no sender. Choose a sender."), code="sender_missing", status=422)
    return testsend.send(
        spec, to=to, person=_person(request, user), campaign=_facts(campaign), trigger=previews.trigger(request)
    )


# Errors of content without which no message can be made at all; others are for Review.
_STOPS = frozenset({"template_syntax", "body_empty", "body_too_long", "unknown_field"})


def _show(request: HttpRequest, campaign: Campaign) -> previews.Shown:
    spec = documents.content_spec(_document(request, campaign))
    return previews.show(request, spec, _person(request, header.user_of(request)), campaign=_facts(campaign))


def _document(request: HttpRequest, campaign: Campaign) -> documents.Document:
    """The state of `version` (campaigns.sources); without it the draft with the fields of the request over it."""
    draft = Draft.objects.filter(campaign=campaign).first()
    wanted = request.GET.get("version") or ("" if draft else sources.LIVE)
    if wanted or draft is None:
        source = sources.find(campaign, wanted)
        if source is None:
            raise Http404
        return source.document
    document = documents.normalise(draft.document)
    try:
        fields = json.loads(request.POST.get("fields", "{}"))
    except (ValueError, RecursionError):
        fields = {}
    known = (
        {name: value for name, value in fields.items() if name in documents.names()} if isinstance(fields, dict) else {}
    )
    return documents.apply(document, known)


def _person(request: HttpRequest, user: User) -> Person | None:
    """Whose values are shown: the chosen profile, else the reader's own, else nobody's."""
    chosen = request.POST.get("as") or request.GET.get("as") or ""
    if search.is_public_id(chosen):
        found = Profile.objects.filter(public_id=chosen).first()
    else:
        found = Profile.objects.filter(email_key=addresses.key(user.email)).exclude(email_key="").first()
    return profiles.person(found.pk) if found else None


def _addresses(typed: str) -> list[str]:
    """The addresses in what was typed, separated by comma, semicolon, space or line. Raises DomainError."""
    to = list(dict.fromkeys(part for part in typed.replace(",", " ").replace(";", " ").split() if part))
    wrong = next((address for address in to if not addresses.is_valid(address)), "")
    if wrong:
        raise DomainError(
            _("“%(address)s” is not an email address.") % {"address": wrong[:80]}, code="address", status=422
        )
    if not to:
        raise DomainError(_("Enter an address."), code="address", status=422)
    if len(to) > _MAX_TESTS:
        raise DomainError(_("Send a test to at most %(n)d addresses.") % {"n": _MAX_TESTS}, code="address", status=422)
    return to


def _facts(campaign: Campaign) -> dict[str, Any]:
    return {"name": campaign.name, "public_id": str(campaign.public_id)}
