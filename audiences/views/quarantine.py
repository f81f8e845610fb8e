"""Pages of the quarantine: the list, one address with its history, releasing one or many, adding one."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, roles
from accounts.models import User
from audiences import addresses, profiles, quarantine_list, quarantine_release, quarantine_words
from audiences.forms import AddForm, CriteriaForm
from audiences.models import Profile, QuarantineEntry
from lib import sheets, texts
from lib.errors import DomainError

_DAYS = (1, 7, 30, 90)
_MOST_PROFILES = 10


@access.requires(roles.VIEW)
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Active entries, newest first, by address, reason, domain and age."""
    wanted = _wanted(request)
    page = quarantine_list.page(wanted)
    context = {
        "page": page,
        "rows": [(entry, quarantine_words.label(entry.reason)) for entry in page.rows],
        "wanted": wanted,
        "reasons": quarantine_list.reasons(),
        "ages": _ages(),
        "previous_url": f"?{_query(request, before=_cursor(page.previous))}" if page.previous else "",
        "next_url": f"?{_query(request, after=_cursor(page.next))}" if page.next else "",
        "export_url": f"{reverse('audiences:quarantine-export')}?{_query(request)}",
        "may_export": request.user.has_perm(roles.EXPORT),
        "may_release": request.user.has_perm(roles.RELEASE),
    }
    return render(request, "audiences/quarantine_list.html", context)


@access.requires(roles.EXPORT)
@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """All entries of the same filters as CSV, streamed."""
    answer = StreamingHttpResponse(sheets.csv_lines(_lines(_wanted(request))), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="quarantine.csv"'
    return answer


@access.requires(roles.VIEW)
@require_safe
def address(request: HttpRequest) -> HttpResponse:
    """Every stay of one address in quarantine, and whose address it is. 404 for one that was never there."""
    return _address_page(request, request.GET.get("address", ""))


@access.requires(roles.RELEASE)
@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """Release the address, with a reason that is kept."""
    key = addresses.key(texts.storable(request.POST.get("address", "")))
    entry = profiles.quarantined(key)
    if entry is None:
        messages.info(request, _("This address is not in quarantine."))
        return redirect("audiences:quarantine")
    note = texts.storable(request.POST.get("note", ""))
    try:
        profiles.release(entry, _person(request), note)
    except DomainError as problem:
        if "note" not in problem.fields:
            raise
        return _address_page(request, key, note=note, problem=problem.message, status=422)
    messages.success(request, _("Released. This address gets email again."))
    return redirect(f"{reverse('audiences:quarantine-address')}?{urlencode({'address': key})}")


@access.requires(roles.RELEASE)
@require_http_methods(["GET", "HEAD", "POST"])
def release_many(request: HttpRequest) -> HttpResponse:
    """Say what the addresses have in common, see how many there are, release exactly those."""
    values = request.POST if request.method == "POST" else request.GET
    form = CriteriaForm(values or None, reasons=_bulk_reasons(values.get("reason", "")))
    context: dict[str, Any] = {"form": form, "note": texts.storable(request.POST.get("note", ""))}
    if not form.is_bound or not form.is_valid():
        return render(request, "audiences/quarantine_release.html", context, status=422 if form.errors else 200)
    wanted, status = form.criteria(), 200
    if request.method == "POST":
        try:
            n = quarantine_release.release_many(
                wanted, seal=request.POST.get("seal", ""), note=context["note"], by=_person(request)
            )
        except (quarantine_release.ReleaseInvalid, quarantine_release.PreviewStale) as problem:
            context |= {"problem": problem.message, "note_problem": problem.fields.get("note", "")}
            status = problem.status
        else:
            text = ngettext("%(n)s address was released.", "%(n)s addresses were released.", n)
            messages.success(request, text % {"n": number_format(n, force_grouping=True)})
            return redirect("audiences:quarantine")
    preview = quarantine_release.preview(wanted)
    rows = [(entry, quarantine_words.label(entry.reason)) for entry in preview.first]
    return render(
        request, "audiences/quarantine_release.html", {**context, "preview": preview, "rows": rows}, status=status
    )


@access.requires(roles.RELEASE)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    form = AddForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            quarantine_release.add(form.cleaned_data["address"], note=form.cleaned_data["note"], by=_person(request))
        except quarantine_release.ReleaseInvalid as problem:
            for name, sentence in problem.fields.items():
                form.add_error(name, sentence)
        else:
            messages.success(request, _("Added. Nobody is sent to at this address."))
            return redirect("audiences:quarantine")
    return render(request, "audiences/quarantine_add.html", {"form": form}, status=422 if form.errors else 200)


def _address_page(
    request: HttpRequest, given: str, *, note: str = "", problem: str = "", status: int = 200
) -> HttpResponse:
    key = addresses.key(texts.storable(given))
    history = quarantine_list.history(key) if key else []
    if not history:
        raise Http404
    active = next((past.entry for past in history if past.entry.released_at is None), None)
    context = {
        "address": key,
        "active": active,
        "rows": [(past, quarantine_words.label(past.entry.reason)) for past in history],
        "profiles": Profile.objects.filter(email_key=key).order_by("pk")[:_MOST_PROFILES],
        "may_release": request.user.has_perm(roles.RELEASE),
        "note": note,
        "problem": problem,
        "is_decision": active is not None and active.reason in quarantine_words.DENYLIST,
    }
    return render(request, "audiences/quarantine_address.html", context, status=status)


def _bulk_reasons(chosen: str) -> list[tuple[str, str]]:
    """Reasons that can be chosen; `chosen` stays one of them, also when its last address was just released."""
    found = {code: label for code, label, _n in quarantine_list.reasons()}
    if chosen and "\x00" not in chosen:
        found.setdefault(chosen[:40], quarantine_words.label(chosen[:40]))
    return [(code, label) for code, label in found.items() if code not in quarantine_words.DENYLIST]


def _wanted(request: HttpRequest) -> quarantine_list.Filter:
    """Filters from the query string; what isn't one of ours is ignored."""
    text = {name: texts.storable(request.GET.get(name, "")).strip()[:320] for name in ("q", "reason", "domain")}
    days = request.GET.get("days", "")
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    return quarantine_list.Filter(
        search=text["q"].replace("\ufffd", ""),
        reason=text["reason"],
        domain=text["domain"],
        days=int(days) if days in {str(one) for one in _DAYS} else None,
        after=_place(after or before),
        is_back=bool(before and not after),
    )


def _cursor(key: tuple[dt.datetime, int]) -> str:
    return f"{key[0].astimezone(dt.UTC).isoformat()}~{key[1]}"


def _place(cursor: str) -> tuple[dt.datetime, int] | None:
    moment, _sign, pk = cursor.partition("~")
    try:
        since = parse_datetime(moment)
        # In UTC, as PostgreSQL takes no offset beyond 16 hours.
        since = since.astimezone(dt.UTC) if since is not None and since.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
    is_key = pk.isascii() and pk.isdigit() and len(pk) < 19
    return (since, int(pk)) if since is not None and is_key else None


def _query(request: HttpRequest, **changes: str) -> str:
    kept = {name: value for name, value in request.GET.items() if name not in {"after", "before"} and value}
    return urlencode(kept | changes)


def _ages() -> list[tuple[int, str]]:
    return [(n, ngettext("In the last %(n)d day", "In the last %(n)d days", n) % {"n": n}) for n in _DAYS]


def _lines(wanted: quarantine_list.Filter) -> Iterator[list[object]]:
    yield [_("Address"), _("Reason"), _("In quarantine since"), _("Last answer")]
    for entry in quarantine_list.everything(wanted):
        yield _line(entry)


def _line(entry: QuarantineEntry) -> list[object]:
    since = timezone.localtime(entry.since).isoformat(timespec="seconds")
    return [entry.address_key, quarantine_words.label(entry.reason), since, entry.evidence]


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
