"""A throwaway PostgreSQL and Valkey for one benchmark, and the web server in front of them as production runs it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from config.local import ports, postgres, valkey


@contextlib.contextmanager
def throwaway() -> Iterator[int]:
    """Both servers with their durable settings and the environment that points to them; PostgreSQL's process id.

    Mail is sent to a port where nobody listens until a benchmark opens it: that of SMTP_URL.
    """
    folder = Path(tempfile.mkdtemp(prefix="chappe-bench-"))
    cluster = postgres.Cluster(folder)
    cache = valkey.Instance(folder, ports.free(), keeps_data=False)
    postgres.make(cluster)
    running = [postgres.start(cluster), valkey.start(cache)]
    try:
        while not (postgres.is_ready(cluster) and valkey.is_ready(cache)):
            time.sleep(0.05)
        os.environ |= {
            "CHAPPE_ENV": "test",
            "CHAPPE_HOME": str(folder / "home"),
            "DATABASE_URL": cluster.url,
            "REDIS_URL": cache.url(0),
            "CELERY_BROKER_URL": cache.url(1),
            "SMTP_URL": f"smtp://127.0.0.1:{ports.free()}",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        yield running[0].pid
    finally:
        for server in reversed(running):
            server.send_signal(signal.SIGINT)
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def web() -> Iterator[str]:
    """The web server in a process of its own; its address."""
    port = ports.free()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "8", "--log-level", "error", "config.wsgi:application"]
    server = subprocess.Popen(command, stdout=sys.stderr)
    address = f"http://127.0.0.1:{port}"
    try:
        for _attempt in range(200):
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(f"{address}/livez", timeout=1).close()
                break
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def quantiles(milliseconds: list[float]) -> tuple[float, float]:
    """(p50, p95), to a tenth."""
    ordered = sorted(milliseconds)
    return round(ordered[len(ordered) // 2], 1), round(ordered[int(len(ordered) * 0.95)], 1)
