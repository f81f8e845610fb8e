"""`make bench`: a whole send into a local sink, measured. Prints progress on standard error and one JSON line.

Everything is on and real: PostgreSQL with fsync, preparation, two drains in processes of their own, Liquid in HTML,
text and subject, tracked links, open pixel, unsubscribe headers, one log row each. BENCH_N changes the number of
recipients. Where Postfix's smtp-source is installed, it sends a constant message of the same size into the same sink.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import servers

N = int(os.environ.get("BENCH_N", "100000"))
N_SMALL = 10_000
N_DRAINS = 2
N_SESSIONS = 50


def main() -> None:
    with servers.throwaway() as postgres_pid:
        sink_port = urlsplit(os.environ["SMTP_URL"]).port or 0
        _run("benchmarks.send", "make", str(N))
        small = _measure(N_SMALL, postgres_pid, sink_port)
        large = _measure(N, postgres_pid, sink_port)
        source = _smtp_source(sink_port, large["bytes_per_message"])
    result = {
        **large,
        "rss_mb_10k": small["rss_mb"],
        "smtp_source_per_second": source,
        "ratio_to_smtp_source": round(large["messages_per_second"] / source, 2) if source else None,
    }
    print(json.dumps(result))
    if large["duplicates"] or large["received"] != N or large["sent"] != N:
        raise SystemExit("The numbers do not add up.")


def _measure(n: int, postgres_pid: int, sink_port: int) -> dict[str, float]:
    """Prepare and send to `n` people; figures of this send alone."""
    sink = _sink(sink_port)
    prepared = json.loads(_run("benchmarks.send", "prepare", str(n)))
    drains = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.send", "drain", str(prepared["delivery"])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _number in range(N_DRAINS)
    ]
    for drain in drains:
        assert drain.stdout is not None and drain.stdout.readline() == "ready\n"
    before = _cpu_s(postgres_pid)
    started = time.monotonic()
    for drain in drains:
        assert drain.stdin is not None
        drain.stdin.write("go\n")
        drain.stdin.flush()
    reports = [json.loads(drain.communicate()[0]) for drain in drains]
    seconds = time.monotonic() - started
    database_s = _cpu_s(postgres_pid) - before
    received = json.loads(sink.communicate("")[0])
    figures = {
        "recipients": n,
        "seconds": round(seconds, 2),
        "messages_per_second": round(n / seconds),
        "prepare_seconds": prepared["seconds"],
        "cpu_us_sender": round(sum(report["cpu_s"] for report in reports) / n * 1e6, 1),
        "cpu_us_postgres": round(database_s / n * 1e6, 1),
        "cpu_us_sink": round(received["cpu_s"] / n * 1e6, 1),
        "rss_mb": round(max(report["rss_mb"] for report in reports)),
        "sent": json.loads(_run("benchmarks.send", "count", str(prepared["delivery"])))["sent"],
        "received": received["recipients"],
        "duplicates": received["duplicates"],
        "bytes_per_message": round(received["bytes"] / max(1, received["messages"])),
    }
    print(f"{n} recipients: {figures['messages_per_second']} messages per second", file=sys.stderr)
    return figures


def _sink(port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.sink", str(port)]
    sink = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None and sink.stdout.readline() == "ready\n"
    return sink


def _smtp_source(port: int, n_bytes: float) -> int | None:
    """Messages per second of Postfix's own load generator, connections kept; None where it isn't installed."""
    program = shutil.which("smtp-source", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec/postfix")
    if program is None:
        print("smtp-source is not installed (Debian: postfix); no comparison.", file=sys.stderr)
        return None
    sink = _sink(port)
    started = time.monotonic()
    options = ["-d", "-s", str(N_SESSIONS), "-m", str(N), "-l", str(int(n_bytes)), f"inet:127.0.0.1:{port}"]
    subprocess.run([program, *options], check=True, capture_output=True)
    seconds = time.monotonic() - started
    sink.communicate("")
    return round(N / seconds)


def _run(module: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and all it started, ended ones included."""
    total = 0.0
    children: dict[int, list[int]] = {}
    ticks: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(number)
        ticks[number] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    waiting = [pid]
    while waiting:
        number = waiting.pop()
        total += ticks.get(number, 0.0)
        waiting += children.get(number, [])
    return total


if __name__ == "__main__":
    main()
