"""A mail catcher that runs for one test."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connections

from messaging import catcher


@pytest.fixture
def caught_mail(transactional_db: None) -> Iterator[int]:
    """The real catcher on a free port, storing in the test's database from a thread of its own; gives the port."""
    server = catcher.Catcher()
    server.start()

    def run() -> None:
        try:
            server.run()
        finally:
            connections.close_all()

    writer = threading.Thread(target=run)
    writer.start()
    yield server.port
    server.stop()
    writer.join(timeout=10)
    assert not writer.is_alive()
