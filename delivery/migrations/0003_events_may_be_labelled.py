"""What happened stays append-only; whether a program did it may be recognised later."""

from django.db import migrations

FORWARD = """
DROP TRIGGER event_append_only ON delivery_event;
CREATE TRIGGER event_append_only BEFORE UPDATE ON delivery_event FOR EACH ROW
WHEN (to_jsonb(OLD) - 'is_automatic' IS DISTINCT FROM to_jsonb(NEW) - 'is_automatic'
      OR (OLD.is_automatic AND NOT NEW.is_automatic))
EXECUTE FUNCTION delivery_refuse_change();
"""
BACKWARD = """
DROP TRIGGER event_append_only ON delivery_event;
CREATE TRIGGER event_append_only BEFORE UPDATE ON delivery_event FOR EACH ROW EXECUTE FUNCTION delivery_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0002_log_partitions")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
