"""Hand webhooks over: a few threads that each make one request at a time, and what each answer means.

The counterpart of smtp.Pool for the webhook channel: it takes from the same kind of source and leaves the outcomes
there, all in the loop; only the request itself runs in a thread. Each has a connection of its own, N_THREADS of one
drain at a time, and never leaves before the source said once more that it may, over a connection that stands.

| answer | outcome |
|---|---|
| 2xx | accepted |
| 5xx, none in time, broken off | deferred, MOST_ATTEMPTS in about half an hour (delivery.retries) |
| 408, 425, 429 | deferred until the validity period ends, after Retry-After where it says so |
| no connection | deferred until the validity period ends |
| any other, 3xx too: no redirect is followed | refused |
| an address that may not be contacted | refused, nothing was sent |
"""

import asyncio
import datetime as dt
import email.utils
import http
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from messaging import outward, verdicts
from messaging.channels.webhook import Request
from messaging.handover import Envelope, Handover, Result, Source, text_of
from messaging.verdicts import Kind, Verdict

logger = logging.getLogger(__name__)
# Requests of one drain at the same time, whatever their hosts.
N_THREADS = 8
# Of an answer nothing more is read; its first words are kept.
_MOST_BYTES = 4096
_MOST_WORDS = 200
# A loop that doesn't answer for so long has ended.
_LOOP_S = 10
# Further ahead no Retry-After is believed.
_MOST_WAIT_S = 24 * 3600
_LATER = frozenset({408, 425, 429})
NO_ANSWER, UNREACHABLE = outward.NO_ANSWER, outward.UNREACHABLE


class Timeouts(NamedTuple):
    """Seconds. `connect` is shorter than a window's door, so that what could be connected to may still be sent."""

    connect: float = 4
    whole: float = 15


class Pool:
    """Makes the requests that `source` has, until it is closed. Nothing of a server is everybody's trouble here."""

    usual = Timeouts()

    def __init__(self, source: Source, *, timeouts: Timeouts | None = None) -> None:
        self._source = source
        self._timeouts = timeouts or self.usual
        self._threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="webhook")
        self._flying: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.wake()

    def wake(self) -> None:
        """Give idle threads work."""
        while not self._is_closing and len(self._flying) < N_THREADS:
            envelope = self._source.take()
            if envelope is None:
                return
            task = asyncio.ensure_future(self._one(envelope))
            self._flying.add(task)
            task.add_done_callback(self._landed)

    async def close(self) -> None:
        """Returns when the last request has its outcome (or its timeout)."""
        self._is_closing = True
        while self._flying:
            await asyncio.wait(tuple(self._flying))
        self._threads.shutdown(wait=False)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self.wake()

    async def _one(self, envelope: Envelope) -> None:
        try:
            handover = await self._loop.run_in_executor(self._threads, self._call, envelope)
        except Exception:
            # It may have left: nobody knows.
            logger.exception("a webhook ended with an error")
            handover = Handover(Result.UNKNOWN, "", "The request ended with an error.")
        self._source.settle(envelope, handover)

    def _call(self, envelope: Envelope) -> Handover:
        """In a thread; `on_wire` is asked in the loop, which owns the source."""

        async def ask() -> bool:
            return self._source.on_wire(envelope)

        def may_send() -> bool:
            asked = asyncio.run_coroutine_threadsafe(ask(), self._loop)
            try:
                return asked.result(_LOOP_S)
            except TimeoutError:
                asked.cancel()
                return False

        return call(
            envelope.rcpt_to.decode(),
            envelope.data,  # type: ignore[arg-type]  # a Request where an email has its bytes
            timeouts=self._timeouts,
            may_send=may_send,
        )


def call(url: str, request: Request, *, timeouts: Timeouts, may_send: Callable[[], bool]) -> Handover:
    """One attempt, and what came of it. Never raises for what a server does."""
    try:
        answer = outward.send(
            request.method,
            url,
            request.headers,
            request.body or None,
            most_bytes=_MOST_BYTES,
            timeout=timeouts.whole,
            connect_timeout=timeouts.connect,
            may_send=may_send,
        )
    except outward.OutwardProblem as problem:
        return _unanswered(problem)
    return of_answer(answer, now=time.time())


def of_code(code: str) -> Verdict:
    """What a stored code means, without how long to stay away."""
    status = int(code.removeprefix("HTTP ")) if code.removeprefix("HTTP ").isdigit() else 0
    if status in _LATER:
        return Verdict(Kind.SOFT, verdicts.RATE_LIMITED)
    if status >= 500 or code == NO_ANSWER:
        return Verdict(Kind.SOFT, verdicts.SERVER_ERROR)
    if code in {UNREACHABLE, "expired"}:
        return Verdict(Kind.SOFT, verdicts.UNREACHABLE)
    return Verdict(Kind.MESSAGE, verdicts.CALL_REFUSED)


def of_answer(answer: outward.Answer, *, now: float) -> Handover:
    """What an answer means; `now` (Unix time) for a Retry-After that is a date."""
    status = answer.status
    if 200 <= status < 300:
        return Handover(Result.ACCEPTED, "", line(status))
    code, reply = f"HTTP {status}", _words(answer)
    verdict = of_code(code)
    if status in _LATER:
        verdict = verdict._replace(after_s=_retry_after(answer.headers.get("retry-after", ""), now))
    return Handover(Result.REFUSED if verdict.kind is Kind.MESSAGE else Result.DEFERRED, code, reply, verdict)


def _unanswered(problem: outward.OutwardProblem) -> Handover:
    code = UNREACHABLE if problem.code == outward.LATE else problem.code
    verdict = of_code(code)
    return Handover(Result.REFUSED if verdict.kind is Kind.MESSAGE else Result.DEFERRED, code, problem.message, verdict)


def line(status: int) -> str:
    """A status as people read it: “HTTP 404 Not Found”."""
    try:
        return f"HTTP {status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _words(answer: outward.Answer) -> str:
    """The status and the first words of the body, where it is text for people or programs."""
    is_text = answer.content_type in {"", "application/json", "application/problem+json", "text/plain"}
    said = " ".join(text_of(answer.body).split())[:_MOST_WORDS] if is_text else ""
    return f"{line(answer.status)}: {said}" if said else line(answer.status)


def _retry_after(text: str, now: float) -> int:
    """Seconds of a Retry-After (RFC 9110 §10.2.3), 0 for none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), _MOST_WAIT_S)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0
    if at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    return int(min(max(0.0, at.timestamp() - now), _MOST_WAIT_S))
