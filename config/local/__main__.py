"""Command line of the local run: `python -m config.local run` and `python -m config.local manage …`.

`run` is what `make run` calls; `manage` runs manage.py against the same servers, and starts them for the moment when
they are not running.
"""

import argparse
import functools
import os
import subprocess
import sys

import psycopg

from config import env
from config.local import installation, plan, ports, postgres, supervisor
from lib import errors

EMBEDDED = ("postgres", "valkey", "mail")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m config.local", description="Run Chappe on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    run_command = commands.add_parser("run", help="start everything and stay until Ctrl-C")
    run_command.add_argument("--with-parent", action="store_true", help="stop when the calling process ends")
    manage_command = commands.add_parser("manage", help="run manage.py against the same servers")
    manage_command.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    lock = installation.Lock(installation.home())
    if options.command == "manage":
        return manage(lock, options.arguments)
    return run(lock, with_parent=options.with_parent)


def run(lock: installation.Lock, *, with_parent: bool) -> int:
    """Bring everything up, print where it is, and stay until asked to stop."""
    folder = lock.path.parent
    port = env.integer("PORT", default=8000, low=1, high=65535)
    held_by = lock.take(note=f"http://127.0.0.1:{port}/")
    if held_by:
        return _refuse(f"Chappe already runs on {folder}: {held_by}")
    here = installation.read(folder, chosen=ports.choose(folder, *EMBEDDED))
    if not _settings_are_good(here):
        return 2
    installation.check(here)
    live = functools.partial(_supervise, here)
    return supervisor.guarded(live, with_parent=with_parent, keeps_terminal=False, on_end=lock.end)


def manage(lock: installation.Lock, arguments: list[str]) -> int:
    """Run manage.py with the servers of the running installation, or with servers of its own for the moment."""
    folder = lock.path.parent
    runs_elsewhere = lock.take(note="a command of `make manage`, which is still running")
    chosen = ports.remembered(folder) if runs_elsewhere else ports.choose(folder, *EMBEDDED)
    if missing := set(EMBEDDED) - set(chosen):
        return _refuse(f"{folder} holds no ports for {', '.join(sorted(missing))}; start `make run` once.")
    here = installation.read(folder, chosen=chosen)
    call = functools.partial(_call, here, plan.manage(*arguments), with_servers=not runs_elsewhere)
    if runs_elsewhere:
        return call()
    return supervisor.guarded(call, with_parent=True, keeps_terminal=True, on_end=lock.end)


def _supervise(here: installation.Installation) -> int:
    """The life of one run, inside the guard."""
    run_all = supervisor.Supervisor()
    run_all.listen()
    supervisor.say("chappe", f"starting in {here.home}")
    try:
        _bring_up_servers(run_all, here)
        run_all.run_step("migrate", plan.manage("migrate", "--verbosity", "0"), here.environment)
        run_all.run_step("roles", plan.manage("setup_roles", "--verbosity", "0"), here.environment)
        if here.environment.get("CHAPPE_ENV") != "production" and not _people(here):
            supervisor.say("chappe", "first start: making a small demo")
            run_all.run_step("demo", plan.manage("demo", "--small"), here.environment)
        for service in plan.programs(here):
            run_all.bring_up(service)
        _tell(here)
        run_all.keep_up()
    except supervisor.StopAsked:
        pass
    except errors.DomainError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    finally:
        supervisor.say("chappe", "stopping")
        run_all.stop_all()
    return 0


def _bring_up_servers(run_all: supervisor.Supervisor, here: installation.Installation) -> None:
    if here.cluster is not None:
        postgres.make(here.cluster)
    for service in plan.servers(here):
        run_all.bring_up(service)


def _call(here: installation.Installation, argv: list[str], *, with_servers: bool) -> int:
    """Run one program in the foreground of the terminal, between start and stop of the servers if asked."""
    if not with_servers:
        return subprocess.call(argv, env=here.environment)
    run_all = supervisor.Supervisor()
    run_all.listen()
    try:
        _bring_up_servers(run_all, here)
        return subprocess.call(argv, env=here.environment)
    except supervisor.StopAsked:
        return 130
    except errors.DomainError as error:
        return _refuse(error.message)
    finally:
        run_all.stop_all()


def _settings_are_good(here: installation.Installation) -> bool:
    """Read the settings once before anything starts; what is wrong is told in one sentence by the reader."""
    argv = [sys.executable, "-c", "import config.settings"]
    return subprocess.run(argv, env=here.environment, cwd=installation.ROOT, check=False).returncode == 0


def _people(here: installation.Installation) -> list[str]:
    """Who can sign in: addresses of all active users."""
    with psycopg.connect(here.environment["DATABASE_URL"], connect_timeout=5) as connection:
        rows = connection.execute("SELECT email FROM accounts_user WHERE is_active ORDER BY id").fetchall()
    return [str(row[0]) for row in rows]


def _tell(here: installation.Installation) -> None:
    """Print the one address and, while they exist, the demo sign-ins."""
    people = set(_people(here))
    lines = ["", f"  Chappe runs at {here.url}", ""]
    demo = [address for address in plan.DEMO_PEOPLE if address in people]
    if demo:
        lines += ["  Sign in as            Password"]
        lines += [f"  {address:<21} {plan.DEMO_PASSWORD}" for address in demo]
        lines += [""]
    lines += ["  Ctrl-C stops everything.", ""]
    supervisor.show("\n".join(lines) + "\n")


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    os.chdir(installation.ROOT)
    try:
        sys.exit(main())
    except errors.DomainError as error:
        sys.exit(_refuse(error.message))
