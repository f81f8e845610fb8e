"""The embedded servers and the command line of the local run."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from config.local import installation, ports, postgres, process

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SMTP_URL", "CHAPPE_ENV", "PORT")


def local(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with nothing but `environment` set."""
    inherited = {name: value for name, value in os.environ.items() if name not in LOCAL}
    return subprocess.run(
        [sys.executable, "-m", "config.local", *arguments],
        cwd=ROOT,
        env={**inherited, "CHAPPE_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "web", "PORT is 'web', which is not a whole number. Use a number from 1 to 65535."),
        ("DATABASE_URL", "mysql://u:secret@h/d", "DATABASE_URL starts with 'mysql'."),
        ("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/d", "DATABASE_URL can't be used: connection failed"),
        ("REDIS_URL", "redis://:secret@127.0.0.1:1/0", "REDIS_URL can't be used: Error 111"),
        ("CELERY_BROKER_URL", "amqp://u:secret@127.0.0.1:1//", "CELERY_BROKER_URL can't be used: 127.0.0.1:1"),
        ("SMTP_URL", "mail.example.com", "SMTP_URL has no scheme."),
        ("CHAPPE_HOME", "/dev/null/home", "CHAPPE_HOME is /dev/null/home, which can't be used as a folder"),
    ],
)
def test_bad_value_stops_the_run_with_one_sentence(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    done = local("run", home=tmp_path, **{"PORT": str(ports.free()), name: value})
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr
    assert not (tmp_path / "pg").exists()


def test_port_in_use_is_told_in_one_sentence(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", port := str(ports.free())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as other:
        deadline = time.monotonic() + 10
        while ports.is_free(int(port)) and time.monotonic() < deadline:
            time.sleep(0.02)
        done = local("run", home=tmp_path, PORT=port)
        other.kill()
    assert done.returncode == 2
    assert done.stderr.startswith(f"PORT is {port}, which another program uses. Choose another: ")


def test_second_run_on_the_same_folder_says_so(tmp_path: Path) -> None:
    lock = installation.Lock(tmp_path)
    assert lock.take(note="http://127.0.0.1:8000/") == ""
    done = local("run", home=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"Chappe already runs on {tmp_path}: http://127.0.0.1:8000/\n"


def test_manage_starts_the_servers_it_needs_and_stops_them(tmp_path: Path) -> None:
    done = local("manage", "showmigrations", "contenttypes", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[ ] 0001_initial" in done.stdout
    assert not (tmp_path / "pg" / "postmaster.pid").exists()
    assert all(ports.is_free(port) for port in ports.remembered(tmp_path).values())


def test_ports_are_remembered_and_replaced_when_taken(tmp_path: Path) -> None:
    first = ports.choose(tmp_path, "postgres", "valkey")
    assert first["postgres"] != first["valkey"]
    assert ports.choose(tmp_path, "postgres", "valkey") == first
    with socket.create_server(("127.0.0.1", first["valkey"])):
        second = ports.choose(tmp_path, "postgres", "valkey")
    assert second["postgres"] == first["postgres"]
    assert second["valkey"] != first["valkey"]
    (tmp_path / "ports.json").write_text("not json")
    assert set(ports.choose(tmp_path, "postgres")) == {"postgres"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[postgres.Cluster]:
    made = postgres.Cluster(tmp_path, port=ports.free())
    postgres.make(made)
    yield made
    for pid in process.children_of(os.getpid()):
        if str(made.data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGINT)
            os.waitpid(pid, 0)


def start(cluster: postgres.Cluster) -> subprocess.Popen[bytes]:
    postgres.make(cluster)
    server = postgres.start(cluster)
    wait_for(lambda: postgres.is_ready(cluster))
    return server


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_killed_postgres_starts_again_with_its_data(cluster: postgres.Cluster) -> None:
    server = start(cluster)
    with psycopg.connect(cluster.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.kill()
    server.wait()
    # As in a restarted container: the pid in the file belongs to somebody else by now.
    pid_file = cluster.data / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(server.pid), str(os.getpid()), 1))
    start(cluster)
    with psycopg.connect(cluster.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_password_is_needed_and_private(cluster: postgres.Cluster) -> None:
    start(cluster)
    assert (cluster.folder / "postgres.password").stat().st_mode & 0o077 == 0
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.url.replace(cluster.password, "guess"))


def test_files_of_another_version_are_left_alone(cluster: postgres.Cluster) -> None:
    (cluster.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(postgres.PostgresFailed, match="was made by PostgreSQL 9, but"):
        postgres.make(cluster)
    assert (cluster.data / "PG_VERSION").read_text() == "9\n"
