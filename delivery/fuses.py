"""The fuse: stops a send when the answers of a mail server are about us, before they cost the whole audience.

Two ways to blow. The same refusal for many people in a row, or as many answers in a row that never came: that is no
accident of addresses. And a wall: of the latest answers more than half refused or put off the message for a reason that
is about us or the message (policy, reputation, authentication, rate, content), whatever their codes. Greylisting, full
mailboxes and unknown users in any mixture are ordinary and count as good answers for the wall.

Who was refused before it blew is failed and stays so; nobody's address is blamed for it, see messaging.verdicts.
"""

from collections import OrderedDict

from django.utils.translation import gettext as _

from messaging.handover import Handover, Result
from messaging.verdicts import Kind, Verdict

# Answers in a row, across people, with one code.
N_IN_A_ROW = 25
# How many more answers about us than others there must have been, since they were last as many as each other: at six in
# ten that takes 250 answers, when everything is refused 50, and at four in ten it never happens (a CUSUM test).
N_WALL = 50
_MOST_KEPT = 64
_ABOUT_US = frozenset({Kind.BLOCKED, Kind.MESSAGE})


class Fuse:
    """Counts the answers of one drain after another; `note` is called for each message, so the good case is short."""

    def __init__(self) -> None:
        self._code = ""
        self._n_in_a_row = 0
        self._n_about_us = 0
        self._n_answers = 0
        self._reply = ""
        self._blocked_reply = ""

    def note(self, handover: Handover, verdict: Verdict | None = None) -> None:
        """Count one outcome. `verdict`: what an answer that isn't good means; None when there was no answer."""
        if handover.result is Result.ACCEPTED:
            self._n_in_a_row = 0
            if self._n_answers:
                self._count(is_about_us=False)
            return
        if verdict is not None:
            self._count(is_about_us=verdict.kind in _ABOUT_US)
            if verdict.kind in _ABOUT_US:
                self._blocked_reply = handover.reply
        if handover.result in (Result.REFUSED, Result.UNKNOWN):
            self._count_in_a_row(handover)
        elif verdict is not None:
            self._n_in_a_row = 0

    def _count(self, *, is_about_us: bool) -> None:
        self._n_answers += 1
        self._n_about_us += is_about_us
        if 2 * self._n_about_us <= self._n_answers:
            self._n_about_us = self._n_answers = 0

    def _count_in_a_row(self, handover: Handover) -> None:
        code = handover.code or str(handover.result)
        self._n_in_a_row = self._n_in_a_row + 1 if code == self._code else 1
        self._code, self._reply = code, handover.reply

    @property
    def is_blown(self) -> bool:
        return self._n_in_a_row >= N_IN_A_ROW or self._is_wall

    @property
    def _is_wall(self) -> bool:
        return 2 * self._n_about_us - self._n_answers >= N_WALL

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        if self._n_in_a_row >= N_IN_A_ROW:
            return _("{n} errors in a row from the mail server: {reply}").format(n=self._n_in_a_row, reply=self._reply)
        return _(
            "The mail server turned down {n} of the last {m} messages, not because of the recipients: {reply}"
        ).format(n=self._n_about_us, m=self._n_answers, reply=self._blocked_reply)


# Of the deliveries that this process sent lately. A drain ends after a minute, which is too short at a low rate.
_kept: OrderedDict[int, Fuse] = OrderedDict()


def of(delivery_id: int) -> Fuse:
    """The delivery's fuse in this process, from one drain to the next; a new one after it blew."""
    fuse = _kept.pop(delivery_id, None)
    if fuse is None or fuse.is_blown:
        fuse = Fuse()
    _kept[delivery_id] = fuse
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)
    return fuse
