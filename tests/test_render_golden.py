"""What the renderer drew when VERSION was last raised: a change that can be seen must raise it again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.catalogue import OrbitCamera, Shot
from pipeline.colour import to_display
from pipeline.mesh.types import Front, Material, TextureRef
from pipeline.render import STAGES, VERSION, Renderer
from tests.render_meshes import box, png, textures_of

# Mean code values of a 4×4 grid of blocks, by VERSION and stage. A new VERSION gets new values:
# print them with ``python -m tests.test_render_golden``.
GOLDEN: dict[int, dict[str, list[list[int]]]] = {
    2: {
        "lifestyle": [[122, 150, 143, 120], [122, 151, 131, 100], [131, 145, 82, 95], [125, 115, 100, 85]],
        "sweep": [[219, 220, 220, 219], [208, 182, 166, 193], [195, 154, 131, 189], [209, 205, 208, 212]],
        "white": [[255, 255, 255, 255], [234, 196, 186, 223], [226, 163, 159, 232], [255, 251, 253, 255]],
    },
    3: {
        "cafe": [[34, 35, 35, 38], [88, 144, 133, 78], [111, 141, 82, 84], [98, 96, 100, 99]],
        "curb": [[100, 100, 101, 117], [130, 151, 136, 115], [170, 162, 110, 143], [183, 187, 190, 185]],
        "sweep": [[204, 204, 204, 204], [195, 177, 164, 181], [195, 162, 141, 186], [215, 212, 214, 216]],
        "white": [[255, 255, 255, 255], [232, 196, 185, 220], [219, 160, 151, 218], [249, 240, 243, 251]],
        "window": [[178, 207, 202, 199], [157, 181, 158, 135], [142, 164, 116, 107], [130, 118, 108, 100]],
    },
}
TOLERANCE = 2.5   # code values; drivers differ by less than 1


def drawn(stage: str) -> NDArray[np.float64]:
    """(4, 4) block means of a checkered, half-glossy box on one stage."""
    pixels = np.full((64, 64, 3), (190, 60, 40), np.uint8)
    pixels[(np.indices((64, 64)) // 16).sum(axis=0) % 2 == 0] = (230, 225, 215)
    material = Material("paint", roughness=0.3, clearcoat=0.5,
                        textures={"base_color": TextureRef("catalogue", "checker.png")})
    mesh = box((0.2, 0.15, 0.3), material, Front("+z", 1.0, "manifest"))
    shot = Shot("golden", OrbitCamera(azimuth_deg=40.0, elevation_deg=18.0, fill=0.7), 96, 96, stage)
    with Renderer() as renderer:
        passes = renderer.render(mesh, shot, textures_of(mesh, {"checker.png": png(pixels)}))
    image = to_display(passes.product, passes.plate, passes.white_backdrop).astype(np.float64).mean(axis=-1)
    blocks: NDArray[np.float64] = image.reshape(4, 24, 4, 24).mean(axis=(1, 3))
    return blocks


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_output_changes_only_with_the_version(stage: str) -> None:
    assert VERSION in GOLDEN, "VERSION was raised: add what is drawn now"
    assert np.abs(drawn(stage) - np.array(GOLDEN[VERSION][stage])).max() < TOLERANCE


if __name__ == "__main__":
    print({stage: drawn(stage).round().astype(int).tolist() for stage in sorted(STAGES)})
