"""Where threads may lie: tiles on a picture's own texture coordinates, at their real size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.refine.nets.guide import Laid, Tile, guide_of, load_tiles, metres_per_uv, save_tiles, worn
from pipeline.render.types import CameraMatrices, ControlPasses
from tests.passes_factory import sphere_passes


def stripes(side: int = 64, threads: int = 4) -> Tile:
    """Threads along v: their height changes with u."""
    wave = np.sin(2 * np.pi * threads * (np.arange(side) + 0.5) / side) * 2**0.5
    height = np.tile(wave, (side, 1)).astype(np.float32)
    return Tile(10.0, height, 0.1 * height)


def card(size: int = 96, metres: float = 0.1) -> ControlPasses:
    """A flat card before the camera that fills the picture; u to the right, v down, 0..1 over its whole."""
    passes = sphere_passes(size, white=False)
    place = (np.arange(size) + 0.5) / size
    uv = np.stack(np.broadcast_arrays(place[None, :], place[:, None]), axis=-1).astype(np.float32)
    projection = np.array([[2 * 0.5 / metres, 0, 0, 0], [0, 2 * 0.5 / metres, 0, 0], [0, 0, -1.1, -0.1], [0, 0, -1, 0]])
    full = np.ones((size, size), np.float32)
    fields = {name: getattr(passes, name) for name in ControlPasses.__dataclass_fields__}
    return ControlPasses(**{**fields, "depth": full * 0.5, "uv": uv, "alpha": full,
                            "material_id": np.ones((size, size), np.uint32), "material_names": ("upper",),
                            "material_kinds": ("canvas",),
                            "camera": CameraMatrices(np.eye(4), projection)})


def test_a_tile_lies_where_its_coordinates_are() -> None:
    passes = card()
    found = guide_of(passes, [Laid(stripes(), (2.0, 2.0))])
    expected = np.sin(2 * np.pi * 8 * passes.uv[..., 0]) * 2**0.5
    assert np.corrcoef(found[..., 0].ravel(), expected.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(found[..., 1], 0.1 * found[..., 0], atol=1e-6)


def test_threads_finer_than_pixels_are_flat() -> None:
    near, far = (guide_of(card(), [Laid(stripes(), (repeats, repeats))])[..., 0] for repeats in (1.0, 40.0))
    assert near.std() > 0.8
    assert far.std() < 0.1


def test_other_materials_wear_nothing() -> None:
    passes = sphere_passes(64)
    found = guide_of(passes, [Laid(stripes(), (4.0, 4.0)), None])
    assert found[passes.material_id == 1].std() > 0.1
    assert not found[passes.material_id != 1].any()


@pytest.mark.parametrize("metres", [0.02, 0.1, 1.0])
def test_a_unit_of_uv_is_measured_in_metres(metres: float) -> None:
    across, down = metres_per_uv(card(metres=metres))[1]
    assert across == pytest.approx(metres, rel=1e-3)
    assert down == pytest.approx(metres, rel=1e-3)


def test_a_tile_is_worn_at_its_real_size_and_begun_by_the_material_s_name() -> None:
    passes = card(metres=0.1)
    first, again, other = (worn(replace(passes, material_names=(name,)), {"canvas": [stripes()]})[0]
                           for name in ("upper", "upper", "tongue"))
    assert first is not None
    assert again is not None
    assert other is not None
    assert (first.repeats, first.start) == (again.repeats, again.start)
    assert first.start != other.start
    assert first.repeats == pytest.approx((10.0, 10.0), rel=1e-3)   # a tile of 10 mm on 100 mm
    assert worn(passes, {"leather": [stripes()]}) == [None]


def test_tiles_come_back_from_their_file(tmp_path: Path) -> None:
    save_tiles(tmp_path / "tiles.npz", {"canvas": [stripes(), stripes(threads=8)], "knit": [stripes()]})
    back = load_tiles(tmp_path / "tiles.npz")
    assert {kind: len(tiles) for kind, tiles in back.items()} == {"canvas": 2, "knit": 1}
    assert back["knit"][0].size_mm == 10.0
    np.testing.assert_allclose(back["canvas"][1].height, stripes(threads=8).height, atol=0.012)
    np.testing.assert_allclose(back["canvas"][1].tone, stripes(threads=8).tone, atol=0.0012)
