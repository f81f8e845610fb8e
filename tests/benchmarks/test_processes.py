"""What the kernel is asked about measured processes."""

import os
import subprocess
import sys

from benchmarks import processes


def test_cpu_and_memory_are_those_of_the_process() -> None:
    code = "x = bytearray(60_000_000); n = sum(range(6_000_000)); print(n, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in processes.children(os.getpid())
        assert 0.01 <= processes.cpu_s(child.pid) < 30
        assert 60 <= processes.peak_mb(child.pid) < 200
        child.communicate(b"\n")
    assert child.pid not in processes.children(os.getpid())
