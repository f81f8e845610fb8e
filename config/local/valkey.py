"""Valkey in a folder of its own: started in the foreground, on 127.0.0.1, behind a password.

Called by the supervisor (append-only file, survives kill -9 but for the last second) and by the test plugin (memory
only). It holds the cache and wake-up hints for workers; losing all of it loses nothing that counts.
"""

import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import redis

from config.local import binaries, postgres, process

# Enough for a pair per process of a parallel test run.
DATABASES = 64


@dataclass(frozen=True)
class Instance:
    """One folder and the port of the server on it."""

    folder: Path
    port: int
    keeps_data: bool = True
    program: Path = field(default_factory=binaries.valkey)

    @property
    def log(self) -> Path:
        return self.folder / "valkey.log"

    def url(self, database: int) -> str:
        """REDIS_URL of one numbered database of this server."""
        return f"redis://:{postgres.secret(self.folder / 'valkey.password')}@127.0.0.1:{self.port}/{database}"


def start(instance: Instance) -> subprocess.Popen[bytes]:
    """Start the server as a child of this process that stops when this process dies."""
    data = instance.folder / "valkey"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The password goes through standard input: an argument could be read by everybody on the machine.
    lines = [
        f"requirepass {postgres.secret(instance.folder / 'valkey.password')}",
        "bind 127.0.0.1",
        f"port {instance.port}",
        f'dir "{data}"',
        f"appendonly {'yes' if instance.keeps_data else 'no'}",
        'save ""',
        f"databases {DATABASES}",
        "loglevel warning",
    ]
    with instance.log.open("ab") as log:
        server = subprocess.Popen(
            [str(instance.program), "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            preexec_fn=process.with_parent(signal.SIGTERM),
        )
    assert server.stdin is not None
    server.stdin.write("\n".join(lines).encode())
    server.stdin.close()
    return server


def is_ready(instance: Instance) -> bool:
    """Whether the server answers with its data loaded."""
    client = redis.Redis.from_url(instance.url(0), socket_connect_timeout=1, socket_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
