"""Django admin for senders, mail servers, templates and messages. Published messages and caught mail are read-only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from messaging.models import (
    CaughtMessage,
    LinkCheck,
    MediaFile,
    Message,
    Sender,
    SenderDomain,
    Template,
    Transport,
)


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Everything can be found and nothing changed; what may be changed is changed in Chappe, which keeps the trail."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Sender)
class SenderAdmin(ReadOnly):
    list_display = ("name", "address", "reply_to", "is_default", "archived_at", "in_chappe")
    search_fields = ("name", "address", "=public_id")
    list_filter = ("is_default",)

    @admin.display(description=_("View in Chappe"))
    def in_chappe(self, sender: Sender) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("messaging:sender", args=[sender.public_id]), _("Open"))


@admin.register(Transport)
class TransportAdmin(ReadOnly):
    """The secret is not among the fields: it is written in Settings and shown nowhere."""

    list_display = ("name", "uses_environment", "host", "port", "security", "feedback", "is_default", "updated_at")
    fields = (
        "public_id", "name", "uses_environment", "host", "port", "security", "username", "secret_set_at",
        "n_connections", "rate_per_minute", "feedback", "is_default", "created_at", "updated_at", "in_chappe",
    )  # fmt: skip
    readonly_fields = fields
    search_fields = ("name", "host")

    @admin.display(description=_("View in Chappe"))
    def in_chappe(self, transport: Transport) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("messaging:settings-sending"), _("Open"))


@admin.register(Message)
class MessageAdmin(ReadOnly):
    list_display = ("subject", "sender_name", "sender_address", "channel", "body_kind", "created_at")
    search_fields = ("=public_id", "=sha256", "subject")
    list_filter = ("channel", "body_kind")
    date_hierarchy = "created_at"


@admin.register(Template)
class TemplateAdmin(ReadOnly):
    list_display = ("name", "description", "body_kind", "revision", "edited_by", "edited_at", "archived_at")
    search_fields = ("=public_id", "name", "description", "subject")
    list_filter = ("body_kind", ("archived_at", admin.EmptyFieldListFilter))
    list_select_related = ("edited_by",)
    date_hierarchy = "edited_at"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("body", "text")


@admin.register(MediaFile)
class MediaFileAdmin(ReadOnly):
    """The bytes are a row of their own and are not among the fields."""

    list_display = ("name", "content_type", "width", "height", "n_bytes", "created_by", "deleted_at", "in_chappe")
    list_select_related = ("created_by",)
    search_fields = ("=public_id", "=token", "=sha256", "name", "alt")
    list_filter = ("content_type", "is_animated")
    date_hierarchy = "created_at"

    @admin.display(description=_("View in Chappe"))
    def in_chappe(self, file: MediaFile) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("messaging:media-file", args=[file.public_id]), _("Open"))


@admin.register(CaughtMessage)
class CaughtMessageAdmin(ReadOnly):
    """The source is compressed bytes; the page in Chappe shows it."""

    list_display = ("subject", "envelope_to", "delivery_ref", "n_bytes", "received_at", "in_chappe")
    fields = (
        "public_id",
        "received_at",
        "envelope_from",
        "envelope_to",
        "subject",
        "delivery_ref",
        "n_bytes",
        "in_chappe",
    )
    readonly_fields = fields
    search_fields = ("=public_id", "=envelope_to", "=delivery_ref")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("source")

    @admin.display(description=_("View in Chappe"))
    def in_chappe(self, row: CaughtMessage) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("messaging:inbox-message", args=[row.public_id]), _("Open"))


@admin.register(LinkCheck)
class LinkCheckAdmin(ReadOnly):
    list_display = ("url", "status", "checked_at", "wanted_at")
    list_filter = ("status",)


@admin.register(SenderDomain)
class SenderDomainAdmin(ReadOnly):
    list_display = ("domain", "verified_at", "checked_at", "problem")
    search_fields = ("domain",)
