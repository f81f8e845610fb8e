"""The few Linux calls that make sure no process outlives the one that started it.

Two nets, one under the other: a child asks the kernel for a signal when its parent dies, and a reaper adopts every
orphan below it, so that it can end what did not end by itself.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def with_parent(sig: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: own process group, and `sig` for the child when the starting process dies.

    The kernel follows the *thread* that forked, so children are started from the main thread only.
    """
    parent = os.getpid()

    def prepare() -> None:
        os.setpgid(0, 0)
        # A shell starts background programs with some signals ignored, and children would inherit that.
        for ours in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ours, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        follow_parent(sig, parent=parent)

    return prepare


def follow_parent(sig: signal.Signals, *, parent: int) -> None:
    """Get `sig` when process `parent` dies; at once if it is dead already."""
    if _LIBC is None:
        return
    _LIBC.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), sig)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children_of(pid: int) -> list[int]:
    """Direct children, zombies included; [] where /proc is not there."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command may hold spaces and brackets; the fields after the last bracket are state and parent.
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def end_all_children(*, grace_s: float) -> None:
    """End every child and every orphan adopted meanwhile; SIGKILL after `grace_s` seconds. Returns when none is left.

    SIGINT goes out first because it is a clean, quick end for PostgreSQL and no harm to the others.
    """
    deadline = time.monotonic() + grace_s
    told: set[int] = set()
    while True:
        _reap()
        left = children_of(os.getpid())
        if not left:
            return
        late = time.monotonic() > deadline
        for pid in left:
            if late or pid not in told:
                told.add(pid)
                send(pid, signal.SIGKILL if late else signal.SIGINT)
        time.sleep(0.02)


def send(pid: int, sig: signal.Signals) -> None:
    """Send a signal; a process that is gone already is what was wanted."""
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return


def send_group(group: int, sig: signal.Signals) -> None:
    """Send a signal to a process group; an empty group is what was wanted."""
    try:
        os.killpg(group, sig)
    except ProcessLookupError:
        return


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return state not in {"Z", "X"}


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
