"""The timeline of one campaign, its versions and kept drafts one by one, and taking one of them up again."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access, roles
from campaigns import comparing, drafts, sources, summaries
from campaigns import document as documents
from campaigns import history as timelines
from campaigns.models import Campaign, CampaignSend, CampaignVersion, Draft
from campaigns.views import choices, header

# Sends listed on the page of a version; the page of all sends has the rest.
_SENDS = 10


@access.requires(roles.VIEW)
def history(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Versions, drafts, sends and what people did, newest first; `kind` narrows it, `before` is a page of it."""
    campaign = header.find(public_id)
    head = header.build(request, campaign, view="history")
    kind = request.GET.get("kind", timelines.ALL)
    if kind not in timelines.KINDS:
        kind = timelines.ALL
    before = _moment(request.GET.get("before", ""))
    page = timelines.page(campaign, kind=kind, until=before)
    context = {
        "head": head,
        "campaign": campaign,
        "entries": [(entry, _compare_menu(campaign, head, entry.key, entry.version)) for entry in page.entries],
        "tabs": _kinds(kind),
        "kind": kind,
        "before": before,
        "older": "?" + urlencode({"kind": kind, "before": page.older.isoformat()}) if page.older else "",
        "n_changes": _n_changes(campaign, head.draft),
        "choices": choices.states(campaign, head.draft),
    }
    return render(request, "campaigns/campaign_history.html", context)


@access.requires(roles.VIEW)
def version(request: HttpRequest, public_id: UUID, number: int) -> HttpResponse:
    """One version, read-only: its four steps, the message as it looks, and what was sent with it."""
    campaign = header.find(public_id)
    source = _found(sources.find(campaign, str(number)))
    known = CampaignSend.objects.filter(version=source.version).select_related("delivery__confirmed_by")
    following = CampaignVersion.objects.filter(campaign=campaign, number__gt=number).select_related("published_by")
    context = _page(request, campaign, source) | {
        "sends": known.order_by("-pk")[:_SENDS],
        "n_sends": known.count(),
        "next": following.order_by("number").defer("document").first(),
        "restore_url": reverse(
            "campaigns:restore-version", kwargs={"public_id": public_id, "version_id": source.version.public_id}
        )
        if source.version and not source.is_live
        else "",
    }
    return render(request, "campaigns/campaign_version.html", context)


@access.requires(roles.VIEW)
def snapshot(request: HttpRequest, public_id: UUID, token: str) -> HttpResponse:
    """What a draft was at one save, or when it was discarded; read-only."""
    campaign = header.find(public_id)
    kept = sources.snapshot_of(campaign, token)
    source = _found(sources.of_snapshot(kept) if kept else None)
    context = _page(request, campaign, source) | {
        "restore_url": reverse("campaigns:restore-snapshot", kwargs={"public_id": public_id, "token": token})
    }
    return render(request, "campaigns/campaign_version.html", context)


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def restore_version(request: HttpRequest, public_id: UUID, version_id: UUID) -> HttpResponse:
    """Make the draft what a version was; over a draft only after asking."""
    campaign = header.find(public_id)
    found = get_object_or_404(CampaignVersion, campaign=campaign, public_id=version_id)
    refused = _ask_first(request, campaign, sources.of_version(campaign, found))
    if refused is not None:
        return refused
    drafts.restore(campaign.pk, version_id=found.pk, by=header.user_of(request))
    messages.success(request, _("The draft is now as version %(n)d was.") % {"n": found.number})
    return redirect("campaigns:edit", public_id=public_id, step="compose")


@require_http_methods(["GET", "POST"])
@access.requires(roles.EDIT)
def restore_snapshot(request: HttpRequest, public_id: UUID, token: str) -> HttpResponse:
    """Make the draft what an earlier draft was; over a draft only after asking."""
    campaign = header.find(public_id)
    kept = sources.snapshot_of(campaign, token)
    if kept is None:
        raise Http404(_("This draft is no longer kept."))
    refused = _ask_first(request, campaign, sources.of_snapshot(kept))
    if refused is not None:
        return refused
    drafts.restore(campaign.pk, snapshot_id=kept.pk, by=header.user_of(request))
    messages.success(request, _("The earlier draft is restored."))
    return redirect("campaigns:edit", public_id=public_id, step="compose")


def _ask_first(request: HttpRequest, campaign: Campaign, source: sources.Source) -> HttpResponse | None:
    """The question, unless this is the answer to it: the current draft must be the one the question was about."""
    draft = header.draft_of(campaign)
    replaces = str(draft.revision) if draft else ""
    if request.method == "POST" and request.POST.get("replaces", "") == replaces:
        return None
    context = {
        "campaign": campaign,
        "source": source,
        "draft": draft,
        "n_changes": _n_changes(campaign, draft),
        "restore_url": request.path,
        "dialog_id": "restore-dialog",
    }
    is_fragment = request.headers.get("HX-Request")
    return render(request, "campaigns/restore_dialog.html" if is_fragment else "campaigns/restore_page.html", context)


def _page(request: HttpRequest, campaign: Campaign, source: sources.Source) -> dict[str, Any]:
    head = header.build(request, campaign, view="history")
    return {
        "head": head,
        "campaign": campaign,
        "source": source,
        "cards": summaries.cards(source.document),
        "copies": _copies(source.document["compose"]),
        "links": choices.links(source.document),
        "people": choices.people(header.user_of(request)),
        "compare": _compare_menu(campaign, head, source.key, source.version),
        "n_changes": _n_changes(campaign, head.draft),
    }


def _copies(compose: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Texts that can be copied out of what can't be edited, with their names."""
    texts = (
        (_("Subject"), compose["subject"]),
        (_("Preheader"), "" if compose["no_preheader"] else compose["preheader"]),
        (_("Source of the message"), compose["body"]),
        (_("Plain text"), compose["text"] if compose["text_mode"] == "own" else ""),
    )
    return [(label, text) for label, text in texts if text]


def _compare_menu(campaign: Campaign, head: header.Header, key: str, of: CampaignVersion | None) -> list[header.Action]:
    """What a version or a kept draft can be compared with; the older or the live one stands on the left."""
    live = head.number
    pairs: list[tuple[str, str, str]] = []
    if of is None and key and key != sources.DRAFT:
        if head.draft:
            pairs.append((_("With the current draft"), key, sources.DRAFT))
        if live:
            pairs.append((_("With live version %(n)d") % {"n": live}, str(live), key))
    elif of is not None:
        if live and live != of.number:
            pairs.append((_("With live version %(n)d") % {"n": live}, key, str(live)))
        if of.number > 1:
            n = of.number - 1
            pairs.append((_("With the version before, %(n)d") % {"n": n}, str(n), key))
        if head.draft:
            pairs.append((_("With the current draft"), key, sources.DRAFT))
    at = {"public_id": campaign.public_id}
    return [
        header.Action(label, reverse("campaigns:compare", kwargs={**at, "a": a, "b": b}), "git-compare")
        for label, a, b in pairs
    ]


def _kinds(chosen: str) -> list[dict[str, object]]:
    """Links that narrow the page down; "Each autosave" only where somebody came for it."""
    names = {
        timelines.ALL: _("All"),
        timelines.VERSIONS: _("Versions"),
        timelines.DRAFTS: _("Drafts"),
        timelines.SENDS: _("Sends"),
        timelines.EVENTS: _("Events"),
    }
    if chosen == timelines.SAVES:
        names[timelines.SAVES] = _("Each autosave")
    return [{"label": label, "url": f"?kind={kind}", "is_current": kind == chosen} for kind, label in names.items()]


def _n_changes(campaign: Campaign, draft: Draft | None) -> int | None:
    """In how many things the draft differs from the live version; None without one of them."""
    if draft is None or campaign.live_version is None:
        return None
    return comparing.count(documents.normalise(campaign.live_version.document), documents.normalise(draft.document))


def _moment(typed: str) -> dt.datetime | None:
    """Where a page begins; None for what is no time with a zone."""
    try:
        found = parse_datetime(typed)
    except ValueError:
        return None
    # In the first and the last year of the calendar another zone's date may be none.
    return found if found and found.tzinfo and 1 < found.year < 9999 else None


def _found(source: sources.Source | None) -> sources.Source:
    if source is None:
        raise Http404(_("This version doesn't exist, or this draft is no longer kept."))
    return source
