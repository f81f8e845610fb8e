"""Home: what needs me, what is being sent, what comes, and my drafts; before the first send a checklist."""

import datetime as dt

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts import access, roles
from accounts.models import User
from campaigns import home as homes
from campaigns import summaries
from campaigns.views import header

# Where each line of the checklist leads: (address, icon, permission).
_STEPS = {
    "transport": ("messaging:settings-sending", "server", roles.MANAGE_TRANSPORTS),
    "sender": ("messaging:settings-senders", "at-sign", roles.MANAGE_TRANSPORTS),
    "test": ("campaigns:new", "mail-check", roles.EDIT),
    "people": ("audiences:import", "users", roles.MANAGE_AUDIENCE),
    "send": ("campaigns:new", "send", roles.EDIT),
}


@access.requires(roles.VIEW)
def home(request: HttpRequest) -> HttpResponse:
    """The page a person starts from."""
    user = header.user_of(request)
    shown = homes.build(user)
    coming: list[homes.Item | homes.Planned] = [*shown.upcoming, *shown.planned]
    upcoming = sorted(coming, key=_time)
    context = {
        "home": shown,
        "greeting": _greeting(timezone.localtime().hour),
        "needs_you": [(item, _need(item)) for item in shown.needs_you],
        "upcoming": [(item, summaries.place(item.zone) if item.zone else "") for item in upcoming],
        "checklist": [_step(step, user) for step in shown.checklist],
        "can_edit": user.has_perm(roles.EDIT),
        "is_quiet": not (shown.needs_you or shown.sending or upcoming or shown.last or shown.drafts),
    }
    return render(request, "campaigns/home.html", context)


def _time(item: homes.Item | homes.Planned) -> dt.datetime:
    return item.at or timezone.now()


def _greeting(hour: int) -> str:
    if hour < 5 or hour >= 18:
        return _("Good evening")
    return _("Good morning") if hour < 12 else _("Good afternoon")


def _need(item: homes.Item) -> dict[str, str]:
    """What a waiting send says and offers."""
    words = {
        "confirm": (_("is ready to be confirmed"), pgettext("action", "Review"), "hourglass", "warn"),
        "paused": (_("is paused"), _("Open"), "pause", "warn"),
        "failed": (_("failed"), _("Open"), "triangle-alert", "err"),
        "missed": (_("missed its time"), _("Open"), "clock", "err"),
    }
    text, label, icon, tone = words[item.need]
    return {"text": text, "label": label, "icon": icon, "tone": tone}


def _step(step: homes.Step, user: User) -> dict[str, object]:
    name, icon, permission = _STEPS[step.code]
    may = user.has_perm(permission)
    return {
        "needs": "" if may else _("Needs the %(role)s role") % {"role": _(roles.role_with(permission))},
        "label": step.label,
        "is_done": step.is_done,
        "icon": icon,
        "url": reverse(name) if may else "",
    }
