"""pytest plugin: a throwaway PostgreSQL and Valkey for one test run, and the environment that points to them.

Loaded by `-p tests.services` before pytest-django reads the settings. With xdist only the controller starts servers;
the workers inherit the environment and take a folder and a pair of Valkey databases each. The servers die with pytest,
however it ends.
"""

import atexit
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from config.local import ports, postgres, process, valkey

PREFIX = "chappe-test-"


def start() -> None:
    """Start both servers and set the environment of the tests; nothing of the caller's own installation is used."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / "owner").write_text(str(os.getpid()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    cluster = postgres.Cluster(folder, options=postgres.FAST)
    cache = valkey.Instance(folder, ports.free(), keeps_data=False)
    postgres.make(cluster)
    for server in (postgres.start(cluster), valkey.start(cache)):
        atexit.register(server.wait)
        # SIGINT: PostgreSQL does not wait for open connections then.
        atexit.register(server.send_signal, signal.SIGINT)
    _wait("PostgreSQL", lambda: postgres.is_ready(cluster), log=cluster.log)
    _wait("Valkey", lambda: valkey.is_ready(cache), log=cache.log)
    for name in [name for name in os.environ if name.startswith(("CHAPPE_", "PG")) and name != "PG_BIN"]:
        del os.environ[name]
    os.environ |= {
        "CHAPPE_ENV": "test",
        "CHAPPE_HOME": str(folder / "home"),
        "DATABASE_URL": cluster.url,
        "REDIS_URL": cache.url(0),
        "CELERY_BROKER_URL": cache.url(1),
        # Nobody listens there: a test that sends brings its own server.
        "SMTP_URL": f"smtp://127.0.0.1:{ports.free()}",
        "PORT": "8000",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def _sweep() -> None:
    """Remove what runs that were killed left in the temporary folder; their servers are gone already."""
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/owner"):
        if os.access(owner, os.W_OK) and not process.is_alive(int(owner.read_text() or 0)):
            shutil.rmtree(owner.parent, ignore_errors=True)


def _wait(name: str, is_ready: Callable[[], bool], *, log: Path) -> None:
    deadline = time.monotonic() + 30
    while not is_ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} for the tests did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def separate(worker: str) -> None:
    """Give one xdist worker ("gw3") what it must not share; pytest-django does the same for PostgreSQL."""
    number = int(worker.removeprefix("gw")) + 1
    for name, database in (("REDIS_URL", 2 * number), ("CELERY_BROKER_URL", 2 * number + 1)):
        os.environ[name] = f"{os.environ[name].rpartition('/')[0]}/{database}"
    os.environ["CHAPPE_HOME"] += f"-{worker}"


if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    separate(worker)
else:
    start()
