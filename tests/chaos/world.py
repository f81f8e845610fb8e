"""The servers and programs of chaos runs, all of them ours to kill: PostgreSQL, Valkey, sink, workers, scheduler."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from config.local import installation, ports, postgres, process, valkey

# Pool processes of the sender, and connections of each.
N_PROCESSES, N_CONNECTIONS = 2, 8


@dataclass
class World:
    """Everything that runs; `programs` only within `sending`."""

    folder: Path
    cluster: postgres.Cluster
    cache: valkey.Instance
    mail_port: int
    database: subprocess.Popen[bytes]
    broker: subprocess.Popen[bytes]
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    mutant: str = "-"

    def pool(self) -> list[int]:
        """Process ids of the sender's pool; empty while it starts."""
        children = Path(f"/proc/{self.programs['sender'].pid}/task/{self.programs['sender'].pid}/children")
        with contextlib.suppress(OSError):
            return [int(pid) for pid in children.read_text().split()]
        return []

    def start_sender(self) -> None:
        self.programs["sender"] = self._celery("worker", "-Q", "send", "-c", str(N_PROCESSES), "-n", "sender@%h")

    def start_worker(self) -> None:
        self.programs["worker"] = self._celery("worker", "-Q", "default", "-c", "1", "-n", "worker@%h")

    def start_beat(self) -> None:
        beat_file = self.folder / "beat"
        beat_file.unlink(missing_ok=True)
        self.programs["beat"] = self._celery("beat", "-s", str(beat_file), "--pidfile", "")

    def start_programs(self) -> None:
        self.start_sender()
        self.start_worker()
        self.start_beat()

    def revive(self) -> list[str]:
        """What every supervisor does: start again what ended by itself, as a worker may that lost its broker; which."""
        starts = {"sender": self.start_sender, "worker": self.start_worker, "beat": self.start_beat}
        ended = [name for name, program in self.programs.items() if program.poll() is not None]
        for name in ended:
            starts[name]()
        return ended

    def _celery(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.chaos.program", self.mutant, "--quiet", "-A", "config", *arguments]
        quiet = ["--loglevel", "CRITICAL"]
        if arguments[0] == "worker":
            quiet += ["--without-gossip", "--without-mingle"]
        with (self.folder / "programs.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *quiet], stdout=log, stderr=log, cwd=installation.ROOT,
                preexec_fn=process.with_parent(signal.SIGKILL),
            )  # fmt: skip

    def can_plant(self, mutant: str) -> bool:
        """Whether a seeded bug still fits the code; a program that dies of it would look like one that is caught."""
        command = [sys.executable, "-m", "tests.chaos.program", mutant, "check"]
        return subprocess.run(command, cwd=installation.ROOT, check=False).returncode == 0

    def stop_programs(self) -> None:
        for program in self.programs.values():
            program.send_signal(signal.SIGKILL)
        for program in self.programs.values():
            program.wait()
        self.programs.clear()
        # Pool processes follow their worker.
        time.sleep(0.3)

    def restart_database(self) -> None:
        """An immediate shutdown, as if the power went, and a start that recovers."""
        self.database.send_signal(signal.SIGQUIT)
        self.database.wait()
        self.database = postgres.start(self.cluster)
        _wait(lambda: postgres.is_ready(self.cluster))

    def restart_broker(self) -> None:
        self.broker.kill()
        self.broker.wait()
        self.broker = valkey.start(self.cache)
        _wait(lambda: valkey.is_ready(self.cache))

    def flush_broker(self) -> None:
        redis.Redis.from_url(self.cache.url(0)).flushall()


@contextlib.contextmanager
def servers() -> Iterator[World]:
    """Both servers with settings that survive a crash, and the environment that points to them."""
    folder = Path(tempfile.mkdtemp(prefix="chappe-chaos-"))
    cluster = postgres.Cluster(folder)
    cache = valkey.Instance(folder, ports.free(), keeps_data=False)
    postgres.make(cluster)
    made = World(folder, cluster, cache, ports.free(), postgres.start(cluster), valkey.start(cache))
    try:
        _wait(lambda: postgres.is_ready(cluster) and valkey.is_ready(cache))
        os.environ |= {
            "CHAPPE_ENV": "test",
            "CHAPPE_HOME": str(folder / "home"),
            "DATABASE_URL": cluster.url,
            "REDIS_URL": cache.url(0),
            "CELERY_BROKER_URL": cache.url(1),
            "SMTP_URL": f"smtp://127.0.0.1:{made.mail_port}",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        yield made
    finally:
        made.stop_programs()
        for server in (made.broker, made.database):
            server.send_signal(signal.SIGINT)
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def sink(world: World, journal: Path, *, delay_ms: float) -> Iterator[None]:
    """The mail server of one run."""
    command = [sys.executable, "-m", "tests.chaos.sink", str(world.mail_port), str(journal), str(delay_ms)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=installation.ROOT)
    assert server.stdout is not None and server.stdin is not None
    assert server.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()


def _wait(is_ready: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > deadline:
            raise RuntimeError("a server of the chaos run did not start")
        time.sleep(0.05)
