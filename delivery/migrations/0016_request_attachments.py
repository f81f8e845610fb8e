"""Files that go with the messages of one request."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0015_erasable_logs"),
        ("messaging", "0009_headers_extras_and_attachments"),
    ]

    operations = [
        migrations.AddField(
            model_name="triggerrequest",
            name="n_attachments",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="RequestAttachment",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "request", "position", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("position", models.SmallIntegerField()),
                ("name", models.CharField(max_length=130)),
                ("content_type", models.CharField(max_length=100)),
                (
                    "file",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="messaging.attachedfile"
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attachments",
                        to="delivery.triggerrequest",
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
    ]
