import uuid

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0011_retention"),
        ("messaging", "0008_sender_dns"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TriggerRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("origin_kind", models.CharField(max_length=20)),
                ("origin_id", models.CharField(max_length=60)),
                ("label", models.CharField(max_length=255)),
                ("send_id", models.CharField(blank=True, max_length=64)),
                ("external_send_id", models.CharField(blank=True, max_length=200)),
                ("trigger", models.JSONField(blank=True, default=dict)),
                ("call", models.JSONField(blank=True, default=dict)),
                ("is_audience", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("scheduled", "Scheduled"),
                            ("taken", "Accepted"),
                            ("queued", "Queued"),
                            ("ignored", "Accepted, nothing sent"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("note", models.TextField(blank=True)),
                ("key_label", models.CharField(blank=True, max_length=120)),
                ("received_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("handled_at", models.DateTimeField(blank=True, null=True)),
                ("n_named", models.BigIntegerField(default=0)),
                ("n_queued", models.BigIntegerField(default=0)),
                ("n_refused", models.BigIntegerField(default=0)),
                (
                    "delivery",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="requests",
                        to="delivery.delivery",
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="RequestRecipient",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "request", "position", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recipients",
                        to="delivery.triggerrequest",
                    ),
                ),
                ("position", models.SmallIntegerField()),
                ("named_by", models.CharField(max_length=20)),
                ("name", models.CharField(max_length=320)),
                ("profile_id", models.BigIntegerField(null=True)),
                ("trigger", models.JSONField(null=True)),
                ("reason", models.CharField(blank=True, max_length=30)),
                ("detail", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Claim",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "origin_kind",
                        "origin_id",
                        "profile_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("origin_kind", models.CharField(max_length=20)),
                ("origin_id", models.CharField(max_length=60)),
                ("profile_id", models.BigIntegerField()),
                ("opened_month", models.DateField()),
                ("delivery_id", models.BigIntegerField()),
                ("request_no", models.BigIntegerField()),
                ("claimed_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="closed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="is_standing",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="delivery",
            name="request_no",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="shard",
            name="valid_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True), ("is_standing", True)),
                fields=("origin_kind", "origin_id"),
                name="delivery_one_open_standing",
            ),
        ),
        migrations.AddIndex(
            model_name="triggerrequest",
            index=models.Index(fields=["-received_at", "-id"], name="request_newest"),
        ),
        migrations.AddIndex(
            model_name="triggerrequest",
            index=models.Index(fields=["origin_kind", "origin_id", "-received_at"], name="request_origin"),
        ),
        migrations.AddIndex(
            model_name="triggerrequest",
            index=models.Index(
                condition=models.Q(("state__in", ["scheduled", "taken"])), fields=["due_at"], name="request_waiting_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="triggerrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "n_named",
                        django.db.models.expressions.CombinedExpression(
                            models.F("n_queued"), "+", models.F("n_refused")
                        ),
                    )
                ),
                name="request_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="triggerrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "scheduled"), _negated=True), ("due_at__isnull", False), _connector="OR"
                ),
                name="request_scheduled_has_time",
            ),
        ),
        migrations.AddIndex(
            model_name="requestrecipient",
            index=models.Index(
                condition=models.Q(("reason", "")), fields=["profile_id"], name="request_recipient_profile"
            ),
        ),
        migrations.AddConstraint(
            model_name="requestrecipient",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reason", "")), fields=("request", "profile_id"), name="request_recipient_once"
            ),
        ),
    ]
