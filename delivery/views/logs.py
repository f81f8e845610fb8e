"""The log pages of a delivery, their export, one recipient's record, and a profile's Messages tab."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import access, roles
from audiences.models import Profile
from delivery import (
    activities,
    breakdowns,
    exports,
    failures,
    history,
    kpi,
    logs,
    origins,
    pages,
    prepared,
    reasons,
    recipients,
    retention,
    rollups,
    status,
)
from delivery.models import Delivery, EventKind
from delivery.views.panel import get
from lib import sheets
from messaging import frames


@access.requires(roles.VIEW)
@require_safe
def log(request: HttpRequest, public_id: UUID, tab: str) -> HttpResponse:
    """One tab; also without script."""
    delivery = get(public_id)
    if tab not in pages.TABS:
        raise Http404
    # The tabs' numbers must be those of what the tabs show.
    rollups.freshen(delivery)
    panel = kpi.panel(delivery)
    wanted = _wanted(request)
    gone = retention.sentence(delivery, tab)
    context = {
        "delivery": delivery,
        "badge": pages.badge(delivery),
        "tab": tab,
        "tab_label": pages.TABS[tab],
        "tabs": pages.tabs(delivery, panel, tab),
        "panel": panel,
        "wanted": wanted,
        "back_url": origins.url(delivery) if origins.has_page(delivery) else "",
        "requests_url": f"{reverse('delivery:activity')}?type=api&days=90&origin={delivery.origin_id}",
        "may_export": request.user.has_perm(roles.EXPORT),
        "gone": gone,
        "export_url": "" if gone else f"{reverse('delivery:log-export', args=[public_id, tab])}?{_query(request)}",
        "filters": _filters(tab),
        **({} if gone else _rows(delivery, tab, wanted)),
    }
    _link(request, context)
    return render(request, f"delivery/log_{tab}.html", context)


@access.requires(roles.EXPORT)
@require_safe
def export(request: HttpRequest, public_id: UUID, tab: str) -> StreamingHttpResponse:
    """All rows of a tab as CSV, streamed in batches; the same filters as on the page."""
    delivery = get(public_id)
    if tab not in pages.TABS:
        raise Http404
    if gone := retention.sentence(delivery, tab):
        raise retention.LogRemoved(gone)
    answer = StreamingHttpResponse(
        sheets.csv_lines(exports.rows(delivery, tab, _wanted(request))), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="{tab}-{delivery.public_id}.csv"'
    return answer


@access.requires(roles.VIEW)
@require_safe
def recipient(request: HttpRequest, public_id: UUID, profile_id: UUID) -> HttpResponse:
    """One person's record: a drawer when a script asks, else a page of its own."""
    delivery = get(public_id)
    profile = get_object_or_404(Profile, public_id=profile_id)
    request_no = _request_no(request) or delivery.request_no
    found = recipients.find(delivery, profile.pk, request_no)
    if found is None:
        raise Http404
    context = {
        "delivery": delivery,
        "profile": profile,
        "recipient": found,
        # Webhooks go to no address of the person.
        "shown_as": found.address or str(profile),
        "badge": status.badge(found.status),
        "frame_url": f"{reverse('delivery:recipient-message', args=[public_id, profile_id])}?request={request_no}",
        "here": request.get_full_path(),
        "back_url": reverse("delivery:log", args=[public_id, "sending"]),
        "tabs": pages.tabs(delivery, None, "sending"),
    }
    is_drawer = bool(request.headers.get("HX-Request"))
    return render(request, f"delivery/{'_recipient_drawer' if is_drawer else 'recipient'}.html", context)


@access.requires(roles.VIEW)
@require_safe
def recipient_message(request: HttpRequest, public_id: UUID, profile_id: UUID) -> HttpResponse:
    """The message as this person gets it, where it can run nothing and loads no tracking of ours."""
    profile = get_object_or_404(Profile, public_id=profile_id)
    delivery = get(public_id)
    request_no = _request_no(request) or delivery.request_no
    return frames.response(recipients.message_html(delivery, profile.pk, request_no))


@access.requires(roles.VIEW)
@require_safe
def profile_messages(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What one person was sent, and what not and why."""
    profile = get_object_or_404(Profile, public_id=public_id)
    rows = [
        {"entry": entry, "badge": status.badge(entry.status), "url": origins.url(entry.delivery)}
        for entry in history.entries(profile.pk)
    ]
    context = {"profile": profile, "rows": rows, "current_tab": "messages"}
    return render(request, "delivery/profile_messages.html", context)


def _wanted(request: HttpRequest) -> logs.Filter:
    """Filters from the query string; what isn't one of ours is ignored."""
    get_value = request.GET.get
    known = get_value("status", "")
    after, before = get_value("after", ""), get_value("before", "")
    asked, _dot, key = (after or before).rpartition(".")
    return logs.Filter(
        search=get_value("q", "").replace("\x00", "").strip()[:320],
        status=known if known in status.Status.values else "",
        reason=get_value("reason", "").replace("\x00", "")[:30],
        kind=get_value("event", "")[:12],
        severity=severity if (severity := get_value("severity", "")) in activities.SEVERITIES else "",
        domain=get_value("domain", "").strip().lstrip("@").replace("\x00", "")[:253],
        has_automatic=get_value("automatic", "") == "1",
        after=int(key) if _is_number(key) else None,
        after_request=int(asked) if _is_number(asked) else 0,
        is_back=bool(before and not after),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _request_no(request: HttpRequest) -> int:
    """Which of a person's messages in a standing delivery is meant; 0 elsewhere."""
    text = request.GET.get("request", "")
    return int(text) if _is_number(text) else 0


def _query(request: HttpRequest, **changes: object) -> str:
    kept = {name: value for name, value in request.GET.items() if name not in {"after", "before"} and value}
    return urlencode(kept | {name: value for name, value in changes.items() if value is not None})


def _link(request: HttpRequest, context: dict[str, Any]) -> None:
    """Addresses of the neighbouring pages."""
    page = context.get("page")
    if page is None:
        return
    context["previous_url"] = f"?{_query(request, before=page.previous)}" if page.previous is not None else ""
    context["next_url"] = f"?{_query(request, after=page.next)}" if page.next is not None else ""


def _rows(delivery: Delivery, tab: str, wanted: logs.Filter) -> dict[str, Any]:
    read: dict[str, Callable[[], dict[str, Any]]] = {
        "sending": lambda: {"page": logs.sending(delivery, wanted)},
        "exclusions": lambda: {"page": logs.exclusions(delivery, wanted), "sum": prepared.sum_of(delivery)},
        "tracking": lambda: {"page": logs.tracking(delivery, wanted)},
        "links": lambda: {"rows": breakdowns.links(delivery, search=wanted.search)},
        "failures": lambda: {"rows": failures.failures(delivery, domain=wanted.domain, search=wanted.search)},
        "activity": lambda: {"page": activities.page(delivery, wanted)},
    }
    found = read[tab]()
    if tab == "sending":
        found["badges"] = [(row, status.badge(row.status)) for row in found["page"].rows]
    return found


def _filters(tab: str) -> list[tuple[str, str]]:
    """Choices of the tab's one select, value and label."""
    kinds = (EventKind.OPENED, EventKind.CLICKED, EventKind.UNSUBSCRIBED, EventKind.COMPLAINED)
    choices: dict[str, list[tuple[str, str]]] = {
        "sending": [(value, str(label)) for value, label in status.Status.choices],
        "exclusions": [(code, reasons.exclusion_sentence(code)) for code in reasons.EXCLUSIONS],
        "tracking": [(kind.value, str(kind.label)) for kind in kinds],
        "activity": [(value, str(label)) for value, label in activities.SEVERITIES.items()],
    }
    return choices.get(tab, [])
