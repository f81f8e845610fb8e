"""Background work of this room: ids in, work functions called, safe to run twice."""

from celery import shared_task

from audiences import erasure, import_runs, quarantine


@shared_task
def run_import(import_id: int) -> None:
    import_runs.run(import_id)


@shared_task
def sweep_imports() -> None:
    """Wake imports that no worker is at, and drop uploads that were forgotten."""
    for import_id in import_runs.abandoned():
        run_import.delay(import_id)
    import_runs.drop_forgotten()


@shared_task
def forget_errors() -> None:
    quarantine.forget()


@shared_task
def clear_late() -> None:
    """What came in about people who were erased."""
    erasure.clear_late()
