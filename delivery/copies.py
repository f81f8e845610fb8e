"""Blind copies of what was accepted: best effort, over the same connections, and no part of any outcome.

Stands between a drain's outbox and its connections, only for sends that have copies. Once a server has taken somebody's
message, its copy is the next thing a connection gets. What becomes of the copy is told to nobody; a message that is
deferred, refused or unknown has none, and one that is sent again after a deferral has one. A worker that dies, and a
server that hangs up, lose the copies that wait.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from delivery.outbox import Entry, Outbox
from messaging.channels.copying import CopyProgram
from messaging.handover import Handover, Result

logger = logging.getLogger(__name__)
# Copies of one drain that are tried once more, because the connection broke for somebody else.
_MOST_RETURNS = 3


class Copy(NamedTuple):
    """The envelope of a copy."""

    mail_from: bytes
    rcpt_to: bytes
    data: bytes


class Copying:
    """A messaging.handover.Source: an outbox, and copies of what it got rid of. `on_change`: the last one is gone."""

    def __init__(self, outbox: Outbox, program: CopyProgram, to: str, *, on_change: Callable[[], None]) -> None:
        # Waiting, or on the way.
        self.n_open = 0
        self._outbox = outbox
        self._program = program
        self._to = to.encode()
        self._on_change = on_change
        self._waiting: deque[Copy] = deque()
        self._n_returns = 0
        self._is_off = False

    def take(self) -> Entry | Copy | None:
        return self._waiting.popleft() if self._waiting else self._outbox.take()

    def on_wire(self, envelope: Entry | Copy) -> bool:
        return isinstance(envelope, Copy) or self._outbox.on_wire(envelope)

    def settle(self, envelope: Entry | Copy, handover: Handover) -> None:
        if isinstance(envelope, Copy):
            self._settle(envelope, handover)
            return
        self._outbox.settle(envelope, handover)
        if handover.result is Result.ACCEPTED and not self._is_off:
            self._add(envelope)

    def _settle(self, envelope: Copy, handover: Handover) -> None:
        if handover.result is Result.NOT_TRIED and self._n_returns < _MOST_RETURNS:
            self._n_returns += 1
            self._waiting.append(envelope)
            return
        self.n_open -= 1
        if handover.result is not Result.ACCEPTED and not handover.code:
            # A copy that ends connections costs other people theirs: there are no more.
            self._is_off = True
            self.n_open -= len(self._waiting)
            self._waiting.clear()
        if handover.result is not Result.ACCEPTED:
            logger.warning("a blind copy was not taken: %s %s", handover.code, handover.reply)
        if not self.n_open:
            self._on_change()

    def _add(self, entry: Entry) -> None:
        held, person = entry.held, entry.person
        try:
            program = self._program.carrying(held.asked.attached) if held.asked.attached else self._program
            data = program.render(person, request_no=held.request_no, trigger=held.asked.of(person.id)).data
        except Exception:
            # Whatever it is, the connection that waits for this goes on.
            logger.exception("a blind copy could not be made")
            return
        self._waiting.append(Copy(self._program.mail_from, self._to, data))
        self.n_open += 1
