"""Importing people from a CSV file, as a person goes about it: upload, mapping, dry run, start, cancel.

The file lies in the database in pieces of a mebibyte, so any worker machine can read it and nothing else has to be
shared. What happens after the start is in audiences.import_runs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from audiences import csv_files, groups, import_runs, mapping
from audiences.csv_files import NotCsv
from audiences.mapping import Converter, Refusal, Row, Target
from audiences.models import (
    AttributeDefinition,
    AttributeType,
    Consent,
    ImportState,
    ProfileImport,
    ProfileImportChunk,
    Segment,
    SegmentKind,
)
from lib.errors import DomainError

# Rows looked at to guess the mapping and for the dry run; the first few are shown.
SAMPLE_ROWS = 500
SHOWN_ROWS = 5


class ImportInvalid(DomainError):
    """The mapping can't be used; `fields` says which part."""

    code = "import_invalid"
    status = 422


def receive(pieces: Iterable[bytes], *, file_name: str, by: User) -> ProfileImport:
    """Store an uploaded file and guess how it is to be read. Raises NotCsv, and keeps nothing then."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    guess = csv_files.EncodingGuess()
    with transaction.atomic():
        job = ProfileImport.objects.create(file_name=file_name[:255], by=by)
        head, n_bytes = b"", 0
        for number, piece in enumerate(_resized(pieces)):
            if number == 0:
                head = piece
                csv_files.sniff(head, "latin-1")
            guess.feed(piece)
            n_bytes += len(piece)
            ProfileImportChunk.objects.create(profile_import=job, number=number, data=piece)
        guess.feed(b"", is_last=True)
        _describe(job, head, n_bytes, guess.encoding)
        audit.record("import.uploaded", subject=("import", str(job.public_id)), by=by, detail={"file": job.file_name})
    return job


def _resized(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of exactly CHUNK, the last one shorter; a position is a piece and a place in it."""
    rest = b""
    for piece in pieces:
        rest += piece
        while len(rest) >= import_runs.CHUNK:
            yield rest[: import_runs.CHUNK]
            rest = rest[import_runs.CHUNK :]
    yield rest


def _describe(job: ProfileImport, head: bytes, n_bytes: int, encoding: str) -> None:
    form = csv_files.sniff(head, encoding)
    rows = csv_files.records([head[form.start :]], form, end=form.start)
    names = csv_files.header(next(rows))
    sample = [record.cells for record, _n in zip(rows, range(SAMPLE_ROWS), strict=False) if not record.problem]
    if not sample:
        raise NotCsv(_("The file names columns but has no people."))
    known = dict(AttributeDefinition.objects.values_list("name", "type"))
    job.n_bytes, job.encoding, job.delimiter, job.columns = n_bytes, encoding, form.delimiter, names
    job.sample = [[cell[:120].replace("\x00", "") for cell in cells] for cells in sample[:SHOWN_ROWS]]
    job.mapping = mapping.guess(names, sample, known, {one.name: str(one.public_id) for one in groups.active()})
    targets = {target["target"] for target in job.mapping.values()}
    job.key = "email" if "email" in targets or "external_id" not in targets else "external_id"
    job.save(update_fields=["n_bytes", "encoding", "delimiter", "columns", "sample", "mapping", "key"])


@dataclass(frozen=True)
class Plan:
    """What a person decided about a file: what each column is, what makes two rows one person, and where they go."""

    mapping: dict[str, Target]
    key: str
    encoding: str
    consent: str = Consent.SUBSCRIBED
    # A list to add people to: its public id, or the name of a new one; "" for none.
    segment: str = ""
    new_list: str = ""


def problems(job: ProfileImport, plan: Plan) -> dict[str, str]:
    """What is wrong with a plan, by part ("key", "column-3", …)."""
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    known = dict(AttributeDefinition.objects.values_list("name", "type"))
    offered = {str(one.public_id): one.name for one in groups.active()}
    for index, target in plan.mapping.items():
        name = target.get("name", "") if target["target"] == mapping.ATTRIBUTE else target["target"]
        sentence = _target_problem(target, known)
        if target["target"] == mapping.GROUP:
            name = offered.get(target.get("group", ""), "")
            sentence = "" if name else _("This subscription group can't be chosen any more.")
        if not sentence and name != mapping.SKIP and name in seen:
            sentence = _("“{name}” is chosen for two columns.").format(name=name)
        seen.setdefault(name, index)
        if sentence:
            found[f"column-{index}"] = sentence
    if plan.key not in mapping.KEYS:
        found["key"] = _("Choose what makes two rows the same person.")
    elif plan.key not in seen:
        column = _("email address") if plan.key == "email" else _("external id")
        found["key"] = _("No column is the {column}. Choose the column that holds it.").format(column=column)
    if plan.encoding not in csv_files.ENCODINGS:
        found["encoding"] = _("Choose how the file is written.")
    if plan.consent not in {Consent.SUBSCRIBED, Consent.OPTED_IN, Consent.UNSUBSCRIBED}:
        found["consent"] = _("Choose the consent of new people.")
    if plan.new_list and Segment.objects.filter(name__iexact=plan.new_list.strip(), deleted_at=None).exists():
        found["new_list"] = _("There is a segment with this name already. Choose another name.")
    return found


def _target_problem(target: Target, known: dict[str, str]) -> str:
    if target["target"] in {mapping.SKIP, mapping.CONSENT, mapping.GROUP, *mapping.COLUMNS}:
        return ""
    name, kind = target.get("name", ""), target.get("type", "")
    if target["target"] != mapping.ATTRIBUTE or kind not in AttributeType.values:
        return _("Choose what this column is.")
    if not name or name != mapping.attribute_name(name):
        return _("Use small letters, digits and _ for the name of an attribute.")
    if name in mapping.COLUMNS:
        return _("“{name}” is a field of every profile. Choose it instead, or another name.").format(name=name)
    if name in known and known[name] != kind:
        label = AttributeType(known[name]).label
        return _("“{name}” holds values of the type “{type}” already.").format(name=name, type=label)
    return ""


@dataclass(frozen=True)
class DryRun:
    """What an import would do with the first `n_rows` rows of the file."""

    n_rows: int
    n_new: int
    n_known: int
    refused: dict[str, int]


def dry_run(job: ProfileImport, plan: Plan) -> DryRun:
    """Try a plan without problems on the first rows; changes nothing."""
    converter = Converter(plan.mapping, job.columns, plan.key)
    records = import_runs.records(job, 0, 0, plan.encoding)
    refused: dict[str, int] = {}
    rows: dict[object, Row] = {}
    n_rows = 0
    for record, _n in zip(records, range(SAMPLE_ROWS), strict=False):
        n_rows += 1
        row = converter.convert(record)
        reason = row.reason if isinstance(row, Refusal) else "duplicate" if row.digest in rows else ""
        if reason:
            refused[reason] = refused.get(reason, 0) + 1
        elif isinstance(row, Row):
            rows[row.digest] = row
    column = "email_key" if plan.key == "email" else "external_id"
    place = mapping.COLUMNS.index("external_id")
    keys = [row.email_key if plan.key == "email" else row.columns[place] for row in rows.values()]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(DISTINCT {column}) FROM audiences_profile WHERE {column} = ANY(%s::text[])", [keys]
        )
        n_known = int(cursor.fetchone()[0])
    return DryRun(n_rows, len(rows) - n_known, n_known, refused)


@transaction.atomic
def start(import_id: int, *, plan: Plan, by: User) -> ProfileImport:
    """Fix the plan and let a worker begin. Raises ImportInvalid; DomainError "already_started"."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    job = ProfileImport.objects.select_for_update(no_key=True, of=("self",)).get(pk=import_id)
    if job.state != ImportState.UPLOADED:
        raise DomainError(_("This import was started already."), code="already_started")
    if found := problems(job, plan):
        raise ImportInvalid(next(iter(found.values())), fields=found)
    for target in plan.mapping.values():
        if target["target"] == mapping.ATTRIBUTE:
            AttributeDefinition.objects.get_or_create(name=target["name"], defaults={"type": target["type"]})
    job.mapping, job.key, job.encoding, job.consent = plan.mapping, plan.key, plan.encoding, plan.consent
    job.segment = _target_list(plan, by)
    job.state, job.started_at = ImportState.RUNNING, datetime.now(UTC)
    job.save(update_fields=["mapping", "key", "encoding", "consent", "segment", "state", "started_at"])
    audit.record("import.started", subject=("import", str(job.public_id)), by=by, detail={"file": job.file_name})
    return job


def _target_list(plan: Plan, by: User) -> Segment | None:
    if name := plan.new_list.strip()[:120]:
        return Segment.objects.create(name=name, kind=SegmentKind.LIST, owner=by)
    if not plan.segment:
        return None
    found = Segment.objects.filter(public_id=plan.segment, kind=SegmentKind.LIST, deleted_at=None).first()
    if found is None:
        sentence = _("This list doesn't exist any more. Choose another one.")
        raise ImportInvalid(sentence, fields={"segment": sentence})
    return found


@transaction.atomic
def cancel(import_id: int, *, by: User) -> ProfileImport:
    """Stop an import; people who are in already stay. Raises DomainError "already_ended"."""
    access.check(access.fresh(by), roles.MANAGE_AUDIENCE)
    job = ProfileImport.objects.select_for_update(no_key=True, of=("self",)).get(pk=import_id)
    if job.state not in {ImportState.UPLOADED, ImportState.RUNNING}:
        raise DomainError(_("This import has ended already."), code="already_ended")
    import_runs.end(job, ImportState.CANCELLED)
    audit.record("import.cancelled", subject=("import", str(job.public_id)), by=by)
    return job
