"""The supervisor with real processes: order, restart, and that nothing stays behind, whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.local import process

ROOT = Path(__file__).resolve().parents[2]


class Run:
    """One mini_run process and the ids its services left in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.guard = subprocess.Popen(
            [sys.executable, "-m", "tests.config.mini_run", str(folder)],
            cwd=ROOT,
            stdout=(folder / "log").open("w"),
            stderr=subprocess.STDOUT,
        )
        wait_for(lambda: (folder / "ready").exists() and len(self.pids("child")) == 2)
        (self.supervisor,) = process.children_of(self.guard.pid)

    def pids(self, name: str) -> list[int]:
        return [int(path.name.rpartition("-")[2]) for path in self.folder.glob(f"{name}-*")]

    def everybody(self) -> list[int]:
        return [self.supervisor, *self.pids("first"), *self.pids("second"), *self.pids("child")]

    def alive(self) -> list[int]:
        return [pid for pid in self.everybody() if process.is_alive(pid)]


def wait_for(happened: Callable[[], bool], *, within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    running = Run(tmp_path)
    yield running
    for pid in (*running.alive(), running.guard.pid):
        process.send(pid, signal.SIGKILL)
    running.guard.wait()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stops_everything_in_reverse_order(run: Run, sig: signal.Signals) -> None:
    run.guard.send_signal(sig)
    assert run.guard.wait(10) == 0
    assert run.alive() == []
    assert (run.folder / "ended").read_text().split() == ["second", "first"]


def test_kill_of_the_supervisor_leaves_no_process(run: Run) -> None:
    os.kill(run.supervisor, signal.SIGKILL)
    assert run.guard.wait(10) == 1
    assert run.alive() == []
    assert "the supervisor ended (SIGKILL)" in (run.folder / "log").read_text()


def test_kill_of_the_guard_leaves_no_process(run: Run) -> None:
    run.guard.kill()
    wait_for(lambda: run.alive() == [])


def test_killed_service_starts_again_and_the_other_goes_on(run: Run) -> None:
    (first,), (second,) = run.pids("first"), run.pids("second")
    os.kill(second, signal.SIGKILL)
    wait_for(lambda: len(run.pids("second")) == 2)
    assert run.pids("first") == [first]
    assert process.is_alive(first)
    assert "second ended (SIGKILL); starting it again in 0.5 s" in (run.folder / "log").read_text()


def test_lines_carry_the_name_of_their_service(run: Run) -> None:
    wait_for(lambda: (run.folder / "log").read_text().count("up") == 2)
    assert (run.folder / "log").read_text().splitlines() == ["    first | up", "   second | up"]
