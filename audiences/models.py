"""Whom we may write to: profiles, what we know about them, what they agreed to, and groups of them."""

import uuid

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Consent(models.TextChoices):
    """May we send marketing email to this person. `subscribed` was assumed or imported, `opted_in` was said by them."""

    SUBSCRIBED = "subscribed", _("Subscribed")
    OPTED_IN = "opted_in", _("Opted in")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")


class Profile(models.Model):
    """One person. Written by imports, the API and people; the address is unique only when it is the import's key.

    `email_key` is the address normalised by audiences.addresses: equal keys are one mailbox; "" when there is none.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    external_id = models.CharField(max_length=200, null=True, blank=True, unique=True)
    email = models.CharField(max_length=320, blank=True)
    email_key = models.CharField(max_length=320, blank=True)
    first_name = models.CharField(max_length=120, blank=True)
    last_name = models.CharField(max_length=120, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    country = models.CharField(max_length=80, blank=True)
    city = models.CharField(max_length=120, blank=True)
    language = models.CharField(max_length=20, blank=True)
    time_zone = models.CharField(max_length=60, blank=True)
    # Custom attributes by name; types in AttributeDefinition. Dates are ISO 8601 text, lists are arrays of text.
    attributes = models.JSONField(default=dict, blank=True)
    email_consent = models.CharField(max_length=12, choices=Consent.choices, default=Consent.SUBSCRIBED)
    consent_changed_at = models.DateTimeField(null=True, blank=True)
    # Seed addresses and colleagues: offered first for previews and tests.
    is_test = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("manage_audience", "Can import and edit profiles and segments"),
            ("release_quarantine", "Can release addresses from quarantine"),
        ]
        indexes = [
            # Find a person by address or its beginning; merge an import; duplicates within a delivery.
            models.Index(fields=["email_key"], name="profile_email_key", opclasses=["text_pattern_ops"]),
            # Find a person by the beginning of a name.
            models.Index(OpClass(Lower("first_name"), "text_pattern_ops"), name="profile_first_name"),
            models.Index(OpClass(Lower("last_name"), "text_pattern_ops"), name="profile_last_name"),
            # Conditions on attributes by containment.
            GinIndex(fields=["attributes"], name="profile_attributes", opclasses=["jsonb_path_ops"]),
            # Newest people first on the list.
            models.Index(fields=["-created_at", "-id"], name="profile_created"),
            # The few test profiles, offered first by previews and tests.
            models.Index(fields=["id"], condition=models.Q(is_test=True), name="profile_test"),
        ]

    def __str__(self) -> str:
        return self.email or self.external_id or str(self.public_id)


class AttributeType(models.TextChoices):
    TEXT = "text", _("Text")
    NUMBER = "number", _("Number")
    BOOLEAN = "boolean", _("Yes or no")
    DATE = "date", _("Date")
    LIST = "list", _("List of texts")


class AttributeDefinition(models.Model):
    """The type of one custom attribute, by its key in `Profile.attributes`; made by an import's mapping or the API."""

    name = models.CharField(max_length=60, unique=True)
    type = models.CharField(max_length=10, choices=AttributeType.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ("view",)
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ConsentChange(models.Model):
    """One change of a person's consent, with where it came from. Append-only."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="consent_changes")
    at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=12, choices=Consent.choices)
    # "one_click", "unsubscribe_page", "import", "person", "api".
    source = models.CharField(max_length=30)
    # What it is about, such as the delivery whose link was used.
    reference = models.CharField(max_length=80, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index(fields=["profile", "-at"], name="consent_profile")]


class GroupState(models.TextChoices):
    """Whether somebody gets what is sent under a subscription group."""

    SUBSCRIBED = "subscribed", pgettext_lazy("group", "Subscribed")
    UNSUBSCRIBED = "unsubscribed", pgettext_lazy("group", "Unsubscribed")


class SubscriptionGroup(models.Model):
    """A topic people can leave without leaving everything, such as "Newsletter". Made by people, never deleted.

    Who has no Subscription has `default_state`, which never changes: changing it would subscribe people nobody asked.
    An archived group takes no new subscribers and no new campaigns; what is known of it stays.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    # For recipients, on the preference page.
    description = models.CharField(max_length=300, blank=True)
    channel = models.CharField(max_length=10, default="email", editable=False)
    default_state = models.CharField(max_length=12, choices=GroupState.choices, default=GroupState.UNSUBSCRIBED)
    # Offered on the preference page; a message sent under the group offers it in any case.
    is_public = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                Lower("name"), condition=Q(archived_at__isnull=True), name="subscription_group_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """What one person said, or somebody knew, about one group. Written by audiences.subscriptions and imports only."""

    group = models.ForeignKey(SubscriptionGroup, on_delete=models.PROTECT, related_name="subscriptions")
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="subscriptions")
    state = models.CharField(max_length=12, choices=GroupState.choices)
    changed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            # Also the look-up of preparation and of every window, which reads the index only.
            models.UniqueConstraint(fields=["group", "profile"], name="subscription_once", include=["state"])
        ]


class SubscriptionChange(models.Model):
    """One change of one person in one group, with where it came from. Append-only, as ConsentChange."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="subscription_changes")
    group = models.ForeignKey(SubscriptionGroup, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=12, choices=GroupState.choices)
    # As in ConsentChange.
    source = models.CharField(max_length=30)
    reference = models.CharField(max_length=80, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ("view",)
        # The Subscriptions tab of one person.
        indexes = [models.Index(fields=["profile", "-at"], name="subscription_change_profile")]


class QuarantineEntry(models.Model):
    """An address nobody is sent to, whoever has it. Left by setting `released_at`; a later cause makes a new row."""

    address_key = models.CharField(max_length=320)
    reason = models.CharField(max_length=40)
    evidence = models.TextField(blank=True)
    since = models.DateTimeField(auto_now_add=True)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    release_note = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "quarantine entries"
        default_permissions = ("view",)
        constraints = [
            # The one active entry of an address; also the look-up of preparation and of every window.
            models.UniqueConstraint(
                fields=["address_key"], condition=Q(released_at__isnull=True), name="quarantine_one_active"
            )
        ]
        indexes = [
            # The list, newest first.
            models.Index(fields=["-since", "-id"], condition=Q(released_at__isnull=True), name="quarantine_newest"),
            # The beginning of an address, and the history of one.
            models.Index(fields=["address_key"], name="quarantine_address", opclasses=["text_pattern_ops"]),
            # All addresses of a domain, from their end.
            models.Index(
                OpClass(Reverse("address_key"), "text_pattern_ops"),
                condition=Q(released_at__isnull=True),
                name="quarantine_domain",
            ),
        ]


class AddressError(models.Model):
    """Temporary failures of an address that may still work, counted towards quarantine. Written by `quarantine`.

    Gone after a success, when the last error that counted is old, and when the address goes into quarantine.
    """

    address_key = models.CharField(max_length=320, unique=True)
    # Errors that counted: at least the set time apart.
    n_errors = models.PositiveSmallIntegerField(default=1)
    first_error_at = models.DateTimeField()
    # The last one that counted.
    last_error_at = models.DateTimeField()
    # A key of messaging.verdicts.REASONS, and what the server wrote.
    reason = models.CharField(max_length=40)
    evidence = models.TextField(blank=True)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            # What is old enough to be forgotten.
            models.Index(fields=["last_error_at"], name="address_error_last")
        ]


class SegmentKind(models.TextChoices):
    RULE = "rule", _("Rule")
    LIST = "list", _("List")


class Segment(models.Model):
    """A named group: people who match a rule (evaluated each time) or a list of people (imported).

    `rule` is the conditions group of audiences.rules. `n_people` with its time is what the list page shows; it never
    decides who is sent to.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=5, choices=SegmentKind.choices, default=SegmentKind.RULE)
    rule = models.JSONField(default=dict, blank=True)
    n_people = models.BigIntegerField(null=True, blank=True)
    counted_at = models.DateTimeField(null=True, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                models.functions.Lower("name"), condition=Q(deleted_at__isnull=True), name="segment_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class SegmentMember(models.Model):
    """One person in one list."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="members")
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["segment", "profile"], name="segment_member_once")]


class ImportState(models.TextChoices):
    UPLOADED = "uploaded", _("Waiting for mapping")
    RUNNING = "running", _("Importing")
    FINISHED = "finished", _("Imported")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class ProfileImport(models.Model):
    """One uploaded CSV file on its way into profiles. The file lies in ProfileImportChunk until the import ends.

    n_rows = n_created + n_updated + n_unchanged + n_refused, at all times. `n_bytes_done` and `n_lines_done` are the
    end of the last committed batch: where a worker goes on after a crash, and the fence against two workers at once.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    file_name = models.CharField(max_length=255)
    n_bytes = models.BigIntegerField(default=0)
    n_bytes_done = models.BigIntegerField(default=0)
    encoding = models.CharField(max_length=20, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    columns = models.JSONField(default=list)
    sample = models.JSONField(default=list)
    # {"<column index>": {"target": "email"} | {"target": "attribute", "name": "plan", "type": "text"}
    #                    | {"target": "group", "group": "<public id>"} | {"target": "skip"}}
    mapping = models.JSONField(default=dict)
    # "email" or "external_id": what makes two rows the same person.
    key = models.CharField(max_length=20, default="email")
    consent = models.CharField(max_length=12, choices=Consent.choices, default=Consent.SUBSCRIBED)
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.SET_NULL, related_name="imports")
    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.UPLOADED)
    error = models.TextField(blank=True)
    n_rows = models.BigIntegerField(default=0)
    n_created = models.BigIntegerField(default=0)
    n_updated = models.BigIntegerField(default=0)
    n_unchanged = models.BigIntegerField(default=0)
    n_refused = models.BigIntegerField(default=0)
    # {"<reason code>": count}
    refused_by_reason = models.JSONField(default=dict)
    # {"<code>": count} of rows that were imported with something left out, such as an unknown time zone.
    notes_by_kind = models.JSONField(default=dict)
    n_lines_done = models.BigIntegerField(default=0)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    # Moved by the worker; a running import whose heartbeat is old is taken up again from its last committed batch.
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)


class ProfileImportChunk(models.Model):
    """One mebibyte of an uploaded file, so that any worker machine can read it. Deleted when the import ends."""

    profile_import = models.ForeignKey(ProfileImport, on_delete=models.CASCADE, related_name="chunks")
    number = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["profile_import", "number"], name="import_chunk_once")]


class ProfileImportKey(models.Model):
    """One person already seen in a file, so that the first row wins however large it is. Deleted with the chunks."""

    profile_import = models.ForeignKey(ProfileImport, on_delete=models.CASCADE, related_name="keys")
    # MD5 of the row's key as a UUID: 16 bytes instead of an address; nothing depends on its secrecy.
    digest = models.UUIDField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["profile_import", "digest"], name="import_key_once")]


class ProfileImportRefusal(models.Model):
    """One row of a file that was not imported, and why; the downloadable report."""

    profile_import = models.ForeignKey(ProfileImport, on_delete=models.CASCADE, related_name="refusals")
    line = models.BigIntegerField()
    reason = models.CharField(max_length=30)
    detail = models.CharField(max_length=300, blank=True)
    # The row as read, each cell cut to 200 characters.
    cells = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["profile_import", "line"], name="import_refusal_once")]


class ProfileAlias(models.Model):
    """Another name of a person in an outside system: `name` under the heading `label`. Written by the API."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="aliases")
    label = models.CharField(max_length=100)
    name = models.CharField(max_length=200)

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["label", "name"], name="alias_once")]

    def __str__(self) -> str:
        return f"{self.label}: {self.name}"


from audiences.activity_models import ProfileEvent as ProfileEvent  # noqa: E402  # Django looks for models here.
from audiences.activity_models import Purchase as Purchase  # noqa: E402
from audiences.erasure_models import ErasedProfile as ErasedProfile  # noqa: E402
from audiences.erasure_models import WithheldAddress as WithheldAddress  # noqa: E402
