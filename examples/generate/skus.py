"""The example catalogue: which product goes into which SKU folder, in which format."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from examples.generate.bottle import fjellbekk_bottle
from examples.generate.candle import cedar_candle
from examples.generate.carton import oolong_carton
from examples.generate.lamp import desk_lamp
from examples.generate.model import Model
from examples.generate.mug import tidewater_mug
from examples.generate.tote import bookshop_tote
from examples.generate.vase import terracotta_vase
from examples.generate.writers import WRITERS


@dataclass(frozen=True)
class Entry:
    """One SKU folder."""

    sku: str
    model: Callable[[], Model]
    format: str               # an entry of WRITERS
    stem: str                 # the mesh file's name without suffix


ENTRIES = (
    Entry("mug-tidewater", tidewater_mug, "glb", "stoneware_mug"),
    Entry("bottle-fjellbekk", fjellbekk_bottle, "gltf", "steel_bottle"),
    Entry("carton-morning-oolong", oolong_carton, "obj", "tea_carton"),
    Entry("candle-cedar-salt", cedar_candle, "obj-without-mtl", "ceramic_candle"),
    Entry("lamp-ostrava", desk_lamp, "glb", "brass_desk_lamp"),
    Entry("tote-kelp-crane", bookshop_tote, "fbx", "canvas_tote_bag"),
    Entry("vase-terracotta", terracotta_vase, "stl", "terracotta_vase"),
)

SETTINGS = """\
# What this catalogue decides for all of its products.
delivery:
  # Until a diffusion model refines them, images are the renderer's own. They are delivered, labelled
  # as unrefined, so that a first run ends with files to look at. A real shop leaves this out.
  deliver_unrefined: true
"""


def write_catalogue(root: Path, skus: Iterable[str] | None = None) -> list[Path]:
    """Write the named SKUs (default all) and ``catalogue.yaml``; each folder is replaced whole."""
    wanted = set(skus) if skus is not None else {entry.sku for entry in ENTRIES}
    root.mkdir(parents=True, exist_ok=True)
    (root / "catalogue.yaml").write_text(SETTINGS)
    return [write_sku(entry, root / entry.sku) for entry in ENTRIES if entry.sku in wanted]


def write_sku(entry: Entry, folder: Path) -> Path:
    """Write one SKU folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    WRITERS[entry.format](entry.model(), folder, entry.stem)
    return folder
