"""The local memory of what left this process: one byte per person of a leased shard, in a memory-mapped file.

PostgreSQL knows which window was authorised; the journal knows how far it got. It survives the death of the process,
not of the machine, so it is only believed on the same boot of the same kernel, and only by somebody who holds its lock:
the kernel drops the lock of a dead process, which is the proof that nobody writes there any more.
"""

import fcntl
import functools
import mmap
import os
import select
import signal
import uuid
from pathlib import Path

from django.conf import settings

UNTRIED, ON_WIRE, ACCEPTED, REFUSED = 0, 1, 2, 3
# Seconds in which the kernel ends a killed process; much longer than it takes.
_DEATH_S = 2.0


class Journal:
    """An open, locked journal. `marks[position]` is one of the four values; assigning it is all a send costs."""

    def __init__(self, path: Path, descriptor: int, n_marks: int) -> None:
        self.path = path
        self._descriptor = descriptor
        os.ftruncate(descriptor, max(1, n_marks))
        self.marks = mmap.mmap(descriptor, max(1, n_marks))

    @property
    def owner(self) -> str:
        """What a shard's `lease_owner` says: this boot, this file."""
        return f"{boot_id()}:{self.path.name}"

    def resize(self, n_marks: int) -> None:
        """Room for a shard of `n_marks` people; nothing may have been marked yet."""
        self.marks.close()
        os.ftruncate(self._descriptor, max(1, n_marks))
        self.marks = mmap.mmap(self._descriptor, max(1, n_marks))

    def remove(self) -> None:
        """Every outcome is in the database: forget the file."""
        self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Leave the file to recovery: unlocked and unchanged."""
        self.marks.close()
        os.close(self._descriptor)


class Unknown(Exception):
    """The file is not there, so nothing can be said about its owner."""


def create() -> Journal:
    """A new journal, locked by this process."""
    path = folder() / f"{os.getpid()}-{uuid.uuid4().hex}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Journal(path, descriptor, 1)


def adopt(name: str) -> Journal | None:
    """The journal of a dead process, now locked by us; None while its owner lives. Raises Unknown."""
    try:
        descriptor = os.open(folder() / Path(name).name, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Unknown(name) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return Journal(folder() / Path(name).name, descriptor, os.fstat(descriptor).st_size)


def end_owner(name: str) -> bool:
    """Kill the process that holds this journal, if it is one of ours that can be seen from here; whether it is dead.

    Only for an owner whose lease ran out: it stands still, and what it goes on with would be worth nothing. A process
    id may have come again or mean another process in another container, so the open file itself must prove it.
    """
    pid = int(name.partition("-")[0])
    if pid in (0, os.getpid()) or not hasattr(os, "pidfd_open"):
        return False
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not _has_open(pid, folder() / Path(name).name):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
        return bool(select.select([process], [], [], _DEATH_S)[0])
    except OSError:
        return False
    finally:
        os.close(process)


def _has_open(pid: int, path: Path) -> bool:
    wanted = path.stat()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.path.samestat(entry.stat(), wanted):
                return True
        except FileNotFoundError:
            continue
    return False


def folder() -> Path:
    """Where journals lie; made on first use."""
    path = Path(settings.CHAPPE_HOME) / "journal"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@functools.cache
def boot_id() -> str:
    """This run of this kernel: after a restart of the machine the files may be older than the truth."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
