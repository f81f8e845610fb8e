"""The inbox pages: what the local mail catcher received."""

import csv
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts import access, roles
from accounts.models import User
from lib import sheets
from messaging import frames, inbox, testsend
from messaging.models import CaughtMessage

_TABS = ("html", "text", "headers", "source")


class _Echo:
    """A file for csv.writer that gives each line back."""

    def write(self, line: str) -> str:
        return line


@access.requires(roles.VIEW)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Newest first; ?q= searches addresses and subjects, ?delivery= shows one send."""
    query = request.GET.get("q", "").strip()
    delivery_ref = _ref(request)
    before = request.GET.get("before", "")
    page = inbox.page(query=query, delivery_ref=delivery_ref, before=int(before) if _is_key(before) else None)
    kept = {name: value for name, value in (("q", query), ("delivery", delivery_ref)) if value}
    user = request.user
    assert isinstance(user, User)
    context = {
        "page": page,
        "query": query,
        "delivery_ref": delivery_ref,
        "chips": _chips(query, delivery_ref),
        "is_filtered": bool(kept),
        "is_first": not before,
        "first_url": f"?{urlencode(kept)}",
        "older_url": f"?{urlencode({**kept, 'before': page.after})}" if page.after else "",
        "export_url": f"{reverse('messaging:inbox-export')}?{urlencode({'delivery': delivery_ref})}",
        "may_export": user.has_perm(roles.EXPORT),
        "may_clear": user.has_perm(roles.MANAGE_TRANSPORTS),
        "test_ref": testsend.REF,
    }
    return render(request, "messaging/inbox.html", context)


def _ref(request: HttpRequest) -> str:
    """The delivery that is asked for; NUL can't be part of a question to PostgreSQL."""
    return request.GET.get("delivery", "").replace("\x00", "").strip()[:40]


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _chips(query: str, delivery_ref: str) -> list[dict[str, str]]:
    if not delivery_ref:
        return []
    label = _("Test messages") if delivery_ref == testsend.REF else _("One send")
    return [{"label": label, "remove_url": f"?{urlencode({'q': query})}" if query else reverse("messaging:inbox")}]


def _get(public_id: UUID) -> CaughtMessage:
    return get_object_or_404(CaughtMessage, public_id=public_id)


@access.requires(roles.VIEW)
@require_safe
def message(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One message; ?tab= chooses what of it."""
    row = _get(public_id)
    opened = inbox.opened(row)
    tab = request.GET.get("tab", "html" if opened.html else "text")
    if tab not in _TABS:
        raise Http404
    labels = {"html": _("HTML"), "text": _("Text"), "headers": _("Headers"), "source": _("Source")}
    tabs = [{"label": labels[name], "url": f"?tab={name}", "is_current": name == tab} for name in _TABS]
    context: dict[str, Any] = {
        "row": row,
        "opened": opened,
        "tab": tab,
        "tabs": tabs,
        "links": inbox.links(opened.html) if tab == "html" else [],
        "is_test": row.delivery_ref == testsend.REF,
    }
    return render(request, "messaging/inbox_message.html", context)


@access.requires(roles.VIEW)
@require_safe
def html(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The HTML part for the sandboxed frame. Its images load, so looking at it counts as an open, as in a mail app."""
    opened = inbox.opened(_get(public_id))
    return frames.response(opened.html or f"<p>{escape(_('This message has no HTML part.'))}</p>", allows_links=True)


@access.requires(roles.EXPORT)
@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Who received what, as CSV; ?delivery= for one send."""
    delivery_ref = _ref(request)

    def lines() -> Iterator[str]:
        writer = csv.writer(_Echo())
        yield writer.writerow(["received_at", "envelope_to", "message_id"])
        for row in inbox.export(delivery_ref=delivery_ref):
            yield writer.writerow([sheets.harmless(cell) for cell in row])

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="inbox.csv"'
    return response


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def clear(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    n = inbox.clear(by=request.user)
    messages.success(request, ngettext("{n} message deleted.", "{n} messages deleted.", n).format(n=f"{n:,}"))
    return redirect("messaging:inbox")
