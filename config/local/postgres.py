"""PostgreSQL from a folder of data files: made once, started in the foreground, stopped cleanly.

Called by the supervisor (data that is kept) and by the test plugin (data that is thrown away). The server listens on
127.0.0.1 only, or on a socket in a private folder, and must never be opened to a network.
"""

import functools
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.local import binaries, process
from lib import errors

USER = "chappe"
DATABASE = "chappe"
NOBODY = 65534
SAFE = ("-c", "max_connections=100", "-c", "shared_buffers=128MB", "-c", "max_wal_size=2GB")
NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
REAL_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=INT"),
    *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override", "--bounding-set=-all,+dac_override"),
)
# For data nobody needs after a power cut.
FAST = (
    *("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
    # Tests let fifty people in at once, in several processes.
    *("-c", "max_connections=300"),
)
ALWAYS = (
    *("-c", "log_min_messages=warning", "-c", "jit=off"),
    # Containers give /dev/shm 64 MB only, which parallel queries outgrow.
    *("-c", "max_parallel_workers_per_gather=0", "-c", "max_parallel_maintenance_workers=0"),
)


class PostgresFailed(errors.DomainError):
    """The server could not be made or started; the sentence says why and where its log is."""

    code = "postgres_failed"


@dataclass(frozen=True)
class Cluster:
    """One folder of data files and how to reach the server on it."""

    folder: Path
    # TCP port on 127.0.0.1; None: a socket in `folder` (keep its path short, the system allows 107 bytes).
    port: int | None = None
    options: tuple[str, ...] = SAFE
    bin: Path = field(default_factory=binaries.postgres)

    @property
    def data(self) -> Path:
        return self.folder / "pg"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def password(self) -> str:
        """The superuser's password; made on first use, readable by its owner only."""
        return secret(self.folder / "postgres.password")

    @property
    def url(self) -> str:
        """DATABASE_URL of this server."""
        place = f"127.0.0.1:{self.port}" if self.port else ""
        query = "" if self.port else f"?host={quote(str(self.folder), safe='')}"
        return f"postgresql://{USER}:{self.password}@{place}/{DATABASE}{query}"

    @property
    def argv(self) -> list[str]:
        """The command that runs the server in the foreground."""
        place = ["-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-k", ""]
        if self.port is None:
            place = ["-c", "listen_addresses=", "-k", str(self.folder)]
        return [*_not_as_root(), str(self.bin / "postgres"), "-D", str(self.data), *place, *ALWAYS, *self.options]


def secret(path: Path) -> str:
    """A random word kept in a file that only its owner can read; made on first use."""
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text().strip()


def make(cluster: Cluster) -> None:
    """Make the data files on first use and put what a killed server left behind in order.

    Safe to repeat and to be killed: the files appear under their name only when complete. Raises PostgresFailed.
    """
    cluster.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (cluster.data / "PG_VERSION").exists():
        _check_version(cluster)
        _own(cluster.data)
        _end_leftover(cluster)
        return
    half_made = cluster.folder / "pg.new"
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(mode=0o700)
    password = cluster.folder / "pg.new.password"
    password.touch(mode=0o600)
    password.write_text(cluster.password)
    _own(half_made)
    _own(password)
    locale = ["--locale-provider=builtin"] if _version(cluster) >= 17 else []
    command = [
        *_not_as_root(),
        *(
            str(cluster.bin / "initdb"),
            "-D",
            str(half_made),
            "-U",
            USER,
            "--encoding=UTF8",
            *locale,
            "--locale=C.UTF-8",
        ),
        *("--auth=scram-sha-256", f"--pwfile={password}", "--no-instructions", "--no-sync"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd="/", check=False)
    finally:
        password.unlink()
    if done.returncode:
        raise PostgresFailed(f"PostgreSQL can't make its files in {half_made}: {_last_line(done.stderr)}")
    half_made.rename(cluster.data)


def start(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Start the server as a child of this process that stops cleanly when this process dies."""
    with cluster.log.open("ab") as log:
        return subprocess.Popen(
            cluster.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
            cwd="/",
            preexec_fn=process.with_parent(signal.SIGINT),
        )


def is_ready(cluster: Cluster) -> bool:
    """Whether the server answers; makes the database on first use."""
    place = {"host": "127.0.0.1", "port": cluster.port} if cluster.port else {"host": str(cluster.folder)}
    try:
        with psycopg.connect(
            **place, user=USER, password=cluster.password, dbname="postgres", connect_timeout=2, autocommit=True
        ) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    except psycopg.OperationalError:
        return False
    return True


def environment() -> dict[str, str]:
    """A clean environment: the PG… variables of the person who calls must not change this server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def tail(cluster: Cluster) -> str:
    """The last line of the server's log."""
    return _last_line(cluster.log.read_text(errors="replace")) if cluster.log.exists() else ""


@functools.cache
def _not_as_root() -> tuple[str, ...]:
    """The prefix under which PostgreSQL, which refuses root, runs when we are root.

    First choice: a user namespace in which root is called nobody; nothing changes on disk. Where namespaces are
    blocked, as in many containers: the real nobody, allowed to pass the folders of root that lead to its files.
    """
    if os.geteuid() != 0:
        return ()
    for prefix in (NAMESPACE, REAL_NOBODY):
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return prefix
    raise PostgresFailed(
        "PostgreSQL refuses to run as root and this machine lets root become nobody else. "
        "Run this as a normal user, or set DATABASE_URL."
    )


def _own(path: Path) -> None:
    """Give `path` to the user the server runs as; needed by root only, and only when that user changed."""
    if os.geteuid() != 0:
        return
    owner = NOBODY if _not_as_root() == REAL_NOBODY else 0
    if path.stat().st_uid == owner:
        return
    os.chown(path, owner, owner)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, owner, owner, follow_symlinks=False)


def _check_version(cluster: Cluster) -> None:
    made_by = (cluster.data / "PG_VERSION").read_text().strip()
    if made_by != str(_version(cluster)):
        raise PostgresFailed(
            f"The data in {cluster.data} was made by PostgreSQL {made_by}, "
            f"but {cluster.bin} holds {_version(cluster)}. "
            f"Set PG_BIN to PostgreSQL {made_by}, or choose another CHAPPE_HOME."
        )


def _version(cluster: Cluster) -> int:
    """Major version of the programs."""
    answer = subprocess.run([cluster.bin / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+", answer)
    if not found:
        raise PostgresFailed(f"{cluster.bin / 'postgres'} does not run on this machine.")
    return int(found.group())


def _end_leftover(cluster: Cluster) -> None:
    """Wait for a server that is still stopping on these files, and drop the pid file of one that was killed.

    The caller holds the lock of the folder, so whoever runs on it is ours. Without this, a pid that was given to
    another program in the meantime, which is usual in containers, would keep PostgreSQL from starting.
    """
    pid_file = cluster.data / "postmaster.pid"
    deadline = time.monotonic() + 20
    while pid_file.exists():
        pid = int(pid_file.read_text().split("\n", 1)[0] or 0)
        if not _runs_on(pid, cluster.data):
            pid_file.unlink(missing_ok=True)
            return
        if time.monotonic() > deadline:
            raise PostgresFailed(f"PostgreSQL process {pid} still uses {cluster.data} and does not stop.")
        process.send(pid, signal.SIGINT)
        time.sleep(0.1)


def _runs_on(pid: int, data: Path) -> bool:
    if not sys.platform.startswith("linux"):
        return process.is_alive(pid)
    try:
        return str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"
