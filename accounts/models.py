"""Who people are and what they did: users and the audit trail."""

import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils.translation import gettext_lazy as _


class UserManager(BaseUserManager["User"]):
    """Creates users by address; used by Django's own commands and by tests."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class Theme(models.TextChoices):
    SYSTEM = "system", _("Same as my device")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class User(AbstractBaseUser, PermissionsMixin):
    """One person who signs in. Rights come from the groups of accounts.roles. Never deleted: set `is_active`."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("email address"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    language = models.CharField(max_length=10, blank=True)
    time_zone = models.CharField(max_length=60, blank=True)
    theme = models.CharField(max_length=10, choices=Theme.choices, default=Theme.SYSTEM)
    has_shortcuts = models.BooleanField(default=True)
    is_staff = models.BooleanField(_("may open Django admin"), default=False)
    is_active = models.BooleanField(_("may sign in"), default=True)
    joined_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        default_permissions = ("add", "change", "delete", "view")
        permissions = [("view_workspace", "Can see campaigns, results and profiles")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email


class AuditEntry(models.Model):
    """One thing somebody did, written in the transaction that did it. Append-only; kept for ever."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    # Who acted when no user did: "worker", "scheduler", "fuse", "command".
    actor_label = models.CharField(max_length=60, blank=True)
    # A verb in the past with its room: "delivery.confirmed", "campaign.published".
    action = models.CharField(max_length=60)
    # What it was done to, as text, so that lower rooms need not know the model: ("delivery", "<uuid>").
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=60)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        default_permissions = ("view",)
        verbose_name_plural = "audit entries"
        indexes = [
            # The timeline of one thing.
            models.Index(fields=["subject_kind", "subject_id", "-at"], name="audit_subject"),
            # The audit page.
            models.Index(fields=["-at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_kind} {self.subject_id}"


class InstallationSetting(models.Model):
    """One value that somebody changed in Settings; without a row the default counts. See accounts.installation."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.JSONField(null=True)
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name
