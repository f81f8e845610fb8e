"""Fragments that pages of deliveries keep up to date, and the rendered samples of a preparation."""

import dataclasses
import datetime as dt
import time
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import access, roles
from accounts.models import User
from delivery import charts, kpi, origins, pages, polling, recipients, rollups
from delivery.models import RUNNING, Delivery, DeliveryState
from lib import sheets
from messaging import frames

# live.js stops polling on this status.
_STOP_POLLING = 286
_PILL_MOST = 5
# Milliseconds between two looks for sends from any page: while there is one, and while there is none.
_PILL_MS, _PILL_IDLE_MS = 5_000, 20_000


def get(public_id: UUID) -> Delivery:
    """The delivery of a URL, with what its pages show."""
    people = ("owner", "prepared_by", "confirmed_by", "paused_by", "ended_by")
    return get_object_or_404(Delivery.objects.select_related("message", *people), public_id=public_id)


def user_of(request: HttpRequest) -> User:
    """The person who is signed in; `access.requires` has made sure that there is one."""
    assert isinstance(request.user, User)
    return request.user


@access.requires(roles.VIEW)
@require_safe
@never_cache
def panel(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The changing part of a delivery's page; asks for a reload when the state isn't the page's any more.

    With `Accept: application/json`, the same figures for programs.
    """
    began = time.perf_counter()
    delivery = get(public_id)
    if "application/json" in request.headers.get("Accept", ""):
        rollups.freshen(delivery)
        return JsonResponse(
            {"state": delivery.state, "seal": delivery.seal, "failure": delivery.failure, "trouble": delivery.trouble}
            | dataclasses.asdict(kpi.panel(delivery))
        )
    if request.GET.get("state", delivery.state) != delivery.state:
        return HttpResponse(headers={"X-Reload": "1"})
    rollups.freshen(delivery)
    now = timezone.now()
    values = pages.live(delivery, now) | {"may": pages.rights(delivery, user_of(request)), "is_update": True}
    answer = render(request, "delivery/_live.html", values)
    is_computing = bool(values["computing"] and values["computing"].is_running)
    took_ms = (time.perf_counter() - began) * 1000
    next_ms = polling.poll_ms(delivery, now, took_ms=took_ms, is_computing=is_computing)
    if next_ms is None:
        answer.status_code = _STOP_POLLING
    else:
        answer["X-Next-Poll"] = str(next_ms)
    return answer


@access.requires(roles.VIEW)
@require_safe
@never_cache
def pill(request: HttpRequest) -> HttpResponse:
    """What is being sent right now, for the top bar; nothing when nothing is."""
    deliveries = list(
        Delivery.objects.filter(state__in=[*RUNNING, DeliveryState.CONFIRMED])
        .exclude(state=DeliveryState.SENDING, is_standing=True)
        .exclude(state=DeliveryState.CONFIRMED, start_at__gt=timezone.now() + dt.timedelta(minutes=5))
        .order_by("-started_at")[:_PILL_MOST]
    )
    summaries = kpi.summaries([delivery.pk for delivery in deliveries])
    rows = [
        {
            "delivery": delivery,
            "figures": summaries[delivery.pk],
            "url": origins.url(delivery),
            "may": pages.rights(delivery, user_of(request)),
            "is_trouble": delivery.state == DeliveryState.PAUSED and delivery.pause_cause != "person",
        }
        for delivery in deliveries
    ]
    rows.sort(key=lambda row: not row["is_trouble"])
    answer = render(request, "delivery/_pill.html", {"rows": rows, "first": rows[0] if rows else None})
    answer["X-Next-Poll"] = str(_PILL_MS if rows else _PILL_IDLE_MS)
    return answer


@access.requires(roles.VIEW)
@require_safe
def chart(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The running totals as a fragment: data for the chart, and the same as a table."""
    delivery = get(public_id)
    span = request.GET.get("span", "all")
    points = charts.points(delivery, until=charts.end(delivery), span=charts.SPANS.get(span))
    return render(request, "delivery/_chart.html", charts.fragment(delivery, points, span))


@access.requires(roles.VIEW)
@require_safe
def chart_csv(request: HttpRequest, public_id: UUID) -> StreamingHttpResponse:
    """The table under the chart as CSV: totals, nothing personal."""
    delivery = get(public_id)
    span = request.GET.get("span", "all")
    points = charts.points(delivery, until=charts.end(delivery), span=charts.SPANS.get(span))
    text = sheets.csv_lines(charts.table(delivery, points))
    answer = StreamingHttpResponse(text, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="over-time-{delivery.public_id}.csv"'
    return answer


@access.requires(roles.VIEW)
@require_safe
def samples(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One rendered message of a preparation at a time."""
    delivery = get(public_id)
    if not delivery.samples:
        raise Http404
    wanted = request.GET.get("n", "1")
    number = min(int(wanted), len(delivery.samples)) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else 1
    number = max(1, number)
    here = reverse("delivery:samples", args=[delivery.public_id])
    context = {
        "delivery": delivery,
        "sample": delivery.samples[number - 1],
        "number": number,
        "n_samples": len(delivery.samples),
        "frame_url": reverse("delivery:sample-frame", args=[delivery.public_id, number]),
        "previous_url": f"{here}?n={number - 1}" if number > 1 else "",
        "next_url": f"{here}?n={number + 1}" if number < len(delivery.samples) else "",
        "back_url": origins.url(delivery),
    }
    return render(request, "delivery/samples.html", context)


@access.requires(roles.VIEW)
@require_safe
def sample_frame(request: HttpRequest, public_id: UUID, number: int) -> HttpResponse:
    """The HTML of a sample, rendered now, in a page of its own that can run nothing."""
    delivery = get(public_id)
    if not 1 <= number <= len(delivery.samples):
        raise Http404
    profile_id = int(delivery.samples[number - 1]["profile_id"])
    return frames.response(recipients.message_html(delivery, profile_id))
