"""What became of each recipient: send log, attempts, events, and reports as they came in.

SendLog, Attempt and Event are append-only and partitioned by the delivery's opening month (see migration 0002).
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from delivery.models.deliveries import Delivery


class Outcome(models.TextChoices):
    """What became of one recipient at hand-over. Bounces, opens and clicks come later, as events."""

    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")
    NOT_SENT = "not_sent", _("Not sent")
    CANCELLED = "cancelled", _("Cancelled")
    UNKNOWN = "unknown", _("Unknown")


class SendLog(models.Model):
    """The outcome of one person in one delivery: the row that makes a second message impossible. Append-only."""

    pk = models.CompositePrimaryKey("opened_month", "delivery_id", "request_no", "profile_id")
    opened_month = models.DateField()
    delivery = models.ForeignKey(Delivery, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    request_no = models.BigIntegerField(default=0)
    profile_id = models.BigIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    at = models.DateTimeField()
    address = models.CharField(max_length=320)
    # Attempts made, this one included; 0 when nothing was handed over.
    n_attempts = models.SmallIntegerField()
    # Why, for programs: "" when sent, an SMTP code such as "550 5.1.1", or a reason of delivery.reasons.
    code = models.CharField(max_length=40)
    # The server's answer or a sentence, for people.
    detail = models.TextField()

    class Meta:
        managed = False
        db_table = "delivery_sendlog"
        default_permissions = ("view",)


class Attempt(models.Model):
    """One hand-over that the server deferred or refused. Append-only; a success is only in the send log."""

    pk = models.CompositePrimaryKey("opened_month", "id")
    opened_month = models.DateField()
    id = models.BigIntegerField()
    delivery = models.ForeignKey(Delivery, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    request_no = models.BigIntegerField(default=0)
    profile_id = models.BigIntegerField()
    shard_id = models.BigIntegerField()
    attempt = models.SmallIntegerField()
    at = models.DateTimeField()
    # "deferred" (comes again) or "refused".
    result = models.CharField(max_length=10)
    code = models.CharField(max_length=40)
    reply = models.TextField()

    class Meta:
        managed = False
        db_table = "delivery_attempt"
        default_permissions = ("view",)


class EventKind(models.TextChoices):
    DELIVERED = "delivered", pgettext_lazy("event", "Delivered")
    # The relay could not deliver yet and goes on trying.
    DEFERRED = "deferred", pgettext_lazy("event", "Deferred")
    BOUNCED = "bounced", _("Bounced")
    OPENED = "opened", pgettext_lazy("event", "Opened")
    CLICKED = "clicked", pgettext_lazy("event", "Clicked")
    COMPLAINED = "complained", _("Complained")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")


class Event(models.Model):
    """Something that happened to a sent message. Append-only; automatic opens and clicks are kept and marked."""

    pk = models.CompositePrimaryKey("opened_month", "id")
    opened_month = models.DateField()
    id = models.BigIntegerField()
    delivery = models.ForeignKey(Delivery, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    request_no = models.BigIntegerField(default=0)
    profile_id = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=EventKind.choices)
    at = models.DateTimeField()
    link_no = models.SmallIntegerField(null=True)
    is_automatic = models.BooleanField(default=False)
    # User agent of opens and clicks, the server's words of bounces.
    detail = models.TextField()
    # Of bounces and deferrals: the status code ("550 5.1.1", "4.2.2"), and messaging.verdicts' Kind and reason.
    code = models.CharField(max_length=40, default="")
    verdict = models.CharField(max_length=10, default="")
    reason = models.CharField(max_length=30, default="")
    # What reported it, such as "mail:<hash>" or "postmark:<event id>"; unique within the month, so that a report that
    # comes twice is one event. Null for opens and clicks, which may repeat.
    source_id = models.CharField(max_length=120, null=True)

    class Meta:
        managed = False
        db_table = "delivery_event"
        default_permissions = ("view",)


class PastRecipients(models.Model):
    """Some thousand people of one delivery who had it, or may have, after its log was removed by `removal`.

    All that is kept of them: re-eligibility and conditions on earlier sends stay right. Goes with the delivery.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="+")
    # When the last of them had it.
    at = models.DateTimeField()
    # Sorted.
    ids = ArrayField(models.BigIntegerField())

    class Meta:
        default_permissions = ()


class InboundEvent(models.Model):
    """One event as a provider reported it, kept before anything is made of it. Written and handled by `reports`.

    `handled_at` with `result` says what became of it; an event nobody understands is kept and changes nothing.
    Deleted some weeks after it was handled.
    """

    provider = models.CharField(max_length=20)
    # The provider's own id of the event, or a hash of all of it where there is none.
    event_id = models.CharField(max_length=100)
    body = models.JSONField()
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)
    # A word of delivery.reports.Result.
    result = models.CharField(max_length=12, blank=True)
    # What went wrong, for people.
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["provider", "event_id"], name="inbound_event_once")]
        indexes = [
            # What waits, oldest first.
            models.Index(fields=["id"], name="inbound_event_waiting", condition=models.Q(handled_at__isnull=True)),
            # What is old enough to be deleted.
            models.Index(fields=["handled_at"], name="inbound_event_handled"),
        ]


class RefusalLook(models.Model):
    """How many refusals at hand-over of one delivery were held against addresses already. Written by `refused`."""

    delivery = models.OneToOneField(Delivery, primary_key=True, on_delete=models.CASCADE, related_name="+")
    n_noted = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()


class NotedRefusal(models.Model):
    """One failed row of the send log that was looked at. Written by `refused`, so that no row counts twice."""

    pk = models.CompositePrimaryKey("delivery", "request_no", "profile_id")
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="+")
    request_no = models.BigIntegerField(default=0)
    profile_id = models.BigIntegerField()

    class Meta:
        default_permissions = ()
