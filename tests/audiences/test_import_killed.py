"""A worker process killed with SIGKILL in the middle of an import: another goes on, nobody is lost or doubled."""

import os
import subprocess
import sys
import time
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.core.management import call_command
from django.db import connection

from audiences import import_runs, imports
from audiences.models import ImportState, Profile, ProfileImport
from tests import factories

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]
PEOPLE = 60_000
WORKER = "import django; django.setup(); from audiences import import_runs; import_runs.run({id})"


def test_a_killed_worker_costs_nothing() -> None:
    call_command("setup_roles", verbosity=0)
    by = factories.user("Marketer")
    rows = (f"p{i}@example.test,P{i}\n" for i in range(PEOPLE))
    job = imports.receive([b"email,first_name\n", "".join(rows).encode(), b"bad,x\n" * 10], file_name="x.csv", by=by)
    imports.start(job.pk, plan=imports.Plan(job.mapping, job.key, job.encoding, new_list="Everybody"), by=by)
    parts = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    for _kill in range(2):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER.format(id=job.pk)], env={**os.environ, "DATABASE_URL": url}
        )
        before = job.n_rows
        deadline = time.monotonic() + 60
        while job.n_rows == before and time.monotonic() < deadline:
            time.sleep(0.05)
            job.refresh_from_db()
        worker.kill()
        worker.wait()
        job.refresh_from_db()
        assert before < job.n_rows == Profile.objects.count()
        ProfileImport.objects.update(heartbeat_at=None)
    assert job.state == ImportState.RUNNING, "killed too late to show anything"
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.n_created, job.n_refused, job.n_rows) == ("finished", PEOPLE, 10, PEOPLE + 10)
    assert Profile.objects.count() == Profile.objects.values("email_key").distinct().count() == PEOPLE
    assert job.segment is not None
    assert job.segment.members.count() == PEOPLE
    assert job.refusals.count() == 10
