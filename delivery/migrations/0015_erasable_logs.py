"""The logs stay append-only; an erased person's address and the words of servers about it may go, and nothing else."""

from django.db import migrations

FORWARD = """
DROP TRIGGER sendlog_append_only ON delivery_sendlog;
CREATE TRIGGER sendlog_append_only BEFORE UPDATE ON delivery_sendlog FOR EACH ROW
WHEN (to_jsonb(OLD) - 'address' - 'detail' IS DISTINCT FROM to_jsonb(NEW) - 'address' - 'detail'
      OR NEW.address <> '@' || split_part(OLD.address, '@', 2) OR NEW.detail NOT IN ('', OLD.detail))
EXECUTE FUNCTION delivery_refuse_change();
DROP TRIGGER attempt_append_only ON delivery_attempt;
CREATE TRIGGER attempt_append_only BEFORE UPDATE ON delivery_attempt FOR EACH ROW
WHEN (to_jsonb(OLD) - 'reply' IS DISTINCT FROM to_jsonb(NEW) - 'reply' OR NEW.reply <> '')
EXECUTE FUNCTION delivery_refuse_change();
DROP TRIGGER event_append_only ON delivery_event;
CREATE TRIGGER event_append_only BEFORE UPDATE ON delivery_event FOR EACH ROW
WHEN (to_jsonb(OLD) - 'is_automatic' - 'detail' IS DISTINCT FROM to_jsonb(NEW) - 'is_automatic' - 'detail'
      OR (OLD.is_automatic AND NOT NEW.is_automatic) OR NEW.detail NOT IN ('', OLD.detail))
EXECUTE FUNCTION delivery_refuse_change();
"""
BACKWARD = """
DROP TRIGGER sendlog_append_only ON delivery_sendlog;
CREATE TRIGGER sendlog_append_only BEFORE UPDATE ON delivery_sendlog FOR EACH ROW EXECUTE FUNCTION delivery_refuse_change();
DROP TRIGGER attempt_append_only ON delivery_attempt;
CREATE TRIGGER attempt_append_only BEFORE UPDATE ON delivery_attempt FOR EACH ROW EXECUTE FUNCTION delivery_refuse_change();
DROP TRIGGER event_append_only ON delivery_event;
CREATE TRIGGER event_append_only BEFORE UPDATE ON delivery_event FOR EACH ROW
WHEN (to_jsonb(OLD) - 'is_automatic' IS DISTINCT FROM to_jsonb(NEW) - 'is_automatic'
      OR (OLD.is_automatic AND NOT NEW.is_automatic))
EXECUTE FUNCTION delivery_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0014_request_ids")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
