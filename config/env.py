"""Readers of environment variables: the only place where the environment is read.

Each reader returns a checked value or stops the process with one sentence that names the variable,
what is wrong with it and what would be right. Values are never echoed in full where they may hold a password.
"""

import os
import re
import sys
import zoneinfo
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

_HOST_AND_PORT = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_.-]{0,250}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")


def stop(name: str, problem: str) -> NoReturn:
    """End the process with one sentence on standard error and exit code 2."""
    sys.stderr.write(f"{name} {problem}\n")
    raise SystemExit(2)


def text(name: str, default: str = "") -> str:
    """The variable, stripped; `default` when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off; stops on anything else."""
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    stop(name, f"is {value!r}. Use 1 or 0.")


def integer(name: str, *, default: int, low: int, high: int) -> int:
    """A whole number within [low, high]; stops on anything else."""
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        stop(name, f"is {value!r}, which is not a whole number. Use a number from {low} to {high}.")
    if not low <= number <= high:
        stop(name, f"is {number}. Use a number from {low} to {high}.")
    return number


def choice(name: str, *, default: str, among: tuple[str, ...]) -> str:
    """One of `among`; stops on anything else."""
    value = text(name, default)
    if value not in among:
        stop(name, f"is {value!r}. Use one of: {', '.join(among)}.")
    return value


def time_zone(name: str, *, default: str) -> str:
    """The name of a time zone, such as Europe/Paris; stops on anything else."""
    value = text(name, default)
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        stop(name, f"is {value!r}, which is no time zone. Example: Europe/Paris")
    return value


def hosts(name: str) -> frozenset[str]:
    """Hosts, or hosts with a port, apart by commas, in lower case; stops on anything else."""
    found = [one.strip().lower() for one in text(name).split(",") if one.strip()]
    for one in found:
        if not _HOST_AND_PORT.fullmatch(one):
            stop(name, f"has {one!r}, which is no host. Example: hooks.internal, 10.0.0.5:8080, [fd00::5]:8080")
    return frozenset(found)


def domain(name: str) -> str:
    """A domain in ASCII, lower case; "" when it is unset. Stops on anything else."""
    value = text(name).lower()
    if value and not (len(value) <= 190 and _DOMAIN.fullmatch(value)):
        stop(name, f"is {value!r}, which is no domain. Example: bounces.example.com")
    return value


def folder(name: str, *, default: Path) -> Path:
    """A folder that exists or can be made by this user; stops on anything else."""
    path = Path(text(name) or default).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(name, f"is {path}, which can't be used as a folder: {error.strerror}.")
    if not os.access(path, os.W_OK | os.X_OK):
        stop(name, f"is {path}, where this user can't write. Choose another folder.")
    return path


def url(name: str, *, default: str, schemes: tuple[str, ...], example: str) -> str:
    """A URL with one of `schemes` and a host (or, for unix sockets, a path); stops on anything else."""
    value = text(name, default)
    if not value:
        return value
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        stop(name, f"is not a URL: {error}. Example: {example}")
    if parts.scheme not in schemes:
        is_what = f"starts with {parts.scheme!r}" if parts.scheme else "has no scheme"
        stop(name, f"{is_what}. Use {' or '.join(schemes)}. Example: {example}")
    if not parts.hostname and not parts.path.strip("/") and "host=" not in parts.query:
        stop(name, f"names no host. Example: {example}")
    if port is not None and not 1 <= port <= 65535:
        stop(name, f"has port {port}. Use a port from 1 to 65535.")
    return value


def database(name: str) -> dict[str, object]:
    """Django's DATABASES["default"] from a postgres:// URL; stops when it is missing or not PostgreSQL."""
    example = "postgresql://user:password@127.0.0.1:5432/chappe"
    value = url(name, default="", schemes=("postgres", "postgresql"), example=example)
    if not value:
        stop(name, f"is not set. `make run` sets it to its own PostgreSQL; elsewhere give one. Example: {example}")
    parts = urlsplit(value)
    database_name = unquote(parts.path.lstrip("/"))
    if not database_name:
        stop(name, f"names no database. Example: {example}")
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database_name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }
