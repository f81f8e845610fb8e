"""The mail servers that take the measured messages: Postfix's smtp-sink, our own in C, and ours in Python with or
without TLS. Each is started for one send and says afterwards what it got.
"""

import contextlib
import datetime as dt
import functools
import ipaddress
import json
import os
import random
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks import processes
from config.local import ports, process

POSTFIX, CHEAP, PYTHON, TLS = "smtp-sink", "cheap sink", "Python sink", "Python sink, TLS"
# Programs of Postfix are often not on a user's path.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec/postfix:/usr/lib/postfix/sbin"
# Below those the system takes for outgoing connections, which would be in the way when a sink starts again.
_PORTS = range(20_000, 30_000)


def program(name: str) -> str:
    """The path of a program of Postfix; "" when it isn't installed."""
    return shutil.which(name, path=_PATH) or ""


@dataclass
class Received:
    """What one sink got. `recipients` None: it can only count messages, and `duplicates` is not known."""

    messages: int = 0
    recipients: int | None = None
    duplicates: int = 0
    bytes: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True)
class Sinks:
    """The sinks of one run, each on a port of its own."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Not the first ones: several runs, or tests, at once would take the same.
        free = (port for port in random.sample(_PORTS, 200) if ports.is_free(port))
        self.ports.update({kind: next(free) for kind in (POSTFIX, CHEAP, PYTHON, TLS)})
        make_certificate(self.certificate)

    @property
    def certificate(self) -> Path:
        return self.folder / "sink.pem"

    def environment(self, kind: str) -> dict[str, str]:
        """What a sender needs to reach it."""
        if kind == TLS:
            return {"SMTP_URL": f"smtps://127.0.0.1:{self.ports[kind]}", "SSL_CERT_FILE": str(self.certificate)}
        return {"SMTP_URL": f"smtp://127.0.0.1:{self.ports[kind]}"}

    @contextlib.contextmanager
    def running(self, kind: str, *, expected: int) -> Iterator[Received]:
        """The sink; what it got is filled in at the end."""
        received = Received()
        if kind == POSTFIX:
            with _postfix(self.ports[kind], received, expected):
                yield received
            return
        sink = subprocess.Popen(
            self._command(kind),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=process.with_parent(signal.SIGTERM),
        )
        assert sink.stdout is not None and sink.stdout.readline() == "ready\n"
        try:
            yield received
        finally:
            told = json.loads(sink.communicate("")[0])
        for name in ("messages", "recipients", "duplicates", "bytes", "cpu_s"):
            setattr(received, name, told[name])

    def _command(self, kind: str) -> list[str]:
        port = str(self.ports[kind])
        compiled = _compiled(self.folder) if kind == CHEAP else ""
        if compiled:
            return [compiled, port]
        return [sys.executable, "-m", "benchmarks.sink", port, *([str(self.certificate)] if kind == TLS else [])]


@contextlib.contextmanager
def _postfix(port: int, received: Received, expected: int) -> Iterator[None]:
    """smtp-sink says nothing about what it got, but it ends by itself after a number of messages. It is told to end
    after one more than expected; if it does so at one more message of ours, it got exactly the expected ones.
    """
    unprivileged = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [program("smtp-sink"), *unprivileged, "-M", str(expected + 1), f"127.0.0.1:{port}", "256"]
    sink = subprocess.Popen(command, preexec_fn=process.with_parent(signal.SIGTERM))
    try:
        _wait_for(port)
        before = processes.cpu_s(sink.pid)
        yield
        received.cpu_s = processes.cpu_s(sink.pid) - before
        if sink.poll() is not None:
            received.messages = expected + 1
            return
        with contextlib.suppress(smtplib.SMTPException, OSError), smtplib.SMTP("127.0.0.1", port, timeout=10) as one:
            one.sendmail("last@example.test", ["last@example.test"], "Subject: one more\n\n")
        with contextlib.suppress(subprocess.TimeoutExpired):
            received.messages = expected if sink.wait(timeout=1) == 0 else 0
    finally:
        sink.kill()
        sink.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    raise RuntimeError("smtp-sink did not start")


@functools.cache
def _compiled(folder: Path) -> str:
    """The path of the sink in C, compiled; "" where there is no compiler."""
    made = folder / "csink"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        print("No C compiler is installed; the cheap sink is the one in Python.", file=sys.stderr)
        return ""
    source = Path(__file__).with_name("csink.c")
    subprocess.run([compiler, "-O2", "-o", str(made), str(source)], check=True)
    return str(made)


def make_certificate(path: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
