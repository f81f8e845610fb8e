"""Hand messages to one SMTP server over several connections: a pool for sending, and one-off helpers.

The pool keeps up to `server.n_connections` conversations going (see conversation.py for what each fault means).
Trouble of the server itself is a `Trouble` value, never an outcome of a person: the pool backs off, and when no
connection works it says so once through `out_of_order`. Nothing is retried for a person here.
"""

import asyncio
import collections
import logging
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import NamedTuple, TypeVar

import uvloop
from django.utils.translation import gettext as _

from messaging.conversation import Connection
from messaging.handover import (
    Envelope,
    Handover,
    Result,
    Server,
    Source,
    Stage,
    Timeouts,
    Trouble,
    Unusable,
    tls_trouble,
)

__all__ = [
    "Envelope",
    "Handover",
    "Pool",
    "Probe",
    "Result",
    "Source",
    "Timeouts",
    "Trouble",
    "connect",
    "probe",
    "send_one",
]

T = TypeVar("T")
logger = logging.getLogger(__name__)

# Seconds between attempts of one slot to connect, after failures in a row; and how many make the server out of order.
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
_N_TRIES = 3
_MOST_RETURNS = 2


class Probe(NamedTuple):
    """Whether a server would take messages now, and the conversation, secrets masked."""

    trouble: Trouble | None
    lines: list[str]


async def connect(
    server: Server,
    source: Source,
    *,
    timeouts: Timeouts | None = None,
    context: ssl.SSLContext | None = None,
    log: Callable[[str], None] | None = None,
) -> Connection:
    """A connection that is ready to `pull`. `context` saves making one (0.1 s) each time. Raises handover.Unusable."""
    timeouts = timeouts or Timeouts()
    context = context or tls_context(server)
    connection: Connection | None = None

    def make() -> Connection:
        nonlocal connection
        connection = Connection(source, timeouts, log)
        return connection

    if log is not None:
        log(f"* Connecting to {server.host}:{server.port}")
    try:
        async with asyncio.timeout(timeouts.connect):
            await asyncio.get_running_loop().create_connection(
                make,
                server.host,
                server.port,
                ssl=context if server.security == "tls" else None,
                server_hostname=server.host if server.security == "tls" else None,
            )
        assert connection is not None
        await connection.set_up(server, context)
    except BaseException as error:
        if connection is not None:
            connection.abort()
        if isinstance(error, TimeoutError):
            raise Unusable(_connect_trouble(server, "no answer")) from error
        if isinstance(error, ssl.SSLError):
            raise Unusable(tls_trouble(error)) from error
        if isinstance(error, OSError):
            raise Unusable(_connect_trouble(server, _reason(error))) from error
        raise
    return connection


def tls_context(server: Server) -> ssl.SSLContext | None:
    """Certificates are checked against the system's authorities; None where no TLS is wanted."""
    return None if server.security == "none" else ssl.create_default_context()


class Pool:
    """Connections to one server that send whatever `source` has.

    `out_of_order` is called once, in the loop, when no connection works and several tries failed, or when all failed
    and only a person can help (TLS, sign-in). `wake` after the source has something new; `close` lets messages on the
    way end.
    """

    def __init__(
        self,
        server: Server,
        source: Source,
        *,
        out_of_order: Callable[[Trouble], None],
        timeouts: Timeouts | None = None,
    ) -> None:
        self._server = server
        self._source = source
        self._timeouts = timeouts or Timeouts()
        self._out_of_order = out_of_order
        self._context = tls_context(server)
        self._live: set[Connection] = set()
        self._slots: list[asyncio.Task[None]] = []
        self._watch: asyncio.Task[None] | None = None
        self._n_setting_up = 0
        self._is_closing = False
        self._is_out = False

    @property
    def n_live(self) -> int:
        """Connections that can send now."""
        return len(self._live)

    def start(self) -> None:
        """Open the connections in the background."""
        self._slots = [
            asyncio.ensure_future(self._slot(number)) for number in range(max(1, self._server.n_connections))
        ]
        self._watch = asyncio.ensure_future(self._check())

    def wake(self) -> None:
        """Give idle connections work."""
        for connection in tuple(self._live):
            if connection.stage is Stage.IDLE:
                connection.pull()

    async def close(self) -> None:
        """End every conversation after its message; returns when the last one has its outcome (or its timeout)."""
        self._is_closing = True
        for connection in tuple(self._live):
            connection.end()
        for slot, task in enumerate(self._slots):
            if not any(connection.slot == slot for connection in self._live):
                task.cancel()
        await asyncio.gather(*self._slots, return_exceptions=True)
        if self._watch is not None:
            self._watch.cancel()

    async def _slot(self, number: int) -> None:
        n_failures = 0
        while not self._is_closing:
            trouble, n_settled = await self._one_connection(number)
            if n_settled:
                n_failures = 0
            if trouble is None or self._is_closing:
                continue
            # What it gave back goes over the others now.
            self.wake()
            if not n_settled:
                n_failures += 1
                self._judge(trouble, n_failures)
                # What only a person can mend isn't knocked at again and again while others are being served.
                n_waits = len(_BACKOFF) if trouble.is_lasting else min(n_failures, len(_BACKOFF))
                await asyncio.sleep(_BACKOFF[n_waits - 1])

    async def _one_connection(self, number: int) -> tuple[Trouble | None, int]:
        """Connect and send until the connection ends; why it ended and how many messages got an outcome."""
        self._n_setting_up += 1
        try:
            connection = await connect(self._server, self._source, timeouts=self._timeouts, context=self._context)
        except Unusable as error:
            return error.trouble, 0
        except Exception:
            # A slot that dies would leave its caller waiting for ever.
            logger.exception("setting up a connection to the mail server failed")
            return Trouble("protocol", _("The connection to the mail server ended with an error.")), 0
        finally:
            self._n_setting_up -= 1
        connection.slot = number
        self._live.add(connection)
        try:
            if self._is_closing:
                connection.end()
            connection.pull()
            return await connection.closed, connection.n_settled
        finally:
            self._live.discard(connection)

    def _judge(self, trouble: Trouble, n_failures: int) -> None:
        """Call the server out of order when this trouble is everybody's. A server that takes fewer connections than we
        open refuses some and serves the others.
        """
        works = self._live
        if trouble.kind == "sign_in":
            # Set up like this one, and not found out yet.
            works = {connection for connection in works if connection.n_settled}
        if self._is_out or works:
            return
        if n_failures >= _N_TRIES or (trouble.is_lasting and not self._n_setting_up):
            self._is_out = True
            self._out_of_order(trouble)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, min(self._timeouts) / 2))
            now = time.monotonic()
            for connection in tuple(self._live):
                connection.check(now)


class _List:
    """A source over a list, for few messages."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self._waiting = collections.deque(envelopes)
        self._n_open = len(envelopes)
        self._returns: collections.Counter[int] = collections.Counter()
        self.outcomes: dict[int, Handover] = {}
        self.done = asyncio.Event()

    def take(self) -> Envelope | None:
        return self._waiting.popleft() if self._waiting else None

    def on_wire(self, envelope: Envelope) -> bool:
        return True

    def settle(self, envelope: Envelope, handover: Handover) -> None:
        if handover.result is Result.NOT_TRIED and self._returns[id(envelope)] < _MOST_RETURNS:
            # A neighbour broke the connection before this one was named.
            self._returns[id(envelope)] += 1
            self._waiting.appendleft(envelope)
            return
        self.outcomes[id(envelope)] = handover
        self._n_open -= 1
        if self._n_open == 0:
            self.done.set()

    def give_up(self, trouble: Trouble) -> None:
        for envelope in self._waiting:
            self.outcomes[id(envelope)] = Handover(Result.NOT_TRIED, "", trouble.message)
        self.done.set()


def send_one(server: Server, payloads: Sequence[Envelope], *, timeouts: Timeouts | None = None) -> list[Handover]:
    """Hand over a few messages now and wait for the answers, in the order of `payloads`. Nobody gets one twice."""

    async def run() -> list[Handover]:
        source = _List(payloads)
        if not payloads:
            return []
        pool = Pool(server, source, out_of_order=source.give_up, timeouts=timeouts)
        pool.start()
        await source.done.wait()
        await pool.close()
        return [source.outcomes[id(payload)] for payload in payloads]

    return _run(run)


def probe(server: Server, *, timeouts: Timeouts | None = None) -> Probe:
    """Connect, sign in and leave, without sending anything."""

    async def run() -> Probe:
        lines: list[str] = []
        try:
            connection = await connect(server, _List([]), timeouts=timeouts, log=lines.append)
        except Unusable as error:
            return Probe(error.trouble, lines)
        connection.end()
        return Probe(None, lines)

    return _run(run)


def _run(work: Callable[[], Coroutine[object, object, T]]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


def _connect_trouble(server: Server, reason: str) -> Trouble:
    sentence = _("No connection to {server}: {reason}.").format(server=f"{server.host}:{server.port}", reason=reason)
    return Trouble("connect", sentence, reason)


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return (error.strerror or str(error) or type(error).__name__).lower()
