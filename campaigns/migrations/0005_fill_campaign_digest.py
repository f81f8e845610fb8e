"""Digests for campaigns that are older than the table; the next save of each writes it as campaigns.digests does.

In batches, and only those that are missing, so it may be run again. Words are cut as on the day this was written.
"""

import html
import json
import re
import unicodedata
from typing import Any

from django.db import migrations

_BATCH = 200
_MISSING = """
SELECT c.id, c.name, d.document::text, v.document::text FROM campaigns_campaign c
LEFT JOIN campaigns_draft d ON d.campaign_id = c.id
LEFT JOIN campaigns_campaignversion v ON v.id = c.live_version_id
WHERE c.id > %s AND NOT EXISTS (SELECT 1 FROM campaigns_campaigndigest g WHERE g.campaign_id = c.id)
ORDER BY c.id LIMIT %s
"""
_STORE = """
INSERT INTO campaigns_campaigndigest (campaign_id, subject, kind, title, words) VALUES (%s, %s, %s, %s, %s::tsvector)
ON CONFLICT DO NOTHING
"""
# Of bounded length, or text that opens again and again and never closes would take hours.
_UNSEEN = re.compile(
    r"<!--.{0,5000}?-->|\{\{.{0,500}?\}\}|\{%.{0,500}?%\}|<(style|script)\b.{0,50000}?</\1\s*>|<[^>]{0,2000}>",
    re.IGNORECASE | re.DOTALL,
)


def _fold(text: str) -> str:
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(plain.casefold().split())


def _vector(text: str) -> str:
    places: dict[str, list[str]] = {}
    for place, word in enumerate(re.findall(r"[^\W_]+", _fold(text[:20_000])), start=1):
        places.setdefault(word[:40], []).append(str(min(place, 16_383)))
    return " ".join(f"'{word}':{','.join(at[:255])}" for word, at in places.items())


def fill(apps: Any, schema_editor: Any) -> None:
    last = 0
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(_MISSING, [last, _BATCH])
            found = cursor.fetchall()
            if not found:
                return
            for campaign_id, name, draft, live in found:
                last = campaign_id
                documents = [json.loads(one) for one in (draft, live) if one]
                cursor.execute(_STORE, [campaign_id, *_digest(name, documents, live is not None)])


def _digest(name: str, documents: list[Any], is_live: bool) -> list[str]:
    composed = [one.get("compose", {}) for one in documents]
    subjects = [one.get("subject", "") for one in composed]
    kind = documents[-1].get("delivery", {}).get("kind", "once") if is_live else ""
    text = " ".join(f"{one.get('subject', '')} {one.get('preheader', '')} {one.get('body', '')}" for one in composed)
    seen = html.unescape(_UNSEEN.sub(" ", text))
    return [subjects[0] if subjects else "", kind, _fold("\n".join([name, *subjects])), _vector(seen)]


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_campaign_digest")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
