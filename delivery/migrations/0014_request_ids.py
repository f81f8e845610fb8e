from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0013_activity_log"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="triggerrequest",
            index=models.Index(
                condition=models.Q(("send_id", ""), _negated=True),
                fields=["origin_kind", "origin_id", "send_id"],
                name="request_send_id",
            ),
        ),
        migrations.AddIndex(
            model_name="triggerrequest",
            index=models.Index(
                condition=models.Q(("external_send_id", ""), _negated=True),
                fields=["origin_kind", "origin_id", "external_send_id"],
                name="request_external_id",
            ),
        ),
    ]
