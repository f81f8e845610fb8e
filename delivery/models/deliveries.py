"""A send and its parts: the delivery, its shards, and who was left out. Moved by lifecycle and the pipeline."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from messaging.models import Feedback, Message, Transport


class DeliveryState(models.TextChoices):
    NEW = "new", _("New")
    PREPARING = "preparing", _("Preparing")
    PREPARED = "prepared", _("Prepared")
    CONFIRMED = "confirmed", _("Confirmed")
    SENDING = "sending", _("Sending")
    PAUSED = "paused", _("Paused")
    FINISHED = "finished", _("Finished")
    STOPPED = "stopped", _("Stopped")
    CANCELLED = "cancelled", _("Cancelled")
    FAILED = "failed", _("Failed")
    MISSED = "missed", _("Missed")


RUNNING = frozenset({DeliveryState.SENDING, DeliveryState.PAUSED})
ENDED = frozenset({DeliveryState.FINISHED, DeliveryState.STOPPED, DeliveryState.CANCELLED, DeliveryState.FAILED})


# Of Delivery.channel.
EMAIL = "email"


class Delivery(models.Model):
    """One send of one published message to one prepared list. Screens say "send".

    n_targeted = n_excluded + n_to_send from the seal on. Everything it needs is copied or pinned when it is opened.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # What it is a send of, as text: ("campaign", "<uuid>"), and how people call it: "Autumn sale, version 4".
    origin_kind = models.CharField(max_length=20)
    origin_id = models.CharField(max_length=60)
    # Which of the standing deliveries of its origin: "" for what the origin itself says; else what a call brought and
    # how it is sent, see callformat.Origin. All parts of an origin share its claims and figures.
    part = models.CharField(max_length=60, default="", db_default="", blank=True)
    label = models.CharField(max_length=255)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    state = FSMField(max_length=12, choices=DeliveryState.choices, default=DeliveryState.NEW, protected=True)
    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="+")
    # The message's: "email", or "webhook", which needs no address and no mail server.
    channel = models.CharField(max_length=20, default="email", db_default="email")
    transport = models.ForeignKey(Transport, on_delete=models.PROTECT, related_name="+")
    feedback = models.CharField(max_length=12, choices=Feedback.choices, default=Feedback.BOUNCES_ONLY)
    # The audience document of audiences.rules, as it was when the delivery was opened.
    audience = models.JSONField()
    # Seconds between two messages of this origin to one person; null = never again, 0 = every time.
    re_eligible_after_s = models.BigIntegerField(null=True, blank=True)
    validity_s = models.BigIntegerField(default=72 * 3600)
    rate_per_minute = models.PositiveIntegerField(null=True, blank=True)
    # The wall time at which each person gets it in their own zone ("2026-11-25T09:00"); "" = everybody by one clock.
    local_time = models.CharField(max_length=16, blank=True)
    # {"size": 30, "unit": "percent" | "people", "every_s": 3600}; {} = not in waves.
    waves = models.JSONField(default=dict, blank=True)
    ignores_quiet_hours = models.BooleanField(default=False)
    # Takes people from requests for as long as it is open, instead of having a list; never prepared as a whole.
    is_standing = models.BooleanField(default=False, db_default=False)
    # Of a standing one: from when on it takes no more requests. What it took by then is still sent.
    closed_at = models.DateTimeField(null=True, blank=True)
    # The request for a whole audience that it was opened for; 0 = none.
    request_no = models.BigIntegerField(default=0, db_default=0)
    # Content people wait for, such as a receipt: sent however much they had lately.
    ignores_cap = models.BooleanField(default=False)
    # First day of the month it was opened in: the partition of its log rows.
    opened_month = models.DateField()
    opened_at = models.DateTimeField(auto_now_add=True)
    # Who published what is sent: with "A second person must confirm" somebody else releases it.
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    # --- preparation
    preparing_since = models.DateTimeField(null=True, blank=True)
    n_prepared = models.BigIntegerField(default=0)
    n_estimated = models.BigIntegerField(null=True, blank=True)
    n_targeted = models.BigIntegerField(null=True, blank=True)
    n_excluded = models.BigIntegerField(null=True, blank=True)
    n_to_send = models.BigIntegerField(null=True, blank=True)
    # {"<reason>": count}, in the order of delivery.preparation
    excluded_by_reason = models.JSONField(default=dict)
    samples = models.JSONField(default=list)
    # Quiet hours as they were set when it was prepared, see delivery.quiet; {} = none.
    quiet_hours = models.JSONField(default=dict, blank=True)
    # How many are due when, see delivery.timetables; [] = everybody at the start.
    timetable = models.JSONField(default=list, blank=True)
    # What was checked and found at preparation: [{"level", "code", "text", "place"}], see delivery.controls.
    controls = models.JSONField(default=list)
    seal = models.CharField(max_length=64, blank=True)
    # What the preparation rested on, see delivery.staleness; {} before the first.
    basis = models.JSONField(default=dict)
    prepared_at = models.DateTimeField(null=True, blank=True)
    prepared_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    failure = models.TextField(blank=True)

    # --- confirmation and running
    # The time the marketer chose, and its zone for display; null = once confirmed.
    scheduled_at = models.DateTimeField(null=True, blank=True)
    scheduled_zone = models.CharField(max_length=60, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    # Last time somebody gave it another time than its campaign has.
    rescheduled_at = models.DateTimeField(null=True, blank=True)
    # Prepare again at the start, and stop when it grew by more per cent; null = send to the list as it was fixed.
    refresh_guard_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    # While it is prepared again at its start: how many it had, and who had confirmed that stays in `confirmed_by`.
    refreshing_from = models.BigIntegerField(null=True, blank=True)
    # When the clock starts it: the schedule, or confirmation + grace.
    start_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    # Who paused it, or the cause: "" | "person" | "transport" | "errors"; transport pauses resume by themselves.
    pause_cause = models.CharField(max_length=12, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    # The last thing the mail server or the network said against us, with its time; shown while stalled or paused.
    trouble = models.TextField(blank=True)
    trouble_at = models.DateTimeField(null=True, blank=True)
    # Last time a message was handed over; a sending delivery with an old one is stalled.
    progressed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    # What retention removed of it: {"log" | "events" | "attempts" | "exclusions": {"at": ISO time, "months": kept}}.
    removed = models.JSONField(default=dict, db_default={}, blank=True)

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("start_deliveries", "Can confirm, pause, resume and stop sends"),
            ("export_logs", "Can export logs with personal data"),
        ]
        verbose_name_plural = "deliveries"
        indexes = [
            # Sends of one campaign, newest first; re-eligibility.
            models.Index(fields=["origin_kind", "origin_id", "-opened_at"], name="delivery_origin"),
            # The clock: what is due, what is running.
            models.Index(
                fields=["state", "start_at"],
                name="delivery_open",
                condition=models.Q(state__in=["preparing", "confirmed", "sending", "paused"]),
            ),
        ]
        constraints = [
            # Each request finds the one that takes it.
            models.UniqueConstraint(
                fields=["origin_kind", "origin_id", "part"],
                condition=models.Q(is_standing=True, closed_at__isnull=True),
                name="delivery_one_open_standing",
            ),
            models.CheckConstraint(
                name="delivery_sealed_adds_up",
                condition=models.Q(seal="") | models.Q(n_targeted=models.F("n_excluded") + models.F("n_to_send")),
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_frozen(self) -> bool:
        """Its figures can't be counted again: what they were counted from was removed."""
        return "log" in self.removed or "events" in self.removed


class ShardState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    LEASED = "leased", _("Leased")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class Shard(models.Model):
    """A sorted array of up to a few thousand people of one delivery, the unit of leasing.

    ids[:n_authorised] may have been handed over; everybody else certainly was not. Counters move in the statement that
    writes the log rows they count: n_sent + n_failed + n_not_sent + n_unknown + n_retried <= cardinality(ids).
    `fence` rises with each lease; a worker that lost its lease can't write.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="shards")
    number = models.IntegerField()
    # 1 for the first attempt, then 2, 3, …; retries are new shards with a due time.
    attempt = models.SmallIntegerField(default=1)
    request_no = models.BigIntegerField(default=0)
    # Its wave, from 0; the zone of its people where zones matter; the domain whose limit its people are under.
    wave = models.SmallIntegerField(default=0, db_default=0)
    zone = models.CharField(max_length=60, default="", db_default="", blank=True)
    domain = models.CharField(max_length=255, default="", db_default="", blank=True)
    ids = ArrayField(models.BigIntegerField())
    n_ids = models.IntegerField()
    state = models.CharField(max_length=10, choices=ShardState.choices, default=ShardState.WAITING)
    due_at = models.DateTimeField()
    # Where it ends before its delivery does: a request of a standing delivery has a validity period of its own.
    valid_until = models.DateTimeField(null=True, blank=True)
    fence = models.IntegerField(default=0)
    n_authorised = models.IntegerField(default=0)
    n_sent = models.IntegerField(default=0)
    n_failed = models.IntegerField(default=0)
    n_not_sent = models.IntegerField(default=0)
    n_unknown = models.IntegerField(default=0)
    n_cancelled = models.IntegerField(default=0)
    # Deferred by the server and moved to a later shard.
    n_retried = models.IntegerField(default=0)
    # "<machine id>:<journal file name>" of the worker that holds or held it.
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="shard_once")]
        indexes = [
            # The next shard to lease.
            models.Index(
                fields=["delivery", "due_at"], name="shard_open", condition=models.Q(state__in=["waiting", "leased"])
            )
        ]


class Exclusion(models.Model):
    """One person targeted and not sent to, with the first reason that applied. Only preparation writes it."""

    pk = models.CompositePrimaryKey("delivery", "profile_id")
    # Without a constraint: looking the delivery up for each of a million rows takes longer than writing them. Without
    # an index of its own: the key begins with it.
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="exclusions", db_constraint=False, db_index=False
    )
    profile_id = models.BigIntegerField()
    reason = models.CharField(max_length=30)
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        # No index by reason: it took as long to write as all the rest of a large preparation, and the log of a million
        # exclusions by a reason that nobody has is there in a tenth of a second without.
        default_permissions = ("view",)
