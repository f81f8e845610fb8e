"""One batch of an import into profiles, set-based: COPY into a temporary table, then a handful of statements.

Everything happens in the caller's transaction. Imports take turns by an advisory lock, because the address is unique by
agreement of the imports, not by a constraint; people are locked in the order of their ids. The rules:

- the first row of a file with a key wins, later ones are refused as duplicates;
- an empty cell keeps what is known; attributes are added to those there are;
- consent only gets stricter, except that "opted in" replaces "subscribed"; nobody who unsubscribed is subscribed again,
  and a mailbox that unsubscribed stays so for every person who has it;
- a refused row (mostly a duplicate) changes nobody, but when it says "unsubscribed" its mailbox goes to quarantine: a
  file that contradicts itself must not make us write to somebody who left. A person may look and release it;
- subscription groups follow the same rules, see audiences.group_merging.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from audiences import erasure, group_merging, turns
from audiences.mapping import COLUMNS, Row
from audiences.models import ProfileImport

_STAGED = ("line", "digest", "email_key", *COLUMNS, "attributes", "consent", "groups")


@dataclass(frozen=True)
class Merged:
    """What became of one batch; `refused` has (line, reason)."""

    n_created: int
    n_updated: int
    n_unchanged: int
    refused: list[tuple[int, str]]


def merge(job: ProfileImport, rows: Sequence[Row]) -> Merged:
    """Merge `rows` for a locked, running import. Each digest at most once in `rows`."""
    with connection.cursor() as cursor:
        _stage(cursor, rows)
        turns.take()
        refused = [(line, "duplicate") for line in _drop_seen(cursor, job)]
        _match(cursor, job.key)
        if job.key == "email":
            refused += [(line, "id_taken") for line in _drop_taken_ids(cursor)]
        n_updated, n_matched = _update(cursor, job)
        n_created = _create(cursor, job)
        _recall(cursor)
        _follow_mailboxes(cursor, job)
        group_merging.merge(cursor, job)
        _add_to_list(cursor, job)
        cursor.execute("DROP TABLE import_rows")
    return Merged(n_created, n_updated, n_matched - n_updated, refused)


def _stage(cursor: Any, rows: Sequence[Row]) -> None:
    texts = ", ".join(f"{name} text" for name in COLUMNS)
    cursor.execute(
        f"CREATE TEMP TABLE import_rows (line bigint, digest uuid, email_key text, {texts}, attributes jsonb,"
        " consent text, groups jsonb, profile_id bigint, is_new boolean NOT NULL DEFAULT FALSE) ON COMMIT DROP"
    )
    with cursor.copy(f"COPY import_rows ({', '.join(_STAGED)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row((row.line, row.digest, row.email_key, *row.columns, row.attributes, row.consent, row.groups))
    cursor.execute("ANALYZE import_rows")


def _drop_seen(cursor: Any, job: ProfileImport) -> list[int]:
    """Remember the keys of this batch; rows whose key an earlier batch had are dropped."""
    cursor.execute(
        "WITH fresh AS (INSERT INTO audiences_profileimportkey (profile_import_id, digest)"
        " SELECT %s, digest FROM import_rows ON CONFLICT DO NOTHING RETURNING digest)"
        " DELETE FROM import_rows r WHERE NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.digest = r.digest)"
        " RETURNING line",
        [job.pk],
    )
    return [line for (line,) in cursor.fetchall()]


def _match(cursor: Any, key: str) -> None:
    """Find who is there already; of several people with one address the one with the row's id, else the oldest."""
    if key == "external_id":
        cursor.execute(
            "UPDATE import_rows r SET profile_id = p.id FROM audiences_profile p WHERE p.external_id = r.external_id"
        )
        return
    cursor.execute(
        "UPDATE import_rows r SET profile_id = m.id FROM ("
        " SELECT DISTINCT ON (i.line) i.line, p.id FROM import_rows i"
        " JOIN audiences_profile p ON p.email_key = i.email_key"
        " ORDER BY i.line, (p.external_id IS NOT DISTINCT FROM NULLIF(i.external_id, '')) DESC, p.id"
        ") m WHERE m.line = r.line"
    )


def _drop_taken_ids(cursor: Any) -> list[int]:
    """Rows whose id belongs to another person, or whose person has another id; in a batch the first row has it."""
    cursor.execute(
        "DELETE FROM import_rows r USING ("
        " SELECT i.line FROM import_rows i JOIN audiences_profile p ON p.external_id = i.external_id"
        " WHERE i.external_id <> '' AND p.id IS DISTINCT FROM i.profile_id"
        " UNION SELECT i.line FROM import_rows i JOIN audiences_profile p ON p.id = i.profile_id"
        " WHERE i.external_id <> '' AND p.external_id <> i.external_id"
        " UNION SELECT o.line FROM (SELECT line, row_number() OVER (PARTITION BY external_id ORDER BY line) AS place"
        " FROM import_rows WHERE external_id <> '') o WHERE o.place > 1"
        ") taken WHERE taken.line = r.line RETURNING r.line"
    )
    return [line for (line,) in cursor.fetchall()]


_KEPT = {name: f"COALESCE(NULLIF(r.{name}, ''), p.{name})" for name in COLUMNS}
_KEPT["email_key"] = "COALESCE(NULLIF(r.email_key, ''), p.email_key)"
_KEPT["attributes"] = "p.attributes || r.attributes"
_KEPT["email_consent"] = (
    "CASE WHEN p.email_consent = 'unsubscribed' OR r.consent IS NULL THEN p.email_consent"
    " WHEN r.consent IN ('unsubscribed', 'opted_in') THEN r.consent ELSE p.email_consent END"
)


def _update(cursor: Any, job: ProfileImport) -> tuple[int, int]:
    """Bring people up to date; (changed, matched)."""
    cursor.execute(
        "SELECT count(*) FROM (SELECT p.id FROM audiences_profile p"
        " WHERE p.id IN (SELECT profile_id FROM import_rows) ORDER BY p.id FOR NO KEY UPDATE) AS locked"
    )
    (n_matched,) = cursor.fetchone()
    if not n_matched:
        return 0, 0
    consent = _KEPT["email_consent"]
    _record_consent(
        cursor,
        job,
        f"SELECT p.id, {consent} FROM audiences_profile p JOIN import_rows r ON r.profile_id = p.id"
        f" WHERE {consent} <> p.email_consent",
    )
    new = ", ".join(_KEPT.values())
    old = ", ".join(f"p.{name}" for name in _KEPT)
    sets = ", ".join(f"{name} = {value}" for name, value in _KEPT.items())
    cursor.execute(
        f"UPDATE audiences_profile p SET {sets}, updated_at = now(),"
        f" consent_changed_at = CASE WHEN {consent} <> p.email_consent THEN now() ELSE p.consent_changed_at END"
        f" FROM import_rows r WHERE r.profile_id = p.id AND ({new}) IS DISTINCT FROM ({old})"
    )
    return cursor.rowcount, n_matched


def _create(cursor: Any, job: ProfileImport) -> int:
    cursor.execute(
        "UPDATE import_rows SET profile_id = nextval(pg_get_serial_sequence('audiences_profile', 'id')), is_new = TRUE"
        " WHERE profile_id IS NULL"
    )
    if not cursor.rowcount:
        return 0
    plain = [name for name in COLUMNS if name != "external_id"]
    cursor.execute(
        f"INSERT INTO audiences_profile (id, public_id, external_id, email_key, {', '.join(plain)}, attributes,"
        " email_consent, consent_changed_at, is_test, created_at, updated_at)"
        f" SELECT profile_id, gen_random_uuid(), NULLIF(external_id, ''), email_key, {', '.join(plain)}, attributes,"
        " COALESCE(consent, %s), CASE WHEN consent IS NULL THEN NULL ELSE now() END, FALSE, now(), now()"
        " FROM import_rows WHERE is_new ORDER BY line",
        [job.consent],
    )
    n_created = int(cursor.rowcount)
    _record_consent(cursor, job, "SELECT profile_id, consent FROM import_rows WHERE is_new AND consent <> 'subscribed'")
    return n_created


def _recall(cursor: Any) -> None:
    """Addresses of people who were erased come back as they left."""
    if not erasure.is_any_withheld():
        return
    cursor.execute("SELECT DISTINCT email_key FROM import_rows WHERE email_key <> ''")
    recalled = erasure.recall(key for (key,) in cursor.fetchall())
    cursor.execute("UPDATE import_rows SET consent = 'unsubscribed' WHERE email_key = ANY(%s)", [sorted(recalled.left)])
    erasure.settle(recalled)


def _follow_mailboxes(cursor: Any, job: ProfileImport) -> None:
    """Whoever has a mailbox that unsubscribed, in this file or before, is unsubscribed."""
    cursor.execute(
        "UPDATE audiences_profile p"
        " SET email_consent = 'unsubscribed', consent_changed_at = now(), updated_at = now() FROM ("
        " SELECT email_key FROM import_rows WHERE email_key <> '' AND consent = 'unsubscribed'"
        " UNION SELECT o.email_key FROM audiences_profile o JOIN import_rows r ON r.email_key = o.email_key"
        " WHERE r.email_key <> '' AND o.email_consent = 'unsubscribed'"
        ") gone WHERE p.email_key = gone.email_key AND p.email_consent <> 'unsubscribed' RETURNING p.id"
    )
    followed = [profile_id for (profile_id,) in cursor.fetchall()]
    if followed:
        _record_consent(cursor, job, "SELECT unnest(%s::bigint[]), 'unsubscribed'", followed)


def withhold(job: ProfileImport, withdrawn: Sequence[tuple[str, str]]) -> None:
    """Quarantine those whom a refused row calls unsubscribed: (address key, external id), "" where unknown."""
    if not withdrawn:
        return
    keys, ids = ([one for one in part if one] for part in zip(*withdrawn, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audiences_quarantineentry (address_key, reason, evidence, since, release_note)"
            " SELECT g.key, 'unsubscribed in a file', %s, now(), '' FROM ("
            " SELECT unnest(%s::text[]) AS key"
            " UNION SELECT email_key FROM audiences_profile WHERE external_id = ANY(%s::text[]) AND email_key <> ''"
            ") g WHERE NOT EXISTS (SELECT 1 FROM audiences_profile p"
            " WHERE p.email_key = g.key AND p.email_consent = 'unsubscribed') ORDER BY g.key"
            " ON CONFLICT (address_key) WHERE released_at IS NULL DO NOTHING",
            [f"{job.file_name}: a refused row says unsubscribed.", keys, ids],
        )


def _record_consent(cursor: Any, job: ProfileImport, select: str, *params: object) -> None:
    """One history row per person and new state that `select` gives."""
    cursor.execute(
        "INSERT INTO audiences_consentchange (profile_id, at, state, source, reference, by_id)"
        f" SELECT s.id, now(), s.state, 'import', %s, %s FROM ({select}) AS s (id, state)",
        [str(job.public_id), job.by_id, *params],
    )


def _add_to_list(cursor: Any, job: ProfileImport) -> None:
    if job.segment_id is None:
        return
    cursor.execute(
        "INSERT INTO audiences_segmentmember (segment_id, profile_id)"
        " SELECT %s, profile_id FROM import_rows ON CONFLICT DO NOTHING",
        [job.segment_id],
    )
