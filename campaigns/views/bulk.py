"""What the list does with several campaigns at once: archive and take it back, add and remove a tag, duplicate.

The chosen ones are those that are ticked, or everything that the list's tab and search match; then the number and a
fingerprint of what the person saw come along, and nothing is done when something else matches by now.
"""

import datetime as dt
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import access, roles
from campaigns import archiving, drafts, listing, search, tags
from campaigns.models import Campaign
from campaigns.views import header
from lib.errors import DomainError

# How many campaigns one press may duplicate.
MAX_COPIES = 25
_UNDO = signing.Signer(salt="campaigns.archived")


@dataclass(frozen=True)
class _Chosen:
    """Campaign numbers in the list's order; `is_all`: everything that matches, which is asked about once."""

    ids: list[int]
    is_all: bool
    is_confirmed: bool

    @property
    def n(self) -> int:
        return len(self.ids)


@require_POST
@access.requires(roles.EDIT)
def archive(request: HttpRequest) -> HttpResponse:
    """Archive the chosen campaigns. Asks when some can't be or when all that match were chosen; a toast undoes it."""
    user = header.user_of(request)
    chosen = _chosen(request)
    planned = archiving.check(chosen.ids, by=user)
    if not chosen.is_confirmed and (planned.refused or chosen.is_all):
        return _ask(request, _archive_question(planned))
    done = archiving.archive(chosen.ids, by=user)
    if done.at:
        text = ngettext("%(n)d campaign archived.", "%(n)d campaigns archived.", done.n_possible)
        token = _UNDO.sign(f"{user.pk} {done.at.isoformat()}")
        undo = f"{reverse('campaigns:unarchive-many')}?{urlencode({'token': token})}"
        messages.success(request, text % {"n": done.n_possible}, extra_tags=undo)
    return _back(request)


@require_POST
@access.requires(roles.EDIT)
def unarchive(request: HttpRequest) -> HttpResponse:
    """Undo of one `archive`, by the person who did it: brings back exactly those campaigns."""
    user = header.user_of(request)
    try:
        number, _space, at = _UNDO.unsign(request.GET.get("token", "")).partition(" ")
    except signing.BadSignature:
        number, at = "", ""
    if number != str(user.pk):
        raise DomainError(_("There is nothing to undo."), code="nothing_to_undo")
    n = archiving.restore(dt.datetime.fromisoformat(at), by=user)
    messages.success(request, ngettext("%(n)d campaign restored.", "%(n)d campaigns restored.", n) % {"n": n})
    return redirect(list_address(request.headers.get("Referer", "")))


@require_POST
@access.requires(roles.EDIT)
def tag(request: HttpRequest) -> HttpResponse:
    """Add a tag to the chosen campaigns, or with `do=remove` take it away."""
    user = header.user_of(request)
    chosen = _chosen(request)
    name = tags.clean(request.POST.get("tag", ""))
    is_removal = request.POST.get("do") == "remove"
    if chosen.is_all and not chosen.is_confirmed:
        return _ask(request, _tag_question(name, chosen.n, is_removal=is_removal))
    done = (tags.remove if is_removal else tags.add)(chosen.ids, tag=name, by=user)
    messages.success(request, _tagged(done, is_removal=is_removal))
    for full in done.full:
        sentence = _("%(name)s has %(n)d tags already. Remove one first.")
        messages.warning(request, sentence % {"name": full, "n": tags.MAX_TAGS})
    return _back(request)


@require_POST
@access.requires(roles.EDIT)
def duplicate(request: HttpRequest) -> HttpResponse:
    """A copy of each chosen campaign; of one alone the copy opens in Compose."""
    user = header.user_of(request)
    chosen = _chosen(request)
    if chosen.n > MAX_COPIES:
        sentence = _("At most %(n)d campaigns can be duplicated at once. Nothing was duplicated.")
        raise DomainError(sentence % {"n": MAX_COPIES}, code="too_many")
    if chosen.is_all and not chosen.is_confirmed:
        title = ngettext("Duplicate %(n)d campaign?", "Duplicate %(n)d campaigns?", chosen.n) % {"n": chosen.n}
        label = ngettext("Duplicate %(n)d campaign", "Duplicate %(n)d campaigns", chosen.n) % {"n": chosen.n}
        return _ask(request, {"title": title, "go_on": label})
    copies = [drafts.duplicate(campaign_id, by=user) for campaign_id in chosen.ids]
    if len(copies) == 1:
        messages.warning(request, _("This is a copy. The schedule was not copied, so it will send once confirmed."))
        return _go(request, reverse("campaigns:edit", kwargs={"public_id": copies[0].public_id, "step": "compose"}))
    text = ngettext(
        "%(n)d campaign duplicated. Schedules were not copied.",
        "%(n)d campaigns duplicated. Schedules were not copied.",
        len(copies),
    )
    messages.success(request, text % {"n": len(copies)})
    return _back(request)


def list_address(address: str) -> str:
    """The list as it was looked at, out of an address from outside; only our own list is followed."""
    query, ours = address.partition("?")[2], reverse("campaigns:list")
    return f"{ours}?{query}" if is_list(address) and query else ours


def is_list(address: str) -> bool:
    """Whether an address from outside is that of the list."""
    return address.partition("?")[0].endswith(reverse("campaigns:list"))


def _chosen(request: HttpRequest) -> _Chosen:
    is_confirmed = request.POST.get("confirmed") == "1"
    if request.POST.get("scope") != "all":
        ids = [text for text in request.POST.getlist("id") if search.is_public_id(text)][: listing.PAGE_SIZE]
        found = Campaign.objects.filter(public_id__in=ids).order_by("name", "pk")
        return _Chosen(list(found.values_list("pk", flat=True)), is_all=False, is_confirmed=is_confirmed)
    params = {key: request.POST.get(key, "") for key in ("q", "tab")}
    ids_now = listing.matching_ids(header.user_of(request), params)
    if listing.fingerprint(ids_now) != request.POST.get("seen"):
        n, shown = len(ids_now), request.POST.get("n", "")
        if shown == str(n):
            raise DomainError(
                _("Other campaigns match now. Nothing was changed. Reload the list."), code="list_changed"
            )
        sentence = ngettext(
            "%(n)d campaign matches now, not %(shown)s. Nothing was changed. Reload the list.",
            "%(n)d campaigns match now, not %(shown)s. Nothing was changed. Reload the list.",
            n,
        )
        raise DomainError(sentence % {"n": n, "shown": shown[:9]}, code="list_changed")
    return _Chosen(ids_now, is_all=True, is_confirmed=is_confirmed)


def _archive_question(planned: archiving.Archived) -> dict[str, object]:
    n, n_asked = planned.n_possible, planned.n_asked
    if not n:
        title = ngettext("This campaign can't be archived.", "These campaigns can't be archived.", n_asked)
    elif planned.refused:
        title = ngettext("Archive %(n)d of %(all)d campaign?", "Archive %(n)d of %(all)d campaigns?", n_asked) % {
            "n": n,
            "all": n_asked,
        }
    else:
        title = ngettext("Archive %(n)d campaign?", "Archive %(n)d campaigns?", n) % {"n": n}
    label = ngettext("Archive %(n)d campaign", "Archive %(n)d campaigns", n) % {"n": n}
    return {"title": title, "refused": planned.refused, "go_on": label if n else ""}


def _tag_question(name: str, n: int, *, is_removal: bool) -> dict[str, object]:
    values = {"tag": name, "n": n}
    if is_removal:
        title = ngettext("Remove “%(tag)s” from %(n)d campaign?", "Remove “%(tag)s” from %(n)d campaigns?", n)
        return {"title": title % values, "go_on": _("Remove tag")}
    title = ngettext("Add “%(tag)s” to %(n)d campaign?", "Add “%(tag)s” to %(n)d campaigns?", n)
    return {"title": title % values, "go_on": _("Add tag")}


def _tagged(done: tags.Tagged, *, is_removal: bool) -> str:
    n = done.n_changed
    if is_removal:
        text = ngettext("Tag “%(tag)s” removed from %(n)d campaign.", "Tag “%(tag)s” removed from %(n)d campaigns.", n)
    else:
        text = ngettext("Tag “%(tag)s” added to %(n)d campaign.", "Tag “%(tag)s” added to %(n)d campaigns.", n)
    return text % {"tag": done.tag, "n": n}


def _ask(request: HttpRequest, question: dict[str, object]) -> HttpResponse:
    """The question as a dialog or a page; its form sends again what was sent, with the answer."""
    kept = [
        (key, value)
        for key, values in request.POST.lists()
        if key not in {"csrfmiddlewaretoken", "confirmed"}
        for value in values
    ]
    back = list_address(request.POST.get("back", ""))
    context = {**question, "kept": kept, "action": request.path, "back": back, "dialog_id": "bulk-dialog"}
    template = "campaigns/bulk_dialog.html" if request.headers.get("HX-Request") else "campaigns/bulk_page.html"
    return render(request, template, context)


def _back(request: HttpRequest) -> HttpResponse:
    return _go(request, list_address(request.POST.get("back", "")))


def _go(request: HttpRequest, address: str) -> HttpResponse:
    """On to a page, also out of htmx; what is to be said there is in the messages."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)
