"""Every test of the API begins with no call counted, and none noted in this minute."""

from collections.abc import Iterator
from typing import Any

import pytest

from api import noting
from tests.api import callers


@pytest.fixture(autouse=True)
def _uncounted(request: pytest.FixtureRequest) -> Iterator[None]:
    """And ends with the Valkey of all tests, whatever it did to its address."""
    settings: Any = request.getfixturevalue("settings")
    address = settings.REDIS_URL
    callers.reconnect()
    callers.uncount()
    noting._minute.number = -1
    yield
    settings.REDIS_URL = address
    callers.reconnect()
