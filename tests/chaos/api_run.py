"""One chaos run of the API: programs call it while everything under it is killed, and what the oracle says about it.

What must hold: a call that was answered 2xx is in the database exactly once, with everybody it names, and each of them
got the message exactly once or is honestly unknown; a call that never was is there as a whole or not at all; and
every answer is in the API's form, or there is none. Webhooks count as messages. The worker that turns requests for an
audience into deliveries dies after each of its steps besides. A seeded bug of the web server is looked for in the
database alone.
"""

import contextlib
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psycopg
from django.db import close_old_connections, connection

from api import keys, scopes
from campaigns import counted
from config.local import process
from messaging import webhooks
from tests import factories
from tests.chaos import api_calls, api_mutants, api_oracle, broadcast_points, hooks, oracle, people
from tests.chaos.nemesis import Nemesis
from tests.chaos.run import Plan, Report, connect
from tests.chaos.world import N_CONNECTIONS, World, sink

# Longer than a client waits.
_FREEZE_S = api_calls.TIMEOUT_S + 0.7
_OF_SENDERS = ("PostgreSQL shut down", "connections ended", "pool process killed", "sender killed")
_OF_BROKER = ("broker flushed", "broker down, senders killed", "broker restarted")


@dataclass
class ApiReport(Report):
    """`calls`: how many were made, acknowledged, never acknowledged; and attempts by status, 0 without an answer.
    `acked_kinds`: how many people the acknowledged calls of each kind name; `acked_messages`: the people of them all,
    each once, by outcome.
    """

    calls: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    acked_kinds: dict[str, int] = field(default_factory=dict)
    acked_messages: dict[str, int] = field(default_factory=dict)


class WebNemesis(Nemesis):
    """Strikes at the web server, besides those at what is behind it."""

    def __init__(self, world: World, chance: random.Random, plan: Plan) -> None:
        super().__init__(world, chance, lease_s=plan.setup.lease_s, down_s=plan.down_s, database=connect)
        known = self.strikes
        self.strikes = {
            "web killed": (12, lambda: world.restart("web")),
            "web worker killed": (4, self._kill_worker),
            "web stopped": (3, self._freeze_web),
            "worker killed": (6, lambda: world.restart("worker")),
            **{name: known[name] for name in (*_OF_SENDERS, *_OF_BROKER)},
        }

    def _kill_worker(self) -> None:
        """The process that answers, under the one that holds the port; a supervisor starts them again."""
        program = self._world.programs["web"]
        for pid in program.pool():
            process.send(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not program.has_ended() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._world.restart("web")

    def _freeze_web(self) -> None:
        group = self._world.programs["web"].pid
        process.send_group(group, signal.SIGSTOP)
        time.sleep(_FREEZE_S)
        process.send_group(group, signal.SIGCONT)


class ApiRun:
    def __init__(self, world: World, plan: Plan) -> None:
        self.world, self.plan = world, plan
        self.chance = random.Random(plan.seed)
        self.journal = oracle.Journal(world.folder / f"journal-{uuid.uuid4().hex}")
        self.report = ApiReport(asdict(plan))
        self.nemesis = WebNemesis(world, self.chance, plan)
        self.domain = f"{uuid.uuid4().hex[:8]}.example.test"
        self.is_mutant = plan.setup.mutant != "-"
        # The program with the bug, and what is called.
        self.at, kinds = api_mutants.ELSEWHERE.get(plan.setup.mutant, ("web", "plain" if self.is_mutant else ""))
        # Nobody sends beside a seeded bug of the web server.
        self.sends = not self.is_mutant or self.at != "web"
        self.calls = api_calls.script(plan.people, only=kinds)
        self.books = hooks.Books()

    def go(self) -> ApiReport:
        started = time.monotonic()
        clients = self._prepare()
        mail = sink(self.world, self.journal.path, delay_ms=self.plan.delay_ms)
        with mail if self.sends else contextlib.nullcontext(), hooks.running(self.world.hooks_port) as self.books:
            self._start_programs()
            try:
                clients.until = time.monotonic() + self.plan.calls_s if self.plan.calls_s else 0.0
                clients.start()
                self._strike(clients)
                self._wait_until(clients.are_done)
                if self.sends:
                    self._wait_for_the_end()
            finally:
                self.world.stop("web")
                if self.report.wrong:
                    self.world.stop_senders()
            self._judge()
        self.report.seconds = round(time.monotonic() - started, 1)
        return self.report

    def _prepare(self) -> api_calls.Clients:
        """Campaigns that can be triggered, a key, and who is there before the calls."""
        people.connections(N_CONNECTIONS)
        names = [name for call in self.calls for name in call.names[1 if call.makes_somebody else 0 :]]
        people.replace_by({name: f"{name}@{self.domain}" for name in names})
        segments = people.for_calls(self.calls, domain=self.domain)
        marketer, admin = people.named("Marketer"), people.named("Admin")
        always, once = (
            factories.published(marketer, delivery__kind="api", delivery__reeligibility=one)
            for one in ("always", "never")
        )
        if not webhooks.is_on():
            webhooks.add(by=admin)
        target = api_calls.Target(
            self.domain,
            str(always.public_id),
            str(once.public_id),
            counted.variation_id(once),
            f"http://127.0.0.1:{self.world.hooks_port}",
            segments,
        )
        made = keys.create(keys.Wanted("chaos", tuple(scopes.BY_NAME)), by=admin)
        return api_calls.Clients(self.world.web_port, made.token, self.calls, target)

    def _start_programs(self) -> None:
        setup = self.plan.setup
        plain = replace(setup, mutant="-")
        if self.sends:
            broadcast_points.forget(self._deaths)
            dying = plain if self.is_mutant else replace(plain, failpoint=broadcast_points.NAME)
            programs = {"worker": dying, "sender": plain} | ({self.at: setup} if self.at != "web" else {})
            self.world.start_programs(plain, programs)
        # Beside those, which know nothing of it.
        self.world.start("web", setup if self.at == "web" else plain)

    @property
    def _deaths(self) -> Path:
        return self.world.folder / "home" / "broadcasts"

    def _strike(self, clients: api_calls.Clients) -> None:
        mutant = self.plan.setup.mutant
        script = api_mutants.SCENARIO[mutant] if self.is_mutant else self.nemesis.script(self.plan.kills)
        for number, name in enumerate(script):
            share = 0.95 * (number + self.chance.random()) / len(script)
            n = max(1, round(share * len(self.calls)))
            clients.n_allowed = n + len(self.calls) / len(script)
            self._wait_until(lambda n=n: clients.n_done >= n or clients.are_done())
            # Not always at the moment when a call has just ended.
            time.sleep(self.chance.uniform(0, 0.2))
            if clients.are_done() and not self.is_mutant:
                break
            self.nemesis.strike(name)
        clients.n_allowed = float("inf")

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.report.revived += self.world.revive()
            time.sleep(0.01)

    def _wait_for_the_end(self) -> None:
        """Until nobody waits any more, or nothing moves."""
        moved_at, before = time.monotonic(), (-1, -1)
        while time.monotonic() - moved_at < self.plan.patience_s:
            self.report.revived += self.world.revive()
            with contextlib.suppress(psycopg.Error), connect() as database:
                left = api_oracle.n_open(database)
                if left == 0:
                    return
                if (now := (left, len(self.journal.read().mails) + len(self.books.calls))) != before:
                    before, moved_at = now, time.monotonic()
            time.sleep(0.1)
        self.report.wrong.append(f"it stands still, {before[0]} wait")

    def _judge(self) -> None:
        connection.close()
        close_old_connections()
        report, seen = self.report, self.journal.read()
        report.most_unknown = self.nemesis.most_unknown
        with connect() as database:
            report.wrong += api_oracle.answers(self.calls) + api_oracle.effects(database, self.calls)
            if self.sends:
                wrong, counts = api_oracle.arrivals(
                    database, self.calls, seen, domain=self.domain, most_unknown=report.most_unknown
                )
                report.wrong += wrong + self._sums(database)
                report.wrong += api_oracle.webhooks(database, self.calls, self.books.calls)
                report.acked_messages = dict(counts)
        made = sum(bool(call.attempts) for call in self.calls)
        acked = sum(bool(call.acks) for call in self.calls)
        report.calls = {"made": made, "acked": acked, "never_acked": made - acked}
        report.acked_kinds = dict(sum((Counter({c.kind: c.n_people}) for c in self.calls if c.acks), Counter()))
        found = Counter(one.status for call in self.calls for one in call.attempts)
        report.statuses = {str(status): n for status, n in sorted(found.items())}
        report.struck = dict(self.nemesis.struck)
        if not self.is_mutant and (missed := broadcast_points.missed(self._deaths)):
            report.wrong.append(f"no worker died in a broadcast: {missed}")

    def _sums(self, database: oracle.Database) -> list[str]:
        rows = database.execute("SELECT id FROM delivery_delivery").fetchall()
        return [one for (delivery_id,) in rows for one in oracle.sums(database, int(str(delivery_id)))]
