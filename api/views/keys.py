"""Settings, API keys: the list, a new key, which is shown once, and the end of one."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, roles, setting_tabs
from accounts.models import User
from api import forms, keys, scopes
from api.models import ApiKey


@access.requires(roles.MANAGE_TRANSPORTS)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    rows = [_row(key, timezone.now()) for key in keys.listed()]
    context = {"rows": rows, "tabs": setting_tabs.tabs("api:keys")}
    return render(request, "api/key_list.html", context)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def new(request: HttpRequest) -> HttpResponse:
    """The form, as a dialog for htmx; after a POST the key, for the only time."""
    form = forms.KeyForm(request.POST or None)
    chosen = request.POST.getlist("scopes")
    scopes_problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            made = keys.create(form.wanted(chosen), by=_person(request), public_id=form.cleaned_data["public_id"])
        except keys.KeyMade as problem:
            messages.warning(request, problem.message)
            return redirect("api:keys")
        except keys.KeyInvalid as problem:
            scopes_problem = problem.fields.get("scopes", "")
            for name in form.fields.keys() & problem.fields.keys():
                form.add_error(name, problem.fields[name])
        else:
            return render(request, "api/key_created.html", {"key": made.key, "token": made.token})
    context = {"form": form, "groups": _groups(chosen), "scopes_problem": scopes_problem, "dialog_id": "key-new"}
    if scopes_problem:
        context["errors"] = [{"text": scopes_problem, "target": "scopes"}]
    is_part = request.method == "GET" and request.headers.get("HX-Request") == "true"
    status = 422 if request.method == "POST" else 200
    return render(request, f"api/key_new_{'dialog' if is_part else 'page'}.html", context, status=status)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask, then end the key; the name of one that is in use must be typed."""
    key = get_object_or_404(ApiKey.objects.select_related("created_by"), public_id=public_id)
    problem = ""
    if request.method == "POST":
        try:
            keys.revoke(key.pk, by=_person(request), typed_name=request.POST.get("typed_name", ""))
        except keys.KeyInvalid as refusal:
            problem = refusal.message
        else:
            messages.success(request, _("{name} is revoked. Calls with it are refused from now on.").format(name=key))
            return redirect("api:keys")
    is_part = request.method == "GET" and request.headers.get("HX-Request") == "true"
    context = {"key": key, "is_in_use": keys.is_in_use(key), "problem": problem, "dialog_id": "key-revoke"}
    template = f"api/key_revoke_{'dialog' if is_part else 'page'}.html"
    return render(request, template, context, status=422 if problem else 200)


@require_POST
@access.requires(roles.MANAGE_TRANSPORTS)
def take_over(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Calls with the key act in the name of whoever presses this."""
    key = get_object_or_404(ApiKey, public_id=public_id)
    keys.take_over(key.pk, by=_person(request))
    messages.success(request, _("{name} acts in your name from now on.").format(name=key))
    return redirect("api:keys")


def _row(key: ApiKey, now: dt.datetime) -> dict[str, Any]:
    """One key with its badge and what can be done with it."""
    url = reverse("api:key-revoke", args=[key.public_id])
    return {
        "key": key,
        "warning": _warning(key),
        "take_over_url": reverse("api:key-take-over", args=[key.public_id]),
        "badge": _badge(key, now),
        "allows": keys.labels(key.scopes),
        "n_more": max(0, len(key.scopes) - 3),
        "sends": any(scopes.BY_NAME[name].sends for name in key.scopes if name in scopes.BY_NAME),
        "revoke_url": "" if key.revoked_at else url,
    }


def _warning(key: ApiKey) -> str:
    """What is wrong with the person in whose name a key acts; "" for nothing."""
    person = key.created_by
    if key.revoked_at is not None:
        return ""
    if not person.is_active:
        return _("{name} may no longer sign in: calls with this key are refused.").format(name=person)
    if not roles.is_admin(person):
        return _(
            "{name} no longer has the Admin role. The key goes on working, except for what {name} may not do any more."
        ).format(name=person)
    return ""


def _badge(key: ApiKey, now: dt.datetime) -> dict[str, str]:
    if key.revoked_at is not None:
        return {"label": pgettext("API key", "Revoked"), "tone": "", "icon": "ban"}
    if not key.created_by.is_active:
        return {"label": pgettext("API key", "Refused"), "tone": "err", "icon": "user-x"}
    if keys.is_expired(key, now):
        return {"label": pgettext("API key", "Expired"), "tone": "warn", "icon": "hourglass"}
    return {"label": pgettext("API key", "Active"), "tone": "ok", "icon": "circle-check"}


def _groups(chosen: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "label": group.label,
            "scopes": [{"scope": scope, "is_chosen": scope.name in chosen} for scope in group.scopes],
        }
        for group in scopes.GROUPS
    ]


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
