"""A row of messaging_message never changes and never goes: a trigger refuses UPDATE and DELETE by any route."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION messaging_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER message_immutable BEFORE UPDATE OR DELETE ON messaging_message
    FOR EACH ROW EXECUTE FUNCTION messaging_refuse_change();
"""

BACKWARD = """
DROP TRIGGER message_immutable ON messaging_message;
DROP FUNCTION messaging_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("messaging", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
