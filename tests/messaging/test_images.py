"""What may be in the library: the decoder decides, and nothing but the picture is kept."""

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from messaging import images
from messaging.images import ImageRefused
from tests import factories

GPS = 0x8825
SECRET = b"48.8584 N 2.2945 E"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A well-formed PNG that announces a size and brings no picture."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def animation(n: int = 3, size: tuple[int, int] = (30, 20), kind: str = "GIF", **options: object) -> bytes:
    frames = [Image.new("RGB", size, (20 * k % 256, 80, 200)) for k in range(n)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=80, loop=0, **options)
    return out.getvalue()


def located(kind: str, *, orientation: int = 1) -> bytes:
    """A red and blue image, taller or wider as `orientation` says, that says where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(GPS)[1] = SECRET.decode()
    exif[0x010E] = SECRET.decode()
    image = Image.new("RGB", (60, 30), (220, 30, 30))
    image.paste((30, 30, 220), (30, 0, 60, 30))
    out = io.BytesIO()
    image.save(out, kind, exif=exif, quality=95)
    return out.getvalue()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "svg": (lambda: SVG, "not a PNG"),
    "html": (lambda: HTML, "not a PNG"),
    "a pdf": (lambda: b"%PDF-1.7\n" + b"x" * 400, "not a PNG"),
    "bmp": (lambda: factories.picture(kind="BMP"), "not a PNG"),
    "tiff": (lambda: factories.picture(kind="TIFF"), "not a PNG"),
    "avif": (lambda: factories.picture(kind="AVIF"), "not a PNG"),
    "icon": (lambda: factories.picture(32, 32, kind="ICO"), "not a PNG"),
    "nothing": (lambda: b"", "empty"),
    "11 MB": (lambda: factories.picture() + b"\0" * (11 * 1024 * 1024), "larger than 10 MB"),
    "truncated png": (lambda: factories.picture(400, 400)[:-30], "damaged"),
    "png of a header only": (lambda: factories.picture()[:33], "damaged"),
    "truncated jpeg": (lambda: factories.picture(400, 400, kind="JPEG")[:-200], "damaged"),
    "truncated gif": (lambda: animation()[:-40], "damaged"),
    "truncated webp": (lambda: factories.picture(400, 400, kind="WEBP", lossless=True)[:-10], "damaged"),
    "png without a picture": (lambda: png_header(30, 30), "damaged"),
    "bomb of 50,000 × 50,000": (lambda: png_header(50_000, 50_000), "megapixels"),
    "bomb of 10,000 × 10,000": (lambda: png_header(10_000, 10_000), "megapixels"),
    "one pixel row too many": (lambda: png_header(8_000, 5_001), "megapixels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_an_image_for_mail_is_refused_in_words(case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(ImageRefused, match=words):
        images.read(make())


def test_an_animation_that_unfolds_into_too_much_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_ANIMATION_PIXELS", 30 * 20 * 5)
    assert images.read(animation(5)).is_animated
    with pytest.raises(ImageRefused, match="too many frames"):
        images.read(animation(6))


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")],
)
def test_a_plain_image_is_kept_byte_for_byte(kind: str, content_type: str) -> None:
    data = factories.picture(64, 48, kind=kind)
    picture = images.read(data)
    assert (picture.content_type, picture.width, picture.height) == (content_type, 64, 48)
    assert not picture.is_animated
    assert picture.data == data
    assert picture.thumbnail == b""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_where_a_photo_was_taken_is_not_kept_and_no_pixel_changes(kind: str) -> None:
    data = located(kind)
    assert SECRET in data
    picture = images.read(data)
    assert SECRET not in picture.data
    assert not opened(picture.data).getexif()
    assert opened(picture.data).tobytes() == opened(data).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "left_or_top"), [(3, "blue"), (6, "red"), (8, "blue")])
def test_a_turned_photo_stands_upright_for_everybody(kind: str, orientation: int, left_or_top: str) -> None:
    picture = images.read(located(kind, orientation=orientation))
    assert (picture.width, picture.height) == ((60, 30) if orientation == 3 else (30, 60))
    image = opened(picture.data).convert("RGB")
    red, _green, blue = image.getpixel((5, 5))  # type: ignore[misc]
    assert ("red" if red > blue else "blue") == left_or_top
    assert SECRET not in picture.data
    assert not image.getexif()


def test_comments_and_xmp_go_and_animations_keep_moving() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
    for data in (animation(comment=SECRET), animation(kind="WEBP", xmp=xmp), animation(kind="PNG")):
        picture = images.read(data)
        assert picture.is_animated
        assert SECRET not in picture.data
        assert opened(picture.data).n_frames == 3  # type: ignore[attr-defined]
    gif = opened(images.read(animation(comment=SECRET)).data)
    assert (gif.info["loop"], gif.info["duration"]) == (0, 80)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_second_file_behind_the_picture_is_cut_off(kind: str) -> None:
    data = factories.picture(64, 48, kind=kind)
    assert images.read(data + HTML).data == data


def test_a_photo_of_a_phone_with_pictures_behind_it_keeps_the_first() -> None:
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:])
    picture = images.read(out.getvalue())
    assert picture.content_type == "image/jpeg"
    assert not picture.is_animated
    assert opened(picture.data).format == "JPEG"


def test_colour_profile_and_transparency_stay() -> None:
    from PIL import ImageCms  # noqa: PLC0415  # slow to load and needed here only

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP"):
        data = factories.picture(700, 20, kind=kind, icc_profile=profile)
        assert opened(images.read(data).data).info["icc_profile"] == profile
        assert opened(images.smaller(images.read(data).data, width=600)).info["icc_profile"] == profile
    out = io.BytesIO()
    Image.new("RGBA", (700, 40), (10, 20, 30, 0)).save(out, "PNG")
    small = opened(images.smaller(images.read(out.getvalue()).data, width=600))
    assert small.convert("RGBA").getpixel((3, 3))[3] == 0  # type: ignore[index]


def test_a_large_image_has_a_small_thumbnail() -> None:
    picture = images.read(factories.picture(1600, 800, kind="JPEG"))
    small = opened(picture.thumbnail)
    assert (small.format, small.size) == ("WEBP", (480, 240))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_images_of_other_colour_modes_are_read_and_made_smaller(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (700, 350)).save(out, "PNG")
    picture = images.read(out.getvalue())
    assert picture.thumbnail
    assert opened(images.smaller(picture.data, width=600)).size == (600, 300)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_smaller_copy_keeps_kind_and_proportions(kind: str) -> None:
    small = opened(images.smaller(factories.picture(1000, 333, kind=kind), width=600))
    assert (small.format, small.size) == (kind, (600, 200))


def test_a_smaller_copy_is_refused_where_it_would_not_be_one() -> None:
    with pytest.raises(ImageRefused, match="only 500 pixels"):
        images.smaller(factories.picture(500, 100), width=600)
    with pytest.raises(ImageRefused, match="stop moving"):
        images.smaller(animation(size=(700, 10)), width=600)
