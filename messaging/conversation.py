"""One SMTP connection: a conversation whose stage is known at every moment, so that any fault has one honest outcome.

Stages of a message and what a fault there (loss, timeout, garbage) means for the person it is for:

| stage | written so far | outcome |
|---|---|---|
| MAIL | the envelope | not_tried: the connection is to blame, the person was not even named |
| RCPT, DATA | the envelope | deferred |
| BODY | the message without its final dot (only when it is larger than the socket takes at once) | deferred |
| DOT | everything | unknown: the server may have it |

A reply decides otherwise: 4xx deferred, 5xx refused, 2xx to the dot accepted, anything else as a fault. 421 ends the
connection. So does an answer that asks us to sign in, which is nobody's outcome, and 4.5.3, after which the message
goes over a new one. With PIPELINING the envelope of the next message travels with the data of this one (RFC 2920);
nothing else is assumed about a server than what its EHLO says. Setting up is a coroutine, sending is callbacks: about
ten microseconds a message.
"""

import re
import time
from collections.abc import Callable

from django.utils.translation import gettext as _

from messaging.handover import (
    SIGN_IN,
    Envelope,
    Handover,
    Result,
    Source,
    Stage,
    Timeouts,
    Trouble,
    asks_to_sign_in,
    failure,
    fault,
    is_too_many,
    text_of,
    unfit,
)
from messaging.talk import STAGED_BYTES, Talk

# Good answers to the dot of one message and to the envelope of the next, in one go.
_GOOD_ROUND = re.compile(rb"(250 [^\r\n]*)\r\n250 [^\r\n]*\r\n250 [^\r\n]*\r\n354 [^\r\n]*\r\n")


class Connection(Talk):
    """After `set_up` and the first `pull`, takes messages from `source` until it is ended or breaks."""

    def __init__(self, source: Source, timeouts: Timeouts, log: Callable[[str], None] | None) -> None:
        super().__init__(timeouts, log)
        self.source = source
        self.n_settled = 0
        # Which slot of a pool it fills.
        self.slot = 0
        self._is_paused = False
        self._is_ending = False
        # Answers still to come that mean nothing: to the empty message after a refused recipient.
        self._n_ignored = 0
        self._current: Envelope | None = None
        self._next: Envelope | None = None
        self._failure: Handover | None = None

    # --- the hot path
    @property
    def _pipelines(self) -> bool:
        return "PIPELINING" in self.extensions

    def data_received(self, data: bytes) -> None:
        if self.stage is Stage.DOT and self._next is not None and not self._tail and not self._lines:
            round_ = _GOOD_ROUND.fullmatch(data)
            if round_ is not None:
                # What the four answers would do one by one.
                self._settle(Handover(Result.ACCEPTED, "", text_of(round_[1])))
                self._current, self._next = self._next, None
                self._failure = None
                self._write_message()
                return
        super().data_received(data)

    def pull(self) -> None:
        """Start the next message if idle and there is one."""
        if self.stage is not Stage.IDLE:
            return
        envelope = None if self._is_ending else self._take()
        if envelope is None:
            self.deadline = 0.0
            if self._is_ending:
                self._close(None)
            return
        self._current = envelope
        self._begin(b"")

    def end(self) -> None:
        """Close after the messages that are on the way."""
        self._is_ending = True
        if self.stage is Stage.IDLE:
            self.pull()

    def _begin(self, before: bytes) -> None:
        """Write the envelope of the current message after `before`."""
        assert self._transport is not None and self._current is not None
        self.stage = Stage.MAIL
        self._failure = None
        self.deadline = time.monotonic() + self.timeouts.command
        self._transport.write(before + self._envelope(self._current))

    def _envelope(self, envelope: Envelope) -> bytes:
        mail = b"MAIL FROM:<%b>%b\r\n" % (envelope.mail_from, self._parameters(envelope))
        if not self._pipelines:
            return mail
        return mail + b"RCPT TO:<%b>\r\nDATA\r\n" % envelope.rcpt_to

    def _parameters(self, envelope: Envelope) -> bytes:
        parameters = b""
        if "SIZE" in self.extensions:
            parameters += b" SIZE=%d" % len(envelope.data)
        if not (envelope.rcpt_to.isascii() and envelope.mail_from.isascii()):
            parameters += b" BODY=8BITMIME SMTPUTF8" if "8BITMIME" in self.extensions else b" SMTPUTF8"
        elif "8BITMIME" in self.extensions and not envelope.data.isascii():
            parameters += b" BODY=8BITMIME"
        return parameters

    def _take(self) -> Envelope | None:
        """The next message that this server could take at all; others are settled at once."""
        while True:
            envelope = self.source.take()
            if envelope is None:
                return None
            problem = unfit(envelope, self.extensions)
            if problem is None:
                return envelope
            self.source.settle(envelope, problem)

    def _on_reply(self, line: bytes) -> None:
        stage = self.stage
        if stage is Stage.DOT:
            self._on_dot(line)
        elif line.startswith(b"421") or stage in (Stage.IDLE, Stage.BODY):
            self._on_unasked(line)
        elif stage is Stage.MAIL:
            self._on_step(line, Stage.RCPT, b"RCPT TO:<%b>\r\n")
        elif stage is Stage.RCPT:
            self._on_step(line, Stage.DATA, b"DATA\r\n")
        elif stage is Stage.DATA:
            self._on_data(line)
        else:
            self._on_reset(line)

    def _on_step(self, line: bytes, after: Stage, command: bytes) -> None:
        """An answer to MAIL or RCPT."""
        if line[0] != 50:
            if not self._note_refusal(line):
                return
        elif self._failure is not None:
            # A recipient without a sender: what ends a refused message might now deliver an empty one.
            self._break(_("The mail server contradicts itself."))
            return
        if self._pipelines:
            self.stage = after
            return
        assert self._transport is not None and self._current is not None
        if self._failure is not None:
            self._fail_current()
            return
        self.stage = after
        self.deadline = time.monotonic() + self.timeouts.command
        self._transport.write(command % self._current.rcpt_to if after is Stage.RCPT else command)

    def _note_refusal(self, line: bytes) -> bool:
        """Keep the first answer to MAIL or RCPT that isn't good as the outcome; False when it ended the connection."""
        if self._failure is not None:
            return True
        if asks_to_sign_in(line):
            self._sign_in_again(line)
            return False
        if line[:1] not in (b"4", b"5"):
            self._break(_("Unclear answer: {text}").format(text=text_of(line)))
            return False
        if is_too_many(line):
            self._is_ending = True
            self._failure = failure(line, self.stage)._replace(result=Result.NOT_TRIED)
        else:
            self._failure = failure(line, self.stage)
        return True

    def _on_data(self, line: bytes) -> None:
        if line.startswith(b"354"):
            if self._failure is None:
                self._write_message()
                return
            # Pipelined DATA without a valid recipient: an empty message ends it and goes nowhere (RFC 2920 §3.1).
            assert self._transport is not None
            self._settle(self._failure)
            self.stage = Stage.RSET
            self.deadline = time.monotonic() + self.timeouts.command
            self._transport.write(b".\r\nRSET\r\n")
            self._n_ignored = 1
            return
        if self._failure is None:
            self._failure = failure(line, Stage.DATA)
        self._fail_current()

    def _fail_current(self) -> None:
        """Settle the current message by `_failure` and make the server forget its envelope."""
        assert self._transport is not None and self._failure is not None
        self._settle(self._failure)
        self.stage = Stage.RSET
        self._n_ignored = 0
        self.deadline = time.monotonic() + self.timeouts.command
        self._transport.write(b"RSET\r\n")

    def _on_reset(self, line: bytes) -> None:
        if self._n_ignored:
            self._n_ignored -= 1
            return
        if line[0] != 50:
            self._break(_("The mail server refused RSET."))
            return
        self.stage = Stage.IDLE
        self.pull()

    def _write_message(self) -> None:
        assert self._transport is not None and self._current is not None
        data = self._current.data
        if len(data) > STAGED_BYTES:
            self.stage = Stage.BODY
            self.deadline = time.monotonic() + self.timeouts.body
            self._transport.write(data[:-3])
            if not self._is_paused:
                self._write_dot(b".\r\n")
            return
        self._write_dot(data)

    def _write_dot(self, data: bytes) -> None:
        assert self._transport is not None and self._current is not None
        if not self.source.on_wire(self._current):
            # After DATA only hanging up takes a message back.
            self._settle(Handover(Result.NOT_TRIED, "", "Too late to be sent."))
            self._break("Ended by us before the final dot.")
            return
        self.stage = Stage.DOT
        self.deadline = time.monotonic() + self.timeouts.dot
        if self._pipelines and not self._is_ending:
            self._next = self._take()
        if self._next is not None:
            data += self._envelope(self._next)
        self._transport.write(data)

    def _on_dot(self, line: bytes) -> None:
        first = line[0]
        if first == 50:
            handover = Handover(Result.ACCEPTED, "", text_of(line))
        elif first in b"45":
            handover = failure(line, Stage.DOT)
        else:
            handover = Handover(Result.UNKNOWN, "", f"Unclear answer: {text_of(line)}")
        self._settle(handover)
        if line.startswith(b"421") or handover.result is Result.UNKNOWN:
            self._on_unasked(line)
            return
        self._current, self._next = self._next, None
        if self._current is None:
            self.stage = Stage.IDLE
            self.pull()
            return
        self.stage = Stage.MAIL
        self._failure = None
        self.deadline = time.monotonic() + self.timeouts.command

    def _settle(self, handover: Handover) -> None:
        current, self._current = self._current, None
        assert current is not None
        self.n_settled += 1
        self.source.settle(current, handover)

    # --- faults
    def _on_unasked(self, line: bytes) -> None:
        """421 at any stage, or an answer to nothing: the server hangs up."""
        text = text_of(line)
        if self.stage in (Stage.RCPT, Stage.DATA, Stage.BODY) and self._current is not None and line[:1] in b"45":
            self._settle(self._failure or failure(line, self.stage))
        self._break(_("The mail server closed the conversation: {text}").format(text=text), text)

    def _sign_in_again(self, line: bytes) -> None:
        """The account is refused in the middle of a conversation: whoever the message was for has no part in it."""
        text = text_of(line)
        message = _("The mail server asks to sign in: {text}").format(text=text)
        current, self._current = self._current, None
        if current is not None:
            self.source.settle(current, Handover(Result.NOT_TRIED, SIGN_IN, message))
        self._close(Trouble("sign_in", message, text, True))

    def _break(self, message: str, reply: str = "") -> None:
        """Give every message on the way its outcome by stage, then close."""
        current, following = self._current, self._next
        self._current = self._next = None
        stage = self.stage
        if following is not None:
            self.source.settle(following, Handover(Result.NOT_TRIED, "", message))
        if current is not None:
            self.source.settle(current, fault(stage, self._failure, message))
        self._close(Trouble("lost", message, reply))

    def check(self, now: float) -> None:
        """Break if the server has been silent for too long. Called about once a second."""
        if 0.0 < self.deadline < now:
            self.deadline = 0.0
            self._break(_("The mail server did not answer in time."))

    # --- flow control
    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self.stage is Stage.BODY:
            self._write_dot(b".\r\n")
