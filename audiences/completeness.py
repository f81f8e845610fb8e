"""The share of people who have each field, for choosing one while writing; messaging.content counts exactly.

Called by the editor's picker. Of many people a sample is read, so that a picker never waits for a whole table.
"""

from django.core.cache import cache
from django.db import connection
from redis.exceptions import RedisError

from audiences import fields as field_lists
from audiences import profiles

# Seconds for which shares are taken as known.
_KEPT_S = 600
# From here on about this many people are read instead of all.
_SAMPLE = 100_000
_KEY = "audiences.completeness"


def shares() -> dict[str, float]:
    """The share of people with a value, 0 to 1, for each of `profiles.known_fields`; {} while there is nobody.

    One query, kept for ten minutes.
    """
    names = list(profiles.known_fields())
    try:
        kept = cache.get(_KEY)
    except RedisError:
        kept = None
    if isinstance(kept, dict) and set(names) <= set(kept):
        return {name: kept[name] for name in names}
    found = _count(names)
    try:
        if found:
            cache.set(_KEY, found, _KEPT_S)
    except RedisError:
        pass
    return found


def _count(names: list[str]) -> dict[str, float]:
    columns = {column for column, _kind, _label in field_lists.PROFILE_FIELDS}
    tests, params = [], []
    for name in names:
        key = name.removeprefix("profile.")
        if key in columns:
            tests.append(f"count(*) FILTER (WHERE COALESCE(p.{key}, '') <> '')")
        else:
            tests.append("count(*) FILTER (WHERE COALESCE(p.attributes ->> %s::text, '') <> '')")
            params.append(key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'audiences_profile'::regclass")
        n_about = cursor.fetchone()[0]
        sample = f"TABLESAMPLE SYSTEM ({100 * _SAMPLE / n_about:.4f})" if n_about > 2 * _SAMPLE else ""
        cursor.execute(f"SELECT count(*), {', '.join(tests)} FROM audiences_profile p {sample}", params)
        n_people, *counts = cursor.fetchone()
    return {name: n / n_people for name, n in zip(names, counts, strict=True)} if n_people else {}
