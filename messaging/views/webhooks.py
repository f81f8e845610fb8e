"""Settings, Webhooks: switching the channel on, its secrets, which are shown once, and switching it off."""

from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, roles, setting_tabs
from accounts.models import User
from messaging import webhook_users, webhooks
from messaging.models import WebhookSecret

TAB = "messaging:settings-webhooks"


@access.requires(roles.MANAGE_TRANSPORTS)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    secrets = webhooks.listed()
    context = {"tabs": setting_tabs.tabs(TAB), "secrets": secrets, "may_add": len(secrets) < 2, "new_id": uuid4()}
    context["users"] = webhook_users.shown()
    return render(request, "messaging/webhooks.html", context)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
@never_cache
def add(request: HttpRequest) -> HttpResponse:
    """A new secret, for the only time. The page's own id keeps a form that is sent twice from making two."""
    try:
        made = webhooks.add(by=_person(request), public_id=_uuid(request.POST.get("public_id", "")))
    except webhooks.WebhookProblem as problem:
        messages.warning(request, problem.message)
        return redirect(TAB)
    return render(request, "messaging/webhook_secret.html", {"secret": made.row, "text": made.text})


@access.requires(roles.MANAGE_TRANSPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def retire(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask, then retire it; the last one switches the channel off."""
    secret = get_object_or_404(WebhookSecret, public_id=public_id, retired_at=None)
    if request.method == "POST":
        webhooks.retire(secret.public_id, by=_person(request))
        is_on = webhooks.is_on()
        messages.success(request, _("The secret is retired.") if is_on else _("Webhooks are switched off."))
        return redirect(TAB)
    is_part = request.headers.get("HX-Request") == "true"
    context = {"secret": secret, "is_last": len(webhooks.listed()) == 1, "dialog_id": "webhook-retire"}
    return render(request, f"messaging/webhook_retire_{'dialog' if is_part else 'page'}.html", context)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
