"""`python -m tests.chaos [--people N] [--kills N] [--seed N] [--no-controls] [--only MUTANT]`

First a run in which things are killed, which must hold; then every seeded bug under its scenario, each of which must be
caught. One JSON line a run, and at the end one that says whether all was as it must be; exit status 0 if so.
"""

import argparse
import json
import sys
import time

import django

from tests.chaos import world as worlds


def main() -> int:
    wanted = _arguments()
    with worlds.servers() as world:
        django.setup()
        # Only now are there a database and settings that point to it.
        from django.core.management import call_command  # noqa: PLC0415

        from tests.chaos import mutants, run  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        call_command("setup_roles", verbosity=0)
        bad = []
        if not wanted.only:
            plans = [
                run.Plan(wanted.people, wanted.kills, wanted.seed),
                *(_plan(run.Plan, wanted.seed, scenario, "-") for scenario in ("pause", "stop", "unsubscribe")),
            ]
            bad += [f"{plan.scenario} did not hold" for plan in plans if _say(run.Run(world, plan).go()).wrong]
        for mutant, scenario in mutants.SCENARIO.items() if wanted.controls else ():
            if wanted.only and mutant != wanted.only:
                continue
            if not world.can_plant(mutant):
                bad.append(f"{mutant} can't be planted")
                continue
            plan = _plan(run.Plan, wanted.seed, scenario, mutant)
            if not _say(run.Run(world, plan).go()).wrong:
                bad.append(f"{mutant} was not caught")
    print(json.dumps({"ok": not bad, "seed": wanted.seed, "bad": bad}))
    return 1 if bad else 0


def _plan(plan, seed, scenario, mutant):  # type: ignore[no-untyped-def]  # as below
    """A small run. What must end is only seen to be late in a send that would go on for long."""
    patience_s = 30 if mutant == "-" else 10
    if scenario in {"stop", "unsubscribe"}:
        return plan(800, 0, seed, scenario, mutant, delay_ms=400, patience_s=patience_s)
    return plan(400, 3, seed, scenario, mutant, patience_s=patience_s)


def _say(report):  # type: ignore[no-untyped-def]  # its module can be imported only after the servers run
    print(json.dumps(vars(report)), flush=True)
    return report


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--controls", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--only", default="", help="one seeded bug, nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
