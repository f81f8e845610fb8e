import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0003_campaign_template"), ("delivery", "0002_log_partitions")]

    operations = [
        migrations.CreateModel(
            name="CampaignDigest",
            fields=[
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="digest",
                        serialize=False,
                        to="campaigns.campaign",
                    ),
                ),
                ("subject", models.TextField(blank=True)),
                ("kind", models.CharField(blank=True, max_length=10)),
                ("title", models.TextField(blank=True)),
                ("words", django.contrib.postgres.search.SearchVectorField()),
            ],
            options={"default_permissions": ()},
        ),
        # Without statistics the planner takes every word for a rare one and uses the index. With them it reads the
        # whole table for a common word, which it thinks is small, because it doesn't count what stands outside of it.
        migrations.RunSQL(
            "ALTER TABLE campaigns_campaigndigest ALTER COLUMN words SET STATISTICS 0",
            "ALTER TABLE campaigns_campaigndigest ALTER COLUMN words SET STATISTICS -1",
        ),
        migrations.AddIndex(
            model_name="campaignsend", index=models.Index(fields=["campaign", "-id"], name="send_newest")
        ),
        migrations.AddIndex(
            model_name="campaigndigest",
            index=django.contrib.postgres.indexes.GinIndex(fields=["words"], name="digest_words"),
        ),
    ]
