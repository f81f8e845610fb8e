"""A whole installation of its own for one test: `make run` in an empty folder on free ports, and a shop to lead to.

Everything runs as on somebody's machine: embedded PostgreSQL and Valkey, web server, workers, scheduler and mail
catcher, each a process of its own. All of them end with the test, also when pytest is killed.
"""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from config.local import ports

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "chappe-demo"
# Seconds for the first start, which makes the database and the demo.
UP_WITHIN_S = 150.0
# Seconds for an orderly stop; workers get the most of it.
DOWN_WITHIN_S = 40.0
# What the tests' own servers are called; the installation must bring its own.
_OURS = ("CHAPPE_", "PG", "DJANGO_", "CELERY_")
_NAMES = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "PORT")


class Installation:
    """`python -m config.local run` in `home`; `url` is where it answers."""

    def __init__(self, home: Path) -> None:
        self.port = ports.free()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "run.log"
        home.mkdir(exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "config.local", "run", "--with-parent"],
                cwd=ROOT,
                env=_environment() | {"CHAPPE_HOME": str(home), "PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_up()

    def stop(self) -> None:
        """Ctrl-C, and the patience of somebody who pressed it once."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            # The supervisor and all below it notice the end of their guard.
            self._process.kill()
            self._process.wait()
            raise

    def troubles(self) -> list[str]:
        """Lines of the services that nobody should ever see in a run without faults."""
        signs = ("Traceback", " ERROR ", "CRITICAL", "starting it again")
        return [line for line in self.log.read_text().splitlines() if any(sign in line for sign in signs)]

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + UP_WITHIN_S
        while f"Chappe runs at {self.url}" not in self.log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                self._process.wait()
                raise RuntimeError(f"The installation did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)


def _environment() -> dict[str, str]:
    ours = {name for name in os.environ if name.startswith(_OURS) or name in _NAMES}
    return {name: value for name, value in os.environ.items() if name not in ours or name == "PG_BIN"}


class Shop:
    """A web site on loopback for the link of the message; `visits` are the paths that were asked for."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        visits = self.visits

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name http.server calls
                visits.append(urlsplit(self.path).path)
                content = (
                    b"<!doctype html><html lang=en><title>Shop</title><link rel=icon href=data:,><h1>The sale</h1>"
                )
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the test reads `visits`."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
