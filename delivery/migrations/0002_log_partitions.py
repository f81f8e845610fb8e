"""The append-only log tables, partitioned by the delivery's opening month, and the trigger that keeps them append-only."""

from django.db import migrations

FORWARD = """
CREATE TABLE delivery_sendlog (
    opened_month date NOT NULL,
    delivery_id bigint NOT NULL,
    request_no bigint NOT NULL DEFAULT 0,
    profile_id bigint NOT NULL,
    outcome varchar(10) NOT NULL,
    at timestamptz NOT NULL,
    address varchar(320) NOT NULL DEFAULT '',
    n_attempts smallint NOT NULL DEFAULT 1,
    code varchar(40) NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    CONSTRAINT sendlog_outcome_known CHECK (outcome IN ('sent', 'failed', 'not_sent', 'cancelled', 'unknown')),
    PRIMARY KEY (opened_month, delivery_id, request_no, profile_id)
) PARTITION BY RANGE (opened_month);
-- The messages of one profile.
CREATE INDEX sendlog_profile ON delivery_sendlog (profile_id, opened_month);

CREATE TABLE delivery_attempt (
    opened_month date NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    delivery_id bigint NOT NULL,
    request_no bigint NOT NULL DEFAULT 0,
    profile_id bigint NOT NULL,
    shard_id bigint NOT NULL,
    attempt smallint NOT NULL,
    at timestamptz NOT NULL,
    result varchar(10) NOT NULL,
    code varchar(40) NOT NULL DEFAULT '',
    reply text NOT NULL DEFAULT '',
    PRIMARY KEY (opened_month, id)
) PARTITION BY RANGE (opened_month);
-- The attempts of one recipient; nobody is tried twice by one shard.
CREATE UNIQUE INDEX attempt_once ON delivery_attempt (opened_month, delivery_id, request_no, profile_id, shard_id);

CREATE TABLE delivery_event (
    opened_month date NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    delivery_id bigint NOT NULL,
    request_no bigint NOT NULL DEFAULT 0,
    profile_id bigint NOT NULL,
    kind varchar(12) NOT NULL,
    at timestamptz NOT NULL,
    link_no smallint,
    is_automatic boolean NOT NULL DEFAULT false,
    detail text NOT NULL DEFAULT '',
    CONSTRAINT event_kind_known CHECK (kind IN ('delivered', 'bounced', 'opened', 'clicked', 'complained', 'unsubscribed')),
    PRIMARY KEY (opened_month, id)
) PARTITION BY RANGE (opened_month);
-- Unique opens and clicks of one delivery; the events of one recipient.
CREATE INDEX event_delivery ON delivery_event (delivery_id, kind, profile_id);
-- The tracking tab, newest first.
CREATE INDEX event_newest ON delivery_event (delivery_id, id DESC);

CREATE FUNCTION delivery_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER sendlog_append_only BEFORE UPDATE ON delivery_sendlog FOR EACH ROW EXECUTE FUNCTION delivery_refuse_change();
CREATE TRIGGER attempt_append_only BEFORE UPDATE ON delivery_attempt FOR EACH ROW EXECUTE FUNCTION delivery_refuse_change();
CREATE TRIGGER event_append_only BEFORE UPDATE ON delivery_event FOR EACH ROW EXECUTE FUNCTION delivery_refuse_change();

-- A shard's few hot numbers are rewritten with every window: keep its array out of line and room for HOT updates.
ALTER TABLE delivery_shard SET (fillfactor = 50);
ALTER TABLE delivery_shard ALTER COLUMN ids SET STORAGE EXTERNAL;
"""

BACKWARD = """
ALTER TABLE delivery_shard RESET (fillfactor);
DROP TABLE delivery_event, delivery_attempt, delivery_sendlog;
DROP FUNCTION delivery_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
