"""One import in the background, from its position in the file to its end.

A run reads the file in batches; each batch is one transaction that holds its people, its refusals, the counters and the
position in the file. A worker that is killed has lost at most one uncommitted batch; another goes on from the position
(`abandoned`), and the position is also what stops a worker that was only slow. Memory holds one batch and one piece of
the file, however large it is.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import audit
from audiences import csv_files, group_merging, merging, segments
from audiences.csv_files import Format, NotCsv, Record
from audiences.mapping import Converter, Refusal, Row
from audiences.models import ImportState, ProfileImport, ProfileImportChunk, ProfileImportRefusal

logger = logging.getLogger(__name__)

CHUNK = 1024 * 1024
BATCH_ROWS = 10_000
# Bytes of the file after which a batch ends, so that long rows do not fill the memory.
BATCH_BYTES = 8 * CHUNK
# Refused rows kept for the report; all are counted.
MAX_REFUSALS = 50_000
# A heartbeat comes with each batch, within seconds; one older than this is from a worker that is gone.
STALE = timedelta(seconds=60)
KEEP_UPLOADED = timedelta(days=7)


def run(import_id: int) -> None:
    """Import a started file from its position to its end; returns at once when another worker is at it.

    May be called any number of times. Killed at any line, the next run goes on from the last committed batch.
    A file that can't be read any further ends the import as failed, with the sentence; a database that is away leaves
    it for the next sweep.
    """
    job = _take(import_id)
    if job is None:
        return
    converter = Converter(job.mapping, job.columns, job.key)
    try:
        for batch in _batches(records(job, job.n_bytes_done, job.n_lines_done, job.encoding)):
            if not _commit(job, batch, converter):
                return
        _finish(job)
    except NotCsv as error:
        _fail(job, error.message)
    except OperationalError:
        logger.exception("import %s was interrupted; it is taken up again", job.public_id)
    except Exception:
        logger.exception("import %s broke", job.public_id)
        _fail(job, _("Something broke on our side. Rows up to line {n} are imported.").format(n=job.n_lines_done))


def _take(import_id: int) -> ProfileImport | None:
    """The import with its heartbeat set, None when it does not run or another worker's heartbeat is fresh."""
    now = datetime.now(UTC)
    free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - STALE)
    taken = ProfileImport.objects.filter(free, pk=import_id, state=ImportState.RUNNING).update(heartbeat_at=now)
    return ProfileImport.objects.get(pk=import_id) if taken else None


def records(job: ProfileImport, position: int, line: int, encoding: str) -> Iterator[Record]:
    """The rows after the header, from a byte and line; (0, 0) is the beginning of the file."""
    head = ProfileImportChunk.objects.get(profile_import=job, number=0).data
    form = csv_files.sniff(bytes(head), encoding)
    form = Format(form.encoding, job.delimiter, form.newline, form.start)
    start = position or form.start
    rows = csv_files.records(_pieces(job, start), form, end=start, line=line, width=len(job.columns))
    if not position:
        next(rows, None)
    return rows


def _pieces(job: ProfileImport, start: int) -> Iterator[bytes]:
    """The file from byte `start`, one stored piece at a time, each by its own short query."""
    number, skip = divmod(start, CHUNK)
    while True:
        chunk = ProfileImportChunk.objects.filter(profile_import=job, number=number).first()
        if chunk is None:
            return
        yield bytes(chunk.data)[skip:]
        number, skip = number + 1, 0


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    n_bytes = 0
    for record in records:
        batch.append(record)
        n_bytes += sum(map(len, record.cells))
        if len(batch) >= BATCH_ROWS or n_bytes >= BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def _commit(job: ProfileImport, batch: list[Record], converter: Converter) -> bool:
    """Merge one batch in one transaction; False when somebody cancelled or another worker has moved the position."""
    rows: dict[object, Row] = {}
    refused: list[Refusal] = []
    by_line = {record.line: record for record in batch}
    for record in batch:
        row = converter.convert(record)
        if isinstance(row, Refusal):
            refused.append(row)
        elif row.digest in rows:
            refused.append(converter.refuse(record, "duplicate"))
        else:
            rows[row.digest] = row
    with transaction.atomic():
        locked = ProfileImport.objects.select_for_update(no_key=True, of=("self",)).get(pk=job.pk)
        if locked.state != ImportState.RUNNING or locked.n_bytes_done != job.n_bytes_done:
            return False
        merged = merging.merge(locked, list(rows.values()))
        refused += [converter.refuse(by_line[line], reason) for line, reason in merged.refused]
        withdrawn = [found for one in refused if (found := converter.withdrawal(by_line[one.line]))]
        merging.withhold(locked, withdrawn)
        left = [found for one in refused for found in converter.group_withdrawals(by_line[one.line])]
        group_merging.leave(locked, left)
        gone = {line for line, _reason in merged.refused}
        _count(locked, merged, refused, [row for row in rows.values() if row.line not in gone])
        locked.n_bytes_done, locked.n_lines_done = batch[-1].end, batch[-1].end_line
        locked.heartbeat_at = datetime.now(UTC)
        locked.save(update_fields=_PROGRESS)
    job.n_bytes_done, job.n_lines_done = locked.n_bytes_done, locked.n_lines_done
    return True


_PROGRESS = [
    "n_rows",
    "n_created",
    "n_updated",
    "n_unchanged",
    "n_refused",
    "refused_by_reason",
    "notes_by_kind",
    "n_bytes_done",
    "n_lines_done",
    "heartbeat_at",
]


def _count(job: ProfileImport, merged: merging.Merged, refused: list[Refusal], rows: list[Row]) -> None:
    room = max(0, MAX_REFUSALS - job.n_refused)
    ProfileImportRefusal.objects.bulk_create(
        ProfileImportRefusal(profile_import=job, line=one.line, reason=one.reason, detail=one.detail, cells=one.cells)
        for one in sorted(refused, key=lambda one: one.line)[:room]
    )
    for one in refused:
        job.refused_by_reason[one.reason] = job.refused_by_reason.get(one.reason, 0) + 1
    for row in rows:
        if row.note:
            job.notes_by_kind[row.note] = job.notes_by_kind.get(row.note, 0) + 1
    job.n_created += merged.n_created
    job.n_updated += merged.n_updated
    job.n_unchanged += merged.n_unchanged
    job.n_refused += len(refused)
    job.n_rows += merged.n_created + merged.n_updated + merged.n_unchanged + len(refused)


@transaction.atomic
def _finish(job: ProfileImport) -> None:
    locked = ProfileImport.objects.select_for_update(no_key=True, of=("self",)).get(pk=job.pk)
    if locked.state != ImportState.RUNNING or locked.n_bytes_done != job.n_bytes_done:
        return
    locked.n_bytes_done = locked.n_bytes
    locked.save(update_fields=["n_bytes_done"])
    end(locked, ImportState.FINISHED)
    if locked.segment_id is not None:
        segments.recount(locked.segment_id)
    detail: dict[str, object] = {"created": locked.n_created, "updated": locked.n_updated, "refused": locked.n_refused}
    audit.record(
        "import.finished", subject=("import", str(locked.public_id)), by=locked.by, label="worker", detail=detail
    )


@transaction.atomic
def _fail(job: ProfileImport, sentence: str) -> None:
    locked = ProfileImport.objects.select_for_update(no_key=True, of=("self",)).get(pk=job.pk)
    if locked.state == ImportState.RUNNING:
        locked.error = sentence
        locked.save(update_fields=["error"])
        end(locked, ImportState.FAILED)
        audit.record("import.failed", subject=("import", str(locked.public_id)), label="worker")


def end(job: ProfileImport, state: ImportState) -> None:
    """The file and the remembered keys go; the counts and the report stay."""
    job.state, job.finished_at = state, datetime.now(UTC)
    job.save(update_fields=["state", "finished_at"])
    with connection.cursor() as cursor:
        for table in ("audiences_profileimportchunk", "audiences_profileimportkey"):
            cursor.execute(f"DELETE FROM {table} WHERE profile_import_id = %s", [job.pk])


def abandoned() -> list[int]:
    """Ids of running imports that no worker is at, also those whose wake-up was lost."""
    now = datetime.now(UTC)
    never = Q(heartbeat_at=None, started_at__lt=now - timedelta(seconds=10))
    stale = Q(heartbeat_at__lt=now - STALE)
    return list(ProfileImport.objects.filter(never | stale, state=ImportState.RUNNING).values_list("pk", flat=True))


def drop_forgotten() -> int:
    """End uploads that nobody mapped for a week, with their files; how many."""
    old = ProfileImport.objects.filter(state=ImportState.UPLOADED, created_at__lt=datetime.now(UTC) - KEEP_UPLOADED)
    with transaction.atomic():
        jobs = list(old.select_for_update(no_key=True, skip_locked=True, of=("self",)))
        for job in jobs:
            end(job, ImportState.CANCELLED)
    return len(jobs)
