"""A row of campaigns_campaignversion never changes and never goes: a trigger refuses UPDATE and DELETE by any route."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION campaigns_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER campaignversion_immutable BEFORE UPDATE OR DELETE ON campaigns_campaignversion
    FOR EACH ROW EXECUTE FUNCTION campaigns_refuse_change();
"""

BACKWARD = """
DROP TRIGGER campaignversion_immutable ON campaigns_campaignversion;
DROP FUNCTION campaigns_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
