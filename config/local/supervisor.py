"""Runs the services of an installation in one terminal; called by `python -m config.local run`.

Two processes. The *guard* adopts orphans and waits; the *supervisor*, its child, starts the services in order, passes
on their lines, starts again what ended, and stops all in reverse order. Crash rules: when a service is killed, what is
left of its process group is killed and it starts again; when the supervisor is killed, the guard ends every process
below it; when the guard is killed, the supervisor stops everything as on Ctrl-C; when both are, the kernel signals
each service.

One thread only, because the kernel ties a child to the thread that started it.
"""

import itertools
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from config.local import process
from lib import errors

# Seconds a service may take to become ready.
READY_WITHIN_S = 60.0
# Seconds between the death of a service and its next start: doubled each time up to the last, back to the first after
# it ran for STEADY_AFTER_S.
BACKOFF_S = (0.5, 10.0)
STEADY_AFTER_S = 30.0
# Seconds the guard gives to what the supervisor left behind before SIGKILL.
GUARD_GRACE_S = 3.0
Starter = Callable[[], subprocess.Popen[bytes]]
HANDLED = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class ServiceFailed(errors.DomainError):
    """A service could not be brought up; the sentence names it and its last words."""

    code = "service_failed"


class StopAsked(Exception):
    """Somebody pressed Ctrl-C or sent SIGTERM while the services were being brought up."""


@dataclass
class Service:
    """One child that must always run."""

    name: str
    start: Starter
    # Asked every 50 ms after the start; None: ready as soon as it runs.
    is_ready: Callable[[], bool] | None = None
    # Services of the same tier stop at the same time, higher tiers first.
    tier: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    # Seconds between `stop_signal` and SIGKILL.
    patience_s: float = 10.0
    # What to say when it does not come up, besides its last line.
    last_words: Callable[[], str] = str
    child: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    restart_at: float | None = field(default=None, init=False)
    backoff_s: float = field(default=BACKOFF_S[0], init=False)


def command(argv: list[str], environment: dict[str, str], *, death: signal.Signals = signal.SIGTERM) -> Starter:
    """A starter for a program whose lines are shown; it gets `death` when the supervisor dies."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=process.with_parent(death),
        )

    return start


class Supervisor:
    """Brings services up one by one, then keeps them up until it is told to stop."""

    def __init__(self) -> None:
        self.services: list[Service] = []
        self.asked_to_stop = 0
        self._selector = selectors.DefaultSelector()
        self._last_line: dict[str, str] = {}
        self._partial: dict[int, bytes] = {}

    def listen(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask to stop; a second one ends the patience."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        self._selector.register(wake_read, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(wake_write)

        def note(_signal: int, _frame: object) -> None:
            self.asked_to_stop += 1

        for sig in HANDLED:
            signal.signal(sig, note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def bring_up(self, service: Service) -> None:
        """Start a service and wait until it is ready. Raises ServiceFailed or StopAsked."""
        self.services.append(service)
        self._start(service)
        assert service.child is not None
        deadline = time.monotonic() + READY_WITHIN_S
        while service.is_ready and not service.is_ready():
            self._pump(0.05)
            self._stop_if_asked()
            if service.child.poll() is not None or time.monotonic() > deadline:
                self._pump(0.1)
                said = self._last_line.get(service.name, "") or service.last_words()
                raise ServiceFailed(f"{service.name} did not start{': ' + said if said else ''}")
        self._stop_if_asked()

    def run_step(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Run a program to its end, showing its lines. Raises ServiceFailed when it fails, or StopAsked."""
        child = command(argv, environment)()
        self._watch(name, child)
        while child.poll() is None:
            self._pump(0.05)
            if self.asked_to_stop:
                process.send_group(child.pid, signal.SIGTERM)
                child.wait()
        self._pump(0.1)
        self._stop_if_asked()
        if child.returncode:
            said = self._last_line.get(name, "")
            raise ServiceFailed(f"{name} failed{': ' + said if said else f' with exit code {child.returncode}'}")

    def keep_up(self) -> None:
        """Pass on lines and start again what ended, until asked to stop."""
        while not self.asked_to_stop:
            self._pump(0.25)
            for service in self.services:
                self._look_after(service)

    def stop_all(self) -> None:
        """Stop in reverse order, each tier at once; SIGKILL after the patience of a service or a second Ctrl-C."""
        # From here on nothing starts again, and what a service leaves behind is ours to end.
        process.adopt_orphans()
        asked = self.asked_to_stop
        for _, tier in itertools.groupby(reversed(self.services), key=lambda service: service.tier):
            waiting = [service for service in tier if service.child and service.child.poll() is None]
            deadlines = {service.name: time.monotonic() + service.patience_s for service in waiting}
            for service in waiting:
                assert service.child is not None
                process.send(service.child.pid, service.stop_signal)
            while waiting:
                self._pump(0.02)
                waiting = [service for service in waiting if service.child and service.child.poll() is None]
                for service in waiting:
                    assert service.child is not None
                    if self.asked_to_stop > asked or time.monotonic() > deadlines[service.name]:
                        process.send_group(service.child.pid, signal.SIGKILL)
        for service in self.services:
            if service.child:
                process.send_group(service.child.pid, signal.SIGKILL)
        process.end_all_children(grace_s=1.0)

    def _start(self, service: Service) -> None:
        service.restart_at = None
        service.child = service.start()
        service.started_at = time.monotonic()
        self._watch(service.name, service.child)

    def _look_after(self, service: Service) -> None:
        now = time.monotonic()
        if service.restart_at is not None:
            if now >= service.restart_at:
                self._start(service)
            return
        if service.child is None or service.child.poll() is None:
            return
        # Its own children must not go on beside those of the next start.
        process.send_group(service.child.pid, signal.SIGKILL)
        if now - service.started_at > STEADY_AFTER_S:
            service.backoff_s = BACKOFF_S[0]
        say(
            "chappe",
            f"{service.name} ended ({_how(service.child.returncode)}); starting it again in {service.backoff_s:g} s",
        )
        service.restart_at = now + service.backoff_s
        service.backoff_s = min(service.backoff_s * 2, BACKOFF_S[1])

    def _watch(self, name: str, child: subprocess.Popen[bytes]) -> None:
        if child.stdout is not None:
            os.set_blocking(child.stdout.fileno(), False)
            self._selector.register(child.stdout, selectors.EVENT_READ, name)

    def _pump(self, timeout_s: float) -> None:
        """Show what the services said; returns after the first lines or `timeout_s`."""
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                os.read(key.fd, 512)
                continue
            try:
                piece = os.read(key.fd, 65536)
            except BlockingIOError:
                continue
            *lines, rest = (self._partial.pop(key.fd, b"") + piece).split(b"\n")
            if not piece:
                self._selector.unregister(key.fileobj)
                lines = [rest]
            elif rest:
                self._partial[key.fd] = rest
            for line in filter(bytes.strip, lines):
                self._last_line[key.data] = line.decode(errors="replace").rstrip()
                say(key.data, self._last_line[key.data])

    def _stop_if_asked(self) -> None:
        if self.asked_to_stop:
            raise StopAsked


def guarded(run: Callable[[], int], *, with_parent: bool, keeps_terminal: bool, on_end: Callable[[], None]) -> int:
    """Run `run` in a child and return its exit code when no process below this one is left.

    With `with_parent` the end of our own parent counts as Ctrl-C. With `keeps_terminal` the child can ask questions
    and hears Ctrl-C itself; otherwise only the guard does and passes it on. `on_end` is called before leftovers are
    ended.
    """
    process.adopt_orphans()
    parent, guard = os.getppid(), os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if not keeps_terminal:
                os.setsid()
            process.follow_parent(signal.SIGTERM, parent=guard)
            code = run()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    for sig in HANDLED:
        signal.signal(sig, lambda _signal, _frame: process.send(child, signal.SIGTERM))
    if with_parent:
        process.follow_parent(signal.SIGTERM, parent=parent)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            break
    on_end()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        say("chappe", f"the supervisor ended ({_how(code)}); stopping what it ran")
    process.end_all_children(grace_s=GUARD_GRACE_S)
    return 1 if code < 0 else code


def say(name: str, line: str) -> None:
    """One line with the name of who says it."""
    show(f"{name:>9} | {line}\n")


def show(text: str) -> None:
    """Write to the terminal; when nobody listens any more, the services go on in silence."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
