"""What a message looks like and how it is handed over: senders, transports, templates, messages, and the inbox."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Sender(models.Model):
    """A From identity. Messages copy its name and address, so editing a sender never changes what was published."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    address = models.EmailField()
    reply_to = models.EmailField(blank=True)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        permissions = [("manage_transports", "Can change senders, mail servers and other settings")]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="sender_one_default"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


class Security(models.TextChoices):
    NONE = "none", _("None")
    STARTTLS = "starttls", _("STARTTLS")
    TLS = "tls", _("TLS")


class Feedback(models.TextChoices):
    """What a transport tells us after it took a message."""

    BOUNCES_ONLY = "bounces_only", _("Bounces only")
    REAL_TIME = "real_time", _("Real time")


class Transport(models.Model):
    """One SMTP server messages are handed to. While `uses_environment`, host and login come from SMTP_URL.

    `secret` is encrypted with a key derived from SECRET_KEY and is never shown again.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    uses_environment = models.BooleanField(default=False)
    host = models.CharField(max_length=255, blank=True)
    port = models.PositiveIntegerField(default=587)
    security = models.CharField(max_length=10, choices=Security.choices, default=Security.STARTTLS)
    username = models.CharField(max_length=255, blank=True)
    secret = models.BinaryField(null=True, blank=True)
    secret_set_at = models.DateTimeField(null=True, blank=True)
    n_connections = models.PositiveSmallIntegerField(default=8)
    rate_per_minute = models.PositiveIntegerField(null=True, blank=True)
    feedback = models.CharField(max_length=12, choices=Feedback.choices, default=Feedback.BOUNCES_ONLY)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="transport_one_default"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """The immutable content of one channel: what was written and what was compiled from it.

    Equal contents share a row (`sha256`). A database trigger refuses UPDATE and DELETE.
    `html` and `text` still contain Liquid; `links` are the tracked URLs in order, number n in the message is links[n].
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sha256 = models.CharField(max_length=64, unique=True)
    channel = models.CharField(max_length=20, default="email")
    sender_name = models.CharField(max_length=120)
    sender_address = models.CharField(max_length=320)
    reply_to = models.CharField(max_length=320, blank=True)
    subject = models.TextField()
    preheader = models.TextField(blank=True)
    # As typed: "html", "mjml" or "blocks" (JSON).
    body_kind = models.CharField(max_length=10)
    body = models.TextField()
    html = models.TextField()
    text = models.TextField()
    links = ArrayField(models.TextField(), default=list)
    tracks_opens = models.BooleanField(default=True)
    tracks_clicks = models.BooleanField(default=True)
    # Added headers as [name, Liquid], and extras by name: messaging.added_headers.
    headers = models.JSONField(default=list, blank=True)
    extras = models.JSONField(default=dict, blank=True)
    # Where a blind copy of each message goes; "" for nowhere.
    bcc = models.CharField(max_length=320, blank=True)
    # Of channel "webhook", whose other contents are empty: {"url", "method", "headers": {name: value}, "body"}.
    webhook = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                name="message_webhook_of_its_channel",
                condition=models.Q(channel="webhook", webhook__isnull=False)
                | (~models.Q(channel="webhook") & models.Q(webhook__isnull=True)),
            )
        ]

    def __str__(self) -> str:
        return self.subject[:80]


class BodyKind(models.TextChoices):
    """How a body is written; "blocks" is JSON."""

    HTML = "html", "HTML"
    MJML = "mjml", "MJML"
    BLOCKS = "blocks", _("Blocks")


class Template(models.Model):
    """Content that campaigns start from: they copy it, so changing a template changes no campaign.

    Written by messaging.templates only. Never deleted: an archived one is offered nowhere and can be restored.
    `text` None: the plain text is generated from the body. `revision` rises by one with each change.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    subject = models.TextField(blank=True)
    preheader = models.TextField(blank=True)
    # As typed; may be unfinished or wrong, like a draft.
    body_kind = models.CharField(max_length=10, choices=BodyKind.choices)
    body = models.TextField(blank=True)
    text = models.TextField(null=True, blank=True)
    revision = models.IntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    edited_at = models.DateTimeField()
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            # The page of templates and the choice in New campaign, last edited first.
            models.Index(fields=["-edited_at", "-id"], name="template_edited"),
        ]
        constraints = [
            models.CheckConstraint(name="template_named", condition=~models.Q(name="")),
            models.CheckConstraint(name="template_body_kind", condition=models.Q(body_kind__in=BodyKind.values)),
        ]

    def __str__(self) -> str:
        return self.name


class CaughtMessage(models.Model):
    """One message the local mail catcher received. Only the newest settings.INBOX_KEEP are kept."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    received_at = models.DateTimeField(auto_now_add=True)
    envelope_from = models.CharField(max_length=320, blank=True)
    envelope_to = models.CharField(max_length=320)
    subject = models.CharField(max_length=300, blank=True)
    # Value of the X-Chappe-Delivery header, "" for other mail; "test" for test sends.
    delivery_ref = models.CharField(max_length=40, blank=True)
    n_bytes = models.IntegerField()
    # zlib-compressed source as received.
    source = models.BinaryField()

    class Meta:
        default_permissions = ("view",)
        indexes = [
            # The inbox, newest first, and its pruning.
            models.Index(fields=["-id"], name="caught_newest"),
            # Messages of one delivery, messages to one address.
            models.Index(fields=["delivery_ref", "envelope_to"], name="caught_delivery"),
            models.Index(fields=["envelope_to"], name="caught_to"),
        ]


class Notice(models.Model):
    """One mail to somebody who works here: a request, an answer, an alert. Written by messaging.notices only."""

    to = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    # What it is about; a second notice with the same key to the same person is not written. "" for no such check.
    key = models.CharField(max_length=120, blank=True)
    subject = models.CharField(max_length=300)
    # Plain text, paragraphs apart by an empty line.
    body = models.TextField()
    url = models.URLField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # When it is tried next; None once it was sent or given up.
    due_at = models.DateTimeField(null=True, blank=True)
    n_attempts = models.SmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    # What the mail server said against it last.
    problem = models.TextField(blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["to", "key"], name="notice_once", condition=~models.Q(key="")),
        ]
        indexes = [
            # What waits.
            models.Index(fields=["due_at"], name="notice_due", condition=models.Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.subject


class LinkCheck(models.Model):
    """What the page behind one link of a message answered lately. Wanted by the editor, written by messaging.linkcheck.

    `status` is the HTTP status of the last answer; None when nothing answered. Dropped when nobody asked for a week.
    """

    # Of the URL, which may be longer than an index holds.
    sha256 = models.CharField(max_length=64, unique=True)
    url = models.TextField()
    wanted_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            # Links that wait for their first or next check; dropping those nobody asked for.
            models.Index(fields=["checked_at"], name="linkcheck_checked"),
            models.Index(fields=["wanted_at"], name="linkcheck_wanted"),
        ]

    def __str__(self) -> str:
        return self.url[:80]


class SenderDomain(models.Model):
    """A domain of senders and whether its TXT record says that this installation may send for it.

    Written by messaging.domains at each check; never deleted.
    """

    domain = models.CharField(max_length=253, unique=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    # What the last check found wrong: "" | "missing" | "other" | "unreachable".
    problem = models.CharField(max_length=12, blank=True)
    # What receivers ask for, as found by messaging.sender_dns: the records themselves, and the name of the DMARC ones
    # (this domain's or that of a domain above); a time without an answer of DNS changes neither.
    spf_records = models.JSONField(default=list)
    dmarc_records = models.JSONField(default=list)
    dmarc_domain = models.CharField(max_length=253, blank=True)
    dns_checked_at = models.DateTimeField(null=True, blank=True)
    dns_asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.domain


class DkimKey(models.Model):
    """One key that messages of a domain are signed with, from when its record was found in DNS until it is retired.

    Written by messaging.signing only. A retired key stays, because its record has to stay while mail is on its way.
    """

    domain = models.CharField(max_length=253)
    selector = models.CharField(max_length=63)
    # The private key in PEM, encrypted like the password of a transport.
    secret = models.BinaryField()
    # What the record has to say.
    record = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    checked_at = models.DateTimeField(null=True, blank=True)
    # What the last check found wrong: "" | "missing" | "other" | "unreachable".
    problem = models.CharField(max_length=12, blank=True)
    active_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_selector_once"),
            models.UniqueConstraint(
                fields=["domain"],
                condition=models.Q(active_at__isnull=False, retired_at__isnull=True),
                name="dkim_one_active",
            ),
            models.UniqueConstraint(
                fields=["domain"],
                condition=models.Q(active_at__isnull=True, retired_at__isnull=True),
                name="dkim_one_new",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


class MediaFile(models.Model):
    """One image of the library, as it is served: without metadata, immutable. Only name and alternative text change.

    Equal bytes share a row. A deleted file keeps its row and its bytes for 30 days, and for ever while a published
    message shows it. Written by messaging.media only.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Names the file in its public address; not to be guessed, because that address asks nobody who they are.
    token = models.CharField(max_length=16, unique=True, editable=False)
    name = models.CharField(max_length=120)
    alt = models.CharField(max_length=300, blank=True)
    # Says nothing that the text beside it doesn't: screen readers pass over it.
    is_decorative = models.BooleanField(default=False)
    content_type = models.CharField(max_length=20)
    width = models.IntegerField()
    height = models.IntegerField()
    is_animated = models.BooleanField(default=False)
    n_bytes = models.IntegerField()
    # Of the bytes that are served.
    sha256 = models.CharField(max_length=64)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["sha256"], name="media_bytes_once"),
            models.CheckConstraint(
                name="media_decorative_has_no_alt", condition=models.Q(is_decorative=False) | models.Q(alt="")
            ),
            models.CheckConstraint(
                name="media_kind_is_an_image",
                condition=models.Q(content_type__in=["image/png", "image/jpeg", "image/gif", "image/webp"]),
            ),
        ]
        indexes = [
            # The library, newest first.
            models.Index(fields=["-id"], condition=models.Q(deleted_at__isnull=True), name="media_newest"),
            # The purge by age.
            models.Index(fields=["deleted_at"], condition=models.Q(deleted_at__isnull=False), name="media_deleted"),
        ]

    def __str__(self) -> str:
        return self.name


class MediaContent(models.Model):
    """The bytes of one file, in a row of their own, so that no list ever loads them. Deleted with the file's row."""

    file = models.OneToOneField(MediaFile, primary_key=True, on_delete=models.CASCADE, related_name="content")
    data = models.BinaryField()
    # A small WebP for lists; empty when the file itself is small.
    thumbnail = models.BinaryField()

    class Meta:
        default_permissions = ()


class MediaUse(models.Model):
    """One published message shows one file. Written with the message, and like it never changed."""

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="media_uses")
    file = models.ForeignKey(MediaFile, on_delete=models.PROTECT, related_name="uses")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["file", "message"], name="media_use_once")]


from messaging.attachment_models import AttachedFile as AttachedFile  # noqa: E402  # Django looks for models here.
from messaging.webhook_models import WebhookSecret as WebhookSecret  # noqa: E402
