"""People, roles and the audit trail in Django admin.

`AuditedAdmin` is the base of every admin of ours that can change something: whatever is done there is in the audit
trail as well, beside Django's own log. `ReadOnlyAdmin` is the base of all the others.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import audit, forms
from accounts.models import AuditEntry, User
from lib import memory


def _record(action: str, request: HttpRequest, thing: Model, detail: dict[str, object]) -> None:
    assert isinstance(request.user, User)
    subject = (thing._meta.model_name or "", str(getattr(thing, "public_id", thing.pk)))
    audit.record(
        action, subject=subject, by=request.user, label="admin site", detail={"what": str(thing)[:200], **detail}
    )


class AuditedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """An admin whose additions and changes are in the audit trail."""

    show_full_result_count = False

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record("admin.added", request, obj, {})
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record("admin.changed", request, obj, {"change": message})
        memory.forget()
        return super().log_change(request, obj, message)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """An admin to look and search in; nothing can be added, changed or deleted."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class PersonAdmin(AuditedAdmin, UserAdmin):  # type: ignore[type-arg]
    """People are never deleted, because what they did stays: take away "may sign in" instead."""

    add_form = forms.AddUserForm
    form = forms.ChangeUserForm
    ordering = ["name", "email"]
    list_display = ["email", "name", "role", "is_active", "last_login"]
    list_filter = ["groups", "is_active"]
    search_fields = ["email", "name"]
    filter_horizontal = ["groups"]
    readonly_fields = ["public_id", "last_login", "joined_at"]
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        (_("Rights"), {"fields": ["is_active", "knows", "groups", "is_staff", "is_superuser"]}),
        (_("Preferences"), {"fields": ["language", "time_zone", "theme", "has_shortcuts"]}),
        (_("Dates"), {"fields": ["public_id", "joined_at", "last_login"]}),
    ]
    add_fieldsets = [
        (None, {"classes": ["wide"], "fields": ["email", "name", "usable_password", "password1", "password2"]})
    ]

    @admin.display(description=_("Roles"))
    def role(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look is asked nothing."""
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        return [
            (label, {**options, "fields": [name for name in options["fields"] if name != "knows"]})
            for label, options in found
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Only a superuser makes or unmakes a superuser, or changes the account of one."""
        if getattr(request.user, "is_superuser", False):
            return list(self.readonly_fields)
        return [*self.readonly_fields, "is_superuser"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = obj is not None and obj.is_superuser and not getattr(request.user, "is_superuser", False)
        return not is_above and super().has_change_permission(request, obj)


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(AuditedAdmin, GroupAdmin):
    """The roles; `manage.py setup_roles` sets the permissions of the four of ours again."""


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what. Search by the exact id of a thing or by an action."""

    list_display = ["at", "action", "subject_kind", "subject_id", "actor", "actor_label"]
    list_filter = ["subject_kind"]
    list_select_related = ["actor"]
    search_fields = ["=subject_id", "=action", "=actor__email"]
    ordering = ["-at", "-id"]
    list_per_page = 50
