"""What a message adds to its headers, and the bytes of files that go with messages, which never change."""

from django.db import migrations, models

FORWARD = """
CREATE TRIGGER attachedfile_immutable BEFORE UPDATE OF sha256, data ON messaging_attachedfile
    FOR EACH ROW EXECUTE FUNCTION messaging_refuse_change();
"""
BACKWARD = "DROP TRIGGER attachedfile_immutable ON messaging_attachedfile;"


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0008_sender_dns"),
    ]

    operations = [
        migrations.CreateModel(
            name="AttachedFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64, unique=True)),
                ("data", models.BinaryField()),
                ("wanted_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.AddField(
            model_name="message",
            name="extras",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="message",
            name="headers",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="message",
            name="bcc",
            field=models.CharField(blank=True, max_length=320),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
