"""A catalogue of tiny products for tests of the whole chain: an OBJ bar, a checked texture, one small shot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SETTINGS = "scale: 0.1\nshots: [square]\ndelivery: {deliver_unrefined: true}\n"


def box_obj(size: tuple[float, float, float] = (0.2, 0.1, 0.12), material: str = "") -> str:
    """A box with every face on the whole texture, in metres, standing on the floor."""
    x, y, z = (side / 2 for side in size)
    corners = [(a * x, b * y + y, c * z) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    lines = [f"v {a:.6f} {b:.6f} {c:.6f}" for a, b, c in corners]
    lines += ["vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
    lines += [f"usemtl {material}"] if material else []
    lines += ["f " + " ".join(f"{v + 1}/{t + 1}" for t, v in enumerate(face)) for face in faces]
    return "\n".join(lines) + "\n"


def checks(colour: tuple[int, int, int] = (60, 140, 90), size: int = 64) -> Image.Image:
    """A checked diffuse map."""
    rows, columns = np.mgrid[:size, :size] // 8
    odd = ((rows + columns) % 2).astype(bool)
    pixels = np.where(odd[..., None], np.asarray(colour), np.asarray([205, 200, 190]))
    return Image.fromarray(pixels.astype(np.uint8))


def add_box(root: Path, sku: str, colour: tuple[int, int, int] = (60, 140, 90)) -> Path:
    """One good SKU; returns its folder."""
    folder = root / sku
    folder.mkdir(parents=True)
    (folder / "box.obj").write_text(box_obj())
    checks(colour).save(folder / "diffuse.png")
    return folder


def small_catalogue(root: Path, *skus: str) -> Path:
    """A catalogue whose SKUs render in a fraction of a second."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "catalogue.yaml").write_text(SETTINGS)
    for sku in skus:
        add_box(root, sku)
    return root
