"""What outside programs asked to be sent: requests, the people they name, and who has a claim to a message.

Written by delivery.requests and delivery.claims in one transaction, before the caller is told that it was accepted.
"""

import uuid

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from delivery.models.deliveries import Delivery
from messaging.models import AttachedFile


class RequestState(models.TextChoices):
    """`taken`: a worker still has to choose its people. `ignored`: accepted, and nothing is sent."""

    SCHEDULED = "scheduled", pgettext_lazy("request", "Scheduled")
    TAKEN = "taken", pgettext_lazy("request", "Accepted")
    QUEUED = "queued", pgettext_lazy("request", "Queued")
    IGNORED = "ignored", _("Accepted, nothing sent")
    CANCELLED = "cancelled", pgettext_lazy("request", "Cancelled")
    FAILED = "failed", pgettext_lazy("request", "Failed")


class TriggerRequest(models.Model):
    """One accepted call. Its key is the request number in the send log. Deleted with its age, see delivery.options.

    n_named = n_queued + n_refused: everybody named is queued, or has a recipient row that says why not.
    """

    # What clients know as dispatch_id (without dashes) and, of scheduled ones, as schedule_id.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    origin_kind = models.CharField(max_length=20)
    origin_id = models.CharField(max_length=60)
    # As in Delivery.
    part = models.CharField(max_length=60, default="", db_default="", blank=True)
    # What was triggered, as people call it.
    label = models.CharField(max_length=255)
    # What sends it: the standing delivery that took it, or one of its own for a whole audience.
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.PROTECT, related_name="requests")
    send_id = models.CharField(max_length=64, blank=True)
    external_send_id = models.CharField(max_length=200, blank=True)
    # api_trigger_properties of everybody; a recipient's own have precedence.
    trigger = models.JSONField(default=dict, blank=True)
    # Whom it names, as delivery.requests.Call keeps it; needed again by those that are sent later.
    call = models.JSONField(default=dict, blank=True)
    is_audience = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.QUEUED)
    # Why nothing is sent, or what went wrong: a sentence for people.
    note = models.TextField(blank=True)
    # Who asked, as people call it: a key, or a person who tried it from the campaign's page; "" for nobody.
    key_label = models.CharField(max_length=120, blank=True)
    is_try = models.BooleanField(default=False, db_default=False)
    # The key as its row is called; null for a try.
    key_id = models.UUIDField(null=True)
    received_at = models.DateTimeField()
    # When it is to be sent; null = at once.
    due_at = models.DateTimeField(null=True, blank=True)
    handled_at = models.DateTimeField(null=True, blank=True)
    n_named = models.BigIntegerField(default=0)
    n_queued = models.BigIntegerField(default=0)
    n_refused = models.BigIntegerField(default=0)
    # Files that go with its messages: RequestAttachment.
    n_attachments = models.SmallIntegerField(default=0)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            # The activity log, newest first, and the purge by age.
            models.Index(fields=["-received_at", "-id"], name="request_newest"),
            # The requests of one campaign.
            models.Index(fields=["origin_kind", "origin_id", "-received_at"], name="request_origin"),
            # What was asked under one name, of ours or of the caller's.
            models.Index(
                fields=["origin_kind", "origin_id", "send_id"],
                name="request_send_id",
                condition=~models.Q(send_id=""),
            ),
            models.Index(
                fields=["origin_kind", "origin_id", "external_send_id"],
                name="request_external_id",
                condition=~models.Q(external_send_id=""),
            ),
            # What waits for its time or for a worker.
            models.Index(
                fields=["due_at"], name="request_waiting_due", condition=models.Q(state__in=["scheduled", "taken"])
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="request_adds_up", condition=models.Q(n_named=models.F("n_queued") + models.F("n_refused"))
            ),
            models.CheckConstraint(
                name="request_scheduled_has_time",
                condition=~models.Q(state="scheduled") | models.Q(due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.public_id}"


class RequestRecipient(models.Model):
    """One person named in one request, in the order of the call. `reason` "": a message was queued."""

    pk = models.CompositePrimaryKey("request", "position")
    request = models.ForeignKey(TriggerRequest, on_delete=models.CASCADE, related_name="recipients")
    position = models.SmallIntegerField()
    # How the call named them: "external_user_id" and "u-17".
    named_by = models.CharField(max_length=20)
    name = models.CharField(max_length=320)
    # Null for somebody nobody knows.
    profile_id = models.BigIntegerField(null=True)
    # Their api_trigger_properties, those of the request included; null = those of the request.
    trigger = models.JSONField(null=True)
    # A code of delivery.reasons, and its detail.
    reason = models.CharField(max_length=30, blank=True)
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["request", "profile_id"], condition=models.Q(reason=""), name="request_recipient_once"
            )
        ]
        # What is on the way to one person.
        indexes = [
            models.Index(fields=["profile_id"], name="request_recipient_profile", condition=models.Q(reason="")),
            # Who was unknown then and is erased later.
            models.Index(Lower("name"), name="request_recipient_unknown", condition=models.Q(profile_id=None)),
        ]


class RequestAttachment(models.Model):
    """One file that goes with every message of one request, in the order of the call."""

    pk = models.CompositePrimaryKey("request", "position")
    request = models.ForeignKey(TriggerRequest, on_delete=models.CASCADE, related_name="attachments")
    position = models.SmallIntegerField()
    file = models.ForeignKey(AttachedFile, on_delete=models.PROTECT, related_name="+")
    # As readers see it.
    name = models.CharField(max_length=130)
    content_type = models.CharField(max_length=100)

    class Meta:
        default_permissions = ("view",)


class Claim(models.Model):
    """The last message of one origin that one person was promised: the row that parallel requests meet at.

    Another may be promised once that one has its outcome in the send log, see delivery.claims. A missing row is
    somebody who was promised nothing.
    """

    pk = models.CompositePrimaryKey("origin_kind", "origin_id", "profile_id")
    origin_kind = models.CharField(max_length=20)
    origin_id = models.CharField(max_length=60)
    profile_id = models.BigIntegerField()
    # The key of the log row that will say what became of it.
    opened_month = models.DateField()
    delivery_id = models.BigIntegerField()
    request_no = models.BigIntegerField()
    claimed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
