"""Django admin for keys and send ids: everything findable, nothing changed. The product makes and revokes keys."""

from django.contrib import admin

from api.models import ApiKey, SendId
from delivery.admin import ReadOnly


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    list_display = ("name", "prefix", "created_at", "created_by", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("created_by",)
    search_fields = ("prefix__startswith", "name__icontains")
    exclude = ("digest",)
    ordering = ("-id",)


@admin.register(SendId)
class SendIdAdmin(ReadOnly):
    list_display = ("send_id", "campaign", "key", "created_at")
    list_select_related = ("campaign", "key")
    search_fields = ("send_id__exact",)
    ordering = ("-id",)
