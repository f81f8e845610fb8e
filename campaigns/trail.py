"""What people did with one campaign, its draft and its sends, in words: the audit trail of a timeline. Read only."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from accounts.models import AuditEntry
from campaigns.models import Campaign, CampaignSend
from delivery.models import Delivery

# Groups that can be asked for.
CAMPAIGN, DRAFT, DELIVERY = "campaign", "draft", "delivery"

# Audit rows that a timeline entry of its own already tells.
_TOLD = frozenset(
    {"campaign.published", "draft.discarded", "campaign.activated", "campaign.deactivated", "delivery.opened"}
)
_WORDS = {
    "campaign.created": gettext_lazy("Created"),
    "campaign.started": gettext_lazy("Campaign started"),
    "campaign.kind_changed": gettext_lazy("Sends on its own no more, another kind of delivery is live"),
    "campaign.stopped": gettext_lazy("Campaign stopped"),
    "campaign.resumed": gettext_lazy("Campaign resumed"),
    "campaign.archived": gettext_lazy("Archived"),
    "campaign.unarchived": gettext_lazy("Restored from the archive"),
    "campaign.request_opened": gettext_lazy("Confirmation requested"),
    "campaign.request_reminded": gettext_lazy("Reminder sent"),
    "campaign.request_confirmed": gettext_lazy("Requested confirmation given"),
    "campaign.request_changes": gettext_lazy("Changes requested"),
    "campaign.request_declined": gettext_lazy("Request to confirm declined"),
    "campaign.request_withdrawn": gettext_lazy("Request to confirm withdrawn"),
    "campaign.request_closed": gettext_lazy("Request to confirm closed"),
    "campaign.tested": gettext_lazy("Test sent"),
    "draft.created": gettext_lazy("Draft created"),
    "draft.restored": gettext_lazy("Draft restored from history"),
    "campaign.occurrence_skipped": gettext_lazy("Planned send skipped"),
    "campaign.occurrence_asks": gettext_lazy("Planned send needs a person"),
    "campaign.occurrences_missed": gettext_lazy("Planned sends missed"),
    "delivery.preparing": gettext_lazy("Preparation started"),
    "delivery.preparation_aborted": gettext_lazy("Preparation stopped"),
    "delivery.prepared": gettext_lazy("Prepared"),
    "delivery.failed": gettext_lazy("Preparation failed"),
    "delivery.confirmed": gettext_lazy("Send confirmed"),
    "delivery.cancelled": gettext_lazy("Confirmation cancelled"),
    "delivery.started": gettext_lazy("Sending started"),
    "delivery.missed": gettext_lazy("Start time missed"),
    "delivery.paused": gettext_lazy("Paused"),
    "delivery.resumed": gettext_lazy("Resumed"),
    "delivery.stopped": gettext_lazy("Send stopped"),
    "delivery.finished": pgettext_lazy("send", "Sent"),
    "delivery.discarded": gettext_lazy("Prepared send discarded"),
}
# Why a planned send was skipped.
_CAUSES = {
    "person": "",
    "unconfirmed": gettext_lazy("nobody confirmed it in time"),
    "missed": gettext_lazy("it was an hour late"),
    "empty": gettext_lazy("nobody to send to"),
    "stopped": gettext_lazy("the campaign was stopped"),
    "calendar": gettext_lazy("no longer planned by the newer version"),
    "superseded": gettext_lazy("the next one was due"),
    "second": gettext_lazy("somebody else than who published must confirm"),
}


@dataclass(frozen=True)
class Happening:
    """One thing somebody did; `delivery` is the send it was done to, None for the campaign itself."""

    at: dt.datetime
    title: str
    who: str
    note: str
    delivery: Delivery | None


def find(campaign: Campaign, groups: Collection[str], *, until: dt.datetime | None, limit: int) -> list[Happening]:
    """The newest `limit` of some groups at `until` or before; without what a timeline tells by itself."""
    rows = AuditEntry.objects.filter(_about(campaign, groups)).exclude(action__in=_TOLD).select_related("actor")
    if until is not None:
        rows = rows.filter(at__lte=until)
    found = list(rows.order_by("-at", "-id")[:limit])
    ids = {row.subject_id for row in found if row.subject_kind == "delivery"}
    sends = CampaignSend.objects.filter(campaign=campaign, delivery__public_id__in=ids).select_related("delivery")
    deliveries = {str(send.delivery.public_id): send.delivery for send in sends} if ids else {}
    return [
        Happening(
            row.at,
            str(_WORDS.get(row.action, row.action)),
            str(row.actor or _("Chappe")),
            _detail(row),
            deliveries.get(row.subject_id),
        )
        for row in found
    ]


def _about(campaign: Campaign, groups: Collection[str]) -> Q:
    mine, of_draft = Q(subject_kind="campaign", subject_id=str(campaign.public_id)), Q(action__startswith="draft.")
    about = Q(pk__in=[])
    if CAMPAIGN in groups:
        about |= mine & ~of_draft
    if DRAFT in groups:
        about |= mine & of_draft
    if DELIVERY in groups:
        # Not of messages of calls: there may be one for each.
        sends = CampaignSend.objects.filter(campaign=campaign, delivery__part="")
        sent = sends.values_list("delivery__public_id", flat=True)
        about |= Q(subject_kind="delivery", subject_id__in=[str(public_id) for public_id in sent])
    return about


def _detail(row: AuditEntry) -> str:
    """The one number or sentence that matters about an event."""
    detail = row.detail
    if row.action == "delivery.confirmed" or row.action == "delivery.prepared":
        n = int(detail.get("n_to_send") or 0)
        return ngettext("%(n)s email", "%(n)s emails", n) % {"n": number_format(n, force_grouping=True)}
    if row.action.startswith("campaign.occurrence"):
        return _occurrence(detail)
    if row.action == "draft.restored" and detail.get("number"):
        return _("From version %(n)d") % {"n": int(detail["number"])}
    return str(detail.get("trouble") or detail.get("failure") or detail.get("answer") or "")


def _occurrence(detail: Mapping[str, object]) -> str:
    """The planned time, in the reader's zone, with why or how many."""
    at = dt.datetime.fromisoformat(str(detail["at"]))
    text = date_format(timezone.localtime(at), pgettext("date format", "D j M H:i"))
    n = detail.get("n")
    if isinstance(n, int):
        return ngettext("%(n)d, %(time)s", "%(n)d, the last %(time)s", n) % {"n": n, "time": text}
    if detail.get("name"):
        return _("%(time)s: %(name)s can't start sends any more") % {"time": text, "name": detail["name"]}
    if detail.get("problem"):
        return _("%(time)s: %(problem)s") % {"time": text, "problem": detail["problem"]}
    cause = _CAUSES.get(str(detail.get("cause")), "")
    return _("%(time)s: %(cause)s") % {"time": text, "cause": cause} if cause else text
