"""A segment out of the people of a send, and the page about what the figures mean."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access, roles
from audiences import segments
from delivery import origins, people_lists, thresholds, tiles
from delivery.models import Delivery
from delivery.views.panel import get, user_of


@access.requires(roles.MANAGE_AUDIENCE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET asks for the name and says the number, as a dialog or a page; POST creates the segment."""
    delivery = get(public_id)
    group = request.POST.get("group") or request.GET.get("group", "")
    if group not in people_lists.NAMES or delivery.started_at is None:
        raise Http404
    if request.method != "POST":
        return _ask(request, delivery, group, people_lists.propose_name(delivery, group))
    name = request.POST.get("name", "")
    try:
        segment = people_lists.create(delivery.pk, group=group, name=name, by=user_of(request))
    except segments.SegmentInvalid as problem:
        return _ask(request, delivery, group, name, problem=problem.message)
    n = segment.n_people or 0
    said = ngettext(
        "Segment “%(name)s” created with %(n)s person.", "Segment “%(name)s” created with %(n)s people.", n
    ) % {"name": segment.name, "n": number_format(n, force_grouping=True)}
    url = reverse("audiences:segment", args=[segment.public_id])
    messages.success(request, format_html('{} <a href="{}">{}</a>', said, url, _("Open segment")))
    return redirect(origins.url(delivery))


def _ask(request: HttpRequest, delivery: Delivery, group: str, name: str, *, problem: str = "") -> HttpResponse:
    context = {
        "delivery": delivery,
        "group": group,
        "who": people_lists.label(group, people_lists.n_people(delivery, group)),
        "name": name,
        "problem": problem,
        "url": reverse("delivery:list-new", args=[delivery.public_id]),
        "back_url": origins.url(delivery),
        "dialog_id": "new-list",
    }
    is_part = bool(request.headers.get("HX-Request"))
    template = "delivery/list_dialog.html" if is_part else "delivery/list_page.html"
    return render(request, template, context, status=422 if problem else 200)


@access.requires(roles.VIEW)
@require_safe
def figures(request: HttpRequest) -> HttpResponse:
    """What each figure of the panel means, and from when on it is high."""
    rows = [(label, tiles.DEFINITIONS[name]) for name, label in tiles.LABELS.items()]
    return render(request, "delivery/figures.html", {"rows": rows, "limits": thresholds.failed()})
