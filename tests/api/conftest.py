"""Every test of the API begins with no call counted."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import callers


@pytest.fixture(autouse=True)
def _uncounted(request: pytest.FixtureRequest) -> Iterator[None]:
    """And ends with the Valkey of all tests, whatever it did to its address."""
    settings: Any = request.getfixturevalue("settings")
    address = settings.REDIS_URL
    callers.reconnect()
    callers.uncount()
    yield
    settings.REDIS_URL = address
    callers.reconnect()
