"""What the wire contract keeps: keys of outside programs, answers to calls that may come twice, registered send ids,
and what is posted back about transactional calls."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import pgettext_lazy

from campaigns.models import Campaign
from delivery.models import TriggerRequest


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


class TransactionalCall(models.Model):
    """One request of the transactional endpoint that somebody wants to hear about; written with it, in one transaction.

    Goes with its request. `look_at`: when api.posting looks again what became of it; null once nothing more can come.
    """

    request = models.OneToOneField(TriggerRequest, primary_key=True, on_delete=models.CASCADE, related_name="+")
    look_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        # What is to be looked at.
        indexes = [
            models.Index(fields=["look_at"], name="transactional_look", condition=Q(look_at__isnull=False)),
        ]


class PostbackStatus(models.TextChoices):
    """In the words of the reference; what they mean here, api.postbacks says."""

    SENT = "sent", pgettext_lazy("postback", "sent")
    PROCESSED = "processed", pgettext_lazy("postback", "processed")
    ABORTED = "aborted", pgettext_lazy("postback", "aborted")
    DELIVERED = "delivered", pgettext_lazy("postback", "delivered")
    BOUNCED = "bounced", pgettext_lazy("postback", "bounced")


class Postback(models.Model):
    """One event of one call, posted until it is taken or given up. Written by api.posting; goes with its call.

    It waits while `next_try_at` is there. What it says is read from the log each time, so that it names nobody who was
    erased meanwhile.
    """

    call = models.ForeignKey(TransactionalCall, on_delete=models.CASCADE, related_name="postbacks")
    status = models.CharField(max_length=10, choices=PostbackStatus.choices)
    happened_at = models.DateTimeField()
    # Attempts begun, since the last time somebody asked for it again.
    n_attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    # A worker is at it until then.
    leased_until = models.DateTimeField(null=True)
    # The last answer, and since when it is taken: null while it isn't.
    answer = models.CharField(max_length=200, blank=True)
    answered_at = models.DateTimeField(null=True)
    taken_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["call", "status"], name="postback_once")]
        indexes = [
            # What is due.
            models.Index(fields=["next_try_at", "id"], name="postback_due", condition=Q(next_try_at__isnull=False)),
            # What workers are at.
            models.Index(fields=["leased_until"], name="postback_leased", condition=Q(leased_until__isnull=False)),
            # Since when nothing was taken.
            models.Index(fields=["taken_at"], name="postback_taken", condition=Q(taken_at__isnull=False)),
            models.Index(fields=["answered_at"], name="postback_answered", condition=Q(answered_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.call_id} {self.status}"
