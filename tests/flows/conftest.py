"""A mail server on loopback that the default transport leads to, and a folder of one's own for journals."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests import http_server, smtp_server


@pytest.fixture(autouse=True)
def _own_home(settings: Settings, tmp_path: Path) -> None:
    """Tests that run at the same time must not take up each other's journals."""
    settings.CHAPPE_HOME = tmp_path


@pytest.fixture
def mail_server(settings: Settings) -> Iterator[smtp_server.Server]:
    server = smtp_server.Server(smtp_server.Script())
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    yield server
    server.stop()


@pytest.fixture
def site(settings: Settings) -> Iterator[http_server.Site]:
    """A web server on loopback that the product may contact."""
    with http_server.known_to(settings) as found:
        yield found
