"""What a bounce means as columns of its event, reports that come twice are one event, and what providers report.

Bounces written before are filled by the rule that held until now: soft when their text begins with a class 4 code.
"""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
ALTER TABLE delivery_event
    ADD COLUMN code varchar(40) NOT NULL DEFAULT '',
    ADD COLUMN verdict varchar(10) NOT NULL DEFAULT '',
    ADD COLUMN reason varchar(30) NOT NULL DEFAULT '',
    ADD COLUMN source_id varchar(120);
ALTER TABLE delivery_event DROP CONSTRAINT event_kind_known;
ALTER TABLE delivery_event ADD CONSTRAINT event_kind_known CHECK (kind IN
    ('delivered', 'deferred', 'bounced', 'opened', 'clicked', 'complained', 'unsubscribed'));
ALTER TABLE delivery_event ADD CONSTRAINT event_verdict_known CHECK (verdict IN
    ('', 'hard', 'soft', 'blocked', 'message', 'ignored'));
-- A report that comes twice is one event; opens and clicks, which are many, have no source and may repeat.
CREATE UNIQUE INDEX event_source_once ON delivery_event (opened_month, source_id) WHERE source_id IS NOT NULL;
-- Refusals of one delivery that were not held against their addresses yet.
CREATE INDEX sendlog_failed ON delivery_sendlog (delivery_id, request_no, profile_id) WHERE outcome = 'failed';

ALTER TABLE delivery_event DISABLE TRIGGER event_append_only;
UPDATE delivery_event SET verdict = CASE WHEN detail LIKE '4%' THEN 'soft' ELSE 'hard' END, reason = 'undetermined',
    code = COALESCE(substring(detail FROM '^[45][0-9]{2}(?: [45]\\.[0-9]{1,3}\\.[0-9]{1,3})?'),
                    substring(detail FROM '^[45]\\.[0-9]{1,3}\\.[0-9]{1,3}'), '')
WHERE kind = 'bounced';
ALTER TABLE delivery_event ENABLE TRIGGER event_append_only;
"""

BACKWARD = """
DROP INDEX sendlog_failed;
DELETE FROM delivery_event WHERE kind = 'deferred';
ALTER TABLE delivery_event DROP CONSTRAINT event_kind_known;
ALTER TABLE delivery_event ADD CONSTRAINT event_kind_known CHECK (kind IN
    ('delivered', 'bounced', 'opened', 'clicked', 'complained', 'unsubscribed'));
ALTER TABLE delivery_event DROP COLUMN code, DROP COLUMN verdict, DROP COLUMN reason, DROP COLUMN source_id;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0004_domain_days_and_alerts"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.CreateModel(
            name="RefusalLook",
            fields=[
                (
                    "delivery",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="delivery.delivery",
                    ),
                ),
                ("n_noted", models.BigIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="InboundEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=20)),
                ("event_id", models.CharField(max_length=100)),
                ("body", models.JSONField()),
                ("received_at", models.DateTimeField()),
                ("handled_at", models.DateTimeField(blank=True, null=True)),
                ("result", models.CharField(blank=True, max_length=12)),
                ("note", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("handled_at__isnull", True)), fields=["id"], name="inbound_event_waiting"
                    ),
                    models.Index(fields=["handled_at"], name="inbound_event_handled"),
                ],
                "constraints": [models.UniqueConstraint(fields=("provider", "event_id"), name="inbound_event_once")],
            },
        ),
        migrations.CreateModel(
            name="NotedRefusal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "delivery",
                        "request_no",
                        "profile_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("request_no", models.BigIntegerField(default=0)),
                ("profile_id", models.BigIntegerField()),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="delivery.delivery"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
    ]
