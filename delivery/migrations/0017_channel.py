from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0015_erasable_logs"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="channel",
            field=models.CharField(db_default="email", default="email", max_length=20),
        ),
    ]
