"""Preset none, and what is written into image files."""

from __future__ import annotations

import hashlib
import io
import json
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.colour import to_display
from pipeline.refine import (
    RefineRequest,
    RefinerSettings,
    make_refiner,
    read_provenance,
    save_png,
    srgb_profile,
    xmp_packet,
)
from pipeline.refine.types import Refined
from tests.passes_factory import sphere_passes

SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


def unrefined(white: bool = True) -> Refined:
    request = RefineRequest(sphere_passes(64, white=white), "a ball", 1)
    [image] = make_refiner(RefinerSettings(preset="none")).refine([request])
    return image


@pytest.mark.parametrize("white", [True, False])
def test_preset_none_is_the_display_image_and_says_that_it_is_not_refined(white: bool) -> None:
    passes = sphere_passes(64, white=white)
    image = unrefined(white)
    np.testing.assert_array_equal(image.pixels, to_display(passes.product, passes.plate, white))
    assert image.provenance["refined"] is False
    assert image.provenance["preset"] == "none"
    assert image.provenance["seed"] is None
    assert str(image.provenance["digital_source_type"]).endswith("/digitalCreation")


def test_a_record_names_the_passes_by_their_content() -> None:
    def hashes(depth_offset: float, white: bool) -> dict[str, str]:
        request = RefineRequest(sphere_passes(32, depth_offset, white), "", 0)
        [image] = make_refiner(RefinerSettings(preset="none")).refine([request])
        found = image.provenance["input_sha256"]
        assert isinstance(found, dict)
        return found

    assert hashes(0.0, True) == hashes(0.1, True), "depth is not used by preset none"
    assert hashes(0.0, True)["plate"] != hashes(0.0, False)["plate"]
    assert hashes(0.0, True)["product"] == hashes(0.0, False)["product"]


def test_a_png_carries_pixels_record_profile_and_source_type(tmp_path: Path) -> None:
    image = unrefined()
    record = {**image.provenance, "note": 'ünïcode & <tags> "quoted" ]]> \u0001', "data_versions": {"passes": "ab12"}}
    save_png(image.pixels, tmp_path / "hero.png", record)
    assert read_provenance(tmp_path / "hero.png") == record
    with Image.open(tmp_path / "hero.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), image.pixels)
        profile = ImageCms.ImageCmsProfile(io.BytesIO(opened.info["icc_profile"]))
        packet = ElementTree.fromstring(opened.info["xmp"])
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    [source_type] = packet.iter(SOURCE_TYPE)
    assert source_type.text == record["digital_source_type"]


def test_the_embedded_profile_changes_no_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    ours = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    converted = ImageCms.profileToProfile(Image.fromarray(pixels), ours, ImageCms.createProfile("sRGB"))
    assert converted is not None
    np.testing.assert_allclose(np.asarray(converted).astype(int), pixels, atol=1)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_the_packet_fits_other_containers(tmp_path: Path, suffix: str) -> None:
    image = unrefined()
    path = tmp_path / f"hero.{suffix}"
    Image.fromarray(image.pixels).save(path, xmp=xmp_packet(image.provenance))
    assert read_provenance(path) == image.provenance


@pytest.mark.parametrize("packet", [b"", b"<not xml", b"<x/>"])
def test_an_image_made_elsewhere_has_no_record(tmp_path: Path, packet: bytes) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "other.webp", xmp=packet)
    assert read_provenance(tmp_path / "other.webp") == {}


def test_equal_images_are_equal_files_whatever_the_time(tmp_path: Path) -> None:
    first, again = unrefined(), unrefined()
    save_png(first.pixels, tmp_path / "a.png", first.provenance)
    made_now = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    time.sleep(1.1)  # the date inside a fresh profile has a resolution of one second
    made_later = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    srgb_profile.cache_clear()
    save_png(again.pixels, tmp_path / "b.png", dict(reversed(list(again.provenance.items()))))
    assert made_now != made_later
    assert hashlib.sha256((tmp_path / "a.png").read_bytes()).digest() \
        == hashlib.sha256((tmp_path / "b.png").read_bytes()).digest()


def test_a_record_is_plain_json() -> None:
    record = unrefined().provenance
    assert json.loads(json.dumps(record, allow_nan=False)) == record
