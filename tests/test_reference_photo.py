"""Photos in every coat they come in, as upright sRGB pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import PhotoError
from pipeline.reference import read_hints, read_photo


def picture(width: int = 400, height: int = 300) -> Image.Image:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = (200, 30, 30)
    pixels[:, width // 2 :] = (30, 30, 200)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def test_plain_pixels_come_as_they_are() -> None:
    photo = read_photo(encoded(picture()), "a.png")
    assert np.array_equal(photo.pixels, np.asarray(picture()))
    assert photo.focal_px == pytest.approx(400 * 50 / 36)


def test_a_turned_photo_is_put_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate clockwise to see it upright
    photo = read_photo(encoded(picture(), "JPEG", quality=95, exif=exif), "a.jpg")
    assert photo.pixels.shape == (400, 300, 3)
    assert photo.pixels[10, 150, 0] > 150
    assert photo.pixels[-10, 150, 2] > 150


def test_the_focal_length_is_the_camera_s() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 85
    assert read_photo(encoded(picture(), "JPEG", exif=exif), "a.jpg").focal_mm == 85.0


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "RGBA", "LA", "1"])
def test_any_mode_becomes_rgb(mode: str) -> None:
    form = "TIFF" if mode in ("CMYK", "LA") else "PNG"
    photo = read_photo(encoded(picture().convert(mode), form), f"a.{form.lower()}")
    assert photo.pixels.shape == (300, 400, 3)
    assert photo.pixels.dtype == np.uint8


def test_sixteen_bits_keep_their_range() -> None:
    ramp = np.linspace(0, 65535, 400).astype(np.uint16)[None].repeat(300, axis=0)
    pixels = read_photo(encoded(Image.fromarray(ramp)), "a.png").pixels
    assert pixels[0, 0, 0] == 0
    assert pixels[0, -1, 0] == 255
    assert pixels[0, 200, 0] == pytest.approx(128, abs=2)


def test_transparency_lies_on_white() -> None:
    image = picture().convert("RGBA")
    image.putalpha(0)
    assert (read_photo(encoded(image), "a.png").pixels == 255).all()


def test_a_profile_is_converted() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    plain = read_photo(encoded(picture(), "PNG", icc_profile=ImageCms.ImageCmsProfile(
        ImageCms.createProfile("sRGB")).tobytes()), "a.png")
    assert np.abs(plain.pixels.astype(int) - np.asarray(picture())).max() <= 1
    wrong = read_photo(encoded(picture(), "PNG", icc_profile=profile.tobytes()), "a.png")  # not a profile of RGB
    assert np.array_equal(wrong.pixels, np.asarray(picture()))


def test_fifty_megapixels_are_made_smaller() -> None:
    photo = read_photo(encoded(picture(8700, 5800), "JPEG", quality=50), "a.jpg")
    assert photo.pixels.shape == (2731, 4096, 3)
    assert photo.reduced == pytest.approx(4096 / 8700, rel=1e-3)


@pytest.mark.parametrize(("data", "code"), [
    (b"no picture", "photo_unreadable"),
    (b"", "photo_unreadable"),
    (encoded(picture())[:200], "photo_unreadable"),
    (encoded(picture(300, 40)), "photo_small"),
    (encoded(Image.new("1", (12000, 12000))), "photo_large"),
])
def test_what_cannot_be_used_is_named(data: bytes, code: str) -> None:
    with pytest.raises(PhotoError) as caught:
        read_photo(data, "a.png")
    assert caught.value.code == code
    assert caught.value.hint


def test_hints_are_read() -> None:
    hints = read_hints("view: top\ntoe_direction: 135\npair: true\nwhite: '#f6e7d0'\n", "a.yaml")
    assert (hints.view, hints.toe_direction, hints.pair, hints.white) == ("top", 135.0, True, "#f6e7d0")
    assert hints.elevations[0] > 45.0
    assert read_hints("", "a.yaml").elevations == (-5.0, 90.0)


@pytest.mark.parametrize(("text", "told"), [
    ("vieww: top", "vieww"), ("view: below", "view"), ("toe_direction: 400", "toe_direction"), ("- 1", "a.yaml"),
    ("view: [", "a.yaml"), ("white: snow", "white"), ("white: '#101010'", "brighter"),
    ("white: #f6e7d0", "white says nothing")])      # a comment, for YAML
def test_hints_that_say_nothing_we_know_are_named(text: str, told: str) -> None:
    with pytest.raises(PhotoError) as caught:
        read_hints(text, "a.yaml")
    assert caught.value.code == "hints_invalid"
    assert told in caught.value.message
