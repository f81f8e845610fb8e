"""Who did what to a delivery: the Activity tab, out of the audit trail. Reads only."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts import audit
from accounts.models import AuditEntry
from delivery import logs
from delivery.models import Delivery

_ACTIONS: dict[str, str | Promise] = {
    "delivery.opened": pgettext_lazy("send", "Opened"),
    "delivery.preparing": gettext_lazy("Started preparing"),
    "delivery.preparation_aborted": gettext_lazy("Stopped preparing"),
    "delivery.prepared": gettext_lazy("Prepared"),
    "delivery.failed": gettext_lazy("Preparation failed"),
    "delivery.confirmed": gettext_lazy("Confirmed"),
    "delivery.cancelled": gettext_lazy("Cancelled the send"),
    "delivery.rescheduled": gettext_lazy("Rescheduled"),
    "delivery.started": gettext_lazy("Started sending"),
    "delivery.missed": gettext_lazy("Missed its start"),
    "delivery.paused": gettext_lazy("Paused"),
    "delivery.resumed": gettext_lazy("Resumed"),
    "delivery.retried": gettext_lazy("Retried at once"),
    "delivery.stopped": gettext_lazy("Stopped"),
    "delivery.finished": gettext_lazy("Finished"),
    "delivery.opened_for_requests": gettext_lazy("Opened for requests"),
    "delivery.closed_for_requests": gettext_lazy("Takes no more requests"),
    "delivery.discarded": gettext_lazy("Discarded"),
    "delivery.log_removed": gettext_lazy("Removed old rows"),
}
SEVERITIES: dict[str, str | Promise] = {
    "info": gettext_lazy("Information"),
    "warn": gettext_lazy("Warning"),
    "err": gettext_lazy("Error"),
}
_SEVERITY = {"delivery.failed": "err", "delivery.missed": "err", "delivery.paused": "warn", "delivery.stopped": "warn"}


@dataclass(frozen=True)
class Activity:
    """One line. `tone` is "warn" or "err", "" for what is no news."""

    at: dt.datetime
    who: str
    what: str
    detail: str
    tone: str


def page(of: Delivery, wanted: logs.Filter) -> logs.Page[Activity]:
    """Newest first. `wanted.severity` is one of SEVERITIES; a search finds the name of who did it."""
    rows, previous, following = logs.keyset(_entries(of, wanted), wanted, "id", is_newest_first=True)
    return logs.Page([_activity(row) for row in rows], previous, following)


def export(of: Delivery, wanted: logs.Filter) -> Iterator[Activity]:
    for rows in logs.batches(_entries(of, wanted), "id"):
        yield from map(_activity, rows)


def _entries(of: Delivery, wanted: logs.Filter) -> "audit.Entries":
    rows = audit.about("delivery", str(of.public_id))
    if wanted.search:
        rows = rows.filter(actor__name__icontains=wanted.search)
    if wanted.severity == "info":
        return rows.exclude(action__in=_SEVERITY)
    if wanted.severity:
        return rows.filter(action__in=[action for action, one in _SEVERITY.items() if one == wanted.severity])
    return rows


def _activity(entry: AuditEntry) -> Activity:
    return Activity(
        at=entry.at,
        who=str(entry.actor or _("Chappe")),
        what=str(_ACTIONS.get(entry.action, entry.action)),
        detail=str(entry.detail.get("trouble") or entry.detail.get("failure") or ""),
        tone=_SEVERITY.get(entry.action, ""),
    )
