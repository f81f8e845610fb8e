"""Figures made from the log, and the alerts they gave rise to. Rebuilt at any time, never edited."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from delivery.models.deliveries import Delivery


class DeliveryStat(models.Model):
    """The figures of one delivery that need the whole log. Rebuilt from the log by rollups.rebuild, never edited."""

    delivery = models.OneToOneField(Delivery, primary_key=True, on_delete=models.CASCADE, related_name="stat")
    computed_at = models.DateTimeField()
    n_sent = models.BigIntegerField(default=0)
    n_failed_at_handover = models.BigIntegerField(default=0)
    n_not_sent = models.BigIntegerField(default=0)
    n_cancelled = models.BigIntegerField(default=0)
    n_unknown = models.BigIntegerField(default=0)
    # By the delivery's feedback mode, from events: delivered + pending + failed = sent + failed_at_handover.
    n_delivered = models.BigIntegerField(default=0)
    n_pending = models.BigIntegerField(default=0)
    n_failed = models.BigIntegerField(default=0)
    n_opened = models.BigIntegerField(default=0)
    n_opened_automatic = models.BigIntegerField(default=0)
    # Delivered or pending and not opened: people also open what bounces afterwards. Null in figures that are older.
    n_not_opened = models.BigIntegerField(null=True)
    n_clicked = models.BigIntegerField(default=0)
    n_clicked_automatic = models.BigIntegerField(default=0)
    n_unsubscribed = models.BigIntegerField(default=0)
    n_complained = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ("view",)


class DomainDay(models.Model):
    """What one delivery's messages to one domain came to, by the UTC day on which they were handed over.

    Rebuilt from the log by `domain_days.rebuild`, never edited. Domains beyond the largest of a delivery share the row
    with the empty domain, so that a table row never stands for one person's own domain in a large send.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="domain_days")
    day = models.DateField()
    domain = models.CharField(max_length=255, blank=True)
    computed_at = models.DateTimeField()
    # Handed over, refusals included; the base of the other five. Messages that bounced softly may count as delivered
    # until their validity period ends, see delivery.status.
    n_sent = models.BigIntegerField(default=0)
    n_delivered = models.BigIntegerField(default=0)
    n_hard = models.BigIntegerField(default=0)
    n_soft = models.BigIntegerField(default=0)
    n_complained = models.BigIntegerField(default=0)
    n_unsubscribed = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["delivery", "day", "domain"], name="domain_day_once")]
        # The deliverability page: the last days of everything.
        indexes = [models.Index(fields=["day", "domain"], name="domain_day")]

    def __str__(self) -> str:
        return f"{self.domain} {self.day}"


class Criterion(models.TextChoices):
    """What people are told about by mail; see delivery.alerting."""

    STALLED = "stalled", _("Sending stalled")
    PAUSED = "paused", _("Paused by errors")
    FAILED = "failed", _("Preparation failed")
    MISSED = "missed", _("Missed its start")
    HARD = "hard", _("Many hard bounces")
    SOFT = "soft", _("Many soft bounces")
    COMPLAINTS = "complaints", _("Many complaints")


class SentAlert(models.Model):
    """One thing people were told about one delivery, at most once. Written by delivery.alerting, with the notices."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="alerts")
    criterion = models.CharField(max_length=12, choices=Criterion.choices)
    at = models.DateTimeField(auto_now_add=True)
    # What was measured: see alerting.sentence.
    figures = models.JSONField(default=dict)
    # People a mail was left for.
    n_people = models.IntegerField(default=0)

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["delivery", "criterion"], name="alert_once")]
        # The newest, on the deliverability page.
        indexes = [models.Index(fields=["-at"], name="alert_newest")]

    def __str__(self) -> str:
        return f"{self.criterion} {self.delivery_id}"
