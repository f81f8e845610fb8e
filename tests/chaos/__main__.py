"""`python -m tests.chaos [--people N] [--kills N] [--seed N] [--scenario NAME…] [--no-controls] [--failpoints]`

First what must hold: a run in which things are killed, stopped, shut down, flushed and dropped at random; calls of the
API under the same; a second machine that is lost; and, smaller, the scenarios of the seeded bugs without any. Then each
seeded bug under its scenario, which must be caught, and on demand a kill at each step of a message. One JSON line a
run, and at the end one that says whether all was as it must be; exit status 0 if so. The seed repeats what is struck
and when, not what comes of it.

By default the lease is 6 s instead of 60, with its renewal and recovery's patience in proportion, so that a process can
stand still past its lease without a minute's wait; large runs have production's, small ones a shorter one still.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import django

from tests.chaos import world as worlds
from tests.chaos.setup import Setup

_SMALL = ("crash", "stand", "pause", "stop", "unsubscribe")
_HOLD = ("kill", "api", "machines", *_SMALL)
# Of the runs that held, in the last line: see tests.chaos.run.Report.
_FIGURES = ("recovery_s", "last_start_s")
_QUICK = {"lease_s": 5.0, "tick_s": 0.5, "retry_s": 0.6}


def main() -> int:
    wanted = _arguments()
    began = time.monotonic()
    print(json.dumps({"seed": wanted.seed}), flush=True)
    with worlds.servers() as world:
        django.setup()
        # Only now are there a database and settings that point to it.
        from django.core.management import call_command  # noqa: PLC0415

        from tests.chaos import api_mutants, api_run, failpoints, mutants, run  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        call_command("setup_roles", verbosity=0)
        bad: list[str] = []
        held = []
        for plan in _plans(run.Plan, wanted):
            runs = api_run.ApiRun if plan.scenario == "api" else run.Run
            held.append(_say(runs(world, plan).go()))
            if held[-1].wrong:
                bad.append(f"{plan.scenario} did not hold")
        for mutant in (*mutants.SCENARIO, *api_mutants.SCENARIO) if wanted.controls else ():
            if wanted.only and mutant not in wanted.only:
                continue
            scenario = mutants.SCENARIO.get(mutant, "api")
            runs = api_run.ApiRun if scenario == "api" else run.Run
            if not world.can_plant(mutant):
                bad.append(f"{mutant} can't be planted")
            # A small run may be over before its strike falls where the bug is: it gets three.
            elif not any(
                _say(runs(world, _small(run.Plan, wanted, scenario, mutant)).go()).wrong for _time in range(3)
            ):
                bad.append(f"{mutant} was not caught")
        for name in failpoints.POINTS if wanted.failpoints else ():
            setup = Setup(failpoint=name, n_processes=1, **_QUICK)
            plan = run.Plan(60, 0, wanted.seed, "failpoint", setup, delay_ms=failpoints.DELAY_MS)
            if _say(run.Run(world, plan).go()).wrong:
                bad.append(f"{name}: not as it must be")
        said = world.log.read_text() if bad and world.log.exists() else ""
    if said:
        print(said[-20_000:], file=sys.stderr)
    figures = {name: _figures([one for report in held for one in getattr(report, name)]) for name in _FIGURES}
    verdict = {"ok": not bad, "seed": wanted.seed, "seconds": round(time.monotonic() - began, 1), "bad": bad}
    print(json.dumps({**verdict, "n_strikes": sum(sum(report.struck.values()) for report in held), **figures}))
    return 1 if bad else 0


def _figures(found: list[float]) -> dict[str, float]:
    """Of seconds; {} without any."""
    ordered = sorted(found)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in at.items() if ordered}


def _plans(plan, wanted) -> Iterator:  # type: ignore[no-untyped-def, type-arg]  # as below
    """What must hold; the big one first."""
    common = {"setup": Setup(lease_s=wanted.lease_s), "patience_s": 30 + 1.5 * wanted.lease_s}
    for scenario in wanted.scenario:
        if scenario == "kill":
            yield plan(wanted.people, wanted.kills, wanted.seed, "kill", down_s=wanted.down_s, **common)
        elif scenario == "api":
            yield _calls(plan, wanted)
        elif scenario == "machines":
            yield plan(900, 3, wanted.seed, "machines", **common)
        else:
            yield _small(plan, wanted, scenario, "-")
    for number in range(1, wanted.stops // 10):
        yield replace(_small(plan, wanted, "stop", "-"), seed=wanted.seed + number, delay_ms=15)


def _calls(plan, wanted):  # type: ignore[no-untyped-def]  # as below
    """A run of the API; `people` are the messages that its calls ask for."""
    setup = Setup(**_QUICK) if wanted.people < 20_000 else Setup(lease_s=wanted.lease_s)
    patience_s = 30 + 1.5 * setup.lease_s
    down_s = min(1.0, wanted.down_s)
    return plan(wanted.people, wanted.kills, wanted.seed, "api", setup, 5.0, patience_s, down_s, wanted.calls_s)


def _small(plan, wanted, scenario, mutant):  # type: ignore[no-untyped-def]  # as below
    """What must end is only seen to be late in a send that would go on for long."""
    n_people, n_kills, delay_ms = {
        "pause": (150 * wanted.stops, wanted.stops, 15),
        "stop": (600, 0, 400),
        "unsubscribe": (240 if mutant == "-" else 400, 0, 400),
        "api": (40, 0, 0),
    }.get(scenario, (400, 3, 30))
    setup = Setup(mutant=mutant, **_QUICK)
    # Longer than a lease and recovery's patience where the bug shows only after them.
    patience_s = 40 if mutant == "-" else 15 if scenario == "stand" else 5
    return plan(n_people, n_kills, wanted.seed, scenario, setup, delay_ms=delay_ms, patience_s=patience_s)


def _say(report):  # type: ignore[no-untyped-def]  # its module can be imported only after the servers run
    print(json.dumps(vars(report)), flush=True)
    return report


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--stops", type=int, default=4, help="how many pauses, and a tenth as many stops")
    parser.add_argument("--lease-s", type=float, help="6, and 60 from 20,000 people on")
    parser.add_argument("--down-s", type=float, default=3.0, help="how long the broker stays away")
    parser.add_argument(
        "--calls-s", type=float, default=0.0, help="no call of the API begins later than this; 0: whenever"
    )
    parser.add_argument("--scenario", nargs="*", choices=_HOLD, default=list(_HOLD), help="of those that must hold")
    parser.add_argument("--controls", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--failpoints", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--only", nargs="*", default=[], help="these seeded bugs, nothing else")
    found = parser.parse_args()
    found.lease_s = found.lease_s or (60.0 if found.people >= 20_000 else 6.0)
    if found.only:
        found.scenario = []
    return found


if __name__ == "__main__":
    sys.exit(main())
