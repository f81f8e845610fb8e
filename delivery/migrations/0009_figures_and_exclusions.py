import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0008_timing"),
    ]

    operations = [
        migrations.AddField(
            model_name="deliverystat",
            name="n_not_opened",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="exclusion",
            name="delivery",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="exclusions",
                to="delivery.delivery",
            ),
        ),
        migrations.RemoveIndex(model_name="exclusion", name="exclusion_reason"),
    ]
