"""What the wire contract keeps: keys of outside programs, answers to calls that may come twice, registered send ids."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from campaigns.models import Campaign


class ApiKey(models.Model):
    """One outside program. Written by api.keys only; what it may do never changes, it is taken over or revoked.

    The key itself is nowhere: `digest` is the SHA-256 of it, which does for 190 random bits. `prefix` is its beginning,
    by which people tell keys apart.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=20, unique=True)
    # 64 hexadecimal digits; also the look-up of each call.
    digest = models.CharField(max_length=64, unique=True)
    # Names of api.scopes, at least one.
    scopes = ArrayField(models.CharField(max_length=60))
    # Networks calls may come from, such as 192.0.2.0/24; empty: any.
    networks = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Calls act in the name of this person: who made the key, or took it over. Refused while they may not sign in.
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    # At most a minute old while the key is used.
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.CharField(max_length=45, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(name="api_key_has_a_scope", condition=Q(scopes__len__gt=0)),
            models.CheckConstraint(
                name="api_key_revoked_by_somebody",
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AnsweredCall(models.Model):
    """A call with an Idempotency-Key that was answered with success, and the answer; see api.idempotency.

    Written in the transaction of the call's effect, so that a row is there exactly when the effect is. Deleted after a
    day by api.tasks.
    """

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+")
    idempotency_key = models.CharField(max_length=255)
    path = models.CharField(max_length=200)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    # JSON as it was sent.
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["key", "idempotency_key"], name="answered_call_once")]
        # The purge by age.
        indexes = [models.Index(fields=["created_at"], name="answered_call_age")]


class SendId(models.Model):
    """A name under which sends of one campaign are counted, registered by /sends/id/create. Never changed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="+")
    send_id = models.CharField(max_length=64)
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["campaign", "send_id"], name="send_id_once")]

    def __str__(self) -> str:
        return self.send_id
