"""One chaos run: a delivery sent by real workers while things are killed, and what the oracle says about it.

Scenarios, of which each but the last has some addresses that are refused, greylisted, or lose their connection:

- "kill": processes are killed and stopped, PostgreSQL and the broker shut down, flushed and dropped, all at random;
- "crash": processes are killed;
- "machines": a second machine, which shares nothing but PostgreSQL and the broker, is lost and stopped;
- "stand": a process on another machine than the tick's stands still past its lease, and goes on;
- "pause", "stop", "unsubscribe": paused and resumed, stopped, people withdraw their consent, all while it is sent;
- "calm": nothing;
- "failpoint": a sender kills itself at one point of the way of a message; see tests.chaos.failpoints.
"""

import contextlib
import os
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, close_old_connections, connection, connections

from audiences import profiles
from audiences.models import Profile
from delivery import lifecycle, people_lists
from delivery.models import Delivery, DeliveryState, SendLog
from lib.errors import DomainError
from tests.chaos import failpoints, oracle, people
from tests.chaos.nemesis import Nemesis
from tests.chaos.setup import Setup
from tests.chaos.world import N_CONNECTIONS, World, sink

OVER = (DeliveryState.FINISHED, DeliveryState.STOPPED)
# Seconds between two samples, at least.
_SAMPLE_S = 0.3
# Seconds after an outage within which sending must go on.
_RECOVERY_S = 60.0
_AWAY = (OperationalError, InterfaceError)


@dataclass(frozen=True)
class Plan:
    people: int
    kills: int
    seed: int
    scenario: str = "kill"
    setup: Setup = field(default_factory=Setup)
    delay_ms: float = 30.0
    # Without any progress for so long, the run is given up.
    patience_s: float = 60.0
    # How long the broker stays away when it goes.
    down_s: float = 3.0
    # No call of the API begins later than so long after the first; 0: whenever.
    calls_s: float = 0.0

    @property
    def point(self) -> failpoints.Point | None:
        return failpoints.POINTS.get(self.setup.failpoint)


@dataclass
class Report:
    """What happened. `wrong` is empty when everything held."""

    plan: dict[str, Any]
    wrong: list[str] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    most_unknown: int = 0
    struck: dict[str, int] = field(default_factory=dict)
    # Programs that ended by themselves and were started again.
    revived: list[str] = field(default_factory=list)
    # Seconds: from the end of an outage to the next message, from a stop or pause to the last one.
    recovery_s: list[float] = field(default_factory=list)
    last_start_s: list[float] = field(default_factory=list)
    sent_again: int | None = None
    samples: int = 0
    seconds: float = 0.0


class Caught(Exception):
    """A seeded bug was found out while the run goes on; the rest of it would only take time."""


class Run:
    def __init__(self, world: World, plan: Plan) -> None:
        self.world, self.plan = world, plan
        self.chance = random.Random(plan.seed)
        self.journal = oracle.Journal(world.folder / f"journal-{uuid.uuid4().hex}")
        self.report = Report(asdict(plan))
        self.nemesis = Nemesis(world, self.chance, lease_s=plan.setup.lease_s, down_s=plan.down_s, database=connect)
        # Address → when it must not be written to any more.
        self.limits: dict[str, float] = {}
        self.operator = people.operator()
        self.n_unclear = 0
        self.delivery_id = 0
        self.logged: dict[str, str] = {}
        self._is_over, self._is_caught = threading.Event(), threading.Event()

    def go(self) -> Report:
        started = time.monotonic()
        plan, point = self.plan, self.plan.point
        people.connections(1 if point else N_CONNECTIONS)
        self.n_unclear = people.replace_all(plan.people, has_faults=point is None)
        delivery = people.prepared(self.operator)
        self.delivery_id = delivery.pk
        senders = {"sender": plan.setup}
        if plan.scenario == "machines":
            senders["other"] = replace(plan.setup, machine="machine-0")
        elif plan.scenario == "stand":
            senders["sender"] = replace(plan.setup, machine="machine-0")
        (self.world.folder / "home" / "failpoint").unlink(missing_ok=True)
        with sink(self.world, self.journal.path, delay_ms=plan.delay_ms, pipelining=point is None or point.pipelining):
            self.world.start_programs(plan.setup, senders)
            sampler = threading.Thread(target=self._sample)
            sampler.start()
            try:
                people.start(delivery, self.operator)
                with contextlib.suppress(Caught):
                    self._wait_for_the_start()
                    getattr(self, f"_{plan.scenario}")()
                    self._wait_for_the_end()
            finally:
                self._is_over.set()
                sampler.join()
                if plan.setup.mutant != "-" or self.report.wrong:
                    self.world.stop_senders()
            if not self._is_caught.is_set():
                self._judge()
                if plan.scenario == "kill" and not self.report.wrong:
                    self._send_again()
        self.report.seconds = round(time.monotonic() - started, 1)
        return self.report

    # --- scenarios
    def _calm(self) -> None: ...

    def _failpoint(self) -> None: ...

    def _kill(self) -> None:
        script = self.nemesis.script(self.plan.kills)
        for number, name in enumerate(script):
            # Not to the very end: some are refused, and the last ones come late.
            share = 0.95 * (number + self.chance.random()) / len(script)
            self._wait_until(lambda share=share: self._n_accepted() >= share * self.plan.people)
            self.nemesis.strike(name)

    def _crash(self) -> None:
        for number in range(1, self.plan.kills + 1):
            share = number / (self.plan.kills + 2)
            self._wait_until(lambda share=share: self._n_accepted() >= share * self.plan.people)
            if not self.nemesis.kill_at_work():
                return

    def _machines(self) -> None:
        for number in range(1, self.plan.kills + 1):
            share = number / (self.plan.kills + 1)
            self._wait_until(lambda share=share: self._n_accepted() >= share * self.plan.people)
            if number % 3 == 0:
                self.nemesis.freeze_machine("other")
            elif number % 3 == 1:
                self.nemesis.lose_machine("other")
            else:
                self.nemesis.strike("pool process killed")

    def _stand(self) -> None:
        self._wait_until(lambda: self._n_accepted() >= self.plan.people / 4)
        self.nemesis.strike("process stopped past its lease")

    def _pause(self) -> None:
        n = max(1, self.plan.kills)
        for number in range(1, n + 1):
            self._wait_until(lambda number=number: self._n_accepted() >= number * self.plan.people / (n + 1))
            if self._try(lambda: lifecycle.pause(self.delivery_id, by=self.operator)) is None:
                continue
            paused_at = time.time()
            self._wait_for_quiet()
            self.report.last_start_s.append(self.journal.read().last_between(paused_at, time.time()))
            self._try(lambda: lifecycle.resume(self.delivery_id, by=self.operator))

    def _stop(self) -> None:
        share = self.chance.uniform(0.1, 0.3)
        self._wait_until(lambda: self._n_accepted() >= share * self.plan.people)
        # By a process of its own, because a seeded bug may be in how it stops.
        if not self.world.ask(self.plan.setup, "stop", str(self.delivery_id)):
            self.report.wrong.append("it can't be stopped")
        at = time.time()
        self.limits = dict.fromkeys(Profile.objects.values_list("email", flat=True), at)
        self._wait_for_quiet()
        self.report.last_start_s.append(self.journal.read().last_between(at, time.time()))

    def _unsubscribe(self) -> None:
        found = list(Profile.objects.order_by("-pk").values_list("pk", "email"))[: self.plan.people // 2]
        self.chance.shuffle(found)
        for profile_id, email in found[:100]:
            profiles.unsubscribe(profile_id, source="person")
            self.limits[email] = time.time()
            time.sleep(0.005)

    def _send_again(self) -> None:
        """A person looks at who is unknown and decides to send to them again: they get it, and nobody else."""
        unknown = sorted(address for address, outcome in self.logged.items() if outcome == "unknown")
        before, wanted = self.journal.read().n.copy(), [one for one in unknown if not one.startswith("refuse-")]
        if unknown:
            name = f"Unknown {uuid.uuid4().hex}"
            segment = people_lists.create(self.delivery_id, group="unknown", name=name, by=self.operator)
            again = people.prepared(self.operator, audience={"segments": [str(segment.public_id)]})
            self.delivery_id = again.pk
            people.start(again, self.operator)
            self._wait_for_the_end(len(unknown))
        got = sorted((self.journal.read().n - before).elements())
        self.report.sent_again = len(got)
        if got != wanted:
            self.report.wrong.append(f"{len(wanted)} were to get it again, {len(got)} did")

    # --- watching
    def _n_accepted(self) -> int:
        return len(self.journal.read().mails)

    def _wait_for_the_start(self) -> None:
        """Workers take a moment to come up, more on a busy machine."""
        deadline = time.monotonic() + 60
        while not self._n_accepted() and time.monotonic() < deadline:
            self._look()
            time.sleep(0.02)

    def _wait_for_quiet(self) -> None:
        """Until no message was accepted for a second; not for ever, for a seeded bug may go on."""
        deadline, quiet_at, before = time.monotonic() + 3 * oracle.DOOR_S, time.monotonic() + 1, self._n_accepted()
        while time.monotonic() < min(quiet_at, deadline):
            self._look()
            if (now := self._n_accepted()) != before:
                before, quiet_at = now, time.monotonic() + 1
            time.sleep(0.02)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Until it is so, nothing moves any more, or the delivery is over."""
        deadline, before, look_at = time.monotonic() + self.plan.patience_s, -1, 0.0
        while not condition() and time.monotonic() < deadline:
            self._look()
            if (now := self._n_accepted()) != before:
                before, deadline = now, time.monotonic() + self.plan.patience_s
            if time.monotonic() > look_at:
                look_at = time.monotonic() + 0.5
                if self._state() in OVER:
                    return
            time.sleep(0.02)

    def _wait_for_the_end(self, n: int = 0) -> None:
        moved_at, before, n = time.monotonic(), (-1, -1), n or self.plan.people
        while time.monotonic() - moved_at < self.plan.patience_s:
            self._look()
            n_logged = self._try(lambda: SendLog.objects.filter(delivery_id=self.delivery_id).count()) or 0
            if self._state() in OVER and n_logged >= n:
                return
            if self._state() in OVER and time.monotonic() - moved_at > 5:
                return
            if (now := (self._n_accepted(), n_logged)) != before:
                before, moved_at = now, time.monotonic()
            time.sleep(0.1 if n < 10_000 else 0.5)
        self.report.wrong.append(f"it stands still in state {self._state()}")

    def _look(self) -> None:
        if self._is_caught.is_set():
            raise Caught
        self.report.revived += self.world.revive()

    def _state(self) -> str:
        found = self._try(lambda: Delivery.objects.filter(pk=self.delivery_id).values_list("state", flat=True).get())
        return str(found or "")

    def _try(self, work: Callable[[], Any]) -> Any:
        """`work`, or None while PostgreSQL is away or somebody else was quicker."""
        try:
            return work()
        except (DomainError, psycopg.Error, *_AWAY):
            connection.close()
            return None

    def _sample(self) -> None:
        """The sum of states and the agreement of log and sink, again and again; a seeded bug ends with the first."""
        try:
            wait_s = _SAMPLE_S
            while not self._is_over.wait(wait_s):
                began = time.monotonic()
                try:
                    with connect() as database:
                        wrong = oracle.sums(database, self.delivery_id)
                        wrong += oracle.agree(database, self.delivery_id, self.journal)
                except psycopg.Error:
                    continue
                wrong += oracle.too_late(self.journal, self.limits)
                self.report.samples += 1
                self.report.wrong += [f"while it ran: {one}" for one in wrong if len(self.report.wrong) < 20]
                if wrong and self.plan.setup.mutant != "-":
                    self._is_caught.set()
                # At most a tenth of the time.
                wait_s = max(_SAMPLE_S, 9 * (time.monotonic() - began))
        finally:
            connections.close_all()

    def _judge(self) -> None:
        close_old_connections()
        seen, report, point = self.journal.read(), self.report, self.plan.point
        report.most_unknown = self.n_unclear + self.nemesis.most_unknown + (point.unknown if point else 0)
        with connect() as database:
            wrong, self.logged = oracle.end(database, self.delivery_id, seen, most_unknown=report.most_unknown)
        report.wrong += wrong + oracle.too_late(seen, self.limits)
        report.outcomes, report.struck = dict(Counter(self.logged.values())), dict(self.nemesis.struck)
        report.recovery_s = [round(s, 2) for s in seen.first_after([at for _what, at in self.nemesis.back])]
        report.last_start_s = [round(s, 2) for s in report.last_start_s]
        if max(report.recovery_s, default=0) > _RECOVERY_S:
            report.wrong.append(f"sending went on {max(report.recovery_s)} s after an outage")
        if max(report.last_start_s, default=0) > oracle.DOOR_S:
            report.wrong.append(f"a message began {max(report.last_start_s)} s after a stop or pause")
        if point:
            self._judge_point(point, seen)

    def _judge_point(self, point: failpoints.Point, seen: oracle.Journal) -> None:
        unknown = [address for address, outcome in self.logged.items() if outcome == "unknown"]
        if not (self.world.folder / "home" / "failpoint").exists():
            self.report.wrong.append("the point was never passed")
        if len(unknown) != point.unknown:
            self.report.wrong.append(f"{len(unknown)} are unknown, {point.unknown} must be")
        if any(bool(seen.n[address]) != point.arrives for address in unknown):
            self.report.wrong.append("whoever is unknown got it" if not point.arrives else "nobody unknown got it")


def connect() -> oracle.Database:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=5)
