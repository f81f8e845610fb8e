"""compose.yaml as Docker itself reads it."""

import json
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


def compose(*arguments: str, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "compose", "-f", "compose.yaml", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **values},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(autouse=True, scope="module")
def _docker_compose() -> None:
    if shutil.which("docker") is None or compose("version", values={}).returncode:
        pytest.skip("docker compose is not on this machine")


def test_compose_file_is_valid() -> None:
    done = compose("config", "--format", "json", values=VALUES)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert set(services) == {"migrate", "web", "worker", "sender", "scheduler", "postgres", "valkey"}
    assert services["web"]["environment"]["DATABASE_URL"] == "postgresql://chappe:secret@postgres:5432/chappe"


@pytest.mark.parametrize("name", VALUES)
def test_missing_variable_is_named(name: str) -> None:
    done = compose("config", "-q", values={key: value for key, value in VALUES.items() if key != name})
    assert done.returncode != 0
    assert name in done.stderr
