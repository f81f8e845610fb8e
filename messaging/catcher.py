"""The local mail catcher: an SMTP server on this machine that delivers nothing and shows everything in the inbox.

It answers 250 to a message only after it is stored, in batches, so that what a sender believes delivered is there.
While PostgreSQL is away it answers 451 and senders come again. For trying out failures it refuses some addresses:
`bounce-hard@…` with 550, `bounce-soft@…` with 451. Not for production: it asks nobody who they are.

Threads: one runs the SMTP event loop, one (the caller's) stores. Killed at any line, it has lost no message that it
said 250 to.
"""

import asyncio
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import DatabaseError, InterfaceError, connection

from messaging import inbox

logger = logging.getLogger(__name__)

# Bytes of one message, offered as SIZE.
SIZE_LIMIT = 30 * 1024 * 1024
# Messages written by one statement, and seconds between prunings.
_BATCH = 500
_PRUNE_EVERY_S = 20.0
# Bytes that may wait for being stored; then senders wait.
_WAITING_BYTES = 64 * 1024 * 1024

_HARD = "550 5.1.1 <{}>: no such mailbox (an address for trying out hard bounces)"
_SOFT = "451 4.2.2 <{}>: mailbox full (an address for trying out soft bounces)"
_AWAY = "451 4.3.0 The inbox can't store messages right now. Try again later."
_Waiting = tuple[list[inbox.Caught], "Future[bool]"]


class Handler:
    """The SMTP side: takes messages and waits until the writer has stored them."""

    def __init__(self, waiting: "queue.Queue[_Waiting]") -> None:
        self._waiting = waiting
        self._n_bytes = 0

    async def handle_RCPT(  # noqa: N802  # the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        local = address.strip().lower().rpartition("@")[0]
        if local.startswith("bounce-hard"):
            return _HARD.format(address)
        if local.startswith("bounce-soft"):
            return _SOFT.format(address)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content or b""
        source = content.encode() if isinstance(content, str) else content
        caught = [inbox.Caught(envelope.mail_from or "", to, source) for to in envelope.rcpt_tos]
        while self._n_bytes > _WAITING_BYTES:
            await asyncio.sleep(0.02)
        stored: Future[bool] = Future()
        self._n_bytes += len(source)
        self._waiting.put((caught, stored))
        try:
            is_stored = await asyncio.wrap_future(stored)
        finally:
            self._n_bytes -= len(source)
        return "250 2.0.0 Stored in the inbox" if is_stored else _AWAY


class Catcher:
    """The server. `start` returns when it listens; `run` stores messages until `stop`."""

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, on_stored: Callable[[int], None] | None = None
    ) -> None:
        self._waiting: queue.Queue[_Waiting] = queue.Queue()
        self._stopping = threading.Event()
        self._on_stored = on_stored
        self._pruned_at = 0.0
        self._address = (host, port)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._sessions: weakref.WeakSet[SMTP] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._loop.run_forever, name="catcher-smtp", daemon=True)

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        handler = Handler(self._waiting)

        def protocol() -> SMTP:
            session = SMTP(
                handler, data_size_limit=SIZE_LIMIT, enable_SMTPUTF8=True, ident="Chappe mail catcher", loop=self._loop
            )
            self._sessions.add(session)
            return session

        host, port = self._address
        # In this thread, so that a port that is taken is told by an exception here.
        self._server = self._loop.run_until_complete(self._loop.create_server(protocol, host, port, reuse_address=True))
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def run(self) -> None:
        """Store what comes in, until `stop`; to be called in the thread that owns the database connection."""
        while not self._stopping.is_set():
            if batch := self._next_batch(timeout=0.5):
                self._store(batch)
            self._prune()
        self._close()

    def _close(self) -> None:
        """Stop listening, store what already waits, break what is still open, and end the loop's thread."""
        assert self._server is not None
        self._loop.call_soon_threadsafe(self._server.close)
        while batch := self._next_batch(timeout=0.05):
            self._store(batch)
        asyncio.run_coroutine_threadsafe(self._break_sessions(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _break_sessions(self) -> None:
        # A moment for the answers to what was stored last.
        await asyncio.sleep(0.05)
        for session in list(self._sessions):
            if isinstance(session.transport, asyncio.WriteTransport):
                session.transport.abort()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def stop(self) -> None:
        """Let `run` return, after it stored what had come in."""
        self._stopping.set()

    def _next_batch(self, *, timeout: float) -> list[_Waiting]:
        """Everything that waits now, up to _BATCH; waits `timeout` seconds for a first one."""
        try:
            batch = [self._waiting.get(timeout=timeout)]
        except queue.Empty:
            return []
        while len(batch) < _BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch

    def _store(self, batch: list[_Waiting]) -> None:
        messages = [message for caught, _stored in batch for message in caught]
        try:
            inbox.store(messages)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The inbox can't store messages: %s", str(error).strip().splitlines()[0])
            # The next batch opens a new connection.
            connection.close()
            is_stored = False
        else:
            is_stored = True
        for _caught, stored in batch:
            stored.set_result(is_stored)
        if is_stored and self._on_stored:
            self._on_stored(len(messages))

    def _prune(self) -> None:
        if time.monotonic() - self._pruned_at < _PRUNE_EVERY_S:
            return
        self._pruned_at = time.monotonic()
        try:
            inbox.prune()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The inbox can't be pruned: %s", str(error).strip().splitlines()[0])
            connection.close()
