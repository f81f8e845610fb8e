"""`python -m tests.chaos.nursery`: a process that has everything imported and forks the programs of chaos runs.

Starting Python, Django and Celery takes seconds, a fork of them none. Each line of standard input is an order, a JSON
object with `setup` (tests.chaos.setup), `arguments` (tests.chaos.program) and `log`, a file for what the program says;
the answer is its process id, or with `waits` its exit status. Ends with its input; the programs die with it.
"""

import importlib
import json
import os
import signal
import sys
import traceback

import django

django.setup()

from config.celery import app  # noqa: E402
from config.local import process  # noqa: E402
from tests.chaos import program  # noqa: E402
from tests.chaos.setup import Setup  # noqa: E402

# What workers and the scheduler would import first.
_WARM = (
    "celery.bin.worker",
    "celery.bin.beat",
    "celery.beat",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.worker.consumer",
    "celery.concurrency.prefork",
    "kombu.transport.redis",
    "config.consumer",
    "config.urls",
)


def main() -> None:
    for name in _WARM:
        importlib.import_module(name)
    app.loader.import_default_modules()
    app.finalize()
    print("ready", flush=True)
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        pid = _fork(order)
        if order.get("waits"):
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            continue
        print(pid, flush=True)
        _reap(but=pid)


def _fork(order: dict[str, object]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        process.follow_parent(signal.SIGKILL, parent=parent)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        log = os.open(str(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        program.run(Setup(**order["setup"]), list(order["arguments"]))  # type: ignore[arg-type, call-overload]
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  # nothing may come back into the nursery
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _reap(*, but: int) -> None:
    """Forget what ended, but not the one whose id is on its way to somebody who will watch it."""
    for pid in process.children_of(os.getpid()):
        if pid != but:
            os.waitpid(pid, os.WNOHANG)


if __name__ == "__main__":
    main()
