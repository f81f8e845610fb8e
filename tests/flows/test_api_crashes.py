"""2xx is a promise, over real HTTP: the web server dies between every pair of steps of a call, or PostgreSQL goes away.

Whatever happens, the same call repeated with the same Idempotency-Key has exactly one effect.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone

from api.models import AnsweredCall
from campaigns.models import Campaign
from config.local import ports, process
from delivery.models import Delivery, RequestRecipient, SendLog, TriggerRequest
from tests import factories, racing, smtp_server
from tests.api.callers import make_key
from tests.chaos import api_failpoints
from tests.chaos.setup import Setup
from tests.flows.test_api_sends import TRIGGER, work
from tests.flows.test_triggers import subjects

pytestmark = pytest.mark.django_db(transaction=True)
ALWAYS = {"delivery__kind": "api", "delivery__reeligibility": "always"}


def database() -> str:
    """The address of the database of this test."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}"))


@dataclass(frozen=True)
class Nursery:
    """A process that has everything imported: it takes seconds to start, what it forks does not. See tests.chaos."""

    process: subprocess.Popen[str]
    home: Path

    def fork(self, *arguments: str, failpoint: str = "") -> int:
        """The process id of a program."""
        assert self.process.stdin is not None and self.process.stdout is not None
        order = {"setup": asdict(Setup(failpoint=failpoint)), "arguments": arguments, "log": str(self.home / "log")}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        said = self.process.stdout.readline()
        return int(self.process.stdout.readline() if said == "ready\n" else said)


@dataclass
class Web:
    """The web server as `make run` starts it."""

    nursery: Nursery
    port: int
    token: str
    pid: int = 0

    @property
    def once(self) -> Path:
        """Not there: the next call meets the failpoint."""
        return self.nursery.home / "failpoint"

    def start(self, failpoint: str = "") -> None:
        self.pid = self.nursery.fork("web", str(self.port), failpoint=failpoint)
        deadline = time.monotonic() + 60
        while self.status("/livez") != 200:
            assert time.monotonic() < deadline, (self.nursery.home / "log").read_text()
            time.sleep(0.02)

    def status(self, path: str) -> int:
        """0 without an answer."""
        try:
            return self._ask("GET", path, b"", {})[0]
        except (OSError, http.client.HTTPException):
            return 0

    def post(self, path: str, body: dict[str, Any], *, key: str) -> tuple[int, Message, dict[str, Any]]:
        """Status, headers and body of the answer. Raises OSError or HTTPException without one."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key, "Content-Type": "application/json"}
        status, answered, read = self._ask("POST", path, json.dumps(body).encode(), headers)
        return status, answered, json.loads(read)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Message, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            client.request(method, path, body, headers)
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            client.close()


@pytest.fixture(scope="module")
def nursery(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {"DATABASE_URL": database(), "CHAPPE_HOME": str(home)}
    command = [sys.executable, "-W", "ignore", "-m", "tests.chaos.nursery"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, cwd=django_settings.BASE_DIR, env=environment, text=True
    ) as started:
        yield Nursery(started, home)
        started.kill()


@pytest.fixture
def web(nursery: Nursery) -> Iterator[Web]:
    made = Web(nursery, ports.free(), make_key().token)
    made.once.touch()
    yield made
    if made.pid:
        process.send_group(made.pid, signal.SIGKILL)


def asked(of: Campaign, *names: str) -> dict[str, Any]:
    """A call for people who are there, and one whom it makes."""
    attributes = {"email": f"new-{names[0]}@example.test"}
    new = {"external_user_id": f"new-{names[0]}", "send_to_existing_only": False, "attributes": attributes}
    return {"campaign_id": str(of.public_id), "recipients": [*({"external_user_id": name} for name in names), new]}


def test_kill_9_between_every_pair_of_steps_of_a_call(web: Web, mail_server: smtp_server.Server) -> None:
    names = [f"u{n}" for n in range(len(api_failpoints.POINTS))]
    for name in names:
        factories.profile(external_id=name, email=f"{name}@example.test")
    made = factories.published(**ALWAYS)
    for n, (name, (point, how)) in enumerate(zip(names, api_failpoints.POINTS.items(), strict=True)):
        web.start(point)
        if n:
            # What the death before this one left unanswered.
            assert web.post(TRIGGER, asked(made, names[n - 1]), key=names[n - 1])[0] == 201
            assert TriggerRequest.objects.count() == AnsweredCall.objects.count() == n
        web.once.unlink()
        with pytest.raises((OSError, http.client.HTTPException)):
            web.post(TRIGGER, asked(made, name), key=name)
        assert web.once.exists(), f"{point}: never passed"
        assert TriggerRequest.objects.count() == AnsweredCall.objects.count() == n + how.is_kept, point
        assert RequestRecipient.objects.count() == 2 * (n + how.is_kept), point
    web.start()
    status, headers, answer = web.post(TRIGGER, asked(made, names[-1]), key=names[-1])
    assert (status, headers["Idempotent-Replayed"]) == (201, "true")
    assert answer["dispatch_id"] == TriggerRequest.objects.latest("pk").public_id.hex
    work()
    everybody = [f"{prefix}{name}@example.test" for name in names for prefix in ("", "new-")]
    assert subjects(mail_server) == {address: ["Autumn sale"] for address in everybody}
    assert SendLog.objects.filter(outcome="sent").count() == TriggerRequest.objects.count() * 2 == len(everybody)


@contextmanager
def away() -> Iterator[None]:
    """PostgreSQL ends every connection to the database of this test but this test's own, and takes no new ones."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other, connection.cursor() as ours:
        ours.execute("SELECT pg_backend_pid()")
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
            other.execute(end, [name, ours.fetchone()[0]])
            yield
        finally:
            other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def wait_for_lock() -> None:
    """Until a call stands at what this test has locked."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if racing.is_somebody_waiting():
            return
        time.sleep(0.02)
    raise AssertionError("no call came")


def test_calls_while_postgresql_is_away_are_told_so_and_taken_afterwards_by_the_same_server(
    web: Web, mail_server: smtp_server.Server
) -> None:
    for name in ("u1", "u2"):
        factories.profile(external_id=name, email=f"{name}@example.test")
    made = factories.published(**ALWAYS)
    paths = (TRIGGER, "/messages/send", "/users/track", "/campaigns/trigger/schedule/create")
    # What each of them needs, so that none is refused before it asks the database.
    email = {"from": "Shop <shop@example.test>", "subject": "Hello", "body": "<p>Hello</p>"}
    rest = {
        "external_user_ids": ["u2"],
        "messages": {"email": email},
        "schedule": {"time": (timezone.now() + timedelta(days=1)).isoformat()},
        "events": [{"external_id": "u2", "name": "bought", "time": "2026-01-15T09:00:00Z"}],
    }
    web.start()
    assert web.post(TRIGGER, asked(made, "u1"), key="first")[0] == 201
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        list(Delivery.objects.select_for_update())
        cut_short = pool.submit(web.post, TRIGGER, asked(made, "u2"), key="second")
        wait_for_lock()
        with away():
            whole = {**rest, **asked(made, "u2")}
            answers = [cut_short.result(20), *(web.post(path, whole, key="second") for path in paths)]
    for status, headers, answer in answers:
        assert (status, answer["message"], headers["Retry-After"]) == (503, "Service Unavailable", "5")
        assert headers["Content-Type"] == "application/json" and "Nothing was done" in answer["errors"][0]
    assert TriggerRequest.objects.count() == 1
    done = [web.post(TRIGGER, asked(made, "u2"), key="second") for _time in range(2)]
    assert [(status, headers.get("Idempotent-Replayed")) for status, headers, _answer in done] == [
        (201, None),
        (201, "true"),
    ]
    work()
    everybody = ("u1", "u2", "new-u1", "new-u2")
    assert subjects(mail_server) == {f"{name}@example.test": ["Autumn sale"] for name in everybody}
