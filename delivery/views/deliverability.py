"""The overview of Deliverability: figures of all sends, the senders' domains in DNS, and the alerts that were sent."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts import access, roles
from delivery import deliverability, gauges
from delivery.deliverability import Row
from delivery.views.panel import user_of
from messaging import sender_dns

_DEFAULT_SPAN = 30
# Name of the rate in deliverability.Row, label, and what it is a share of.
_TILES = (
    ("delivered", _lazy("Delivered"), _lazy("Of those handed over. Soft bounces are in it until they are given up.")),
    ("hard", _lazy("Hard bounces"), _lazy("Of those handed over: addresses that were refused for good.")),
    ("soft", _lazy("Soft bounces"), _lazy("Of those handed over: refused for now and not delivered since.")),
    ("complaints", _lazy("Complaints"), _lazy("Of those delivered: people who reported the message as spam.")),
    ("unsubscribed", _lazy("Unsubscribed"), _lazy("Of those delivered: people who unsubscribed by that message.")),
)


@access.requires(roles.VIEW)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("days", "")
    span = int(asked) if asked in {str(days) for days in deliverability.SPANS} else _DEFAULT_SPAN
    report = deliverability.report(span)
    thresholds = deliverability.complaint_thresholds(report.limits)
    context = {
        "report": report,
        "span": span,
        "spans": [_span(days, span) for days in deliverability.SPANS],
        "tiles": _tiles(report.total),
        "chart": gauges.complaints(report.days, thresholds),
        "chart_size": (gauges.WIDTH, gauges.HEIGHT),
        "senders": sender_dns.every(),
        "alerts": deliverability.alerts(),
        "may_set": request.user.has_perm(roles.MANAGE_TRANSPORTS),
        "other": deliverability.other_domains(),
    }
    return render(request, "delivery/deliverability.html", context)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def check_dns(request: HttpRequest) -> HttpResponse:
    """Ask DNS about one sender's domain now."""
    try:
        status = sender_dns.check(request.POST.get("domain", ""), by=user_of(request))
    except KeyError as unknown:
        raise Http404 from unknown
    if status.is_silent:
        messages.warning(request, _("DNS didn't answer. What was found before is still shown."))
    else:
        messages.success(request, _("Checked {domain}.").format(domain=status.domain))
    return redirect("delivery:deliverability")


def _tiles(total: Row) -> list[dict[str, object]]:
    rates = {name: getattr(total, name) for name, _label, _help in _TILES}
    return [
        {"name": name, "label": label, "help": words, "rate": rates[name], "gauge": gauges.gauge(rates[name])}
        for name, label, words in _TILES
    ]


def _span(days: int, current: int) -> dict[str, object]:
    label = ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    return {"label": label, "url": f"?days={days}", "is_current": days == current}
