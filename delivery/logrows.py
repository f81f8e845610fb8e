"""Send-log rows in PostgreSQL's binary COPY format, about one microsecond each.

Format: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
"""

import datetime as dt
import struct

from delivery.models import Outcome

COPY = (
    "COPY delivery_sendlog"
    " (opened_month, delivery_id, request_no, profile_id, outcome, at, address, n_attempts, code, detail)"
    " FROM STDIN (FORMAT binary)"
)
HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
TRAILER = b"\xff\xff"
# PostgreSQL counts days and microseconds from here.
_EPOCH_DATE = dt.date(2000, 1, 1)
_EPOCH_S = 946684800
_BIGINT = struct.Struct(">iq").pack
_SMALLINT = struct.Struct(">ih").pack
_LENGTH = struct.Struct(">i").pack
# The outcome, with its length, stands between the profile and the time; an empty code before the detail.
_SENT_TEXT = _LENGTH(len(Outcome.SENT.value)) + Outcome.SENT.value.encode()
_SENT = struct.Struct(f">iq{len(_SENT_TEXT)}siqi").pack
_REST = struct.Struct(">ihii").pack


class Writer:
    """Makes the rows of one shard; everything that is the same in all of them is packed once."""

    def __init__(self, *, month: dt.date, delivery_id: int, request_no: int) -> None:
        day = struct.pack(">hii", 10, 4, (month - _EPOCH_DATE).days)
        self._prefix = day + _BIGINT(8, delivery_id) + _BIGINT(8, request_no)

    def sent(self, profile_id: int, at: float, address: str, n_attempts: int, detail: str) -> bytes:
        """What `row` gives for a message that was sent, which nearly all are."""
        where, words = address[:320].encode("utf-8", "replace"), detail.encode("utf-8", "replace")
        if b"\0" in where or b"\0" in words:
            return self.row(profile_id, Outcome.SENT, at, address, n_attempts, "", detail)
        start = _SENT(8, profile_id, _SENT_TEXT, 8, int((at - _EPOCH_S) * 1_000_000), len(where))
        return b"".join((self._prefix, start, where, _REST(2, n_attempts, 0, len(words)), words))

    def row(
        self, profile_id: int, outcome: str, at: float, address: str, n_attempts: int, code: str, detail: str
    ) -> bytes:
        """One row; `at` in seconds since 1970. Texts are cut to their columns and freed of NUL."""
        return b"".join(
            (
                self._prefix,
                _BIGINT(8, profile_id),
                _text(outcome),
                _BIGINT(8, int((at - _EPOCH_S) * 1_000_000)),
                _text(address[:320]),
                _SMALLINT(2, n_attempts),
                _text(code[:40]),
                _text(detail),
            )
        )


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "replace")
    if b"\0" in raw:
        raw = raw.replace(b"\0", b"")
    return _LENGTH(len(raw)) + raw
