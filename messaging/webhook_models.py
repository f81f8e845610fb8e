"""What the webhook channel is switched on with."""

import uuid

from django.conf import settings
from django.db import models


class WebhookSecret(models.Model):
    """One secret that signs webhooks; while there is an active one, the channel is on. At most two sign at a time.

    `sealed` is encrypted as messaging.sealed does it. Written by messaging.webhooks only; a retired one stays, without
    its secret.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sealed = models.BinaryField(null=True)
    # The end of the secret, by which people tell two apart.
    tail = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                name="webhook_secret_gone_once_retired",
                condition=models.Q(retired_at__isnull=True, sealed__isnull=False)
                | models.Q(retired_at__isnull=False, sealed__isnull=True),
            )
        ]
