"""What a fork of the nursery becomes: a worker or the scheduler of a chaos run, or a helper that ends at once.

Orders: Celery's arguments; "web PORT" serves pages and the API as `make run` does; "stop DELIVERY" stops a delivery in
the name of the operator; "check" only plants the bug.

Retries come after seconds instead of minutes, and the lease may be shortened (see Setup); otherwise it is what
production runs, with one seeded bug or one failpoint if Setup names one.
"""

import sys
from pathlib import Path

import granian.cli
from celery.__main__ import main
from django.conf import settings

from accounts.models import User
from config.celery import app
from config.local import plan
from delivery import drains, journal, lifecycle, recovery, retries, windows
from tests.chaos import api_failpoints, api_mutants, broadcast_points, failpoints, mutants
from tests.chaos.setup import Setup

_LEASE_S = windows.LEASE_S
# What everything else is found by.
_TICKS = ("delivery-tick", "campaigns-requests")


def run(setup: Setup, arguments: list[str]) -> None:
    """Change this process as `setup` says and do what `arguments` say; may not return."""
    _change(setup)
    if setup.mutant != "-":
        bugs = api_mutants if setup.mutant in api_mutants.SCENARIO else mutants
        bugs.apply(setup.mutant)
    if setup.failpoint == broadcast_points.NAME:
        broadcast_points.arm(Path(settings.CHAPPE_HOME) / "broadcasts")
    elif setup.failpoint:
        points = api_failpoints if setup.failpoint in api_failpoints.POINTS else failpoints
        points.arm(setup.failpoint, once=Path(settings.CHAPPE_HOME) / "failpoint")
    if arguments[0] == "stop":
        lifecycle.stop(int(arguments[1]), by=User.objects.get(email="operator@example.test"))
    elif arguments[0] == "web":
        sys.argv = ["granian", *plan.web_arguments(int(arguments[1]))]
        granian.cli.entrypoint()
    elif arguments[0] != "check":
        sys.argv = ["celery", *arguments]
        main()


def _change(setup: Setup) -> None:
    # Whatever the server says.
    retries._DELAYS, retries._ROUND_S = (setup.retry_s / 60,), 1  # type: ignore[assignment]
    retries._BY_REASON = retries._BY_KIND = {}  # type: ignore[assignment]
    if setup.lease_s != _LEASE_S:
        part = setup.lease_s / _LEASE_S
        windows.LEASE_S = setup.lease_s  # type: ignore[assignment]
        recovery._PATIENCE_S *= part  # type: ignore[assignment]
        drains._HEARTBEAT_S *= part
    if setup.tick_s != 2.0:
        known = app.conf.beat_schedule
        app.conf.beat_schedule = {name: {**known[name], "schedule": setup.tick_s} for name in _TICKS}
    if setup.machine:
        settings.CHAPPE_HOME = Path(settings.CHAPPE_HOME).parent / setup.machine
        journal.boot_id = lambda: setup.machine  # type: ignore[assignment]
