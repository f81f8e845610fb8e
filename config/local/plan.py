"""What `make run` runs, in which order; called by the command line of this package."""

import http.client
import os
import signal
import socket
import sys

from config.local import installation, postgres, supervisor, valkey

# Tiers of stopping: what talks to people and queues, then the catcher they send to, then the servers under all.
APP, MAIL, CACHE, DATA = 3, 2, 1, 0
# A task gets this long to come to the end of its slice before it is killed; nothing is lost by that.
WORKER_PATIENCE_S = 20.0
# Requests answered at the same time by the one web process.
THREADS = min(8, 2 * (os.cpu_count() or 1) + 1)
DEMO_PASSWORD = "chappe-demo"
DEMO_PEOPLE = ("viewer@chappe.test", "marketer@chappe.test", "operator@chappe.test", "admin@chappe.test")


def servers(here: installation.Installation) -> list[supervisor.Service]:
    """The embedded servers; none for those the environment names."""
    found = []
    if (cluster := here.cluster) is not None:
        found.append(
            supervisor.Service(
                "postgres",
                lambda: postgres.start(cluster),
                lambda: postgres.is_ready(cluster),
                tier=DATA,
                stop_signal=signal.SIGINT,
                patience_s=30,
                last_words=lambda: postgres.tail(cluster),
            )
        )
    if (cache := here.cache) is not None:
        found.append(
            supervisor.Service("valkey", lambda: valkey.start(cache), lambda: valkey.is_ready(cache), tier=CACHE)
        )
    return found


def manage(*arguments: str) -> list[str]:
    """The command line of manage.py."""
    return [sys.executable, str(installation.ROOT / "manage.py"), *arguments]


def programs(here: installation.Installation) -> list[supervisor.Service]:
    """Mail catcher (when it is used), web, workers and scheduler, in the order they start."""
    environment = here.environment
    found = []
    if (mail_port := here.mail_port) is not None:
        start = supervisor.command(manage("mailcatcher", "--port", str(mail_port)), environment)
        found.append(supervisor.Service("mail", start, lambda: _listens(mail_port), tier=MAIL))
    web = [sys.executable, "-m", "granian", *web_arguments(here.port)]
    start = supervisor.command(web, {**environment, **_QUIET})
    found.append(supervisor.Service("web", start, lambda: _is_ready(here.port), tier=APP))
    beat_file = str(here.home / "celerybeat-schedule")
    found += [
        # Two processes: an import that takes minutes must not hold up the tick.
        _celery("worker", environment, "worker", "-Q", "default", "-c", "2", "-n", "worker@%h", *_ALONE),
        _celery("sender", environment, "worker", "-Q", "send", "-c", "2", "-n", "sender@%h", *_ALONE),
        _celery("scheduler", environment, "beat", "-s", beat_file, "--pidfile", ""),
    ]
    return found


def web_arguments(port: int) -> list[str]:
    """What Granian is told; 127.0.0.1 only."""
    return [
        *("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--blocking-threads", str(THREADS), "--backpressure", "128", "--no-ws", "--log-level", "warning"),
        "config.wsgi:application",
    ]


# Running as root is fine on one's own machine, and static files are served where they lie.
_QUIET = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges,ignore:No directory at"}
# Two workers of one machine have nothing to tell each other.
_ALONE = ("--without-gossip", "--without-mingle")


def _celery(name: str, environment: dict[str, str], *arguments: str) -> supervisor.Service:
    argv = [sys.executable, "-m", "celery", "--quiet", "-A", "config", *arguments, "--loglevel", "WARNING"]
    # A worker whose supervisor is gone ends at once: the servers it would need to end in good order go at that moment
    # too. Killing it at any line is safe; its pool processes follow it (config/celery.py).
    death = signal.SIGKILL if arguments[0] == "worker" else signal.SIGTERM
    start = supervisor.command(argv, {**environment, **_QUIET}, death=death)
    return supervisor.Service(name, start, tier=APP, patience_s=WORKER_PATIENCE_S)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
