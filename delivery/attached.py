"""Files that go with the messages of one request: kept with it, read once for each lease, gone when it is.

Written in the transaction that takes the request, so that what was accepted has its files after any crash.
"""

import datetime as dt
from collections.abc import Sequence

import psycopg
from django.db import connection as ours
from django.utils import timezone

from delivery.models import RequestAttachment, TriggerRequest
from messaging import attachments

# Nobody takes so long between keeping bytes and referring to them.
_LEAST_AGE = dt.timedelta(days=1)
_FILES = """
SELECT a.name, a.content_type, f.data
FROM delivery_requestattachment a JOIN messaging_attachedfile f ON f.id = a.file_id
WHERE a.request_id = %s ORDER BY a.position
"""
# Whoever refers to a file anew writes its `wanted_at` first, which this statement then sees, having waited for it.
_PURGE = """
DELETE FROM messaging_attachedfile f WHERE f.wanted_at < %s
    AND NOT EXISTS (SELECT 1 FROM delivery_requestattachment a WHERE a.file_id = f.id)
"""


def keep(request: TriggerRequest, files: Sequence[attachments.File]) -> None:
    """Keep the files of a request, in the caller's transaction; `n_attachments` of its row says how many.

    Bytes are written in the order of their hashes, so that two requests never wait for each other.
    """
    kept = {data: attachments.keep(data) for data in sorted({file.data for file in files}, key=attachments.mark)}
    RequestAttachment.objects.bulk_create(
        RequestAttachment(
            request=request, position=n, file_id=kept[file.data], name=file.name, content_type=file.content_type
        )
        for n, file in enumerate(files)
    )


def replace(request: TriggerRequest, files: Sequence[attachments.File]) -> None:
    """Other files for a request that waits for its time, locked by the caller."""
    request.attachments.all().delete()
    keep(request, files)
    request.n_attachments = len(files)
    request.save(update_fields=["n_attachments"])


def parts(connection: "psycopg.Connection[tuple[object, ...]]", request_no: int) -> tuple[bytes, ...]:
    """The files of a request as parts of MIME."""
    rows = connection.execute(_FILES, (request_no,)).fetchall()
    return tuple(attachments.part(str(name), str(kind), bytes(data)) for name, kind, data in rows)  # type: ignore[call-overload]


def purge(*, now: dt.datetime | None = None) -> int:
    """Delete the bytes that no request refers to any more; how many files."""
    with ours.cursor() as cursor:
        cursor.execute(_PURGE, [(now or timezone.now()) - _LEAST_AGE])
        return int(cursor.rowcount)
