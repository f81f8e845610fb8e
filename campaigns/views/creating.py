"""New campaign: pick how to start; picking makes the draft and opens Compose."""

import copy
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods

from accounts import access, roles
from accounts.models import User
from campaigns import document as documents
from campaigns import drafts
from campaigns.views import frames, header
from messaging import frames as sandbox
from messaging import personalization, preview, senders, starters


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def new(request: HttpRequest) -> HttpResponse:
    """The starters; POST with `starter` creates the draft."""
    if request.method == "GET":
        return render(request, "campaigns/campaign_new.html", {"starters": starters.every()})
    user = header.user_of(request)
    document = _document(request.POST.get("starter", ""), user)
    name = _("Untitled campaign, %(day)s") % {"day": date_format(timezone.localtime(), pgettext("date format", "j M"))}
    campaign = drafts.create(name=name, by=user, document=document)
    return redirect("campaigns:edit", public_id=campaign.public_id, step="compose")


@access.requires(roles.VIEW)
def starter(request: HttpRequest, slug: str) -> HttpResponse:
    """A starter as it looks, for its thumbnail."""
    found = starters.find(slug)
    if found is None:
        raise Http404
    spec = documents.content_spec(_filled(documents.blank(), found))
    try:
        rendered = preview.render(spec, None, campaign={"name": str(found.name)})
    except personalization.TemplateProblem as problem:
        return sandbox.response(frames.notice(problem.message, problem.line))
    return sandbox.response(rendered.html)


def _document(slug: str, user: User) -> documents.Document:
    """A draft's first document: the starter's content, the default sender, the person's time zone."""
    document = documents.blank()
    found = starters.find(slug)
    if found is not None:
        document = _filled(document, found)
    sender = senders.default()
    document["compose"]["sender"] = str(sender.public_id) if sender else ""
    document["delivery"]["zone"] = user.time_zone or settings.TIME_ZONE
    document["tracking"]["utm_source"] = "chappe"
    return document


def _filled(document: documents.Document, starter: Any) -> documents.Document:
    filled = copy.deepcopy(document)
    filled["compose"] |= {
        "subject": str(starter.subject),
        "preheader": str(starter.preheader),
        "body_kind": starter.body_kind,
        "body": starter.body,
    }
    return filled
