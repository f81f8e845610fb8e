"""The buttons of a delivery. Each is a POST that calls one work function and goes back to where it was pressed."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import access, roles
from delivery import computing, lifecycle, nudges, origins, refreshing, retention, rollups, sending, tasks
from delivery.models import Delivery
from delivery.views.panel import get, user_of
from lib.errors import DomainError


@access.requires(roles.EDIT)
@require_POST
def prepare(request: HttpRequest, public_id: UUID) -> HttpResponse:
    delivery = lifecycle.prepare(get(public_id).pk, by=user_of(request))
    tasks.prepare.delay_on_commit(delivery.pk)
    return _back(request, delivery)


@access.requires(roles.EDIT)
@require_POST
def abort(request: HttpRequest, public_id: UUID) -> HttpResponse:
    return _back(request, lifecycle.abort(get(public_id).pk, by=user_of(request)))


@access.requires(roles.EDIT)
@require_POST
def pause(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Operators, and the owner; who is neither is refused by the work function."""
    return _back(request, lifecycle.pause(get(public_id).pk, by=user_of(request)))


@access.requires(roles.START)
@require_POST
def resume(request: HttpRequest, public_id: UUID) -> HttpResponse:
    delivery = lifecycle.resume(get(public_id).pk, by=user_of(request))
    tasks.drain.delay_on_commit(delivery.pk)
    return _back(request, delivery)


@access.requires(roles.START)
@require_POST
def stop(request: HttpRequest, public_id: UUID) -> HttpResponse:
    return _back(request, lifecycle.stop(get(public_id).pk, by=user_of(request)))


@access.requires(roles.START)
@require_POST
def start_now(request: HttpRequest, public_id: UUID) -> HttpResponse:
    delivery = lifecycle.start_now(get(public_id).pk, by=user_of(request))
    tasks.drain.delay_on_commit(delivery.pk)
    return _back(request, delivery)


@access.requires(roles.START)
@require_POST
def refresh(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Prepare again just before sending, or not."""
    typed = request.POST.get("percent", "").strip()
    guard = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else -1
    is_on = "is_on" in request.POST
    delivery = refreshing.choose(get(public_id).pk, guard_percent=guard if is_on else None, by=user_of(request))
    said = _("The list is prepared again just before sending.") if is_on else _("The list stays as it was fixed.")
    messages.success(request, said)
    return _back(request, delivery)


@access.requires(roles.EDIT)
@require_POST
def retry(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Take up what stands still. Operators, and the owner; who is neither is refused by the work function."""
    delivery = nudges.retry_now(get(public_id).pk, by=user_of(request))
    for _slot in range(max(1, sending.n_free_slots(delivery.pk))):
        tasks.drain.delay_on_commit(delivery.pk)
    messages.info(request, _("Trying again now."))
    return _back(request, delivery)


@access.requires(roles.VIEW)
@require_POST
def compute(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Count everything again from the log; says what changed. A large log is counted by a worker."""
    delivery = get(public_id)
    retention.check(delivery)
    known = computing.status(delivery)
    if known.wait_s:
        raise DomainError(_("The figures were computed less than 30 s ago."), code="just_computed", status=429)
    if rollups.size(delivery, getattr(delivery, "stat", None)) < rollups.SMALL:
        text = computing.run(delivery.pk)
    else:
        if not known.is_running:
            computing.ask(delivery)
            tasks.compute_stats.delay_on_commit(delivery.pk)
        text = ""
    if request.headers.get("HX-Request"):
        said: dict[str, object] = {"live:refresh": {}} | ({"toast": {"text": text}} if text else {})
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(said)})
    messages.success(request, text or _("Computing. The time beside the button changes when it is done."))
    return _back(request, delivery)


def _back(request: HttpRequest, delivery: Delivery) -> HttpResponse:
    """To the page the button was on, else to the delivery's page."""
    referer = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(referer if is_ours else origins.url(delivery))
