"""Procedural products: the same from the same seed, sound, and honest about what a file tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.mesh.normals import face_vectors, signed_volume
from training.families import FAMILIES, HELD_OUT, make_sample
from training.materials import SURFACES, slope_rms
from training.materials.tile import normal_map, shaded, slopes
from training.types import Sample

ALL = [*FAMILIES, *HELD_OUT]
_GEOMETRY = ("positions", "normals", "triangles", "triangle_material", "triangle_chart")


def check(sample: Sample) -> None:
    truth, known = sample.truth, sample.known
    assert all(getattr(truth, name) is getattr(known, name) for name in _GEOMETRY)
    assert truth.uv_sets[0] is known.uv_sets[0]
    assert 3000 <= len(truth.triangles) <= 25000
    assert 0.05 < float(np.ptp(truth.bounds, axis=0).max()) < 0.8
    assert np.isfinite(truth.positions).all()
    assert np.allclose(np.linalg.norm(truth.normals, axis=1), 1.0, atol=1e-3)
    assert truth.uv_sets[0].min() >= 0.0
    assert truth.uv_sets[0].max() <= 1.0
    assert int(truth.triangles.max()) < len(truth.positions)
    assert [m.kind for m in truth.materials] == [m.kind for m in known.materials]
    for material in known.materials:
        assert set(material.textures) == {"base_color"}
        assert material.kind in SURFACES
        assert material.kind_source == "guess"
        sample.known_textures.of(material.textures["base_color"])
    for material in truth.materials:
        assert {"base_color", "normal"} <= set(material.textures)
        for ref in material.textures.values():
            assert sample.truth_textures.of(ref).shape[2] == 4
    names = {material.name for material in known.materials}
    for region in sample.regions:
        points = np.array(region.polygon or region.path)
        assert len(points) >= 2
        assert points.min() >= 0.0
        assert points.max() <= 1.0
        assert region.material in names


@pytest.mark.parametrize("family", ALL)
def test_a_family_builds_over_several_seeds(family: str) -> None:
    for seed in range(3):
        check(make_sample(family, seed))


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(ALL), st.integers(0, 2**31))
def test_any_seed_makes_a_sound_product(family: str, seed: int) -> None:
    check(make_sample(family, seed))


@pytest.mark.parametrize("family", ALL)
def test_the_same_seed_makes_the_same_product(family: str) -> None:
    one, two = make_sample(family, 11), make_sample(family, 11)
    assert np.array_equal(one.truth.positions, two.truth.positions)
    assert one.known.materials == two.known.materials
    assert one.regions == two.regions
    for key, image in one.truth_textures.images.items():
        assert np.array_equal(image, two.truth_textures.images[key])
    assert not np.array_equal(one.truth.bounds, make_sample(family, 12).truth.bounds)


@pytest.mark.parametrize("family", ALL)
def test_triangles_face_the_way_their_normals_do(family: str) -> None:
    mesh = make_sample(family, 4).truth
    triangles = mesh.triangles.astype(np.int64)
    vectors = face_vectors(mesh.positions.astype(np.float64), triangles)
    along = np.einsum("tk,tk->t", vectors, mesh.normals[triangles].mean(axis=1))
    area = np.linalg.norm(vectors, axis=1)
    assert float(area[along < 0].sum() / area.sum()) < 0.01
    assert signed_volume(mesh.positions.astype(np.float64), triangles) > 0


@pytest.mark.parametrize("kind", list(SURFACES))
def test_relief_is_as_strong_as_the_material_has_it(kind: str) -> None:
    strengths = [slope_rms(SURFACES[kind](np.random.default_rng(seed))) for seed in range(6)]
    low, high = (0.08, 0.55) if kind in ("canvas", "denim", "fabric", "knit", "lace", "suede") else (0.0, 0.4)
    assert low <= min(strengths)
    assert max(strengths) <= high


@pytest.mark.parametrize("kind", list(SURFACES))
def test_a_colour_map_tells_less_than_there_is(kind: str) -> None:
    tile = SURFACES[kind](np.random.default_rng(3))
    untold, told, whole = (float(shaded(tile, strength).std()) for strength in (0.0, 0.5, 1.0))
    assert untold <= told <= whole
    assert untold == pytest.approx(0.0, abs=1e-6) or tile.figured
    assert float(shaded(tile).mean()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("kind", ["canvas", "knit", "leather", "metal", "wood", "rubber"])
def test_a_tile_repeats_without_a_seam(kind: str) -> None:
    tile = SURFACES[kind](np.random.default_rng(5))
    for axis in (0, 1):
        steps = np.abs(np.diff(tile.height, axis=axis))
        across_the_border = np.abs(np.take(tile.height, 0, axis=axis) - np.take(tile.height, -1, axis=axis))
        assert float(across_the_border.max()) <= 1.5 * float(steps.max()) + 1e-6


def test_normals_lean_away_from_what_rises() -> None:
    """Red to the right, green up, as in glTF: a slope that rises downwards looks up."""
    rising_down = normal_map(np.zeros((2, 2), np.float32), np.full((2, 2), 0.5, np.float32))
    rising_right = normal_map(np.full((2, 2), 0.5, np.float32), np.zeros((2, 2), np.float32))
    assert (rising_down[..., 1] > 160).all()
    assert (rising_right[..., 0] < 96).all()
    across, _ = slopes(SURFACES["canvas"](np.random.default_rng(0)))
    assert float(across.mean()) == pytest.approx(0.0, abs=1e-4)
