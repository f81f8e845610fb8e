"""The message activity log, and one request with everybody it names."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts import access, roles
from delivery import activity_log, callers, headlines, options, origins, reasons
from delivery.models import Delivery, RefusedCall, RequestState, TestMessage, TriggerRequest
from messaging import webhooks

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
    campaigns = activity_log.campaigns(origins.kinds_with_home())
    kept = {name: value for name, value in request.GET.items() if name != "before" and value}
    context = {
        "wanted": wanted,
        "rows": [_row(line, page) for line in page.lines],
        "types": [(code, label) for code, (label, _tone, _icon) in activity_log.TYPES.items()],
        "campaigns": _choices(campaigns, wanted.origin_id),
        # With one channel there is nothing to choose.
        "channels": activity_log.CHANNELS.items() if wanted.channel or webhooks.is_on() else (),
        "ranges": [(n, _days(n)) for n in activity_log.RANGES],
        "is_filtered": replace(wanted, before="") != activity_log.Filter(),
        "rows_url": "" if wanted.before else f"{reverse('delivery:activity-rows')}?{urlencode(kept)}",
        "newest_url": f"?{urlencode(kept)}" if wanted.before else "",
        "next_url": f"?{urlencode(kept | {'before': page.next})}" if page.next else "",
        "days_kept": options.requests_kept().days,
    }
    return render(request, "delivery/activity_list.html", context)


@access.requires(roles.VIEW)
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """The newest lines alone, for a page that shows them as they come (static/js/activity.js)."""
    page = activity_log.page(replace(_wanted(request), before=""))
    return render(request, "delivery/_activity_rows.html", {"rows": [_row(line, page) for line in page.lines]})


@access.requires(roles.VIEW)
@require_safe
def refused(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One call that was refused: what it asked, what it was told; a drawer when a script asks."""
    found = get_object_or_404(RefusedCall, public_id=public_id)
    context = {
        "found": found,
        "told": callers.of_refused(found),
        "sentences": found.sentences.splitlines(),
        "who": key(found),
        "campaign_url": origins.home("campaign", found.origin_id),
        **_for_admins(request),
    }
    return _shown(request, "refused", context)


@access.requires(roles.VIEW)
@require_safe
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One request: what was asked, and what became of each person; a drawer when a script asks."""
    found = get_object_or_404(TriggerRequest.objects.select_related("delivery__message"), public_id=public_id)
    people = [
        {"named": one, "badge": badge(one.outcome) if one.outcome else _waiting(), "trigger": _pretty(one.row.trigger)}
        for one in activity_log.recipients(found)
    ]
    context = {
        "found": found,
        "badge": status(found),
        "counts": _chosen(found),
        "local_time": due(found) if found.call.get("local_time") else "",
        "people": people,
        "told": callers.of_request(found),
        "audience": _pretty(found.call.get("audience")) if found.is_audience else "",
        "files": list(found.attachments.order_by("position").values_list("name", flat=True)),
        **_added(found.delivery),
        "send_url": origins.url(found.delivery) if found.delivery else "",
        "campaign_url": origins.home(found.origin_kind, found.origin_id),
        "who": who(found),
        **_for_admins(request),
    }
    return _shown(request, "request", context)


def _for_admins(request: HttpRequest) -> dict[str, bool]:
    return {"may_see_keys": request.user.has_perm(roles.MANAGE_TRANSPORTS)}


def _shown(request: HttpRequest, what: str, context: dict[str, Any]) -> HttpResponse:
    """As a drawer for htmx, else as a page."""
    form = "drawer" if request.headers.get("HX-Request") else "page"
    context |= {"what": what, "here": request.path, "part": f"delivery/_activity_{what}.html"}
    return render(request, f"delivery/activity_{form}.html", context)


def _wanted(request: HttpRequest) -> activity_log.Filter:
    """Filters from the query string; what isn't one of ours is ignored."""
    get = request.GET.get
    days = get("days", "")
    return activity_log.Filter(
        search=get("q", "").replace("\x00", "").strip()[:320],
        type=kind if (kind := get("type", "")) in activity_log.TYPES else "",
        days=int(days) if days in {str(n) for n in activity_log.RANGES} else 1,
        origin_id=get("origin", "").replace("\x00", "")[:60],
        channel=channel if (channel := get("channel", "")) in activity_log.CHANNELS else "",
        before=get("before", "")[:200],
    )


def _row(line: activity_log.Line, page: activity_log.Page) -> dict[str, Any]:
    """One line with finished words. `url`: where more is said; `key`: by which a script knows it again."""
    shown = badge(line.what)
    row = {"key": line.key, "at": line.at, "badge": shown, "send_url": "", "label": "", "url": "", "detail": ""}
    if line.what == "refused":
        return row | refused_row(page.refused[line.a])
    if line.what == "test":
        return row | _test_row(page.tests[line.a])
    delivery = page.deliveries.get(line.delivery_id or 0)
    if delivery is not None:
        row |= {"label": delivery.label, "send_url": origins.url(delivery)}
    if line.what == "api":
        return row | _request_row(page.requests[line.request_no])
    profile = page.people.get(line.profile_id or 0)
    row["who"] = line.who or (profile.email or str(profile) if profile else str(line.profile_id or ""))
    # Deferrals have no record before their message has an outcome.
    if profile is not None and delivery is not None and line.what != "deferred":
        record = reverse("delivery:recipient", args=[delivery.public_id, profile.public_id])
        row["url"] = f"{record}?request={line.request_no}" if line.request_no else record
    row["detail"] = reasons.told(line.code, line.detail) or (reasons.not_sent_sentence(line.code) if line.code else "")
    return row


def _request_row(asked: TriggerRequest) -> dict[str, Any]:
    return {
        "label": asked.label,
        "who": who(asked),
        "url": reverse("delivery:activity-request", args=[asked.public_id]),
        "detail": _became(asked),
    }


def _became(asked: TriggerRequest) -> str:
    told = asked.note or counts(asked)
    says_it = asked.n_queued or asked.state in {RequestState.SCHEDULED, RequestState.CANCELLED}
    return told if says_it else f"{status(asked)['label']}. {told}"


def refused_row(call: RefusedCall) -> dict[str, Any]:
    more = ""
    if call.n_more:
        more = ngettext(
            "At least %(n)s more like it in the same minute.",
            "At least %(n)s more like it in the same minute.",
            call.n_more,
        ) % {"n": headlines.count(call.n_more)}
    told = " ".join(call.sentences.splitlines())
    return {
        "label": call.path.strip("/"),
        "steps": call.path.strip("/").split("/"),
        "who": key(call),
        "url": reverse("delivery:activity-refused", args=[call.public_id]),
        "detail": " ".join(part for part in (str(call.status), told, more) if part),
    }


def _test_row(test: TestMessage) -> dict[str, Any]:
    taken = _("The mail server took it.")
    by = _("Test by %(name)s.") % {"name": test.by}
    return {
        "label": test.label,
        "send_url": origins.home("campaign", test.origin_id),
        "who": test.address,
        "detail": f"{by} {taken if test.is_taken else test.detail}",
        "badge": badge("test") if test.is_taken else badge("failed"),
    }


def who(asked: TriggerRequest) -> str:
    """Who asked: a key, or a person who tried it."""
    if asked.is_try:
        return _("Try it, %(name)s") % {"name": asked.key_label}
    return _("Key “%(name)s”") % {"name": asked.key_label} if asked.key_label else _("API")


def key(call: RefusedCall) -> str:
    """Whose call was refused."""
    return _("Key “%(name)s”") % {"name": call.key_label} if call.key_label else _("No key of ours")


def due(asked: TriggerRequest) -> str:
    """When one for later is to be sent, in the reader's time zone or in each person's; "" for one at once."""
    if text := str(asked.call.get("local_time") or ""):
        at = headlines.stamp(dt.datetime.fromisoformat(text).replace(tzinfo=timezone.get_current_timezone()))
        return _("%(time)s in each person's own time zone") % {"time": at}
    return headlines.stamp(asked.due_at)


def counts(asked: TriggerRequest) -> str:
    """What can be said about one that is to come; else how many of the people it names were queued."""
    if asked.state == RequestState.SCHEDULED:
        return _("To be sent at %(time)s") % {"time": due(asked)}
    return _chosen(asked)


def _chosen(asked: TriggerRequest) -> str:
    if asked.state in {RequestState.SCHEDULED, RequestState.TAKEN}:
        return _("Nobody was chosen yet")
    if asked.state == RequestState.CANCELLED and not asked.n_queued:
        return _("Cancelled before anybody was chosen")
    values = {"n": headlines.count(asked.n_queued), "all": headlines.count(asked.n_named)}
    return ngettext("%(n)s of %(all)s person queued", "%(n)s of %(all)s people queued", asked.n_named) % values


def status(asked: TriggerRequest) -> dict[str, str]:
    """The state of a request; of one that nobody was queued for, that nothing is sent."""
    state = RequestState(asked.state)
    if state == RequestState.QUEUED and not asked.n_queued:
        state = RequestState.IGNORED
    tone, icon = _STATES[state]
    return {"label": str(state.label), "tone": tone, "icon": icon}


def badge(what: str) -> dict[str, str]:
    label, tone, icon = activity_log.TYPES[what]
    return {"label": str(label), "tone": tone, "icon": icon}


def _waiting() -> dict[str, str]:
    return {"label": _("Waiting"), "tone": "info", "icon": "hourglass"}


def _choices(campaigns: list[tuple[str, str]], chosen: str) -> list[tuple[str, str]]:
    """The campaigns to choose from; the chosen one is among them, also when nothing of it was sent."""
    if not chosen or chosen in dict(campaigns):
        return campaigns
    return [(chosen, _("Only this campaign")), *campaigns]


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
