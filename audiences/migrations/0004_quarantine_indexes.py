"""Indexes for the quarantine's page: newest first, by the beginning of an address, by domain."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

_ACTIVE = models.Q(released_at__isnull=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audiences", "0003_profile_test_index")]

    operations = [
        AddIndexConcurrently(
            model_name="quarantineentry",
            index=models.Index(fields=["-since", "-id"], condition=_ACTIVE, name="quarantine_newest"),
        ),
        AddIndexConcurrently(
            model_name="quarantineentry",
            index=models.Index(fields=["address_key"], name="quarantine_address", opclasses=["text_pattern_ops"]),
        ),
        AddIndexConcurrently(
            model_name="quarantineentry",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Reverse("address_key"), "text_pattern_ops"
                ),
                condition=_ACTIVE,
                name="quarantine_domain",
            ),
        ),
    ]
