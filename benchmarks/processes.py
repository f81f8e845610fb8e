"""What the kernel says about processes: CPU time of a tree, children, and the most memory one ever had. Linux only."""

import os
import re
from pathlib import Path


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and all it started, ended ones included; to a hundredth."""
    used, children = _table()
    total, waiting = 0.0, [pid]
    while waiting:
        number = waiting.pop()
        total += used.get(number, 0.0)
        waiting += children.get(number, [])
    return total


def children(pid: int) -> list[int]:
    return _table()[1].get(pid, [])


def peak_mb(pid: int) -> float:
    """The most memory (RSS) the process had so far, in MB, shared pages included."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _table() -> tuple[dict[int, float], dict[int, list[int]]]:
    """CPU seconds, with those of ended children, and children, by process."""
    used: dict[int, float] = {}
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(number)
        used[number] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return used, children
