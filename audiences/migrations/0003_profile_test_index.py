"""An index for the few test profiles, which previews and tests offer first."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audiences", "0002_profile_search_and_import_position")]

    operations = [
        AddIndexConcurrently(
            model_name="profile",
            index=models.Index(fields=["id"], condition=models.Q(is_test=True), name="profile_test"),
        ),
    ]
