"""The two probes: what they look at, and that one missing part is named."""

import os
from pathlib import Path

import pytest
from celery import Celery
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from config import celery, health
from config.local import ports


@pytest.fixture
def _fresh() -> None:
    health._all_applied.cache_clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("_fresh")
def test_readyz_names_each_part(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    # The server of the tests keeps nothing, and says so.
    parts = {"database": "ok", "migrations": "ok", "broker": "ok", "durability": "weak"}
    assert answer.json() == {"status": "ok", "checks": parts}
    assert not answer.cookies


@pytest.mark.django_db
@pytest.mark.usefixtures("_fresh")
def test_readyz_names_a_missing_migration(client: Client) -> None:
    MigrationRecorder(connection).record_unapplied("sessions", "0001_initial")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "missing" and answer.json()["checks"]["database"] == "ok"


@pytest.mark.django_db
def test_readyz_names_a_broker_that_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # Celery prefers this variable to everything it is told.
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{ports.free()}/0")
    monkeypatch.setattr(celery, "app", Celery("away", set_as_current=False))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == "failed"
    assert answer.json()["checks"]["database"] == "ok"


@pytest.mark.django_db
def test_readyz_names_a_database_that_is_away_and_livez_does_not_ask(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    away = connection.copy()
    away.settings_dict["HOST"] = str(tmp_path)
    monkeypatch.setattr(health, "connection", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "failed", "migrations": "unknown", "broker": "ok"}
    assert client.get("/livez").json() == {"status": "ok", "checks": {"process": "ok"}}


def test_probes_answer_to_any_host_without_redirect(client: Client, settings: object) -> None:
    settings.ALLOWED_HOSTS = ["mail.example.com"]  # type: ignore[attr-defined]
    settings.SECURE_SSL_REDIRECT = True  # type: ignore[attr-defined]
    assert client.get("/livez", headers={"host": "10.0.0.7"}).status_code == 200


def test_tests_have_servers_of_their_own() -> None:
    assert "chappe-test-" in os.environ["DATABASE_URL"]
    assert "chappe-test-" in os.environ["CHAPPE_HOME"]
