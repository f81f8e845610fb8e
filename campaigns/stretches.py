"""Autosaves of one person with short pauses as one line, and discarded drafts between them: grouped by the database.

A campaign may have tens of thousands of saves. They are counted exactly, whatever the page shows, and no document is
read. Read only; called by campaigns.history.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection

from campaigns.models import Campaign, DraftSnapshot

# Saves of one person with pauses no longer than this are one line.
PAUSE = dt.timedelta(minutes=15)
# The newest saves of a stretch are listed under it.
LISTED = 40

_SQL = """
WITH marked AS (
    SELECT id, at, by_id, cause, changed_fields,
        CASE WHEN cause = 'saved' AND lag(cause) OVER w = 'saved' AND lag(by_id) OVER w IS NOT DISTINCT FROM by_id
            AND at - lag(at) OVER w <= %(pause)s THEN 0 ELSE 1 END AS begins
    FROM campaigns_draftsnapshot
    WHERE campaign_id = %(campaign)s AND cause IN ('saved', 'discarded')
    WINDOW w AS (ORDER BY at, id)
), numbered AS (
    SELECT *, sum(begins) OVER (ORDER BY at, id) AS stretch FROM marked
), shown AS (
    SELECT stretch, min(cause) AS cause, min(by_id) AS by_id, count(*) AS n, min(at) AS since, max(at) AS until,
        (array_agg(id ORDER BY at DESC, id DESC))[1:%(listed)s] AS newest
    FROM numbered GROUP BY stretch
    HAVING %(until)s::timestamptz IS NULL OR max(at) <= %(until)s
    ORDER BY max(at) DESC LIMIT %(limit)s
), touched AS (
    SELECT stretch, name, min(ARRAY[numbered.id, place]) AS first
    FROM numbered JOIN shown USING (stretch), unnest(changed_fields) WITH ORDINALITY AS field(name, place)
    GROUP BY stretch, name
)
SELECT cause, by_id, n, since, until, newest,
    ARRAY(SELECT name FROM touched WHERE touched.stretch = shown.stretch ORDER BY first)
FROM shown ORDER BY until DESC
"""


@dataclass(frozen=True)
class Stretch:
    """`n` rows of one person between `since` and `until`; `newest` their newest ids, `changed` the fields touched."""

    cause: str
    by_id: int | None
    n: int
    since: dt.datetime
    until: dt.datetime
    newest: tuple[int, ...]
    changed: tuple[str, ...]


def find(campaign: Campaign, *, until: dt.datetime | None, limit: int) -> list[Stretch]:
    """The newest `limit` stretches and discarded drafts that ended at `until` or before. One query."""
    values: dict[str, Any] = {"pause": PAUSE, "campaign": campaign.pk, "listed": LISTED, "until": until, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_SQL, values)
        return [
            Stretch(cause, by_id, n, since, last, tuple(newest), tuple(changed))
            for cause, by_id, n, since, last, newest, changed in cursor.fetchall()
        ]


def saves(campaign: Campaign, *, until: dt.datetime | None, limit: int) -> list[DraftSnapshot]:
    """The newest `limit` saves at `until` or before, each on its own, without their documents."""
    rows = DraftSnapshot.objects.filter(campaign=campaign, cause="saved").select_related("by").defer("document")
    if until is not None:
        rows = rows.filter(at__lte=until)
    return list(rows.order_by("-at", "-id")[:limit])
