"""compose.yaml as Docker itself reads it."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VALUES = {
    "CHAPPE_SECRET_KEY": "x" * 50,
    "CHAPPE_ALLOWED_HOSTS": "mail.example.com",
    "CHAPPE_PUBLIC_URL": "https://mail.example.com",
    "CHAPPE_POSTAL_ADDRESS": "1 Sample Street, Paris",
    "POSTGRES_PASSWORD": "secret",
    "SMTP_URL": "smtps://smtp.example.com",
}


# Docker's plugin, or the program of the same name that some systems package on its own.
PROGRAMS = (["docker", "compose"], ["docker-compose"])


def compose(
    *arguments: str, values: dict[str, str], program: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(program or found()), "-f", "compose.yaml", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **values},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@functools.cache
def found() -> list[str]:
    """The first of PROGRAMS that works here; the test is skipped where none does."""
    for program in PROGRAMS:
        if shutil.which(program[0]) and compose("version", values={}, program=program).returncode == 0:
            return program
    pytest.skip("docker compose is not on this machine")


def test_compose_file_is_valid() -> None:
    done = compose("config", values=VALUES)
    assert done.returncode == 0, done.stderr
    assert "DATABASE_URL: postgresql://chappe:secret@postgres:5432/chappe" in done.stdout
    services = compose("config", "--services", values=VALUES).stdout.split()
    assert set(services) == {"migrate", "web", "worker", "sender", "scheduler", "postgres", "valkey"}


@pytest.mark.parametrize("name", VALUES)
def test_missing_variable_is_named(name: str) -> None:
    done = compose("config", "-q", values={key: value for key, value in VALUES.items() if key != name})
    assert done.returncode != 0
    assert name in done.stderr
