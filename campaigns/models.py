"""What we want to say, to whom and when: campaigns, the one draft of each, and its immutable versions."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField

from delivery.models import Delivery
from messaging.models import Message, Template


class CampaignState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    ACTIVE = "active", _("Active")
    STOPPED = "stopped", pgettext_lazy("campaign status", "Stopped")


class Campaign(models.Model):
    """The thing people edit and send. Its state moves only in campaigns.lifecycle."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    state = FSMField(max_length=10, choices=CampaignState.choices, default=CampaignState.DRAFT, protected=True)
    live_version = models.ForeignKey(
        "CampaignVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    # The template whose content was copied at the start; nothing of it is read later, it is only counted.
    started_from = models.ForeignKey(Template, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    # Why a stopped campaign is stopped: "" | "person" | "idle".
    stop_cause = models.CharField(max_length=10, blank=True)
    # Who let it send last and when: repeating sends that ask nobody are confirmed in this person's name.
    activated_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    activated_at = models.DateTimeField(null=True, blank=True)
    # Of a repeating campaign: every planned time up to this one was opened, missed, or lies before it was started.
    opened_until = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField()
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)
        permissions = [("edit_campaigns", "Can write, publish and prepare campaigns")]
        indexes = [
            # The list, last edited first.
            models.Index(fields=["-edited_at", "-id"], name="campaign_edited"),
            GinIndex(fields=["tags"], name="campaign_tags"),
        ]
        constraints = [
            models.CheckConstraint(
                name="campaign_live_unless_draft",
                condition=models.Q(state="draft", live_version__isnull=True)
                | (~models.Q(state="draft") & models.Q(live_version__isnull=False)),
            )
        ]

    def __str__(self) -> str:
        return self.name


class CampaignDigest(models.Model):
    """What the list shows and searches of one campaign, without its documents. Written by campaigns.digests only."""

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, primary_key=True, related_name="digest")
    # Of the draft, else of the live version.
    subject = models.TextField(blank=True)
    # How the live version is sent; "" before the first.
    kind = models.CharField(max_length=10, blank=True)
    # Name and subjects, folded: searched anywhere inside words.
    title = models.TextField(blank=True)
    # Words of the message, folded: searched by their beginning, and as phrases.
    words = SearchVectorField()

    class Meta:
        default_permissions = ()
        # The list's search in messages.
        indexes = [GinIndex(fields=["words"], name="digest_words")]


class Draft(models.Model):
    """The unpublished changes of one campaign; at most one. May be incomplete: nothing refuses a save for validity.

    `document` has a section per editor step (campaigns.document). `revision` rises by one with each save.
    """

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, related_name="draft")
    document = models.JSONField()
    revision = models.IntegerField(default=1)
    base_version = models.ForeignKey(
        "CampaignVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    saved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    saved_at = models.DateTimeField()
    # The revision somebody last sent as a test, and when; for the "changed since your last test" warning.
    tested_revision = models.IntegerField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    tested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)


class EditingSession(models.Model):
    """One open editor tab: who, how lately, and the last save it made, so that a repeated request changes nothing."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="sessions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    opened_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()
    is_idle = models.BooleanField(default=False)
    last_save_id = models.UUIDField(null=True, blank=True)
    last_save_revision = models.IntegerField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        # Presence: who has this draft open.
        indexes = [models.Index(fields=["draft", "-seen_at"], name="session_presence")]


class DraftSnapshot(models.Model):
    """What a draft was after a save, or when it was discarded or published over. Append-only; kept 30 days."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="snapshots")
    revision = models.IntegerField()
    document = models.JSONField()
    # "saved", "discarded", "replaced".
    cause = models.CharField(max_length=10)
    changed_fields = ArrayField(models.CharField(max_length=60), default=list)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ("view",)
        # The history of one campaign, newest first; the purge by age.
        indexes = [
            models.Index(fields=["campaign", "-at"], name="snapshot_history"),
            models.Index(fields=["at"], name="snapshot_age"),
        ]


class CampaignVersion(models.Model):
    """A published, numbered snapshot. Immutable: a database trigger refuses UPDATE and DELETE."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="versions")
    number = models.IntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=500, blank=True)
    published_at = models.DateTimeField(auto_now_add=True)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="version_number_once")]

    def __str__(self) -> str:
        return f"{self.campaign.name}, version {self.number}"


class CampaignSend(models.Model):
    """Which delivery is a send of which version; unique per occurrence: nothing is sent twice for one occasion.

    Written when a send is opened; afterwards only campaigns.recurring and campaigns.sends change the two flags.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="sends")
    version = models.ForeignKey(CampaignVersion, on_delete=models.PROTECT, related_name="sends")
    delivery = models.OneToOneField(Delivery, on_delete=models.PROTECT, related_name="campaign_send")
    # The scheduled time of a recurring send; the opening time of a send once confirmed.
    occurrence_at = models.DateTimeField()
    # It was dropped unsent for one of a newer version, which takes its occurrence.
    is_replaced = models.BooleanField(default=False)
    # Why a send that asks nobody needs a person after all: "" | "cancelled" (somebody took its confirmation back) |
    # "right" (who started the campaign may not start sends any more) | "second" (nobody else than who published this
    # version has let it go yet) | "stale" (it takes more than a new list).
    asks_because = models.CharField(max_length=10, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "occurrence_at"],
                condition=models.Q(is_replaced=False),
                name="send_once_per_occurrence",
            )
        ]
        # The newest send of each campaign, for the list.
        indexes = [models.Index(fields=["campaign", "-id"], name="send_newest")]

    def __str__(self) -> str:
        return str(self.delivery)


class RequestStatus(models.TextChoices):
    OPEN = "open", pgettext_lazy("confirmation request", "Waiting")
    CONFIRMED = "confirmed", pgettext_lazy("confirmation request", "Confirmed")
    CHANGES = "changes", _("Changes requested")
    DECLINED = "declined", pgettext_lazy("confirmation request", "Declined")
    WITHDRAWN = "withdrawn", pgettext_lazy("confirmation request", "Withdrawn")
    CLOSED = "closed", pgettext_lazy("confirmation request", "Closed")


class ConfirmationRequest(models.Model):
    """Somebody who may not confirm a send asks one person, or anyone who may, to do it: for exactly one frozen list.

    At most one is open for each send. It ends by an answer, or by itself when what it asks about is no more. Written by
    campaigns.approvals, ended by campaigns.settling; an ended one never changes again.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    send = models.ForeignKey(CampaignSend, on_delete=models.PROTECT, related_name="requests")
    # The seal and the count of the list as it was shown to who asked.
    seal = models.CharField(max_length=64)
    n_to_send = models.BigIntegerField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    # Null: anyone who may confirm.
    to = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=500, blank=True)
    needed_by = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=RequestStatus.choices, default=RequestStatus.OPEN)
    # Why it closed by itself: "" | "published" | "prepared" | "discarded" | "stopped" | "archived".
    closed_why = models.CharField(max_length=10, blank=True)
    # Of "published": the number of the version that took its place.
    closed_number = models.IntegerField(null=True, blank=True)
    # Who answered, withdrew, or did what closed it; null for a machine.
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)
    # What must change, or why it was declined.
    answer = models.CharField(max_length=1000, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["send"], condition=models.Q(status="open"), name="request_open_once"),
            models.CheckConstraint(
                name="request_ended_has_time",
                condition=models.Q(status="open", answered_at__isnull=True)
                | (~models.Q(status="open") & models.Q(answered_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="request_changes_say_what", condition=~models.Q(status="changes") | ~models.Q(answer="")
            ),
        ]
        indexes = [
            # What waits, on each page beside the navigation.
            models.Index(fields=["to"], condition=models.Q(status="open"), name="request_waiting"),
            # The requests of one person, newest first.
            models.Index(fields=["requested_by", "-id"], name="request_own"),
        ]
