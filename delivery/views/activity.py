"""The message activity log, and one request with everybody it names."""

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts import access, roles
from delivery import activity_log, headlines, options, origins, reasons
from delivery.models import Delivery, RequestState, TriggerRequest

_STATES = {
    RequestState.SCHEDULED: ("info", "calendar-clock"),
    RequestState.TAKEN: ("info", "hourglass"),
    RequestState.QUEUED: ("ok", "check"),
    RequestState.IGNORED: ("warn", "circle-minus"),
    RequestState.CANCELLED: ("neutral", "ban"),
    RequestState.FAILED: ("err", "x"),
}


@access.requires(roles.VIEW)
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Newest first, fifty lines a page; also without script."""
    wanted = _wanted(request)
    page = activity_log.page(wanted)
    kept = {name: value for name, value in request.GET.items() if name != "before" and value}
    context = {
        "wanted": wanted,
        "rows": [_row(line, page) for line in page.lines],
        "types": [(code, label) for code, (label, _tone, _icon) in activity_log.TYPES.items()],
        "ranges": [(n, _days(n)) for n in activity_log.RANGES],
        "is_filtered": bool(wanted.search or wanted.type or wanted.origin_id or wanted.days != 1),
        "newest_url": f"?{urlencode(kept)}" if wanted.before else "",
        "next_url": f"?{urlencode(kept | {'before': page.next})}" if page.next else "",
        "days_kept": options.requests_kept().days,
    }
    return render(request, "delivery/activity_list.html", context)


@access.requires(roles.VIEW)
@require_safe
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One request: what was asked, and what became of each person."""
    found = get_object_or_404(TriggerRequest.objects.select_related("delivery__message"), public_id=public_id)
    people = [
        {"named": one, "badge": _badge(one.outcome) if one.outcome else _waiting(), "trigger": _pretty(one.row.trigger)}
        for one in activity_log.recipients(found)
    ]
    context = {
        "found": found,
        "badge": status(found),
        "counts": counts(found),
        "people": people,
        "trigger": _pretty(found.trigger),
        "audience": _pretty(found.call.get("audience")) if found.is_audience else "",
        "files": list(found.attachments.order_by("position").values_list("name", flat=True)),
        **_added(found.delivery),
        "send_url": origins.url(found.delivery) if found.delivery else "",
    }
    return render(request, "delivery/activity_request.html", context)


def _wanted(request: HttpRequest) -> activity_log.Filter:
    """Filters from the query string; what isn't one of ours is ignored."""
    get = request.GET.get
    days = get("days", "")
    return activity_log.Filter(
        search=get("q", "").replace("\x00", "").strip()[:320],
        type=kind if (kind := get("type", "")) in activity_log.TYPES else "",
        days=int(days) if days in {str(n) for n in activity_log.RANGES} else 1,
        origin_id=get("origin", "").replace("\x00", "")[:60],
        before=get("before", "")[:200],
    )


def _row(line: activity_log.Line, page: activity_log.Page) -> dict[str, Any]:
    """One line with finished words. `url`: where more is said."""
    delivery = page.deliveries.get(line.delivery_id or 0)
    row: dict[str, Any] = {"at": line.at, "badge": _badge(line.what), "send_url": "", "label": "", "detail": ""}
    if delivery is not None:
        row |= {"label": delivery.label, "send_url": origins.url(delivery)}
    if line.what == "api":
        asked = page.requests[line.request_no]
        url = reverse("delivery:activity-request", args=[asked.public_id])
        who = _("Key “%(name)s”") % {"name": line.who} if line.who else _("API")
        detail = ". ".join((status(asked)["label"], asked.note or counts(asked)))
        return row | {"label": asked.label, "who": who, "url": url, "detail": detail}
    profile = page.people.get(line.profile_id or 0)
    row["who"] = line.who or (profile.email if profile else str(line.profile_id or ""))
    row["url"] = ""
    # Deferrals have no record before their message has an outcome.
    if profile is not None and delivery is not None and line.what != "deferred":
        record = reverse("delivery:recipient", args=[delivery.public_id, profile.public_id])
        row["url"] = f"{record}?request={line.request_no}" if line.request_no else record
    row["detail"] = line.detail or (reasons.not_sent_sentence(line.code) if line.code else "")
    return row


def counts(asked: TriggerRequest) -> str:
    """How many of the people it names were queued."""
    if asked.state in {RequestState.SCHEDULED, RequestState.TAKEN}:
        return _("Nobody was chosen yet")
    values = {"n": headlines.count(asked.n_queued), "all": headlines.count(asked.n_named)}
    return ngettext("%(n)s of %(all)s person queued", "%(n)s of %(all)s people queued", asked.n_named) % values


def status(asked: TriggerRequest) -> dict[str, str]:
    """The state of a request; of one that nobody was queued for, that nothing is sent."""
    state = RequestState(asked.state)
    if state == RequestState.QUEUED and not asked.n_queued:
        state = RequestState.IGNORED
    tone, icon = _STATES[state]
    return {"label": str(state.label), "tone": tone, "icon": icon}


def _badge(what: str) -> dict[str, str]:
    label, tone, icon = activity_log.TYPES[what]
    return {"label": str(label), "tone": tone, "icon": icon}


def _waiting() -> dict[str, str]:
    return {"label": _("Waiting"), "tone": "info", "icon": "hourglass"}


def _days(n: int) -> str:
    return _("Last 24 hours") if n == 1 else ngettext("Last %(n)d day", "Last %(n)d days", n) % {"n": n}


def _added(of: Delivery | None) -> dict[str, str]:
    """What the call added to its message's envelope and head; nothing for a campaign's."""
    if of is None:
        return {}
    message = of.message
    return {"bcc": message.bcc, "headers": _pretty(dict(message.headers)), "extras": _pretty(message.extras)}


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) if value else ""
