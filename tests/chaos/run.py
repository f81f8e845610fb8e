"""One chaos run: a delivery sent by real workers while things are killed, and what the oracle says about it.

Scenarios: "kill" (processes, PostgreSQL and the broker are killed), "pause" (paused and resumed), "stop" (stopped in
the middle), "unsubscribe" (people withdraw their consent while it is sent), "calm" (nothing). In each, some addresses
are refused, greylisted, or lose their connection; see tests.chaos.sink.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, close_old_connections, connection, connections
from django.utils import timezone

from accounts import roles
from accounts.models import User
from audiences import profiles
from audiences.models import Profile
from config.local import installation
from delivery import lifecycle, opening, preparation
from delivery.models import Delivery, DeliveryState, SendLog
from lib.errors import DomainError
from messaging import content
from tests.chaos import oracle
from tests.chaos.world import N_CONNECTIONS, N_PROCESSES, World, sink

OVER = (DeliveryState.FINISHED, DeliveryState.STOPPED)
# Seconds between two samples.
_SAMPLE_S = 0.3
# Of a hundred people, so many have an address of each kind.
_FAULTS = {"refuse": 2, "defer": 2, "vanish": 1, "ghost": 1}


@dataclass(frozen=True)
class Plan:
    people: int
    kills: int
    seed: int
    scenario: str = "kill"
    mutant: str = "-"
    delay_ms: float = 30.0
    # Without any progress for so long, the run is given up.
    patience_s: float = 30.0


@dataclass
class Report:
    """What happened. `wrong` is empty when everything held."""

    plan: dict[str, Any]
    wrong: list[str] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    killed: dict[str, int] = field(default_factory=dict)
    # Programs that ended by themselves and were started again.
    revived: list[str] = field(default_factory=list)
    samples: int = 0
    seconds: float = 0.0


class Run:
    def __init__(self, world: World, plan: Plan) -> None:
        self.world, self.plan = world, plan
        self.chance = random.Random(plan.seed)
        self.journal = world.folder / f"journal-{uuid.uuid4().hex}"
        self.report = Report(asdict(plan))
        self.killed: Counter[str] = Counter()
        # Address → when it must not be written to any more.
        self.limits: dict[str, float] = {}
        self.operator = _operator()
        self.delivery_id = 0
        self._is_over = threading.Event()

    def go(self) -> Report:
        started = time.monotonic()
        self.delivery_id = _prepared(self.plan.people, self.operator)
        self.world.mutant = self.plan.mutant
        with sink(self.world, self.journal, delay_ms=self.plan.delay_ms):
            self.world.start_programs()
            sampler = threading.Thread(target=self._sample)
            sampler.start()
            try:
                delivery = Delivery.objects.get(pk=self.delivery_id)
                n_to_send = delivery.n_to_send or 0
                lifecycle.confirm(delivery.pk, by=self.operator, seal=delivery.seal, n_to_send=n_to_send)
                lifecycle.start_now(delivery.pk, by=self.operator)
                self._wait_for_the_start()
                getattr(self, f"_{self.plan.scenario}")()
                self._wait_for_the_end()
            finally:
                self._is_over.set()
                sampler.join()
                self.world.stop_programs()
        self._judge()
        self.report.seconds = round(time.monotonic() - started, 1)
        return self.report

    # --- scenarios
    def _calm(self) -> None: ...

    def _kill(self) -> None:
        for number in range(self.plan.kills):
            share = (number + self.chance.random()) / (self.plan.kills + 1)
            self._wait_until(lambda share=share: self._n_accepted() >= share * self.plan.people)
            self._strike()

    def _pause(self) -> None:
        for number in range(1, 7):
            self._wait_until(lambda number=number: self._n_accepted() >= number * self.plan.people / 8)
            self._try(lambda: lifecycle.pause(self.delivery_id, by=self.operator))
            time.sleep(self.chance.uniform(0.5, 1.5))
            self._try(lambda: lifecycle.resume(self.delivery_id, by=self.operator))

    def _stop(self) -> None:
        self._wait_until(lambda: self._n_accepted() >= self.plan.people / 3)
        # By a process of its own, because a seeded bug may be in how it stops.
        command = [sys.executable, "-m", "tests.chaos.program", self.plan.mutant, "stop", str(self.delivery_id)]
        subprocess.run(command, check=True, cwd=installation.ROOT)
        at = time.time()
        self.limits = dict.fromkeys(Profile.objects.values_list("email", flat=True), at)

    def _unsubscribe(self) -> None:
        people = list(Profile.objects.order_by("-pk").values_list("pk", "email"))[: self.plan.people // 2]
        self.chance.shuffle(people)
        for profile_id, email in people[:200]:
            profiles.unsubscribe(profile_id, source="person")
            self.limits[email] = time.time()
            time.sleep(0.005)

    # --- the nemesis
    def _strike(self) -> None:
        strikes: dict[str, tuple[int, Callable[[], None]]] = {
            "pool process killed": (8, self._kill_process),
            "sender killed": (3, self._kill_sender),
            "process frozen": (2, self._freeze),
            "PostgreSQL shut down": (2, self.world.restart_database),
            "connections ended": (2, self._end_connections),
            "broker flushed": (2, self.world.flush_broker),
            "broker killed": (1, self.world.restart_broker),
        }
        name = self.chance.choices(list(strikes), [weight for weight, _strike in strikes.values()])[0]
        strikes[name][1]()
        self.killed[name] += 1

    def _kill_process(self) -> None:
        self._wait_until(lambda: bool(self.world.pool()))
        if pool := self.world.pool():
            os.kill(self.chance.choice(pool), signal.SIGKILL)

    def _kill_sender(self) -> None:
        sender = self.world.programs["sender"]
        sender.kill()
        sender.wait()
        self.world.start_sender()

    def _freeze(self) -> None:
        """Longer than a window's door is open: what it let in must not leave afterwards."""
        if pool := self.world.pool():
            pid = self.chance.choice(pool)
            os.kill(pid, signal.SIGSTOP)
            threading.Timer(oracle.DOOR_S + 1, lambda: _continue(pid)).start()

    def _end_connections(self) -> None:
        self._try(
            lambda: connection.cursor().execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    # --- watching
    def _n_accepted(self) -> int:
        return self.journal.read_bytes().count(b"\n") if self.journal.exists() else 0

    def _wait_for_the_start(self) -> None:
        """Workers take seconds to come up, more on a busy machine."""
        deadline = time.monotonic() + 60
        while not self._n_accepted() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Until it is so, nothing moves any more, or the delivery is over."""
        deadline, before = time.monotonic() + self.plan.patience_s, -1
        while not condition() and time.monotonic() < deadline:
            if (now := self._n_accepted()) != before:
                before, deadline = now, time.monotonic() + self.plan.patience_s
            if self._state() in OVER:
                return
            self._revive()
            time.sleep(0.02)

    def _wait_for_the_end(self) -> None:
        moved_at, before = time.monotonic(), (-1, -1)
        while time.monotonic() - moved_at < self.plan.patience_s:
            n_logged = self._try(lambda: SendLog.objects.filter(delivery_id=self.delivery_id).count()) or 0
            if self._state() in OVER and n_logged >= self.plan.people:
                return
            if self._state() in OVER and time.monotonic() - moved_at > 5:
                return
            if (now := (self._n_accepted(), n_logged)) != before:
                before, moved_at = now, time.monotonic()
            self._revive()
            time.sleep(0.1)
        self.report.wrong.append(f"it stands still in state {self._state()}")

    def _revive(self) -> None:
        for name in self.world.revive():
            self.report.revived.append(name)

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
        try:
            while not self._is_over.wait(_SAMPLE_S):
                try:
                    with _connect() as database:
                        wrong = oracle.sums(database, self.delivery_id)
                except psycopg.Error:
                    continue
                self.report.samples += 1
                self.report.wrong += [f"while it ran: {one}" for one in wrong if len(self.report.wrong) < 20]
        finally:
            connections.close_all()

    def _judge(self) -> None:
        close_old_connections()
        seen = oracle.read(self.journal)
        n_faults = Profile.objects.filter(email__startswith="ghost-").count()
        n_faults += Profile.objects.filter(email__startswith="vanish-").count()
        most_unknown = n_faults + sum(self.killed.values()) * N_PROCESSES * N_CONNECTIONS
        with _connect() as database:
            wrong, counts = oracle.end(database, self.delivery_id, seen, most_unknown=most_unknown)
        self.report.wrong += wrong + oracle.too_late(seen, self.limits)
        self.report.outcomes, self.report.killed = dict(counts), dict(self.killed)


_AWAY = (OperationalError, InterfaceError)


def _connect() -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=5)


def _continue(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _operator() -> User:
    found = User.objects.filter(email="operator@example.test").first()
    if found is None:
        found = User.objects.create_user("operator@example.test", name="Operator")
        roles.give(found, "Operator")
    return found


_PEOPLE = """
INSERT INTO audiences_profile (public_id, email, email_key, first_name, last_name, phone, country, city, language,
    time_zone, attributes, email_consent, is_test, created_at, updated_at)
SELECT gen_random_uuid(), a, a, 'Léa', 'Durand', '', '', '', 'fr', '', '{}', 'subscribed', false, now(), now()
FROM unnest(%s::text[]) AS a
"""


_BODY = (
    "<html><body><p>Hello {{ profile.first_name }}</p>"
    '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)


def _prepared(n: int, operator: User) -> int:
    """A sealed delivery to `n` new people, who replace those of earlier runs."""
    kinds = [kind for kind, share in _FAULTS.items() for _one in range(share)]
    # New ones: what earlier runs learnt about an address, or are still to learn, would leave it out.
    domain = f"{uuid.uuid4().hex[:8]}.example.test"
    addresses = [f"{kinds[i % 100]}-{i}@{domain}" if i % 100 < len(kinds) else f"p{i}@{domain}" for i in range(n)]
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE audiences_profile CASCADE")
        cursor.execute(_PEOPLE, [addresses])
    spec = content.ContentSpec(
        sender_name="Shop",
        sender_address="shop@example.test",
        reply_to="",
        subject="Hello {{ profile.first_name }}",
        preheader="",
        body_kind="html",
        body=_BODY,
        text=None,
        tracks_opens=True,
        tracks_clicks=True,
        utm={},
    )
    delivery = opening.open_delivery(
        message=content.freeze(spec),
        audience={"conditions": {"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]}},
        label=f"Chaos {timezone.now():%H:%M:%S}",
        origin=("campaign", str(uuid.uuid4())),
        validity_s=3600,
        re_eligible_after_s=0,
        rate_per_minute=None,
        scheduled_at=None,
        scheduled_zone="",
        owner=operator,
        by=operator,
    )
    lifecycle.prepare(delivery.pk, by=operator)
    preparation.run(delivery.pk)
    return delivery.pk


def journals(world: World) -> list[Path]:
    """What is left in the folder of the workers' journals; empty after a run in good order."""
    folder = world.folder / "home" / "journal"
    return list(folder.iterdir()) if folder.exists() else []
