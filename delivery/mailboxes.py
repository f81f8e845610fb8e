"""Who shares a mailbox with another profile: noted in a temporary table for one preparation.

Sharing is rare and looked up at several places: a mailbox that had a message, whoever of its people got it, had it, and
nobody is written to twice in one send. Called by delivery.served and delivery.preparation.
"""

from django.db.backends.utils import CursorWrapper

# (id, email_key) of every profile whose address another profile has too.
SHARED = "shared_mailboxes"

# Neighbours in the index of addresses, which is read without the profiles. Grouping a million addresses costs three
# times as much, and joining everybody by address many times.
_FILL = f"""
INSERT INTO {SHARED} SELECT p.id, p.email_key FROM audiences_profile p WHERE p.email_key IN (
    SELECT email_key FROM (
        SELECT email_key, lag(email_key) OVER (ORDER BY email_key USING ~<~) AS previous
        FROM audiences_profile WHERE email_key <> ''
    ) ordered WHERE email_key = previous
)
"""


def note(cursor: CursorWrapper) -> None:
    """Fill the table with those who share a mailbox now, in place of what was noted before."""
    forget(cursor)
    cursor.execute(f"CREATE TEMPORARY TABLE {SHARED} (id bigint NOT NULL, email_key text NOT NULL)")
    cursor.execute(_FILL)
    cursor.execute(f"ANALYZE {SHARED}")


def is_noted(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"pg_temp.{SHARED}"])
    return bool(cursor.fetchone()[0])


def forget(cursor: CursorWrapper) -> None:
    """Drop what was noted; safe without any."""
    cursor.execute(f"DROP TABLE IF EXISTS {SHARED}")
