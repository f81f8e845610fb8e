"""The fuse against a wall of errors: the same refusal for many people in a row is about us, not about them."""

from django.utils.translation import gettext as _

from messaging.handover import Handover, Result

# Refusals in a row, across people, with one code.
N_IN_A_ROW = 25


class Fuse:
    """Counts within one drain; any other answer than the same refusal starts anew."""

    def __init__(self) -> None:
        self._code = ""
        self._n = 0
        self._reply = ""

    def note(self, handover: Handover) -> None:
        if handover.result is Result.REFUSED and handover.code == self._code:
            self._n += 1
        elif handover.result is Result.REFUSED:
            self._code, self._n = handover.code, 1
        else:
            self._code, self._n = "", 0
        self._reply = handover.reply

    @property
    def is_blown(self) -> bool:
        return self._n >= N_IN_A_ROW

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        return _("{n} errors in a row from the mail server: {reply}").format(n=self._n, reply=self._reply)
