"""Header lines: encoded (RFC 2047), folded (RFC 5322 §2.1.1), and impossible to break out of.

Control characters, CR and LF among them, become spaces before anything else is looked at.
"""

import base64
import re
from functools import lru_cache

import idna
from django.utils.translation import gettext as _

from messaging import personalization

_CONTROL = re.compile(r"[\x00-\x20\x7f\x85\u2028\u2029]+")
_PLAIN_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_QUOTED_LOCAL = re.compile(r'"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,62}"')
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
# Preferred length of a header line; RFC 5322 allows 998.
_FOLD_AT = 76
# What an encoded word of at most 75 characters has around its base64.
_WORD_FRAME = len("=?utf-8?b??=")


def clean(text: str) -> str:
    """One line of `text`: control characters and runs of white space become one space."""
    return _CONTROL.sub(" ", text).strip()


def line(name: str, text: str) -> bytes:
    """A header of free text, with CRLF."""
    text = clean(text)
    room = _FOLD_AT - len(name) - 2
    if len(text) <= room and text.isascii() and "=?" not in text:
        return f"{name}: {text}\r\n".encode()
    if text.isascii() and "=?" not in text and all(len(word) <= room for word in text.split(" ")):
        return _folded(name, text.split(" "))
    return _folded(name, encoded_words(text, room))


def words(name: str, text: str) -> bytes:
    """A header of clean text for programs, with CRLF: folded at its blanks only, encoded only where it isn't ASCII."""
    if text.isascii() and "=?" not in text:
        return _folded(name, text.split(" "))
    return _folded(name, encoded_words(text, _FOLD_AT - len(name) - 2))


def mailbox(name: str, display: str, address: str) -> bytes:
    """A header with one address, such as From, with CRLF. Raises RenderProblem as `ascii_address` does."""
    address = ascii_address(address)
    if not clean(display):
        return f"{name}: {address}\r\n".encode()
    return identified(name, display, address)


def identified(name: str, display: str, identifier: str) -> bytes:
    """A header with a phrase for people and `identifier`, plain ASCII, in angle brackets; with CRLF."""
    display = clean(display)
    words: list[str] = []
    if not display.isascii() or "=?" in display:
        words = encoded_words(display, _FOLD_AT - len(name) - 2)
    elif _ATOMS.fullmatch(display):
        words = display.split(" ")
    elif display:
        words = ['"' + display.replace("\\", "\\\\").replace('"', '\\"') + '"']
    return _folded(name, [*words, f"<{identifier}>"])


def encoded_words(text: str, first_room: int = 75) -> list[str]:
    """RFC 2047 words of at most 75 characters, the first of at most `first_room`; none splits a character."""
    words: list[str] = []
    chunk = b""
    most = (first_room - _WORD_FRAME) // 4 * 3
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > most:
            words.append(_word(chunk))
            chunk, most = b"", (75 - _WORD_FRAME) // 4 * 3
        chunk += encoded
    return [*words, _word(chunk)]


def _word(chunk: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(chunk).decode()}?="


def _folded(name: str, words: list[str]) -> bytes:
    lines, current = [], f"{name}:"
    for word in words:
        if len(current) + 1 + len(word) > _FOLD_AT and current != f"{name}:":
            lines.append(current)
            current = ""
        current += f" {word}"
    return ("\r\n".join([*lines, current]) + "\r\n").encode()


def ascii_address(address: str) -> str:
    """The address as any SMTP server takes it: the domain in A-labels.

    A local part outside ASCII would need SMTPUTF8 all the way to the mailbox, which can't be known here; such a
    person is not sent to, with the reason. Raises RenderProblem with the code "invalid_address".
    """
    if len(address) <= 254 and _PLAIN_ADDRESS.fullmatch(address) and len(address) - address.rindex("@") <= 254:
        if address.index("@") <= 64:
            return address
        raise _invalid(address)
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or _CONTROL.search(domain) or re.search(r"[\x00-\x1f\x7f<>]", local):
        raise _invalid(address)
    if not local.isascii():
        raise personalization.RenderProblem(
            _("The address has letters before the @ that most mail servers can't take."), code="invalid_address"
        )
    try:
        domain = _a_labels(domain)
    except idna.IDNAError as error:
        raise _invalid(address) from error
    whole = f"{local}@{domain}"
    is_valid = _PLAIN_ADDRESS.fullmatch(whole) or (
        _QUOTED_LOCAL.fullmatch(local) and _PLAIN_ADDRESS.fullmatch(f"a@{domain}")
    )
    if not is_valid or len(local) > 64 or len(whole) > 254:
        raise _invalid(address)
    return whole


@lru_cache(maxsize=4096)
def _a_labels(domain: str) -> str:
    return idna.encode(domain, uts46=True, std3_rules=True).decode()


def _invalid(address: str) -> personalization.RenderProblem:
    return personalization.RenderProblem(
        _("{address} is not a valid address.").format(address=clean(address)[:80]), code="invalid_address"
    )
