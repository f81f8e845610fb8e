"""Short signed tokens: a few whole numbers, packed and signed with a keyed hash, URL-safe.

A token proves that this installation made it for this purpose; it hides nothing. 8 bytes of keyed BLAKE2s (64 bits)
are enough against guessing over HTTP. Signing costs about 1 µs, so each recipient of a large send can have one.
"""

import base64
import hashlib
import hmac

_TAG_BYTES = 8


class BadToken(ValueError):
    """The text is not a token of this installation for this purpose."""


def _tag(payload: bytes, key: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2s(payload, digest_size=_TAG_BYTES, key=key, person=purpose).digest()


def derive_key(secret: str) -> bytes:
    """A 32-byte key for `sign` and `read` from the installation's secret."""
    return hashlib.blake2s(secret.encode(), person=b"tokens").digest()


def sign(numbers: tuple[int, ...], *, key: bytes, purpose: bytes) -> str:
    """The token for non-negative `numbers`, each below 2**63; `purpose` has at most 8 bytes."""
    payload = b"".join(_varint(n) for n in numbers)
    return base64.urlsafe_b64encode(payload + _tag(payload, key, purpose)).rstrip(b"=").decode()


def read(token: str, *, key: bytes, purpose: bytes) -> tuple[int, ...]:
    """The numbers that were signed. Raises BadToken for anything that `sign` did not return."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise BadToken(token[:40]) from error
    payload, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
    if not payload or not hmac.compare_digest(tag, _tag(payload, key, purpose)):
        raise BadToken(token[:40])
    return _unpack(payload)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _unpack(payload: bytes) -> tuple[int, ...]:
    numbers, value, shift = [], 0, 0
    for byte in payload:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            continue
        numbers.append(value)
        value, shift = 0, 0
    return tuple(numbers)
