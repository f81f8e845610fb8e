"""The campaign list: a page, its table as a fragment, and archiving several at once."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from django.views.decorators.vary import vary_on_headers

from accounts import access, roles
from campaigns import lifecycle, listing, rows, search
from campaigns.models import Campaign
from campaigns.views import header
from lib.errors import DomainError


@vary_on_headers("HX-Request", "HX-Target")
@access.requires(roles.VIEW)
def index(request: HttpRequest) -> HttpResponse:
    """The list; only its changing part for a search that htmx asks for."""
    user = header.user_of(request)
    params = request.GET.dict()
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


@require_POST
@access.requires(roles.EDIT)
def archive_many(request: HttpRequest) -> HttpResponse:
    """Archive the chosen campaigns; those that can't be are named with the reason, the toast undoes the others."""
    user = header.user_of(request)
    done, refused = [], []
    for campaign in _chosen(request):
        try:
            lifecycle.archive(campaign.pk, by=user)
            done.append(str(campaign.public_id))
        except DomainError as refusal:
            refused.append(refusal.message)
    if done:
        n = len(done)
        text = ngettext("%(n)d campaign archived.", "%(n)d campaigns archived.", n) % {"n": n}
        undo = f"{reverse('campaigns:unarchive-many')}?{urlencode({'ids': ','.join(done)})}"
        messages.success(request, text, extra_tags=undo)
    for message in refused:
        messages.warning(request, message)
    return redirect(_back(request))


@require_POST
@access.requires(roles.EDIT)
def unarchive_many(request: HttpRequest) -> HttpResponse:
    """Undo of `archive_many`."""
    user = header.user_of(request)
    ids = [text for text in request.GET.get("ids", "").split(",") if search.is_public_id(text)]
    n = 0
    for campaign in Campaign.objects.filter(public_id__in=ids[: listing.PAGE_SIZE]):
        lifecycle.unarchive(campaign.pk, by=user)
        n += 1
    messages.success(request, ngettext("%(n)d campaign restored.", "%(n)d campaigns restored.", n) % {"n": n})
    return redirect("campaigns:list")


def _context(request: HttpRequest, page: listing.Page, params: dict[str, str]) -> dict[str, Any]:
    can_edit = listing.can_edit(header.user_of(request))
    kept = {key: value for key, value in params.items() if value and key in ("q", "tab", "sort")}
    return {
        "page": page,
        "rows": [(row, _menu(row)) for row in page.rows],
        "tabs": [
            {"label": tab.label, "url": _url(kept, tab=tab.code), "is_current": tab.is_current, "count": tab.n}
            for tab in page.tabs
        ],
        "chips": [
            {
                "label": one.label,
                "remove_url": _url(kept, q=search.without(page.query, one)),
                "is_unknown": not one.is_known,
            }
            for one in page.query.filters
        ],
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
        "moving": ",".join(row.public_id for row in page.rows if row.is_moving),
        "here": request.get_full_path(),
    }


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


def _chosen(request: HttpRequest) -> list[Campaign]:
    ids = [UUID(text) for text in request.POST.getlist("id") if search.is_public_id(text)]
    return list(Campaign.objects.filter(public_id__in=ids[: listing.PAGE_SIZE]).order_by("name"))


def _back(request: HttpRequest) -> str:
    """The list as it was looked at; only our own address is followed."""
    back = request.POST.get("back", "")
    return back if back.startswith(reverse("campaigns:list")) else reverse("campaigns:list")


def _url(kept: dict[str, str], **changed: str) -> str:
    """The list's address with some parameters changed; "" takes one out."""
    params = {key: value for key, value in {**kept, **changed}.items() if value}
    return f"{reverse('campaigns:list')}?{urlencode(params)}" if params else reverse("campaigns:list")
