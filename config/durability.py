"""Whether PostgreSQL keeps what it calls stored, also when the power fails.

Before a message leaves, it is stored that it may; a server that forgets that would let somebody get it twice. Looked at
by `manage.py check --database default` and `migrate`, by each worker when it starts, and by `/readyz`. It only says so,
because a test or a trial may well run without.
"""

import logging
from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.core import checks
from django.db import Error, connection

logger = logging.getLogger(__name__)
# Setting → the value that loses what was committed.
_LOSES = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_HINT = "Turn it on in postgresql.conf: after a power cut people could be written to twice."


def weak() -> list[str]:
    """The settings of the server, or of this user and database, that lose committed work. Raises django.db.Error."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name", [list(_LOSES)])
        return [name for name, value in cursor.fetchall() if value == _LOSES[name]]


def check(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """A warning for each; nothing while no database is asked for or it is away."""
    if not databases:
        return []
    try:
        found = weak()
    except Error:
        return []
    return [checks.Warning(f"PostgreSQL runs with {name}=off.", hint=_HINT, id="chappe.W001") for name in found]


def warn() -> None:
    """The same in a worker's log."""
    for message in check(databases=["default"]):
        logger.warning("%s %s", message.msg, message.hint)
