"""The servers and programs of chaos runs, all ours to kill: PostgreSQL, Valkey, sink, web, workers, scheduler."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import redis

from config.local import installation, ports, postgres, process, valkey
from tests.chaos.setup import OF_SENDERS, Setup

# Pool processes of a sender, and connections of each.
N_PROCESSES, N_CONNECTIONS = 2, 8
_QUIET = ("--loglevel", "WARNING")
_ALONE = ("--without-gossip", "--without-mingle")


class Program:
    """A fork of the nursery, which is not our child: watched by a descriptor that no other process can come to have."""

    def __init__(self, pid: int, setup: Setup) -> None:
        self.pid, self.setup = pid, setup
        self._descriptor = os.pidfd_open(pid)

    def has_ended(self) -> bool:
        return bool(select.select([self._descriptor], [], [], 0)[0])

    def kill(self) -> None:
        """End it at once and wait until it has."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        select.select([self._descriptor], [], [])

    def pool(self) -> list[int]:
        """Process ids of its pool; empty while it starts."""
        with contextlib.suppress(OSError):
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        return []


@dataclass
class World:
    """Everything that runs. Programs stay from run to run when the next one wants them as they are."""

    folder: Path
    cluster: postgres.Cluster
    cache: valkey.Instance
    mail_port: int
    web_port: int
    # Where webhooks go, and files come from.
    hooks_port: int
    database: subprocess.Popen[bytes]
    broker: subprocess.Popen[bytes]
    nursery: subprocess.Popen[str] | None = None
    is_warm: bool = False
    programs: dict[str, Program] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What all programs said."""
        return self.folder / "programs.log"

    # --- programs
    def warm_up(self) -> None:
        """Start the nursery, which takes some seconds, and wait for it only when it is needed."""
        self.nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=installation.ROOT,
            text=True,
            preexec_fn=process.with_parent(signal.SIGKILL),
        )

    def start_programs(self, setup: Setup, senders: dict[str, Setup]) -> None:
        """A worker, a scheduler and `senders`, by name; who runs already as it must is left alone.

        A "worker" among `senders` is another one than `setup` says.
        """
        plain = replace(setup, failpoint="")
        wanted = {"worker": plain, "beat": replace(plain, mutant="-"), **senders}
        if setup.mutant in OF_SENDERS:
            wanted["worker"] = wanted["beat"]
        for name in tuple(self.programs):
            if self.programs[name].setup != wanted.get(name) or self.programs[name].has_ended():
                self.stop(name)
        for name, its_setup in wanted.items():
            if name not in self.programs:
                self.start(name, its_setup)

    def start(self, name: str, setup: Setup) -> None:
        if name == "web":
            self.programs[name] = Program(self._order(setup, ["web", str(self.web_port)]), setup)
            return
        if name == "beat":
            file = self.folder / "beat"
            file.unlink(missing_ok=True)
            arguments = ["beat", "-s", str(file), "--pidfile", ""]
        else:
            queue, n = ("default", 1) if name == "worker" else ("send", setup.n_processes)
            arguments = ["worker", "-Q", queue, "-c", str(n), "-n", f"{name}@%h", *_ALONE]
        self.programs[name] = Program(self._order(setup, ["--quiet", "-A", "config", *arguments, *_QUIET]), setup)

    def restart(self, name: str) -> None:
        """kill -9, and a start as every supervisor does it."""
        setup = self.programs[name].setup
        self.stop(name)
        self.start(name, setup)

    def stop(self, name: str) -> None:
        program = self.programs.pop(name)
        pool = program.pool()
        program.kill()
        if name == "web":
            # Its worker would go on and hold the port; every supervisor ends the whole group.
            process.send_group(program.pid, signal.SIGKILL)
        # Pool processes follow their worker.
        _wait(lambda: not any(process.is_alive(pid) for pid in pool))

    def stop_senders(self) -> None:
        for name in self.senders():
            self.stop(name)

    def stop_programs(self) -> None:
        for name in tuple(self.programs):
            self.stop(name)

    def revive(self) -> list[str]:
        """What every supervisor does: start again what ended by itself; which."""
        ended = [name for name, program in self.programs.items() if program.has_ended()]
        for name in ended:
            self.restart(name)
        return ended

    def senders(self) -> list[str]:
        return [name for name in self.programs if name not in {"worker", "beat", "web"}]

    def pool(self) -> list[int]:
        """Process ids of all pools that send."""
        return [pid for name in self.senders() for pid in self.programs[name].pool()]

    def ask(self, setup: Setup, *arguments: str) -> bool:
        """Let a program run to its end; whether it ended well."""
        return self._order(setup, list(arguments), waits=True) == 0

    def can_plant(self, mutant: str) -> bool:
        """Whether a seeded bug still fits the code; a program that dies of it would look like one that is caught."""
        return self.ask(Setup(mutant=mutant), "check")

    def _order(self, setup: Setup, arguments: list[str], *, waits: bool = False) -> int:
        assert self.nursery is not None and self.nursery.stdin is not None and self.nursery.stdout is not None
        if not self.is_warm:
            self.is_warm = self.nursery.stdout.readline() == "ready\n"
        order = {"setup": asdict(setup), "arguments": arguments, "log": str(self.log), "waits": waits}
        print(json.dumps(order), file=self.nursery.stdin, flush=True)
        return int(self.nursery.stdout.readline())

    # --- servers
    def restart_database(self) -> None:
        """An immediate shutdown, as if the power went, and a start that recovers."""
        self.database.send_signal(signal.SIGQUIT)
        self.database.wait()
        self.database = postgres.start(self.cluster)
        _wait(lambda: postgres.is_ready(self.cluster))

    def stop_broker(self) -> None:
        self.broker.kill()
        self.broker.wait()

    def start_broker(self) -> None:
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
    mail, web, hooks = (ports.free() for _one in range(3))
    made = World(folder, cluster, cache, mail, web, hooks, postgres.start(cluster), valkey.start(cache))
    try:
        _wait(lambda: postgres.is_ready(cluster) and valkey.is_ready(cache))
        os.environ |= {
            "CHAPPE_ENV": "test",
            "CHAPPE_HOME": str(folder / "home"),
            "DATABASE_URL": cluster.url,
            "REDIS_URL": cache.url(0),
            "CELERY_BROKER_URL": cache.url(1),
            "SMTP_URL": f"smtp://127.0.0.1:{made.mail_port}",
            "CHAPPE_OUTWARD_HOSTS": f"127.0.0.1:{made.hooks_port}",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        made.warm_up()
        yield made
    finally:
        made.stop_programs()
        if made.nursery is not None:
            made.nursery.kill()
            made.nursery.wait()
        for server in (made.broker, made.database):
            server.send_signal(signal.SIGINT)
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def sink(world: World, journal: Path, *, delay_ms: float, pipelining: bool = True) -> Iterator[None]:
    """The mail server of one run."""
    command = [sys.executable, "-m", "tests.chaos.sink", str(world.mail_port), str(journal), str(delay_ms)]
    command += ["PIPELINING"] if pipelining else []
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
        time.sleep(0.02)
