"""Lines of the activity log by time: a few bytes for each 128 pages, because these tables only grow at their end."""

from django.db import migrations

FORWARD = """
CREATE INDEX sendlog_at ON delivery_sendlog USING brin (at) WITH (autosummarize = on);
CREATE INDEX attempt_at ON delivery_attempt USING brin (at) WITH (autosummarize = on);
CREATE INDEX event_at ON delivery_event USING brin (at) WITH (autosummarize = on);
"""
BACKWARD = "DROP INDEX sendlog_at, attempt_at, event_at"


class Migration(migrations.Migration):
    dependencies = [("delivery", "0012_triggers")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
