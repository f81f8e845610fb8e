"""Temporary failures of addresses, counted towards quarantine."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audiences", "0004_quarantine_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="AddressError",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address_key", models.CharField(max_length=320, unique=True)),
                ("n_errors", models.PositiveSmallIntegerField(default=1)),
                ("first_error_at", models.DateTimeField()),
                ("last_error_at", models.DateTimeField()),
                ("reason", models.CharField(max_length=40)),
                ("evidence", models.TextField(blank=True)),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["last_error_at"], name="address_error_last")],
            },
        ),
    ]
