from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0016_request_attachments"),
        ("messaging", "0008_sender_dns"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="delivery",
            name="delivery_one_open_standing",
        ),
        migrations.AddField(
            model_name="delivery",
            name="part",
            field=models.CharField(blank=True, db_default="", default="", max_length=60),
        ),
        migrations.AddField(
            model_name="triggerrequest",
            name="part",
            field=models.CharField(blank=True, db_default="", default="", max_length=60),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True), ("is_standing", True)),
                fields=("origin_kind", "origin_id", "part"),
                name="delivery_one_open_standing",
            ),
        ),
    ]
