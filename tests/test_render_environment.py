"""Light from panoramas: files, sampled lights, what surfaces mirror, and which side is lit."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from upath import UPath

from pipeline.catalogue import Catalogue
from pipeline.errors import CatalogueError, RenderError
from pipeline.render import STAGES, Environment, Renderer, compose, read_panorama
from pipeline.render.environment import panorama, panorama_directions, sample_lights
from pipeline.render.heading import Heading
from pipeline.render.panoramas import WHITE_CARD, lit_by
from pipeline.render.prefilter import ROUGHNESS, prefiltered
from pipeline.shots import shots_for
from tests.render_meshes import shot, sphere, textures_of

F32 = NDArray[np.float32]
UPRIGHT = Heading(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]))


def sky(rows: int = 32) -> F32:
    """Even light from above with a bright patch to the camera's left."""
    image = np.full((rows, 2 * rows, 3), 0.2, np.float32)
    image[rows // 4:rows * 3 // 8, rows // 2 - 2:rows // 2 + 2] = 40.0
    return image


def rgbe(image: F32) -> NDArray[np.uint8]:
    mantissa, exponent = np.frexp(image.max(axis=2))
    scale = np.where(image.max(axis=2) > 1e-30, mantissa * 256.0 / np.maximum(image.max(axis=2), 1e-30), 0.0)
    exponent = np.where(scale > 0.0, exponent + 128, 0)
    return np.concatenate([image * scale[..., None], exponent[..., None]], axis=2).astype(np.uint8)


def flat_hdr(image: F32) -> bytes:
    rows, columns = image.shape[:2]
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (rows, columns) + rgbe(image).tobytes()


def coded_hdr(image: F32) -> bytes:
    """Each channel of a row as runs where four or more bytes repeat, and as literals elsewhere."""
    rows, columns = image.shape[:2]
    out = bytearray(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (rows, columns))
    for row in rgbe(image):
        out += bytes([2, 2, columns >> 8, columns & 255])
        for channel in row.T:
            at = 0
            while at < columns:
                run = 1
                while at + run < columns and run < 127 and channel[at + run] == channel[at]:
                    run += 1
                out += bytes([128 + run, channel[at]]) if run >= 4 else bytes([1, channel[at]])
                at += run if run >= 4 else 1
    return bytes(out)


def test_both_codings_of_a_radiance_file_hold_the_same_light() -> None:
    flat, coded = (read_panorama(make(sky()), "sky.hdr") for make in (flat_hdr, coded_hdr))
    assert np.array_equal(flat.radiance, coded.radiance)
    # Mantissas have eight bits.
    shape = sky() / sky().mean()
    assert np.allclose(flat.radiance / flat.radiance.mean(), shape, rtol=0.03)


def test_an_openexr_panorama_is_the_same_light(tmp_path: Path) -> None:
    path = tmp_path / "sky.exr"
    image = sky()
    OpenEXR.File({}, {"R": image[..., 0].copy(), "G": image[..., 1].copy(), "B": image[..., 2].copy()}).write(str(path))
    assert np.allclose(read_panorama(path.read_bytes(), "sky.exr").radiance,
                       read_panorama(flat_hdr(image), "sky.hdr").radiance, rtol=0.03)


@pytest.mark.parametrize(("data", "name"), [
    (b"", "a.hdr"), (b"#?RADIANCE\n\n", "a.hdr"), (b"\x89PNG", "a.exr"), (b"", "a.png"),
    (flat_hdr(sky())[:-1], "cut.hdr"), (coded_hdr(sky())[:-1], "cut.hdr"),
    (flat_hdr(np.zeros((32, 64, 3), np.float32)), "black.hdr"),
    (flat_hdr(np.ones((32, 40, 3), np.float32)), "narrow.hdr"),
    (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 99999999 +X 99999999\n", "huge.hdr"),
])
def test_a_bad_panorama_is_named(data: bytes, name: str) -> None:
    with pytest.raises(RenderError) as caught:
        read_panorama(data, name)
    assert caught.value.code == "environment_unreadable"
    assert name in caught.value.message


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 255), st.integers(1, 4000))
def test_a_damaged_radiance_file_is_an_error_or_a_picture(at: int, value: int, length: int) -> None:
    data = bytearray(coded_hdr(sky(16)))
    data[at % len(data)] = value
    with suppress(RenderError):
        assert np.isfinite(read_panorama(bytes(data[:length]), "damaged.hdr").radiance).all()


@pytest.mark.parametrize("turn", [0.0, 90.0])
def test_a_white_card_sends_back_the_stage_s_exposure(turn: float) -> None:
    stage = lit_by(STAGES["white"], read_panorama(flat_hdr(sky(64)), "sky.hdr", turn))
    card = sample_lights(stage, UPRIGHT).irradiance(np.array([0.0, 1.0, 0.0]))
    assert card == pytest.approx([WHITE_CARD] * 3, rel=0.02)


@pytest.mark.parametrize("name", ["white", "sweep"])
def test_sampled_lights_give_a_card_the_light_of_the_whole_panorama(name: str) -> None:
    stage = STAGES[name]
    whole = panorama(stage, 256).radiance
    towards = panorama_directions(256)
    solid = np.hypot(towards[..., 0], towards[..., 2]) * (math.pi / 256) ** 2
    card = (whole * (np.maximum(towards[..., 1], 0.0) * solid)[..., None]).sum(axis=(0, 1)) / math.pi
    assert sample_lights(stage, UPRIGHT).irradiance(np.array([0.0, 1.0, 0.0])) == pytest.approx(card, rel=0.01)


def test_the_key_of_a_panorama_is_its_brightest_part() -> None:
    stage = lit_by(STAGES["white"], read_panorama(flat_hdr(sky(64)), "sky.hdr"))
    lights = sample_lights(stage, UPRIGHT)
    assert (lights.directions[:lights.key, 0] < -0.5).all()


def test_light_from_the_left_lights_the_left() -> None:
    mesh = sphere()
    pictured = shot(96)
    with Renderer() as renderer:
        def brightness(turn: float) -> tuple[float, float]:
            stage = lit_by(STAGES["white"], read_panorama(flat_hdr(sky(64)), "sky.hdr", turn))
            light = renderer.draw(compose(mesh, pictured, textures_of(mesh), stage=stage)).product[..., 1]
            return float(light[:, :48].sum()), float(light[:, 48:].sum())

        left, right = brightness(0.0)
        assert left > 1.3 * right
        left, right = brightness(180.0)
        assert right > 1.3 * left


def test_even_light_is_mirrored_evenly_by_every_roughness() -> None:
    even = Environment(np.ones((64, 128, 3), np.float32), "even")
    stage = replace(lit_by(STAGES["white"], even), floor_albedo=None)
    rest, key = prefiltered(stage)
    assert rest.shape[0] == len(ROUGHNESS)
    assert np.allclose(rest[..., :3], 1.0, atol=2e-3)
    assert not rest[..., 3].any()
    assert not key.any()


def test_rough_surfaces_mirror_the_floor_and_the_light_above_in_full() -> None:
    stage = lit_by(STAGES["white"], Environment(np.ones((64, 128, 3), np.float32), "even above a floor"))
    rest, _ = prefiltered(stage)
    assert np.allclose(rest[..., 0] + rest[..., 3], 1.0, atol=2e-3)
    # A level ray of a rough surface sees half floor.
    middle = rest[-1, rest.shape[1] // 2 - 1:rest.shape[1] // 2 + 1, :, 3].mean()
    assert middle == pytest.approx(0.5, abs=0.02)


def test_a_shot_names_a_panorama_of_its_folder_or_of_the_catalogue(tmp_path: Path) -> None:
    folder = tmp_path / "cup"
    folder.mkdir()
    (folder / "cup.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    names = ("own.hdr", "house.hdr", "../cup/own.hdr", "absent.hdr")
    (folder / "product.yaml").write_text(yaml.safe_dump({"shots": [
        {"name": f"lit-{number}", "environment": name} for number, name in enumerate(names)]}))
    (folder / "own.hdr").write_bytes(b"own")
    (tmp_path / "house.hdr").write_bytes(b"house")
    catalogue = Catalogue.at(UPath(tmp_path))
    product = catalogue.product("cup")
    own, house, outside, absent = shots_for(product, catalogue.settings, ())
    assert product.environment(own.environment) == b"own"
    assert product.environment(house.environment) == b"house"
    for missing in (outside, absent):
        with pytest.raises(CatalogueError) as caught:
            product.environment(missing.environment)
        assert caught.value.code == "environment_missing"


def test_a_panorama_lights_the_set_as_well_as_the_product() -> None:
    mesh = sphere()
    asked = shot(64, "sweep", elevation_deg=20.0, fill=0.4)
    red = sky(64) * np.array([1.0, 0.3, 0.2], np.float32)
    with Renderer() as renderer:
        as_baked = renderer.render(mesh, asked, textures_of(mesh)).plate
        relit = renderer.render(mesh, asked, textures_of(mesh),
                                environment=read_panorama(flat_hdr(red), "red.hdr")).plate
    baked_tint = as_baked[50:, :8].mean(axis=(0, 1))
    relit_tint = relit[50:, :8].mean(axis=(0, 1))
    assert baked_tint[0] / baked_tint[1] < 1.4
    assert relit_tint[0] / relit_tint[1] > 2.5
    # A white card under a panorama sends back WHITE_CARD; the paper in front is about as far lit.
    assert relit_tint[1] == pytest.approx(WHITE_CARD * 0.625, rel=0.25)
