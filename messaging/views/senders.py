"""Settings, Senders: the From identities."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, roles, setting_tabs
from accounts.models import User
from messaging import domains, forms, senders, signing
from messaging.models import Sender


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@access.requires(roles.MANAGE_TRANSPORTS)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    used = senders.usage()
    rows = [
        {
            "sender": sender,
            "n_messages": used.get(sender.address, 0),
            "menu": _menu(sender),
            "menu_id": f"sender-{sender.public_id}",
            "menu_label": _("Actions for {name}").format(name=sender.name),
        }
        for sender in senders.active()
    ]
    found = domains.every()
    keys = signing.states([domain.name for domain in found])
    context = {
        "tabs": setting_tabs.tabs("messaging:settings-senders"),
        "rows": rows,
        "archived": senders.archived(),
        "domains": [(domain, _problem(domain.problem), _key(keys[domain.name])) for domain in found],
        "needs_verified": settings.VERIFIED_DOMAINS_ONLY,
    }
    return render(request, "messaging/senders.html", context)


def _key(state: signing.State) -> dict[str, object]:
    """The DKIM key that is shown of a domain: the new one, whose record is to be added, else the active one."""
    shown = state.new or state.active
    return {
        "shown": shown,
        "host": str(shown or ""),
        "is_active": state.active is not None,
        "problem": _problem(shown.problem) if shown else "",
    }


def _problem(problem: str) -> str:
    """What the last check of a record found, in words."""
    return {
        "missing": _("Not found yet. DNS can take an hour."),
        "other": _("Found with another value."),
        "unreachable": _("The name server doesn't answer. Check again later."),
    }.get(problem, "")


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def check_domain(request: HttpRequest) -> HttpResponse:
    """Look for the record of one of the senders' domains now."""
    name = request.POST.get("domain", "")
    if name not in {domain.name for domain in domains.every()}:
        raise Http404
    found = domains.check(name, by=_person(request))
    if found.problem:
        messages.warning(request, f"{name}: {_problem(found.problem)}")
    else:
        messages.success(request, _("{domain} is verified.").format(domain=name))
    return redirect("messaging:settings-senders")


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def domain_key(request: HttpRequest, action: str) -> HttpResponse:
    """Make, check or retire the DKIM key of one of the senders' domains."""
    name = request.POST.get("domain", "")
    if name not in {domain.name for domain in domains.every()}:
        raise Http404
    if action == "make":
        signing.make(name, by=_person(request))
    elif action == "retire":
        signing.retire(name, by=_person(request))
        messages.success(request, _("Messages from {domain} are not signed any more.").format(domain=name))
    else:
        key = signing.check(name, by=_person(request))
        if key is not None and key.problem:
            messages.warning(request, f"{key}: {_problem(key.problem)}")
        elif key is not None:
            messages.success(request, _("Messages from {domain} are signed.").format(domain=name))
    return redirect("messaging:settings-senders")


def _menu(sender: Sender) -> list[dict[str, object]]:
    """What can be done with one sender; the default one can't be archived, and the menu says why."""
    edit_item: dict[str, object] = {
        "label": _("Edit"),
        "url": reverse("messaging:sender", args=[sender.public_id]),
        "icon": "pencil-line",
    }
    if sender.is_default:
        reason = _("This is the default sender. Make another one the default first.")
        return [edit_item, {"label": _("Archive"), "icon": "archive", "is_disabled": True, "reason": reason}]
    urls = {name: reverse(f"messaging:sender-{name}", args=[sender.public_id]) for name in ("default", "archive")}
    return [
        edit_item,
        {"label": _("Make default"), "url": urls["default"], "method": "post", "icon": "check"},
        {"label": _("Archive"), "url": urls["archive"], "method": "post", "icon": "archive"},
    ]


@access.requires(roles.MANAGE_TRANSPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    return _edit(request, None)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, public_id: UUID) -> HttpResponse:
    return _edit(request, get_object_or_404(Sender, public_id=public_id))


def _edit(request: HttpRequest, sender: Sender | None) -> HttpResponse:
    initial = {"name": sender.name, "address": sender.address, "reply_to": sender.reply_to} if sender else {}
    form = forms.SenderForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            senders.save(**form.cleaned_data, by=_person(request), sender_id=sender.pk if sender else None)
        except senders.SenderInvalid as problem:
            forms.show(form, problem)
        else:
            messages.success(request, _("Sender saved."))
            return redirect("messaging:settings-senders")
    status = 422 if form.errors else 200
    return render(request, "messaging/sender_form.html", {"form": form, "sender": sender}, status=status)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def make_default(request: HttpRequest, public_id: UUID) -> HttpResponse:
    sender = senders.make_default(get_object_or_404(Sender, public_id=public_id).pk, by=_person(request))
    messages.success(request, _("New campaigns start with {name}.").format(name=sender.name))
    return redirect("messaging:settings-senders")


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def archive(request: HttpRequest, public_id: UUID) -> HttpResponse:
    sender = senders.archive(get_object_or_404(Sender, public_id=public_id).pk, by=_person(request))
    messages.success(request, _("{name} archived.").format(name=sender.name))
    return redirect("messaging:settings-senders")


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def restore(request: HttpRequest, public_id: UUID) -> HttpResponse:
    sender = senders.restore(get_object_or_404(Sender, public_id=public_id).pk, by=_person(request))
    messages.success(request, _("{name} restored.").format(name=sender.name))
    return redirect("messaging:settings-senders")
