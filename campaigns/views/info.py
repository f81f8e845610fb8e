"""Facts beside the editor: whose campaign it is, what is live, its sends, and the last saves of the draft."""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import User
from audiences.models import Segment
from campaigns import document as documents
from campaigns import search
from campaigns.models import Campaign, CampaignSend, DraftSnapshot
from campaigns.views import parts

# Saves listed under the indicator.
_SAVES = 5
# States in which a send will not start any more.
_OVER = ("finished", "cancelled", "stopped", "failed", "missed")


@dataclass(frozen=True)
class Row:
    """One line: `url` makes the value a link, `is_copied` gives it a copy button."""

    label: str
    value: str
    url: str = ""
    is_copied: bool = False


def rows(now: parts.State) -> list[Row]:
    """All lines, in the order of the panel. Three queries: segments and the two sends."""
    campaign, draft = now.campaign, now.draft
    at = {"public_id": campaign.public_id}
    version = campaign.live_version
    live = ""
    if version:
        live = _("Version %(n)d, published by %(name)s") % {"n": version.number, "name": version.published_by}
    return [
        Row(_("Owner"), str(campaign.owner)),
        Row(_("Id"), str(campaign.public_id), is_copied=True),
        Row(_("Live version"), live or _("None yet"), reverse("campaigns:detail", kwargs=at) if version else ""),
        Row(_("Draft started by"), str(draft.created_by)),
        _send(_("Next send"), _next(campaign)),
        _send(_("Last send"), _last(campaign)),
        Row(_("Segments"), ", ".join(_segments(now)) or _("None")),
        Row(_("History"), _("Versions, drafts and sends"), reverse("campaigns:history", kwargs=at)),
    ]


@dataclass(frozen=True)
class Save:
    """One of the last saves of the draft; `at` is the time of day, with the date when it was not today."""

    at: str
    name: str
    is_self: bool
    fields: str


def saves(now: parts.State, *, by: User) -> list[Save]:
    """The last five saves, newest first. One query."""
    found = (
        DraftSnapshot.objects.filter(campaign=now.campaign, cause="saved")
        .select_related("by")
        .only("at", "changed_fields", "by")
        .order_by("-at", "-id")[:_SAVES]
    )
    today = timezone.localdate()
    listed = []
    for snapshot in found:
        moment = timezone.localtime(snapshot.at)
        at = date_format(moment, "H:i:s" if moment.date() == today else _("j M, H:i"))
        fields = documents.summary(snapshot.changed_fields)
        listed.append(Save(at, str(snapshot.by), snapshot.by_id == by.pk, fields))
    return listed


def _next(campaign: Campaign) -> CampaignSend | None:
    waiting = _sends(campaign).filter(delivery__started_at__isnull=True).exclude(delivery__state__in=_OVER)
    return waiting.order_by("delivery__start_at", "pk").first()


def _last(campaign: Campaign) -> CampaignSend | None:
    return _sends(campaign).filter(delivery__started_at__isnull=False).order_by("-delivery__started_at").first()


def _sends(campaign: Campaign) -> QuerySet[CampaignSend]:
    """Of its own message: those of calls come and go beside it."""
    return CampaignSend.objects.filter(campaign=campaign, delivery__part="").select_related("delivery")


def _send(label: str, send: CampaignSend | None) -> Row:
    if send is None:
        return Row(label, _("None"))
    delivery = send.delivery
    moment = delivery.started_at or delivery.start_at
    words = date_format(timezone.localtime(moment), _("j M Y, H:i")) if moment else delivery.get_state_display()
    kwargs = {"public_id": send.campaign.public_id, "delivery_id": delivery.public_id}
    return Row(label, words, reverse("campaigns:send", kwargs=kwargs))


def _segments(now: parts.State) -> list[str]:
    section = now.document["audience"]
    chosen = [value for value in (*section["segments"], *section["exclude"]) if search.is_public_id(value)]
    found = Segment.objects.filter(public_id__in=chosen).order_by("name").values_list("name", flat=True)
    return list(found) if chosen else []
