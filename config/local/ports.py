"""TCP ports of the local servers: free ones are chosen once and remembered, so that a restart keeps the addresses."""

import json
import socket
from pathlib import Path


def choose(folder: Path, *names: str) -> dict[str, int]:
    """A port for each name, remembered in `folder`; one that somebody else took in the meantime is replaced."""
    path = folder / "ports.json"
    remembered = _read(path)
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name, 0)
        chosen[name] = port if port and is_free(port) else free(besides=set(chosen.values()))
    path.write_text(json.dumps({**remembered, **chosen}))
    return chosen


def remembered(folder: Path) -> dict[str, int]:
    """The ports of the last start; {} before the first."""
    return _read(folder / "ports.json")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now; connections that are just closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free(besides: set[int] | None = None) -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment, and not one of `besides`."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in (besides or set()):
            return port


def _read(path: Path) -> dict[str, int]:
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return (
        {str(name): port for name, port in content.items() if isinstance(port, int)}
        if isinstance(content, dict)
        else {}
    )
