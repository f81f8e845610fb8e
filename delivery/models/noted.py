"""What only the activity log tells: refused calls of the API, and test messages. Nothing else depends on it."""

import uuid

from django.conf import settings
from django.db import models


class RefusedCall(models.Model):
    """One call that was refused, and nothing of it done. Written by delivery.refused_calls after the answer was made,
    outside of what was taken back. Deleted with its age, and when there are too many.

    It has no secrets and no personal data: of what was asked, texts that are no ids are left out.
    """

    # What the caller finds in the header X-Request-Id of the answer.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    at = models.DateTimeField()
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=100)
    status = models.PositiveSmallIntegerField()
    # As in the answer: the label as one word, and its lines.
    code = models.CharField(max_length=120)
    sentences = models.TextField(blank=True)
    # The key as its row is called, null for none of ours; and its name at that time.
    key_id = models.UUIDField(null=True)
    key_label = models.CharField(max_length=120, blank=True)
    # The network address it came from.
    address = models.CharField(max_length=45, blank=True)
    # The campaign it named, "" for none.
    origin_id = models.CharField(max_length=60, blank=True)
    # The body or the query, with "…" for texts that are no ids; null where none was read.
    asked = models.JSONField(null=True)
    # Calls of the same kind in the same minute that have no row of their own; at least so many.
    n_more = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            # The activity log, newest first, and the purge by age.
            models.Index(fields=["-at", "-id"], name="refused_call_newest"),
            # The last ones that named one campaign.
            models.Index(fields=["origin_id", "-at"], name="refused_call_origin", condition=~models.Q(origin_id="")),
        ]


class TestMessage(models.Model):
    """One address that a test of a campaign was sent to, and what the mail server said. Deleted with its age.

    Written by delivery.test_messages once the server has answered.
    """

    # Not a test, whatever pytest thinks.
    __test__ = False

    at = models.DateTimeField()
    origin_id = models.CharField(max_length=60)
    # What was tested, as people call it.
    label = models.CharField(max_length=255)
    address = models.CharField(max_length=320)
    is_taken = models.BooleanField()
    # What the server said, or why no message could be made; "" when it was taken.
    detail = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index(fields=["-at", "-id"], name="test_message_newest")]
