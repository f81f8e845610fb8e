import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audiences", "0006_subscription_groups"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProfileAlias",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("label", models.CharField(max_length=100)),
                ("name", models.CharField(max_length=200)),
                (
                    "profile",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="aliases", to="audiences.profile"
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "constraints": [models.UniqueConstraint(fields=("label", "name"), name="alias_once")],
            },
        ),
    ]
