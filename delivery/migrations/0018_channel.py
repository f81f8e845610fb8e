"""Deliveries know their channel; of an erased person the words about a webhook may go, which has no address."""

from django.db import migrations, models

_TRIGGER = """
DROP TRIGGER sendlog_append_only ON delivery_sendlog;
CREATE TRIGGER sendlog_append_only BEFORE UPDATE ON delivery_sendlog FOR EACH ROW
WHEN (to_jsonb(OLD) - 'address' - 'detail' IS DISTINCT FROM to_jsonb(NEW) - 'address' - 'detail'
      OR NEW.address <> {address} OR NEW.detail NOT IN ('', OLD.detail))
EXECUTE FUNCTION delivery_refuse_change();
"""
_DOMAIN = "'@' || split_part(OLD.address, '@', 2)"
FORWARD = _TRIGGER.format(address=f"CASE OLD.address WHEN '' THEN '' ELSE {_DOMAIN} END")
BACKWARD = _TRIGGER.format(address=_DOMAIN)


class Migration(migrations.Migration):
    dependencies = [("delivery", "0017_delivery_part")]
    operations = [
        migrations.AddField(
            model_name="delivery",
            name="channel",
            field=models.CharField(db_default="email", default="email", max_length=20),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
