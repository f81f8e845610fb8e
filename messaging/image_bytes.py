"""What image files carry beside the picture, taken out without touching the picture.

A photo tells where it was taken (EXIF, XMP, IPTC), a file may end in a second file of another kind. `bare` copies only
what draws the image and drops everything else, whatever it is; no pixel is decoded or changed. Formats: PNG
(W3C PNG, third edition), JPEG (ITU T.81), GIF89a, WebP (RFC 9649).
"""

import re
from collections.abc import Callable


class Unreadable(ValueError):
    """The bytes don't follow their format; nothing can be taken out safely."""


_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks that draw: the picture, its palette, transparency and colour space, and animation.
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP sBIT bKGD pHYs acTL fcTL fdAT".split()
)  # fmt: skip
_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_WEBP_METADATA_FLAGS = 0x08 | 0x04
_GIF_KEPT_APPLICATIONS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
# In entropy-coded data FF is followed by 00 or a restart marker; anything else ends the scan.
_JPEG_SCAN_END = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")


def bare(data: bytes, content_type: str) -> bytes:
    """The file with nothing but the picture; the same bytes when there was nothing else. Raises Unreadable."""
    try:
        return _BARE[content_type](data)
    except IndexError as error:
        raise Unreadable("the file ends early") from error


def _jpeg(data: bytes) -> bytes:
    if data[:2] != b"\xff\xd8":
        raise Unreadable("no start of image")
    out, at = bytearray(data[:2]), 2
    while True:
        marker, at = _jpeg_marker(data, at)
        if marker == 0xD9:
            return bytes(out + b"\xff\xd9")
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end < at + 2 or end > len(data):
            raise Unreadable("a segment is longer than the file")
        if _is_drawing(marker, data[at + 2 : end]):
            out += bytes((0xFF, marker)) + data[at:end]
        at = end
        if marker == 0xDA:
            found = _JPEG_SCAN_END.search(data, at)
            if found is None:
                raise Unreadable("a scan does not end")
            out += data[at : found.start()]
            at = found.start()


def _jpeg_marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at `at` and the position after it; fill bytes are skipped."""
    if data[at] != 0xFF:
        raise Unreadable("no marker where one must be")
    while data[at] == 0xFF:
        at += 1
    return data[at], at + 1


def _is_drawing(marker: int, body: bytes) -> bool:
    """Of the application segments only what says how to draw: JFIF, the colour profile, Adobe's colour transform."""
    if marker == 0xE0:
        return body.startswith(b"JFIF\0")
    if marker == 0xE2:
        return body.startswith(b"ICC_PROFILE\0")
    if marker == 0xEE:
        return body.startswith(b"Adobe")
    return not (0xE1 <= marker <= 0xEF or marker == 0xFE)


def _png(data: bytes) -> bytes:
    if not data.startswith(_PNG_SIGNATURE):
        raise Unreadable("no signature")
    out, at = bytearray(_PNG_SIGNATURE), len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        kind = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        if kind in _PNG_KEPT:
            out += data[at:end]
        if kind == b"IEND":
            return bytes(out)
        at = end
    raise Unreadable("the file ends early")


def _webp(data: bytes) -> bytes:
    size = int.from_bytes(data[4:8], "little")
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or size + 8 > len(data):
        raise Unreadable("no whole RIFF file")
    out, at, limit = bytearray(b"WEBP"), 12, size + 8
    while at + 8 <= limit:
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        # Chunks are padded to an even length; the last pad byte may be missing.
        end = min(at + 8 + length + length % 2, limit)
        if at + 8 + length > limit:
            raise Unreadable("a chunk is longer than the file")
        if kind in _WEBP_KEPT:
            chunk = bytearray(data[at:end])
            if kind == b"VP8X":
                chunk[8] &= ~_WEBP_METADATA_FLAGS & 0xFF
            out += chunk
        at = end
    return bytes(b"RIFF" + len(out).to_bytes(4, "little") + out)


def _gif(data: bytes) -> bytes:
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        raise Unreadable("no header")
    at = 13 + _colour_table(data[10])
    out = bytearray(data[:at])
    while (kind := data[at]) != 0x3B:
        if kind == 0x2C:
            end = _sub_blocks(data, at + 10 + _colour_table(data[at + 9]) + 1)
            out += data[at:end]
        elif kind == 0x21:
            end = _sub_blocks(data, at + 2)
            is_application = data[at + 1] == 0xFF and data[at + 3 : at + 14] not in _GIF_KEPT_APPLICATIONS
            if data[at + 1] != 0xFE and not is_application:
                out += data[at:end]
        else:
            raise Unreadable("an unknown block")
        at = end
    return bytes(out + b"\x3b")


def _colour_table(flags: int) -> int:
    """Bytes of the colour table that a flags byte announces."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(data: bytes, at: int) -> int:
    """The position after the sub-blocks that start at `at`."""
    while data[at]:
        at += data[at] + 1
    return at + 1


_BARE: dict[str, Callable[[bytes], bytes]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/webp": _webp,
}
