"""The people who may be sent to right now, between the windows that let them in and the connections that take them out.

Lives in a drain's event loop; nothing here waits or touches the database. Rendering happens at the moment a connection
takes somebody, and only while the door of their window is open.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from audiences.profiles import Person
from delivery import fuses, journal, reasons, retries, windows
from delivery.models import Outcome
from delivery.windows import Lease, Opened, Settled
from lib.errors import DomainError
from messaging import verdicts
from messaging.handover import SIGN_IN, Handover, Result

logger = logging.getLogger(__name__)
# A person whose connection broke this often before they were named is deferred: they may be what breaks it.
_MOST_RETURNS = 3
_NOTHING = b""


class Program(Protocol):
    """A compiled message, of messaging.channels."""

    def render(self, person: Person, *, request_no: int, trigger: Mapping[str, object] | None) -> Any:
        """Three parts, as Entry holds them: of an email its envelope's two addresses and its bytes."""

    def carrying(self, parts: Sequence[bytes]) -> Any:
        """The same with the files of one request."""


class Entry:
    """One person of a window; with their message from `take` on."""

    __slots__ = ("closes_at", "data", "held", "mail_from", "n_returns", "person", "position", "rcpt_to")

    def __init__(self, held: Lease, position: int, person: Person, closes_at: float) -> None:
        self.held = held
        self.position = position
        self.person = person
        self.closes_at = closes_at
        self.n_returns = 0
        self.mail_from = self.rcpt_to = self.data = _NOTHING


class Outbox:
    """The messaging.handover.Source of a drain. `on_change` is called when the drain may have something to do."""

    def __init__(self, program: Program, *, on_change: Callable[[], None]) -> None:
        self.fuse = fuses.Fuse()
        self.ready: deque[Entry] = deque()
        self.n_flying = 0
        self.n_settled = 0
        self._program = program
        self._on_change = on_change
        self._is_closed = False
        # Ask for more people when fewer than this are ready, or when as many outcomes wait to be stored.
        self.low = 1
        self._n_unstored = 0

    def let_in(self, held: Lease, opened: Opened) -> None:
        """Take the people of a window; those who may not get it any more are settled at once."""
        closes_at = opened.opened_at + windows.DOOR_S
        if held.asked.attached and held.program is None:
            held.program = self._program.carrying(held.asked.attached)
        self.ready.extend(Entry(held, position, person, closes_at) for position, person in opened.people)
        for position, address, reason in opened.refused:
            self._settle(
                held, Settled(position, Outcome.NOT_SENT, time.time(), address, False, reason, _sentence(reason))
            )

    def close(self) -> None:
        """Let nobody out any more; who is still here is untried."""
        self._is_closed = True
        while self.ready:
            entry = self.ready.popleft()
            entry.held.untried.append(entry.position)

    def stored(self, n: int) -> None:
        """`n` outcomes are in the database now."""
        self._n_unstored -= n

    # --- the connections' side
    def take(self) -> Entry | None:
        ready = self.ready
        while ready and not self._is_closed:
            entry = ready.popleft()
            held = entry.held
            if held.is_lost:
                continue
            if windows.clock() > entry.closes_at:
                held.untried.append(entry.position)
                continue
            try:
                entry.mail_from, entry.rcpt_to, entry.data = (held.program or self._program).render(
                    entry.person, request_no=held.request_no, trigger=held.asked.of(entry.person.id)
                )
            except DomainError as problem:
                self._not_sent(entry, problem.code, problem.message)
                continue
            except Exception:
                logger.exception("rendering for profile %s failed", entry.person.id)
                self._not_sent(entry, reasons.RENDER_ERROR, str(reasons.NOT_SENT[reasons.RENDER_ERROR]))
                continue
            self.n_flying += 1
            if len(ready) == self.low:
                self._on_change()
            return entry
        self._on_change()
        return None

    def on_wire(self, entry: Entry) -> bool:
        if entry.held.is_lost or windows.clock() > entry.closes_at:
            return False
        entry.held.journal.marks[entry.position] = journal.ON_WIRE
        return True

    def settle(self, entry: Entry, handover: Handover) -> None:
        self.n_flying -= 1
        if entry.held.is_lost:
            return
        if handover.result is Result.ACCEPTED:
            entry.held.journal.marks[entry.position] = journal.ACCEPTED
            self._attempted(entry, Outcome.SENT, handover)
            self.fuse.note(handover)
            return
        self._settle_bad(entry, handover)

    def _settle_bad(self, entry: Entry, handover: Handover) -> None:
        """Anything but accepted: what the server said decides whether the person gets it later."""
        result = handover.result
        verdict = verdicts.of_reply(handover.code, handover.reply) if handover.code else None
        if result is Result.UNKNOWN:
            self._attempted(entry, Outcome.UNKNOWN, handover._replace(code=reasons.WORKER_LOST))
        elif result is Result.REFUSED and handover.code in reasons.NOT_SENT:
            verdict = None
            self._not_sent(entry, handover.code, handover.reply)
        elif result is Result.NOT_TRIED and (handover.code == SIGN_IN or not self._is_to_blame(entry)):
            self._put_back(entry)
            return
        elif verdict is None or retries.is_retried(result, verdict):
            entry.held.journal.marks[entry.position] = journal.UNTRIED
            self._attempted(entry, None, handover, verdict)
        else:
            entry.held.journal.marks[entry.position] = journal.REFUSED
            self._attempted(entry, Outcome.FAILED, handover)
        self.fuse.note(handover, verdict)
        if self.fuse.is_blown:
            # Now, and not when the drain looks next: each connection that goes on costs people.
            self.close()
            self._on_change()

    @staticmethod
    def _is_to_blame(entry: Entry) -> bool:
        """Whether the connection broke so often for this person that they may be what breaks it."""
        return entry.n_returns + 1 >= _MOST_RETURNS and windows.clock() <= entry.closes_at

    def _put_back(self, entry: Entry) -> None:
        entry.n_returns += 1
        entry.mail_from = entry.rcpt_to = entry.data = _NOTHING
        if self._is_closed:
            entry.held.untried.append(entry.position)
        else:
            self.ready.appendleft(entry)

    def _attempted(
        self, entry: Entry, outcome: Outcome | None, handover: Handover, verdict: verdicts.Verdict | None = None
    ) -> None:
        at, address = time.time(), entry.person.email
        self._settle(
            entry.held,
            Settled(entry.position, outcome, at, address, True, handover.code, handover.reply, verdict),
        )

    def _not_sent(self, entry: Entry, code: str, sentence: str) -> None:
        address = entry.person.email
        self._settle(entry.held, Settled(entry.position, Outcome.NOT_SENT, time.time(), address, False, code, sentence))

    def _settle(self, held: Lease, settled: Settled) -> None:
        held.settled.append(settled)
        self.n_settled += 1
        self._n_unstored += 1
        if self._n_unstored >= self.low:
            self._on_change()


def _sentence(reason: str) -> str:
    return reasons.not_sent_sentence(reason)
