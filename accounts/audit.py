"""The audit trail: every change of a state and every administrative act leaves one row."""

from collections.abc import Sequence

from django.db.models import QuerySet

from accounts.models import AuditEntry, User


def record(
    action: str,
    *,
    subject: tuple[str, str],
    by: User | None = None,
    label: str = "",
    detail: dict[str, object] | None = None,
) -> AuditEntry:
    """Write one row in the current transaction. `subject` is (kind, public id); give `by` or, for machines, `label`."""
    assert by is not None or label, "somebody or something must have acted"
    return AuditEntry.objects.create(
        action=action,
        subject_kind=subject[0],
        subject_id=_id(subject[1]),
        actor=by,
        actor_label=label,
        detail=detail or {},
    )


def record_many(
    action: str, *, subjects: Sequence[tuple[str, str]], by: User, detail: dict[str, object] | None = None
) -> None:
    """One row for each subject in the current transaction, for one act of a person on many things."""
    AuditEntry.objects.bulk_create(
        [
            AuditEntry(action=action, subject_kind=kind, subject_id=_id(public_id), actor=by, detail=detail or {})
            for kind, public_id in subjects
        ],
        batch_size=1000,
    )


def forget(kind: str, names: Sequence[str]) -> None:
    """Take the names of subjects who were erased out of what was done to them; the rows stay. Nothing else may."""
    AuditEntry.objects.filter(subject_kind=kind, subject_id__in=[_id(name) for name in names]).update(
        subject_id="erased"
    )


def has(action: str, *, subject: tuple[str, str], **detail: str) -> bool:
    """Whether `action` was recorded for `subject` with these values in its detail. One query."""
    rows = AuditEntry.objects.filter(subject_kind=subject[0], subject_id=_id(subject[1]), action=action)
    return rows.filter(detail__contains=detail).exists()


Entries = QuerySet[AuditEntry]


def about(kind: str, subject_id: str) -> Entries:
    """All rows about one thing, actors loaded, in no order."""
    return AuditEntry.objects.filter(subject_kind=kind, subject_id=_id(subject_id)).select_related("actor")


def timeline(kind: str, subject_id: str, *, limit: int = 200) -> list[AuditEntry]:
    """The newest `limit` rows about one thing, newest first, actors loaded."""
    return list(about(kind, subject_id).order_by("-at", "-id")[:limit])


def _id(named: str) -> str:
    """What the row keeps of a subject's name: ids are shorter, a domain or an address may be longer."""
    return named[:60]
