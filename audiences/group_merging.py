"""What a batch of an import says about subscription groups, set-based; by audiences.merging in its transaction.

- A no counts at once, for every profile of the mailbox; also the no of a row that is refused otherwise.
- A yes counts only for who never said anything in that group, and whose mailbox never said no to it: a file doesn't
  bring back who left.
- Who gets a mailbox that left a group, because the file creates or moves them there, has left it too.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from audiences.models import ProfileImport

_MERGE = """
WITH said (group_id, profile_id, email_key, state) AS (
    SELECT g.id, r.profile_id, p.email_key, c.value
    FROM import_rows r CROSS JOIN jsonb_each_text(r.groups) c
    JOIN audiences_subscriptiongroup g ON g.public_id::text = c.key
    JOIN audiences_profile p ON p.id = r.profile_id
), wanted (group_id, profile_id, state) AS (
    SELECT group_id, profile_id, state FROM said
    UNION ALL
    SELECT s.group_id, p.id, s.state FROM said s JOIN audiences_profile p ON p.email_key = s.email_key
    WHERE s.state = 'unsubscribed' AND s.email_key <> ''
    UNION ALL
    SELECT m.group_id, r.profile_id, m.state FROM import_rows r
    JOIN audiences_profile p ON p.id = r.profile_id
    JOIN audiences_profile o ON o.email_key = p.email_key AND o.id <> p.id
    JOIN audiences_subscription m ON m.profile_id = o.id AND m.state = 'unsubscribed'
    WHERE p.email_key <> ''
)
SELECT group_id, profile_id, max(state) FROM wanted GROUP BY group_id, profile_id
"""
_LEAVE = """
WITH refused (email_key, external_id, public_id) AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
), people (public_id, email_key, id) AS (
    SELECT f.public_id, p.email_key, p.id FROM refused f JOIN audiences_profile p ON p.email_key = f.email_key
    WHERE f.email_key <> ''
    UNION SELECT f.public_id, p.email_key, p.id FROM refused f JOIN audiences_profile p ON p.external_id = f.external_id
    WHERE f.external_id <> ''
), mailboxes (public_id, id) AS (
    SELECT public_id, id FROM people
    UNION SELECT e.public_id, p.id FROM people e JOIN audiences_profile p ON p.email_key = e.email_key
    WHERE e.email_key <> ''
)
SELECT g.id, m.id, 'unsubscribed' FROM mailboxes m JOIN audiences_subscriptiongroup g ON g.public_id::text = m.public_id
"""
# "unsubscribed" comes after "subscribed", so the larger of two states is the stricter one.
_STORE = """
WITH changed AS (
    INSERT INTO audiences_subscription AS s (group_id, profile_id, state, changed_at)
    SELECT w.group_id, w.profile_id, w.state, now() FROM ({wanted}) AS w (group_id, profile_id, state)
    ORDER BY w.profile_id, w.group_id
    ON CONFLICT (group_id, profile_id) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at
    WHERE s.state <> excluded.state AND excluded.state = 'unsubscribed'
    RETURNING group_id, profile_id, state
)
INSERT INTO audiences_subscriptionchange (profile_id, group_id, at, state, source, reference, by_id)
SELECT profile_id, group_id, now(), state, 'import', %s, %s FROM changed
"""


def merge(cursor: Any, job: ProfileImport) -> None:
    """Take over what the staged, matched and created rows say. The table import_rows is still there."""
    cursor.execute("SELECT EXISTS (SELECT 1 FROM audiences_subscriptiongroup)")
    if not cursor.fetchone()[0]:
        return
    cursor.execute(_STORE.format(wanted=_MERGE), [str(job.public_id), job.by_id])


def leave(job: ProfileImport, withdrawn: Sequence[tuple[str, str, str]]) -> None:
    """Take people out of groups that refused rows say no to: (address key, external id, public id of the group)."""
    if not withdrawn:
        return
    keys, ids, public_ids = (list(part) for part in zip(*withdrawn, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_STORE.format(wanted=_LEAVE), [keys, ids, public_ids, str(job.public_id), job.by_id])
