"""PostgreSQL that would forget is named, and nothing else is."""

import pytest
from django.db import connection

from config import durability


@pytest.mark.django_db
def test_settings_that_lose_committed_work_are_named_one_by_one() -> None:
    # The server of the tests runs without all three; one of them can be turned on within a session.
    assert durability.weak() == ["fsync", "full_page_writes", "synchronous_commit"]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = 'local'")
    found = durability.check(databases=["default"])
    assert [message.msg for message in found] == [
        "PostgreSQL runs with fsync=off.",
        "PostgreSQL runs with full_page_writes=off.",
    ]
    assert durability.check() == [] and durability.check(databases=[]) == []
