"""Who kills, stops, cuts and empties; and keeps the books: how often, who may be unknown for it, when it was over."""

import functools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import psycopg

from tests.chaos import oracle
from tests.chaos.world import N_CONNECTIONS, N_PROCESSES, World

# Longer than the door of a window is open: what it let in must not leave afterwards.
_FREEZE_S = oracle.DOOR_S + 1


class Nemesis:
    """Strikes by name. `most_unknown` is how many people all strikes so far may have left unknown."""

    def __init__(
        self,
        world: World,
        chance: random.Random,
        *,
        lease_s: float,
        down_s: float,
        database: Callable[[], oracle.Database],
    ) -> None:
        self._world, self._chance = world, chance
        self._lease_s, self._down_s = lease_s, down_s
        self._database = database
        self._frozen: set[int] = set()
        self._n_machines = 0
        self.struck: Counter[str] = Counter()
        # People of windows whose owner's journal nobody can read.
        self.n_in_windows = 0
        # What was away, and when it came back.
        self.back: list[tuple[str, float]] = []
        self.strikes: dict[str, tuple[int, Callable[[], None]]] = {
            "pool process killed": (16, self._kill_process),
            "sender killed": (6, self._kill_sender),
            "process stopped for 6 s": (2, self._freeze),
            "process stopped past its lease": (2, self._freeze_past_lease),
            "PostgreSQL shut down": (4, self._restart_database),
            "connections ended": (3, self._end_connections),
            "broker flushed": (3, world.flush_broker),
            "broker restarted": (2, lambda: self._drop_broker(0)),
            "broker down, senders killed": (2, self._outage),
        }

    @property
    def most_unknown(self) -> int:
        return sum(self.struck.values()) * N_PROCESSES * N_CONNECTIONS + self.n_in_windows

    def script(self, n: int) -> list[str]:
        """`n` strikes: each kind once, as far as `n` goes, and then by chance, in any order."""
        names = list(self.strikes)
        # Those that most others depend on go first when there is no room for all.
        chosen = names[:n] + self._chance.choices(
            names, [self.strikes[name][0] for name in names], k=max(0, n - len(names))
        )
        self._chance.shuffle(chosen)
        return chosen

    def strike(self, name: str) -> None:
        self.strikes[name][1]()
        self.struck[name] += 1

    def _kill_process(self) -> None:
        if pool := self._pool():
            os.kill(self._chance.choice(pool), signal.SIGKILL)

    def _kill_sender(self) -> None:
        self._world.restart(self._chance.choice(self._world.senders()))

    def _freeze(self) -> None:
        """SIGSTOP for a while."""
        if pool := [pid for pid in self._pool() if pid not in self._frozen]:
            self._stand_still(self._chance.choice(pool), lambda: time.sleep(_FREEZE_S))

    def _freeze_past_lease(self) -> None:
        """SIGSTOP until others recovered its shards, and a moment more. One at a time, or nobody would send."""
        if not self._frozen and (pid := self._at_work()):
            self._stand_still(pid, functools.partial(self._wait_for_recovery, pid))

    def _at_work(self) -> int:
        """A process that has people in a window; 0 if none has soon."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if found := [pid for pid, n in self._windows().items() if n and pid in self._world.pool()]:
                return self._chance.choice(found)
            time.sleep(0.02)
        return 0

    def kill_at_work(self) -> bool:
        """Kill a process in the middle of a window, and none that waits for work; whether there was one."""
        pid = self._at_work()
        if pid:
            _signal(pid, signal.SIGKILL)
            self.struck["process killed at work"] += 1
        return bool(pid)

    def _stand_still(self, pid: int, wait: Callable[[], None]) -> None:
        """SIGSTOP now and SIGCONT when `wait` is over."""
        _signal(pid, signal.SIGSTOP)
        self._frozen.add(pid)
        # Where the tick runs it is killed, and its journal read; elsewhere nobody knows what it did.
        if any(program.setup.machine and pid in program.pool() for program in self._world.programs.values()):
            self.n_in_windows += self._window([pid])

        def go_on() -> None:
            wait()
            _signal(pid, signal.SIGCONT)
            self._frozen.discard(pid)

        threading.Thread(target=go_on, daemon=True).start()

    def _wait_for_recovery(self, pid: int) -> None:
        deadline = time.monotonic() + 2 * self._lease_s + 20
        while pid in self._windows() and time.monotonic() < deadline:
            time.sleep(0.3)
        time.sleep(1)

    def _restart_database(self) -> None:
        self._world.restart_database()
        self.back.append(("PostgreSQL", time.time()))

    def _end_connections(self) -> None:
        with self._database() as database:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def _drop_broker(self, seconds: float) -> None:
        self._world.stop_broker()
        time.sleep(seconds)
        self._world.start_broker()

    def _outage(self) -> None:
        """Nobody sends, and nobody can be told to."""
        self._world.stop_broker()
        for pid in self._pool():
            _signal(pid, signal.SIGKILL)
        time.sleep(self._down_s)
        self._world.start_broker()
        self.back.append(("broker", time.time()))

    def lose_machine(self, name: str) -> None:
        """Its power goes, its disk with it; another one comes in its place and can't know what it did."""
        setup, pids = self._world.programs[name].setup, self._world.programs[name].pool()
        self._world.stop(name)
        self.n_in_windows += self._window(pids)
        self._n_machines += 1
        self._world.start(name, replace(setup, machine=f"machine-{self._n_machines}"))
        self.struck["machine lost"] += 1

    def freeze_machine(self, name: str) -> None:
        """All of it stands still past its leases, connections open, and goes on."""
        for pid in self._world.programs[name].pool():
            self._stand_still(pid, functools.partial(self._wait_for_recovery, pid))
        self.struck["machine stopped past its leases"] += 1

    def _pool(self) -> list[int]:
        """Waits a little: after a kill there may be nobody for a moment."""
        deadline = time.monotonic() + 10
        while not (pool := self._world.pool()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return pool

    def _window(self, pids: list[int]) -> int:
        # What they last said to PostgreSQL is done by then.
        time.sleep(0.2)
        return sum(n for pid, n in self._windows().items() if pid in pids)

    def _windows(self) -> dict[int, int]:
        try:
            with self._database() as database:
                return oracle.windows(database)
        except psycopg.Error:
            return {}


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
