"""Quoted-printable pieces that can be joined in any order (RFC 2045 §6.7, dot-stuffed for RFC 5321 §4.5.2).

Every piece begins at the start of a line and ends at one, by a soft line break where its text does not end there.
So static text is encoded once per message, values once per person, and no line is ever longer than 76 characters.
"""

import binascii
import re

# Values that need no encoding: printable ASCII without "=", short enough for one line, no dot first, no space last.
_PLAIN = re.compile(r"(?![.])[ -<>-~]{0,74}[!-<>-~]")
_PLAIN_IN_HTML = re.compile(r"(?![.])[ !#-%(-;?-~]{0,74}[!#-%(-;?-~]")
_SOFT_BREAK = b"=\r\n"


def piece(text: str) -> bytes:
    """`text` (any line endings) as a piece; b"" for ""."""
    if not text:
        return b""
    if _PLAIN.fullmatch(text):
        return text.encode() + _SOFT_BREAK
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        text = text.replace("\x00", "")
    encoded = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True).replace(b"\n", b"\r\n")
    if not encoded.endswith(b"\r\n"):
        encoded = _with_room(encoded) + _SOFT_BREAK
    encoded = encoded.replace(b"\r\n.", b"\r\n..")
    return b"." + encoded if encoded[:1] == b"." else encoded


def plain_in_html(text: str) -> bytes:
    """The piece of a text that is the same in HTML and needs no encoding; b"" for any other."""
    return text.encode() + _SOFT_BREAK if _PLAIN_IN_HTML.fullmatch(text) else b""


def _with_room(encoded: bytes) -> bytes:
    """Broken once more where the last line has no room for the "=" of a soft line break."""
    if len(encoded) - (encoded.rfind(b"\n") + 1) < 76:
        return encoded
    unit = 3 if encoded[-3:-2] == b"=" else 1
    return encoded[:-unit] + _SOFT_BREAK + encoded[-unit:]
