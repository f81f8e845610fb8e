"""Django admin for campaigns: everything findable, nothing changed. Editing, publishing and sending are in the product.

Versions are immutable in the database too. Documents are shown as they are stored, for support.
"""

import json
from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from campaigns import registration
from campaigns.models import Campaign, CampaignSend, CampaignVersion, ConfirmationRequest, Draft, DraftSnapshot
from delivery.admin import ReadOnly


def _link(url: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, _("View in Chappe"))


def _shown(document: dict[str, Any]) -> SafeString:
    """A document for reading, escaped."""
    return format_html("<pre>{}</pre>", json.dumps(document, indent=2, ensure_ascii=False))


@admin.register(Campaign)
class CampaignAdmin(ReadOnly):
    list_display = ("name", "state", "live_version", "owner", "edited_at", "archived_at", "in_chappe")
    list_filter = ("state",)
    list_select_related = ("live_version__campaign", "owner")
    search_fields = ("public_id__exact", "name__icontains")
    search_help_text = _("Exact id, or a part of the name")
    ordering = ("-edited_at", "-id")
    readonly_fields = ("in_chappe",)

    @admin.display(description=_("View in Chappe"))
    def in_chappe(self, campaign: Campaign) -> SafeString:
        if campaign.live_version_id:
            return _link(reverse("campaigns:detail", kwargs={"public_id": campaign.public_id}))
        return _link(reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": "compose"}))


@admin.register(CampaignVersion)
class CampaignVersionAdmin(ReadOnly):
    list_display = ("campaign", "number", "published_at", "published_by", "note")
    list_select_related = ("campaign", "published_by")
    search_fields = ("public_id__exact", "campaign__public_id__exact", "sha256__exact", "campaign__name__icontains")
    search_help_text = _("Exact id of the version or the campaign, exact sha256, or a part of the campaign's name")
    ordering = ("-id",)
    exclude = ("document",)
    readonly_fields = ("content",)

    @admin.display(description=_("Document"))
    def content(self, version: CampaignVersion) -> SafeString:
        return _shown(version.document)


@admin.register(Draft)
class DraftAdmin(ReadOnly):
    list_display = ("campaign", "revision", "saved_at", "saved_by", "created_by")
    list_select_related = ("campaign", "saved_by", "created_by")
    search_fields = ("campaign__public_id__exact", "campaign__name__icontains")
    search_help_text = _("Exact id of the campaign, or a part of its name")
    ordering = ("-saved_at",)
    exclude = ("document",)
    readonly_fields = ("content",)

    @admin.display(description=_("Document"))
    def content(self, draft: Draft) -> SafeString:
        return _shown(draft.document)


@admin.register(DraftSnapshot)
class DraftSnapshotAdmin(ReadOnly):
    list_display = ("campaign", "revision", "cause", "at", "by")
    list_filter = ("cause",)
    list_select_related = ("campaign", "by")
    search_fields = ("campaign__public_id__exact",)
    search_help_text = _("Exact id of the campaign")
    ordering = ("-id",)
    exclude = ("document",)
    readonly_fields = ("content",)

    @admin.display(description=_("Document"))
    def content(self, snapshot: DraftSnapshot) -> SafeString:
        return _shown(snapshot.document)


@admin.register(CampaignSend)
class CampaignSendAdmin(ReadOnly):
    list_display = ("campaign", "version", "delivery", "occurrence_at", "in_chappe")
    list_select_related = ("campaign", "version__campaign", "delivery")
    search_fields = ("delivery__public_id__exact", "campaign__public_id__exact", "campaign__name__icontains")
    search_help_text = _("Exact id of the send or the campaign, or a part of the campaign's name")
    ordering = ("-id",)
    readonly_fields = ("in_chappe",)

    @admin.display(description=_("View in Chappe"))
    def in_chappe(self, send: CampaignSend) -> SafeString:
        return _link(registration.send_url(send.delivery))


@admin.register(ConfirmationRequest)
class ConfirmationRequestAdmin(ReadOnly):
    list_display = ("send", "status", "requested_by", "requested_at", "to", "answered_by", "answered_at")
    list_filter = ("status",)
    list_select_related = ("send__delivery", "requested_by", "to", "answered_by")
    search_fields = ("public_id__exact", "send__delivery__public_id__exact", "send__campaign__public_id__exact")
    search_help_text = _("Exact id of the request, the send or the campaign")
    ordering = ("-id",)
