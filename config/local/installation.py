"""One installation on this machine: what the environment gives, what is embedded instead, and the lock of its folder.

Called by the command line of this package. Whatever is wrong with a value stops the process with one sentence.
"""

import fcntl
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from config import env
from config.local import ports, postgres, process, valkey

ROOT = Path(__file__).resolve().parents[2]
# Seconds a start waits for the end of a run whose supervisor was killed.
LOCK_WITHIN_S = 20.0
DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}


@dataclass(frozen=True)
class Installation:
    """The servers of one folder. None: the environment names one elsewhere."""

    home: Path
    port: int
    cluster: postgres.Cluster | None
    cache: valkey.Instance | None
    mail_port: int | None
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


class Lock:
    """The folder's lock: held by whoever runs servers on its data, and given back by the kernel when they end."""

    def __init__(self, home: Path) -> None:
        self.path = home / "run.lock"
        self._file = self.path.open("a+")

    def take(self, *, note: str) -> str:
        """Take it and leave `note` for others; "" when taken, else the note of its holder.

        Waits for a holder that is ending.
        """
        deadline = time.monotonic() + LOCK_WITHIN_S
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held_by, holder_note = self.holder()
                if holder_note and process.is_alive(held_by):
                    return holder_note
                if time.monotonic() > deadline:
                    return "another process"
                time.sleep(0.1)
                continue
            self._write(f"{os.getpid()}\n{note}\n")
            return ""

    def holder(self) -> tuple[int, str]:
        """Process id and note of who wrote last; (0, "") when nobody did or it is ending."""
        pid, _, note = self.path.read_text().strip().partition("\n")
        return (int(pid), note) if pid.isdigit() else (0, "")

    def end(self) -> None:
        """Say that the holder is ending; the kernel gives the lock back with its last process."""
        self._write("")

    def _write(self, content: str) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(content)
        self._file.flush()


def home() -> Path:
    """CHAPPE_HOME, made if needed."""
    return env.folder("CHAPPE_HOME", default=ROOT / ".chappe")


def read(folder: Path, *, chosen: dict[str, int]) -> Installation:
    """The installation of `folder` as the environment and the ports in `chosen` make it; nothing is started yet."""
    port = env.integer("PORT", default=8000, low=1, high=65535)
    cluster = cache = mail_port = None
    given = {name: env.text(name) for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SMTP_URL")}
    if given["DATABASE_URL"]:
        env.database("DATABASE_URL")
    else:
        cluster = postgres.Cluster(folder, port=chosen["postgres"])
        given["DATABASE_URL"] = cluster.url
    if not given["REDIS_URL"]:
        cache = valkey.Instance(folder, chosen["valkey"])
        given["REDIS_URL"] = cache.url(0)
        given["CELERY_BROKER_URL"] = given["CELERY_BROKER_URL"] or cache.url(1)
    if not given["SMTP_URL"]:
        mail_port = chosen["mail"]
        given["SMTP_URL"] = f"smtp://127.0.0.1:{mail_port}"
    environment = {
        **os.environ,
        **{name: value for name, value in given.items() if value},
        "CHAPPE_HOME": str(folder),
        "PORT": str(port),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
    }
    return Installation(folder, port, cluster, cache, mail_port, environment)


def check(installation: Installation) -> None:
    """Stop with one sentence when the port is taken or a server named by the environment does not answer."""
    if not ports.is_free(installation.port):
        taken = installation.port >= 1024 or os.geteuid() == 0
        why = "which another program uses" if taken else "which this user may not use"
        env.stop(
            "PORT", f"is {installation.port}, {why}. Choose another: PORT={max(installation.port, 8000) + 1} make run"
        )
    environment = installation.environment
    if installation.cluster is None:
        _check_database(environment["DATABASE_URL"])
    if installation.cache is None:
        _check_redis("REDIS_URL", environment["REDIS_URL"])
    broker = env.text("CELERY_BROKER_URL")
    if broker.startswith("amqp"):
        _check_listens("CELERY_BROKER_URL", broker)
    elif broker:
        _check_redis("CELERY_BROKER_URL", broker)


def _check_database(url: str) -> None:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        env.stop("DATABASE_URL", f"can't be used: {lines[0] if lines else 'the server does not answer'}")


def _check_redis(name: str, url: str) -> None:
    client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        client.ping()
    except redis.RedisError as error:
        env.stop(name, f"can't be used: {error}")
    finally:
        client.close()


def _check_listens(name: str, url: str) -> None:
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORTS[parts.scheme])
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError as error:
        env.stop(name, f"can't be used: {address[0]}:{address[1]} does not answer ({error.strerror or error}).")
