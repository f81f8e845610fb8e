"""Django admin for deliveries and their logs: everything findable, nothing changed, and no way to send.

Lists never count their table. The logs of people have composite keys, which Django's admin can't show: they are one
link away, on the product's log pages, with search, filters and export.
"""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from delivery import origins, pages
from delivery.models import Delivery, DeliveryStat, InboundEvent, Shard


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Looks only; a delivery is moved in the product, by `lifecycle`."""

    show_full_result_count = False
    actions = None
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return request.user.is_active and request.user.is_staff


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("label", "state", "n_to_send", "opened_at", "started_at", "ended_at", "in_chappe")
    list_filter = ("state", "origin_kind")
    list_select_related = ("message",)
    search_fields = ("public_id__exact", "origin_id__exact", "label__startswith")
    search_help_text = _("Exact id of the send or of its campaign, or the beginning of its name")
    ordering = ("-id",)
    readonly_fields = ("in_chappe", "logs")

    @admin.display(description=_("View in Chappe"))
    def in_chappe(self, delivery: Delivery) -> SafeString:
        return format_html('<a href="{}">{}</a>', origins.url(delivery), _("View in Chappe"))

    @admin.display(description=_("Logs"))
    def logs(self, delivery: Delivery) -> SafeString:
        links = [
            (reverse("delivery:log", args=[delivery.public_id, name]), label) for name, label in pages.TABS.items()
        ]
        return format_html_join(" · ", '<a href="{}">{}</a>', links)


@admin.register(DeliveryStat)
class DeliveryStatAdmin(ReadOnly):
    list_display = ("delivery", "computed_at", "n_sent", "n_delivered", "n_failed", "n_opened", "n_clicked")
    list_select_related = ("delivery",)
    search_fields = ("delivery__public_id__exact",)
    ordering = ("-delivery_id",)


@admin.register(InboundEvent)
class InboundEventAdmin(ReadOnly):
    """What providers reported and what became of it: where to look when their reports change nothing."""

    list_display = ("received_at", "provider", "result", "note", "handled_at")
    list_filter = ("provider", "result")
    search_fields = ("event_id__exact",)
    search_help_text = _("Exact id of the event at the provider")
    ordering = ("-id",)
    show_full_result_count = False


@admin.register(Shard)
class ShardAdmin(ReadOnly):
    """Where a send stands when it doesn't move: leases, owners, counters. Never the ids, which are many."""

    list_display = ("delivery", "number", "attempt", "state", "due_at", "n_ids", "n_authorised", "lease_until")
    list_filter = ("state",)
    list_select_related = ("delivery",)
    search_fields = ("delivery__public_id__exact",)
    search_help_text = _("Exact id of the send")
    ordering = ("-delivery_id", "number")
    exclude = ("ids",)
