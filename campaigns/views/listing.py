"""The campaign list: a page, its table, its tabs and its moving rows as fragments."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.vary import vary_on_headers

from accounts import access, roles
from audiences.models import Profile
from campaigns import listing, rows, search, tags
from campaigns.views import header

# Entries of a filter menu; the others are typed.
_MENU_LENGTH = 30


@vary_on_headers("HX-Request", "HX-Target")
@access.requires(roles.VIEW)
def index(request: HttpRequest) -> HttpResponse:
    """The list; only its changing part for a search that htmx asks for, only the tabs for a list come back to."""
    user = header.user_of(request)
    params = request.GET.dict()
    if request.headers.get("HX-Target") == "campaign-tabs":
        counted = _tabs(listing.counts(user, params), _kept(params))
        return render(request, "campaigns/_campaign_tabs.html", {"tabs": counted})
    page = listing.page(user, params)
    context = _context(request, page, params)
    template = "campaigns/campaign_list.html"
    if request.headers.get("HX-Target") == "campaigns":
        template = "campaigns/_campaign_table.html"
        context["is_fragment"] = True
    return render(request, template, context)


@access.requires(roles.VIEW)
def moving_rows(request: HttpRequest) -> HttpResponse:
    """Status and delivery of the rows on somebody's screen that still move; 286 ends the asking."""
    found = listing.live_rows(header.user_of(request), request.GET.get("ids", "").split(","))
    is_over = not any(row.is_moving for row in found)
    return render(request, "campaigns/_row_updates.html", {"rows": found}, status=286 if is_over else 200)


def _context(request: HttpRequest, page: listing.Page, params: dict[str, str]) -> dict[str, Any]:
    can_edit = listing.can_edit(header.user_of(request))
    kept = _kept(params)
    return {
        "page": page,
        "rows": [(row, _menu(row)) for row in page.rows],
        "tabs": _tabs(page.tabs, kept),
        "chips": [
            {
                "label": one.label,
                "remove_url": _url(kept, q=search.without(page.query, one)),
                "is_unknown": not one.is_known,
            }
            for one in page.query.filters
        ],
        "menus": _filter_menus(page, kept),
        "clear_url": _url(kept, q=""),
        "sorts": [
            {"code": code, "label": label, "is_current": code == page.sort} for code, label in listing.SORTS.items()
        ],
        "heads": {code: _head(page, kept, code) for code in listing.SORTS},
        "previous_url": _url(kept, page=str(page.number - 1)) if page.number > 1 else "",
        "next_url": _url(kept, page=str(page.number + 1)) if page.number < page.n_pages else "",
        "archived_url": _url(kept, tab="archived"),
        "all_url": reverse("campaigns:list"),
        "can_edit": can_edit,
        "can_choose": can_edit and page.tab != "archived",
        "has_no_profiles": not page.has_campaigns and not Profile.objects.exists(),
        "empty": _nothing_in(page.tab),
        "max_tag": tags.MAX_LENGTH,
        "moving": ",".join(row.public_id for row in page.rows if row.is_moving),
        "here": request.get_full_path(),
    }


def _kept(params: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if value and key in ("q", "tab", "sort")}


def _tabs(counted: Sequence[listing.Tab], kept: dict[str, str]) -> list[dict[str, object]]:
    return [
        {"label": tab.label, "url": _url(kept, tab=tab.code), "is_current": tab.is_current, "count": tab.n}
        for tab in counted
    ]


def _filter_menus(page: listing.Page, kept: dict[str, str]) -> list[dict[str, object]]:
    """Filters to pick instead of typing them; each item is a link to the list with one filter more."""

    def item(key: str, value: str, label: str) -> dict[str, str]:
        return {"label": label, "url": _url(kept, q=search.within(page.query, key, value)), "icon": ""}

    owners = [item("owner", "me", _("Me")), *(item("owner", name, name) for name in page.owners)]
    menus: list[dict[str, object]] = [{"id": "filter-owner", "label": _("Owner"), "items": owners}]
    if page.tags:
        found = [item("tag", tag, tag) for tag in page.tags[:_MENU_LENGTH]]
        menus.append({"id": "filter-tag", "label": _("Tag"), "items": found})
    return menus


def _nothing_in(tab: str) -> str:
    """What an empty tab says."""
    return {
        "all": _("No campaigns."),
        "drafts": _("No drafts."),
        "attention": _("Nothing needs attention."),
        "scheduled": _("No scheduled campaigns."),
        "live": _("No live campaigns."),
        "sent": _("No sent campaigns."),
        "archived": _("No archived campaigns."),
    }[tab]


def _head(page: listing.Page, kept: dict[str, str], code: str) -> dict[str, str]:
    """A sortable heading: where it leads and what it says to screen readers."""
    is_current = page.sort == code
    is_next_descending = not page.is_descending if is_current else code != "name"
    direction = ("descending" if page.is_descending else "ascending") if is_current else ""
    return {"url": _url(kept, sort=f"-{code}" if is_next_descending else code), "direction": direction}


def _menu(row: rows.Row) -> list[dict[str, object]]:
    """The row's menu in the words of components/_menu.html."""
    at = {"public_id": row.public_id}
    edit = reverse("campaigns:edit", kwargs={**at, "step": "compose"})
    modify = reverse("campaigns:modify", kwargs=at)
    delete = reverse("campaigns:delete", kwargs=at)
    sent = {**at, "delivery_id": row.delivery_id}
    known: dict[str, dict[str, object]] = {
        "open": {"label": _("Open"), "url": reverse("campaigns:detail", kwargs=at), "icon": "eye"},
        "continue_draft": {"label": _("Continue draft"), "url": edit, "icon": "pencil-line"},
        "edit_draft": {"label": _("Edit draft"), "url": edit, "icon": "pencil-line"},
        "modify": {"label": _("Modify…"), "dialog_url": modify, "icon": "pencil-line"},
        "duplicate": _post(_("Duplicate"), reverse("campaigns:duplicate", kwargs=at), "copy"),
        "copy_id": {"label": _("Copy id"), "copies": row.public_id, "icon": "copy"},
        "archive": _post(_("Archive"), reverse("campaigns:archive", kwargs=at), "archive"),
        "unarchive": _post(_("Restore from archive"), reverse("campaigns:unarchive", kwargs=at), "archive-restore"),
        "delete": {"label": _("Delete campaign…"), "dialog_url": delete, "icon": "trash-2", "tone": "err"},
    }
    if row.delivery_id:
        known["cancel_send"] = _post(_("Cancel send"), reverse("campaigns:cancel-send", kwargs=sent), "x")
        known["pause"] = _post(_("Pause"), reverse("delivery:pause", args=[row.delivery_id]), "pause")
    return [known[code] for code in row.actions if code in known]


def _post(label: str, url: str, icon: str) -> dict[str, object]:
    return {"label": label, "url": url, "icon": icon, "method": "post"}


def _url(kept: dict[str, str], **changed: str) -> str:
    """The list's address with some parameters changed; "" takes one out."""
    params = {key: value for key, value in {**kept, **changed}.items() if value}
    return f"{reverse('campaigns:list')}?{urlencode(params)}" if params else reverse("campaigns:list")
