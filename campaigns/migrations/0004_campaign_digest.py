import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

# The planner would rather read the whole table, which it thinks is small, because it doesn't count what is stored
# outside of it: every word of every message.
SAYING = """
CREATE FUNCTION campaigns_saying(wanted tsquery) RETURNS SETOF bigint LANGUAGE sql STABLE SET enable_seqscan TO off AS $$
    SELECT campaign_id FROM campaigns_campaigndigest WHERE words @@ wanted
$$;
"""


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
        migrations.AddIndex(
            model_name="campaignsend", index=models.Index(fields=["campaign", "-id"], name="send_newest")
        ),
        migrations.AddIndex(
            model_name="campaigndigest",
            index=django.contrib.postgres.indexes.GinIndex(fields=["words"], name="digest_words"),
        ),
        migrations.RunSQL(SAYING, "DROP FUNCTION campaigns_saying(tsquery)"),
    ]
