"""A real shoe from its own cameras, against the reference renders that came with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.catalogue import EmbeddedCameraRef, Shot
from pipeline.lone_file import open_file
from pipeline.render import Renderer

SIZE = 512


@pytest.fixture(scope="module")
def silhouettes(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[np.ndarray, np.ndarray]]:
    """(ours, reference) masks of the three cameras in the file."""
    folder = shared_folder / "corpus" / "shoe-gltf"
    shoe = open_file(folder / "Shoe.gltf")
    pairs = []
    with Renderer() as renderer:
        for index in range(3):
            reference = np.asarray(Image.open(folder / "reference" / f"rr-Shoe-{index}.png").convert("RGB")
                                   .resize((SIZE, SIZE), Image.Resampling.BOX))
            shot = Shot("reference", EmbeddedCameraRef(str(index)), SIZE, SIZE)
            passes = renderer.render(shoe.mesh, shot, shoe.textures)
            pairs.append((passes.mask, np.min(reference, axis=-1) < 250))
    return pairs


@pytest.mark.parametrize("index", range(3))
def test_silhouettes_match_the_reference(silhouettes: list[tuple[np.ndarray, np.ndarray]], index: int) -> None:
    ours, theirs = silhouettes[index]
    assert np.sum(ours & theirs) / np.sum(ours | theirs) > 0.99
