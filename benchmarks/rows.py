"""The rows of the table: who sends what into which sink, and one measurement of each.

a  smtp-source, b Chappe and c django-post_office into the same smtp-sink; d is b with something taken away or added;
e is b into a cheap sink of our own, because smtp-sink is its own bottleneck.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import lines, processes, sinks
from config.local import process

# Processes that send, as many as compose.yaml and `make run` have.
N_DRAINS = 2
# Bytes of smtp-source's message.
CONSTANT_BYTES = 9_000
# django-post_office sends some hundred messages a second.
MOST_OF_POST_OFFICE = 5_000
SOURCE, DRAINS, CELERY, POST_OFFICE = "smtp-source", "drains", "Celery", "django-post_office"


@dataclass(frozen=True)
class Row:
    """`share`: of --people, how many messages. `beside`: the row it is compared with. `without`: what drain.py takes
    away."""

    name: str
    words: str
    sender: str
    sink: str
    beside: str = ""
    share: float = 1.0
    without: tuple[str, ...] = ()
    is_signed: bool = False

    @property
    def group(self) -> str:
        return self.name[0]

    def n_messages(self, people: int) -> int:
        n = max(1, int(people * self.share))
        return min(n, MOST_OF_POST_OFFICE) if self.sender == POST_OFFICE else n


ALL = (
    Row("a", "smtp-source, one constant message", SOURCE, sinks.POSTFIX, share=2),
    Row("b", "Chappe", DRAINS, sinks.POSTFIX, "a"),
    Row("c", "django-post_office", POST_OFFICE, sinks.POSTFIX, "b"),
    Row("c cheap", "django-post_office", POST_OFFICE, sinks.CHEAP, "e"),
    Row("d constant", "Chappe without rendering", DRAINS, sinks.POSTFIX, "b", without=("constant",)),
    Row("d unlogged", "Chappe without log rows", DRAINS, sinks.POSTFIX, "b", without=("unlogged",)),
    Row("d DKIM", "Chappe with DKIM, RSA-2048", DRAINS, sinks.POSTFIX, "b", share=0.25, is_signed=True),
    Row("d plain", "Chappe, for comparison with TLS", DRAINS, sinks.PYTHON, "b", share=0.5),
    Row("d TLS", "Chappe over TLS", DRAINS, sinks.TLS, "d plain", share=0.5),
    Row("e", "Chappe", DRAINS, sinks.CHEAP, "a", share=2),
    Row("e constant", "Chappe without rendering", DRAINS, sinks.CHEAP, "e", without=("constant",)),
    Row("e bare", "Chappe without rendering and log rows", DRAINS, sinks.CHEAP, "e", without=("constant", "unlogged")),
    Row("e Celery", "Chappe in Celery's workers", CELERY, sinks.CHEAP, "e"),
)


@dataclass
class Figures:
    """One measurement. CPU in microseconds a message; None where it isn't known."""

    n: int
    seconds: float
    received: sinks.Received
    cpu_us: dict[str, float] = field(default_factory=dict)
    logged: int | None = None
    sent: int | None = None
    queue_s: float | None = None

    @property
    def per_second(self) -> float:
        return self.n / self.seconds

    @property
    def is_whole(self) -> bool:
        """Everybody got it once, and every count says so."""
        told = (self.received.messages, self.received.recipients, self.logged, self.sent)
        return self.received.duplicates == 0 and all(n is None or n == self.n for n in told)


class Hall:
    """Everything that runs during a benchmark; the servers of servers.throwaway() run around it."""

    def __init__(self, postgres_pid: int, made: sinks.Sinks, *, post_office_python: str) -> None:
        self.sinks = made
        # Connections of smtp-source.
        self.n_sessions: int | None = None
        self.office = lines.Child("benchmarks.send")
        self._postgres_pid = postgres_pid
        self._post_office_python = post_office_python
        self._drains: dict[tuple[str, ...], list[lines.Child]] = {}
        self._post_offices: dict[str, lines.Child] = {}
        self._celery: dict[str, subprocess.Popen[bytes]] = {}

    def close(self) -> None:
        for children in self._drains.values():
            for child in children:
                child.close()
        for child in (self.office, *self._post_offices.values()):
            child.close()
        for worker in self._celery.values():
            worker.send_signal(signal.SIGKILL)
            worker.wait()

    def measure(self, row: Row, n: int, *, fresh: str = "") -> Figures:
        """Send `n` messages. `fresh` names processes of their own, whose memory nothing else has grown."""
        if row.sender == SOURCE:
            return self._source(row, n)
        if row.sender == POST_OFFICE:
            return self._post_office(row, n)
        delivery = self.office.ask(do="prepare", n=n, is_signed=row.is_signed)["delivery"]
        send = self._by_celery if row.sender == CELERY else self._by_drains
        before = processes.cpu_s(self._postgres_pid)
        with self.sinks.running(row.sink, expected=n) as received:
            seconds, cpu_s = send(row, delivery, fresh)
            postgres_s = processes.cpu_s(self._postgres_pid) - before
        counted = self.office.ask(do="count", delivery=delivery)
        figures = Figures(n, seconds, received, sent=counted["sent"] if counted["is_finished"] else -1)
        figures.logged = None if "unlogged" in row.without else counted["logged"]
        spent = {"sender": cpu_s, "postgres": postgres_s, "sink": received.cpu_s}
        figures.cpu_us = {name: used / n * 1e6 for name, used in spent.items()}
        return figures

    def peak_mb(self, row: Row, *, fresh: str = "") -> float:
        """The most memory one of the processes that send had so far."""
        if row.sender == CELERY:
            pids = processes.children(self._celery[row.sink].pid)
        else:
            pids = [child.pid for child in self._drains[self._key(row, fresh)]]
        return max(processes.peak_mb(pid) for pid in pids)

    @staticmethod
    def _key(row: Row, fresh: str) -> tuple[str, ...]:
        return (row.sink, fresh, *row.without)

    def _by_drains(self, row: Row, delivery: int, fresh: str) -> tuple[float, float]:
        key = self._key(row, fresh)
        if key not in self._drains:
            environment = self.sinks.environment(row.sink)
            self._drains[key] = [
                lines.Child("benchmarks.drain", *row.without, environment=environment) for _number in range(N_DRAINS)
            ]
            for child in self._drains[key]:
                child.ask(do="wait")
        children = self._drains[key]
        started = time.monotonic()
        for child in children:
            child.tell(do="drain", delivery=delivery)
        told = [child.hear() for child in children]
        for what in row.without:
            # A patch that no longer fits the product would measure nothing.
            assert sum(one["avoided"].get(what, 0) for one in told) > 0, f"{what}: nothing was avoided"
        return max(one["until"] for one in told) - started, sum(one["cpu_s"] for one in told)

    def _by_celery(self, row: Row, delivery: int, fresh: str) -> tuple[float, float]:
        if row.sink not in self._celery:
            self._celery[row.sink] = _celery_worker(self.sinks.environment(row.sink))
        pid = self._celery[row.sink].pid
        before = processes.cpu_s(pid)
        seconds = self.office.ask(do="tick", delivery=delivery)["seconds"]
        return seconds, processes.cpu_s(pid) - before

    def _source(self, row: Row, n: int) -> Figures:
        """Postfix's load generator with kept connections."""
        port = self.sinks.ports[row.sink]
        command = [sinks.program("smtp-source"), "-d", "-s", str(self.n_sessions), "-m", str(n)]
        with self.sinks.running(row.sink, expected=n) as received:
            started = time.monotonic()
            source = subprocess.Popen([*command, "-l", str(CONSTANT_BYTES), f"inet:127.0.0.1:{port}"])
            _pid, status, used = os.wait4(source.pid, 0)
            seconds = time.monotonic() - started
            source.returncode = os.waitstatus_to_exitcode(status)
            if source.returncode:
                raise RuntimeError(f"smtp-source ended with {source.returncode}")
        figures = Figures(n, seconds, received)
        figures.cpu_us = {"sender": (used.ru_utime + used.ru_stime) / n * 1e6, "sink": received.cpu_s / n * 1e6}
        return figures

    def _post_office(self, row: Row, n: int) -> Figures:
        office = self._post_offices.get(row.sink) or self._open_post_office(row.sink)
        queued = office.ask(do="queue", n=n)
        before = processes.cpu_s(self._postgres_pid)
        with self.sinks.running(row.sink, expected=n) as received:
            told = office.ask(do="send")
            postgres_s = processes.cpu_s(self._postgres_pid) - before
        figures = Figures(n, told["seconds"], received, logged=told["logged"], sent=told["sent"])
        spent = {"sender": told["cpu_s"], "postgres": postgres_s, "sink": received.cpu_s}
        figures.cpu_us = {name: used / n * 1e6 for name, used in spent.items()}
        figures.queue_s = queued["seconds"]
        return figures

    def _open_post_office(self, sink: str) -> lines.Child:
        """Its processes and, for each sink, a database of its own beside ours."""
        name = f"post_office_{len(self._post_offices)}"
        self.office.ask(do="database", name=name)
        environment = {
            **self.sinks.environment(sink),
            "DATABASE_URL": os.environ["DATABASE_URL"].replace("/chappe?", f"/{name}?"),
            "DJANGO_SETTINGS_MODULE": "benchmarks.post_office.settings",
        }
        python = self._post_office_python
        child = lines.Child("benchmarks.post_office.send", environment=environment, python=python)
        child.ask(do="make", n=MOST_OF_POST_OFFICE)
        self._post_offices[sink] = child
        return child


@contextlib.contextmanager
def hall(postgres_pid: int, made: sinks.Sinks, *, post_office_python: str) -> Iterator[Hall]:
    opened = Hall(postgres_pid, made, post_office_python=post_office_python)
    try:
        yield opened
    finally:
        opened.close()


def best_sessions(opened: Hall, n: int) -> int:
    """With how many connections smtp-source is fastest here."""
    row, rates = ALL[0], {}
    for opened.n_sessions in (5, 10, 20, 50):
        rates[opened.n_sessions] = opened.measure(row, n).per_second
    return max(rates, key=lambda sessions: rates[sessions])


def _celery_worker(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """The sender's service of compose.yaml, when it is ready."""
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "config", "worker", "-Q", "send", "-c", str(N_DRAINS)]
    worker = subprocess.Popen(
        [*command, "-n", "sender@%h", "--without-gossip", "--without-mingle", "--loglevel", "ERROR"],
        stdout=sys.stderr,
        env={**os.environ, **environment, "PYTHONWARNINGS": "ignore:You're running the worker with superuser"},
        preexec_fn=process.with_parent(signal.SIGKILL),
    )
    deadline = time.monotonic() + 30
    while len(processes.children(worker.pid)) < N_DRAINS:
        if time.monotonic() > deadline or worker.poll() is not None:
            raise RuntimeError("Celery's worker did not start")
        time.sleep(0.05)
    return worker
