"""`make bench`: the whole way of a send, measured beside what others do. docs/performance.md explains the rows.

Everything is on and real: PostgreSQL with fsync, two processes that run the product's drain, Liquid in HTML, text and
subject, tracked links, open pixel, unsubscribe headers, one log row each. All rows are measured once in each round, so
that what the machine does meanwhile hits all of them. Progress goes to standard error; a table and, as the last line,
one JSON object go to standard output. Ends with 1 when anybody got a message twice or not at all.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report, rows, servers, sinks
from benchmarks.rows import Figures, Hall, Row

# Messages of each row's uncounted first send, which warms its processes up.
_WARM_UP = 2_000
_SMALL, _LARGE = 10_000, 1_000_000
_N_SMALL = 5
# Where the Makefile installs what is compared with.
_BENCH_PYTHONS = (Path(f"{sys.prefix}-bench/bin/python"), Path(".venv-bench/bin/python"))


def main() -> None:
    options = _options()
    chosen = _possible([row for row in rows.ALL if row.group in options.rows])
    with servers.throwaway() as postgres_pid, tempfile.TemporaryDirectory(prefix="chappe-sinks-") as folder:
        made = sinks.Sinks(Path(folder))
        with rows.hall(postgres_pid, made, post_office_python=_post_office_python()) as hall:
            found, measured = _run(hall, chosen, options)
    print(report.table(found, measured))
    print(json.dumps(found), flush=True)
    if found["duplicates"] or not found["counts_equal"]:
        raise SystemExit("The numbers do not add up.")


def _run(
    hall: Hall, chosen: list[Row], options: argparse.Namespace
) -> tuple[dict[str, object], dict[str, list[Figures]]]:
    machine = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "python": platform.python_version()}
    _say("making people")
    hall.office.ask(do="make")
    n_people = max([row.n_messages(options.people) for row in chosen if row.sender != rows.POST_OFFICE], default=1)
    hall.office.ask(do="people", first=1, last=n_people)
    if any(row.sender == rows.SOURCE for row in chosen):
        hall.n_sessions = rows.best_sessions(hall, min(20_000, options.people))
        _say(f"smtp-source is fastest with {hall.n_sessions} connections")
    measured = _rounds(hall, chosen, options)
    memory = {row.name: round(hall.peak_mb(row)) for row in chosen if row.name in {"e", "e Celery"}}
    growth = _growth(hall, options, n_people) if options.large else None
    found = report.result(measured, growth, memory)
    settings = {"people": options.people, "rounds": options.rounds, "sessions": hall.n_sessions}
    return {**found, **settings, "machine": machine}, measured


def _rounds(hall: Hall, chosen: list[Row], options: argparse.Namespace) -> dict[str, list[Figures]]:
    """Every row once a round, after a first send of each that isn't counted."""
    for row in chosen:
        hall.measure(row, min(_WARM_UP, row.n_messages(options.people)))
    measured: dict[str, list[Figures]] = {row.name: [] for row in chosen}
    for number in range(options.rounds):
        # Each second round the other way round: nobody always comes after the same neighbour.
        for row in chosen if number % 2 == 0 else reversed(chosen):
            figures = hall.measure(row, row.n_messages(options.people))
            measured[row.name].append(figures)
            _say(f"round {number + 1}: {row.name:<11} {figures.per_second:>8.0f} a second{_doubts(figures)}")
    return measured


def _growth(hall: Hall, options: argparse.Namespace, n_people: int) -> report.Growth:
    """Sends to few and to very many, each in processes of their own; the large one amid the small ones."""
    row = next(row for row in rows.ALL if row.name == "e")
    n_small, n_large = min(_SMALL, options.people), options.large
    if n_large > n_people:
        _say(f"making {n_large - n_people} more people")
        hall.office.ask(do="people", first=n_people + 1, last=n_large)
    for fresh in ("small", "large"):
        hall.measure(row, min(_WARM_UP, n_small), fresh=fresh)
    small = [hall.measure(row, n_small, fresh="small") for _number in range(_N_SMALL // 2)]
    large = hall.measure(row, n_large, fresh="large")
    _say(f"{n_large} people: {large.per_second:.0f} a second{_doubts(large)}")
    small += [hall.measure(row, n_small, fresh="small") for _number in range(_N_SMALL - len(small))]
    memory = {n: round(hall.peak_mb(row, fresh=fresh)) for n, fresh in ((n_small, "small"), (n_large, "large"))}
    return report.Growth(small, large, memory)


def _doubts(figures: Figures) -> str:
    return "" if figures.is_whole else f"  WRONG: {figures}"


def _possible(chosen: list[Row]) -> list[Row]:
    """Without the rows whose programs are missing; says how to get them."""
    if not (sinks.program("smtp-source") and sinks.program("smtp-sink")):
        _say(
            "smtp-source and smtp-sink are not installed, so rows into smtp-sink and the ratio to it are left out."
            " They come with Postfix (on Debian: apt-get install postfix)."
        )
        chosen = [row for row in chosen if row.sink != sinks.POSTFIX]
    if not _post_office_python():
        _say("django-post_office is not installed, so its rows are left out. `make bench` installs it in .venv-bench.")
        chosen = [row for row in chosen if row.sender != rows.POST_OFFICE]
    return chosen


def _post_office_python() -> str:
    """The Python that has django-post_office; "" when none has."""
    found = [str(python) for python in _BENCH_PYTHONS if python.exists()]
    found += [sys.executable] if importlib.util.find_spec("post_office") else []
    return found[0] if found else ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description="Measure the sending.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is measured (5)")
    parser.add_argument("--people", type=int, default=100_000, help="recipients of row b; a and e have twice as many")
    parser.add_argument("--rows", default="a,b,c,d,e", help="which rows (a,b,c,d,e)")
    parser.add_argument("--large", type=int, default=_LARGE, help="recipients of the one large send; 0 leaves it out")
    options = parser.parse_args()
    options.rows = options.rows.split(",")
    return options


def _say(sentence: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
