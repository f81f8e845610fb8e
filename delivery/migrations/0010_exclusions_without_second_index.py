import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0009_figures_and_exclusions"),
    ]

    operations = [
        migrations.AlterField(
            model_name="exclusion",
            name="delivery",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="exclusions",
                to="delivery.delivery",
            ),
        ),
    ]
