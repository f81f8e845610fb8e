"""People, segments, quarantine and imports in Django admin, to look and search in.

Changes are made on the pages of Chappe, where rights, history and the audit trail are kept.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import ReadOnlyAdmin
from audiences import profiles
from audiences.models import (
    AddressError,
    AttributeDefinition,
    ConsentChange,
    Profile,
    ProfileEvent,
    ProfileImport,
    Purchase,
    QuarantineEntry,
    Segment,
    SubscriptionGroup,
)


@admin.register(Profile)
class ProfileAdmin(ReadOnlyAdmin):
    """Search finds an exact address or id first, then beginnings, all by index."""

    list_display = ["email", "first_name", "last_name", "country", "email_consent", "created_at"]
    search_fields = ["email"]
    search_help_text = "Exact address or id, or the beginning of an address or name"
    ordering = ["-id"]
    list_per_page = 50

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Profile], search_term: str
    ) -> tuple[QuerySet[Profile], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=[profile.pk for profile in profiles.find(search_term, 200)]), False

    def view_on_site(self, obj: Any) -> str:
        return f"/profiles/{obj.public_id}/"


@admin.register(SubscriptionGroup)
class SubscriptionGroupAdmin(ReadOnlyAdmin):
    """Archived ones too."""

    list_display = ["name", "default_state", "is_public", "created_by", "archived_at"]
    list_select_related = ["created_by"]
    search_fields = ["=public_id", "name"]
    ordering = ["name"]


@admin.register(Segment)
class SegmentAdmin(ReadOnlyAdmin):
    """Deleted ones too."""

    list_display = ["name", "kind", "n_people", "counted_at", "owner", "deleted_at"]
    list_select_related = ["owner"]
    search_fields = ["=public_id", "name"]
    ordering = ["name"]


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(ReadOnlyAdmin):
    list_display = ["name", "type", "created_at"]


@admin.register(ConsentChange)
class ConsentChangeAdmin(ReadOnlyAdmin):
    list_display = ["at", "profile", "state", "source", "reference", "by"]
    list_select_related = ["profile", "by"]
    search_fields = ["=profile__email_key"]
    ordering = ["-id"]
    raw_id_fields = ["profile"]


@admin.register(AddressError)
class AddressErrorAdmin(ReadOnlyAdmin):
    list_display = ["address_key", "n_errors", "last_error_at", "reason"]
    search_fields = ["=address_key"]
    ordering = ["-last_error_at"]


@admin.register(QuarantineEntry)
class QuarantineEntryAdmin(ReadOnlyAdmin):
    list_display = ["address_key", "reason", "since", "released_at", "released_by"]
    list_select_related = ["released_by"]
    search_fields = ["=address_key"]
    ordering = ["-id"]


@admin.register(ProfileImport)
class ProfileImportAdmin(ReadOnlyAdmin):
    list_display = ["file_name", "state", "n_rows", "n_created", "n_updated", "n_refused", "by", "created_at"]
    list_select_related = ["by"]
    search_fields = ["=public_id", "file_name"]
    ordering = ["-id"]


@admin.register(ProfileEvent)
class ProfileEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "profile", "name", "received_at"]
    list_select_related = ["profile"]
    search_fields = ["=profile__external_id", "=profile__email_key"]
    ordering = ["-id"]
    raw_id_fields = ["profile"]


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    list_display = ["at", "profile", "product_id", "quantity", "price", "currency"]
    list_select_related = ["profile"]
    search_fields = ["=profile__external_id", "=profile__email_key"]
    ordering = ["-id"]
    raw_id_fields = ["profile"]
