"""What an uploaded file really shows: its kind, its size, the same picture without metadata, and smaller copies.

The decoder is trusted, never a file name or what a browser said. Everything is refused that mail apps don't show or
that could be more than an image: a file that does not decode to its end, one that unfolds into too many pixels. Pure
functions over bytes; a large photo takes about a second and 200 MB of memory, so never call them inside a transaction.
"""

import io
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from lib.errors import DomainError
from messaging import image_bytes

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000
# Of all frames of an animation together: a small file can unfold into hours of work.
MAX_ANIMATION_PIXELS = 200_000_000
# The box a thumbnail fits into, pixels; twice what the page shows, for fine screens.
THUMBNAIL = 480
# An image that fits and is not larger than this is its own thumbnail.
_SMALL_BYTES = 64 * 1024

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}
# MPO is a JPEG with further pictures behind it, as many phones make; only the first is kept.
_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_SIGNATURE = re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF.{4}WEBP", re.DOTALL)
_ORIENTATION = 0x0112
# What Pillow raises for files that are not what they begin as.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error, OverflowError)
# The decoder's own guard, for frames that grow while they are decoded; it warns at this and stops at twice as many.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


class ImageRefused(DomainError):
    """The file can't be in the library; the sentence says why and what to do."""

    code = "image_refused"
    status = 422


@dataclass(frozen=True)
class Picture:
    """An image that may be served: `data` without metadata, upright, and a small WebP of its first frame.

    `thumbnail` is b"" when the image itself is as small as one.
    """

    content_type: str
    width: int
    height: int
    is_animated: bool
    data: bytes
    thumbnail: bytes


def read(data: bytes) -> Picture:
    """The picture of an uploaded file. Raises ImageRefused."""
    if not data:
        raise ImageRefused(_("The file is empty. Choose another one."))
    if len(data) > MAX_BYTES:
        raise too_large()
    try:
        content_type, orientation = _look(data)
        bare = _bare(data, content_type, orientation)
        # A picture that was turned or written again can have grown.
        if len(bare) > MAX_BYTES:
            raise too_large()
        return _decoded(bare, content_type)
    except _BOMBS as error:
        raise _too_many_pixels() from error
    except _BROKEN as error:
        raise ImageRefused(_("The file is damaged or incomplete. Export it again.")) from error


def too_large() -> ImageRefused:
    """For whoever knows the size of a file before its bytes."""
    return ImageRefused(_("The file is larger than {n} MB. Make it smaller first.").format(n=MAX_BYTES // 1024 // 1024))


def smaller(data: bytes, *, width: int) -> bytes:
    """The same still picture `width` pixels wide, in the same format. Raises ImageRefused for animations.

    `data` is a Picture's. The height follows; colour profile and transparency stay.
    """
    with _open(data) as image:
        if getattr(image, "is_animated", False):
            raise ImageRefused(_("An animated image can't be made smaller here: it would stop moving."))
        if width >= image.width:
            raise ImageRefused(_("The image is only {n} pixels wide.").format(n=image.width))
        height = max(1, round(image.height * width / image.width))
        resized = _full_colour(image).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        if image.mode == "P":
            # An image of few colours stays one; as full colour it would often be larger than before.
            resized = resized.quantize(method=Image.Quantize.FASTOCTREE)
        return _written(resized, _TYPES[image.format or ""], image.info.get("icc_profile"), quality=85)


def _look(data: bytes) -> tuple[str, int]:
    """Kind and EXIF orientation (1: upright), from the head of the file; refuses what must not be decoded."""
    try:
        image = _open(data)
    except UnidentifiedImageError as error:
        if _SIGNATURE.match(data):
            raise ValueError("not even a head") from error
        raise ImageRefused(_("This is not a PNG, JPEG, GIF or WebP image, whatever its name says.")) from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_many_pixels()
        return _TYPES[image.format or ""], int(image.getexif().get(_ORIENTATION) or 1)


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _too_many_pixels() -> ImageRefused:
    sentence = _("The image has more than {n} megapixels. Make it smaller first.")
    return ImageRefused(sentence.format(n=MAX_PIXELS // 1_000_000))


def _bare(data: bytes, content_type: str, orientation: int) -> bytes:
    """Without metadata: byte for byte when the picture is upright, else turned and written again.

    Few mail apps turn an image as its metadata asks, and without metadata none can.
    """
    bare = image_bytes.bare(data, content_type)
    if orientation == 1:
        return bare
    with _open(data) as image:
        if getattr(image, "is_animated", False) and image.format != "MPO":
            # Written again it would stop moving.
            return bare
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "CMYK":
            upright = upright.convert("RGB")
        return _written(upright, content_type, image.info.get("icc_profile"), quality=92)


def _decoded(data: bytes, content_type: str) -> Picture:
    """Decodes every frame to its end, so that nothing incomplete is stored."""
    with _open(data) as image:
        image.load()
        width, height = image.size
        thumbnail = _thumbnail(image, n_bytes=len(data))
        n_frames, n_pixels = 1, width * height
        while _has_frame(image, n_frames):
            image.load()
            n_frames += 1
            n_pixels += image.width * image.height
            if n_pixels > MAX_ANIMATION_PIXELS:
                raise ImageRefused(_("The animation has too many frames for its size. Make it shorter or smaller."))
        if image.size != (width, height):
            raise ValueError("a frame is larger than the image")
    return Picture(content_type, width, height, n_frames > 1, data, thumbnail)


def _has_frame(image: Image.Image, number: int) -> bool:
    try:
        image.seek(number)
    except EOFError:
        return False
    return True


def _thumbnail(image: Image.Image, *, n_bytes: int) -> bytes:
    scale = min(1.0, THUMBNAIL / max(image.size))
    if scale == 1.0 and n_bytes <= _SMALL_BYTES:
        return b""
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = _full_colour(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _written(small, "image/webp", image.info.get("icc_profile"), quality=80)


def _full_colour(image: Image.Image) -> Image.Image:
    """In colours that can be averaged; a palette can't."""
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in {"RGB", "L"} else image.convert("RGB")


def _written(image: Image.Image, content_type: str, icc_profile: Any, *, quality: int) -> bytes:
    """The picture as a file of a kind, with its colour profile and no other metadata."""
    out = io.BytesIO()
    options: dict[str, Any] = {"optimize": True}
    if content_type == "image/jpeg":
        options |= {"quality": quality, "progressive": True}
    elif content_type == "image/webp":
        options = {"quality": quality, "method": 4}
    if content_type != "image/gif":
        # A profile of another colour space than the pixels would turn every colour.
        options |= {"exif": b"", "icc_profile": icc_profile if image.mode in {"RGB", "RGBA", "P"} else None}
    image.info = {name: image.info[name] for name in ("transparency",) if name in image.info}
    image.save(out, format=content_type.partition("/")[2], **options)
    return out.getvalue()
