"""Answers for whoever watches the processes: a load balancer, a container runtime, the supervisor.

`/livez` looks at this process only, so that a database that is away restarts nothing. `/readyz` says whether work can
be done here and names what is missing. Both ask for no session and no sign-in, tell no version and no address, and
answer to any host name, because a probe usually calls by IP address.
"""

import functools
import logging
from collections.abc import Callable

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu.exceptions import OperationalError

from config import celery, durability

logger = logging.getLogger(__name__)
# Seconds the broker gets to answer.
BROKER_TIMEOUT_S = 2.0


class ProbeMiddleware:
    """Answers the two probes before any other middleware looks at the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = PROBES.get(request.path_info)
        return view(request) if view else self.get_response(request)


def livez(_request: HttpRequest) -> JsonResponse:
    """200 while this process answers at all."""
    return _answer({"process": "ok"})


def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when PostgreSQL and the broker answer and every migration is applied, else 503; JSON names each part.

    A "weak" durability (see config.durability) keeps nothing from running.
    """
    checks = {"database": _database(), "migrations": "unknown", "broker": _broker()}
    if checks["database"] == "ok":
        checks["migrations"] = "ok" if _is_migrated() else "missing"
        checks["durability"] = _durability()
    return _answer(checks)


PROBES = {"/livez": livez, "/readyz": readyz}


def _answer(checks: dict[str, str]) -> JsonResponse:
    is_good = all(state in ("ok", "weak") for state in checks.values())
    answer = JsonResponse({"status": "ok" if is_good else "failed", "checks": checks}, status=200 if is_good else 503)
    answer["Cache-Control"] = "no-store"
    return answer


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        logger.warning("readyz: PostgreSQL does not answer: %s", error)
        return "failed"
    return "ok"


def _durability() -> str:
    try:
        return "weak" if durability.weak() else "ok"
    except Error:
        return "unknown"


def _is_migrated() -> bool:
    try:
        return _all_applied()
    except _NotMigrated:
        return False


class _NotMigrated(Exception):
    """Some migration is not applied."""


@functools.cache
def _all_applied() -> bool:
    """True, remembered for the life of the process: migrations are never taken back under a running one.

    Raises _NotMigrated, which is not remembered.
    """
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise _NotMigrated
    return True


def _broker() -> str:
    # Redis has timeouts of its own; without them a machine that swallows packets would hold a request for minutes.
    is_redis = settings.CELERY_BROKER_URL.startswith("redis")
    options = {"socket_connect_timeout": BROKER_TIMEOUT_S, "socket_timeout": BROKER_TIMEOUT_S} if is_redis else {}
    try:
        with celery.app.connection_for_write(connect_timeout=BROKER_TIMEOUT_S, transport_options=options) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0.1, timeout=BROKER_TIMEOUT_S)
    except (OperationalError, OSError) as error:
        logger.warning("readyz: the broker does not answer: %s", error)
        return "failed"
    return "ok"
