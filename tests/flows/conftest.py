"""A mail server on loopback that the default transport leads to."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests import smtp_server


@pytest.fixture
def mail_server(settings: Settings) -> Iterator[smtp_server.Server]:
    server = smtp_server.Server(smtp_server.Script())
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    yield server
    server.stop()
