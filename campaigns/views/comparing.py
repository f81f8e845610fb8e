"""Two states of one campaign side by side: its draft against the live version, and any two versions or kept drafts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts import access, roles
from audiences import estimates
from campaigns import comparing, history, sources
from campaigns.models import Campaign
from campaigns.sources import Source
from campaigns.views import choices, header, parts
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
    if campaign.live_version is None or head.draft is None:
        messages.info(request, _("There is no draft beside a live version to compare."))
        return redirect("campaigns:detail", public_id=public_id)
    before, after = sources.of_version(campaign, campaign.live_version), sources.of_draft(head.draft)
    context = {"head": head, "title": _("Changes in this draft"), "is_draft": True}
    context["people"] = header.joined(history.authors(head.draft))
    return _page(request, context, before, after)


@access.requires(roles.VIEW)
def compare(request: HttpRequest, public_id: UUID, a: str, b: str) -> HttpResponse:
    """`a` against `b` (keys of campaigns.sources), in the order that was asked for."""
    campaign = header.find(public_id)
    before, after = sources.find(campaign, a), sources.find(campaign, b)
    if before is None or after is None:
        raise Http404(_("This version doesn't exist, or this draft is no longer kept."))
    names = {"a": before.label, "b": after.label}
    # Translators: the two are "Version 3", "Draft" or "Discarded draft of 18 Nov, 09:12".
    title = pgettext("comparison", "%(a)s and %(b)s") % names
    head = header.build(request, campaign, view="history")
    return _page(request, {"head": head, "title": title, "is_draft": False, "people": after.who}, before, after)


@access.requires(roles.VIEW)
def choose(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """From the form with two lists to the address of the comparison, which can be shared."""
    campaign = header.find(public_id)
    found = [sources.find(campaign, request.GET.get(side, "")) for side in ("a", "b")]
    before, after = found
    if before is None or after is None:
        raise Http404(_("This version doesn't exist, or this draft is no longer kept."))
    return redirect("campaigns:compare", public_id=public_id, a=before.key, b=after.key)


def _page(request: HttpRequest, context: dict[str, Any], before: Source, after: Source) -> HttpResponse:
    campaign: Campaign = context["head"].campaign
    sections = comparing.sections(before.document, after.document)
    changed = [section for section in sections if section.rows]
    has_audience = any(section.step == "audience" for section in changed)
    context |= {
        "campaign": campaign,
        "before": before,
        "after": after,
        "frames": [(source, _frame(campaign, source)) for source in (before, after)],
        "sections": [
            (section, parts.step_label(section.step), comparing.body_summary(section)) for section in sections
        ],
        "n_changes": sum(len(section.rows) for section in changed),
        "n_parts": len(changed),
        "estimate": _estimate(before.document["audience"], after.document["audience"]) if has_audience else None,
        "choices": _choices(campaign, context["head"], (before, after)),
    }
    return render(request, "campaigns/changes.html", context)


def _choices(campaign: Campaign, head: header.Header, chosen: Sequence[Source]) -> list[choices.Option]:
    """What can be compared, with the kept drafts that are."""
    offered = choices.states(campaign, head.draft)
    known = {option.value for option in offered}
    kept = [choices.Option(source.key, source.label) for source in chosen if source.key not in known]
    return [*kept, *offered] if offered or len(kept) > 1 else []


def _frame(campaign: Campaign, source: Source) -> str:
    at = {"public_id": campaign.public_id, "variant": "html"}
    return f"{reverse('campaigns:preview', kwargs=at)}?version={source.key}"


def _estimate(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change | None:
    """None when one of the two can't be counted: unfinished, too slow, or the database refuses."""
    try:
        return Change(*(estimates.estimate(dict(audience)).n_reachable for audience in (before, after)))
    except (DomainError, DatabaseError):
        return None
