"""Two states of one campaign side by side: its draft against the live version, and any two versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from accounts import access, roles
from audiences import estimates
from campaigns import comparing
from campaigns import document as documents
from campaigns.models import CampaignVersion
from campaigns.views import header, parts
from lib.errors import DomainError


@dataclass(frozen=True)
class Change:
    """How many people can get email before and after."""

    before: int
    after: int

    @property
    def difference(self) -> int:
        return self.after - self.before


@access.requires(roles.VIEW)
def changes(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The draft against the live version; without one of them there is nothing to compare."""
    campaign = header.find(public_id)
    head = header.build(request, campaign, view="changes")
    live, draft = campaign.live_version, head.draft
    if live is None or draft is None:
        messages.info(request, _("There is no draft beside a live version to compare."))
        return redirect("campaigns:detail", public_id=public_id)
    people = dict.fromkeys(str(user) for user in (draft.created_by, draft.saved_by) if user)
    context = {
        "head": head,
        "campaign": campaign,
        "title": _("Changes in this draft"),
        "versions": _("Version %(n)d and the draft") % {"n": live.number},
        "people": ", ".join(people),
        "is_draft": True,
    }
    return _page(request, context, live.document, draft.document)


@access.requires(roles.VIEW)
def compare(request: HttpRequest, public_id: UUID, a: int, b: int) -> HttpResponse:
    """Version `a` against version `b`, in the order that was asked for."""
    campaign = header.find(public_id)
    versions = CampaignVersion.objects.filter(campaign=campaign).select_related("published_by")
    before, after = (get_object_or_404(versions, number=number) for number in (a, b))
    context = {
        "head": header.build(request, campaign, view="history"),
        "campaign": campaign,
        "title": _("Version %(a)d and version %(b)d") % {"a": before.number, "b": after.number},
        "versions": after.note,
        "people": str(after.published_by),
        "is_draft": False,
    }
    return _page(request, context, before.document, after.document)


def _page(request: HttpRequest, context: dict[str, Any], before: object, after: object) -> HttpResponse:
    old, new = documents.normalise(before), documents.normalise(after)
    sections = comparing.sections(old, new)
    changed = [section for section in sections if section.rows]
    has_audience = any(section.step == "audience" for section in changed)
    context |= {
        "sections": [(section, parts.step_label(section.step)) for section in sections],
        "n_changes": sum(len(section.rows) for section in changed),
        "n_parts": len(changed),
        "estimate": _estimate(old["audience"], new["audience"]) if has_audience else None,
    }
    return render(request, "campaigns/changes.html", context)


def _estimate(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change | None:
    """None when one of the two can't be counted: unfinished, too slow, or the database refuses."""
    try:
        return Change(*(estimates.estimate(dict(audience)).n_reachable for audience in (before, after)))
    except (DomainError, DatabaseError):
        return None
