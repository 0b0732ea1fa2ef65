"""The example catalogue: which product goes into which SKU folder, in which format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from examples.generate.bottle import fjellbekk_bottle
from examples.generate.candle import cedar_candle
from examples.generate.carton import oolong_carton
from examples.generate.footwear import GREEN_WHITE, NAVY_GUM, court_sneaker, leather_derby
from examples.generate.lamp import desk_lamp
from examples.generate.model import Model
from examples.generate.mug import tidewater_mug
from examples.generate.tidy import tidied
from examples.generate.tote import bookshop_tote
from examples.generate.vase import porcelain_vase
from examples.generate.writers import WRITERS
from pipeline.catalogue import MANIFEST, SETTINGS
from pipeline.settings import Manifest, RegionEntry


@dataclass(frozen=True)
class Entry:
    """One SKU folder."""

    sku: str
    family: str                        # the product, in all its colourways; as in benchmarks/splits.toml
    model: Callable[[], Model]
    format: str                        # an entry of WRITERS
    stem: str                          # the mesh file's name without suffix
    manifest: Manifest | None = None   # written as product.yaml, with the model's regions where it names none


SNEAKER_MANIFEST = Manifest(
    name="Northline Court, green and white",
    description="green and white leather court sneaker with a rubber cupsole",
    front="+x",
)

# Pale on pale it is not found on the map. Named, it can be read on the mirrored partner of a pair in a photo as well.
FOOTBED_PRINT = Manifest(regions=(RegionEntry(
    name="footbed print", kind="logo", material="lining_textile", text="NORTHLINE",
    polygon=((0.4345, 0.565), (0.4345, 0.695), (0.405, 0.695), (0.405, 0.565))),))

# All five formats. Two SKUs have a manifest; of the others the mesh and its textures are all there is.
ENTRIES = (
    Entry("court-sneaker-green", "court-sneaker", partial(court_sneaker, GREEN_WHITE), "fbx", "court_sneaker",
          SNEAKER_MANIFEST),
    Entry("court-sneaker-navy", "court-sneaker", partial(court_sneaker, NAVY_GUM), "gltf", "court_sneaker",
          FOOTBED_PRINT),
    Entry("derby-brown", "derby", leather_derby, "fbx", "leather_derby"),
    Entry("mug-tidewater", "tidewater-mug", tidewater_mug, "glb", "stoneware_mug"),
    Entry("bottle-fjellbekk", "fjellbekk-bottle", fjellbekk_bottle, "gltf", "steel_bottle"),
    Entry("carton-morning-oolong", "morning-oolong", oolong_carton, "obj", "tea_carton"),
    # Its OBJ names no material: the picture is found because it is called diffuse.
    Entry("candle-cedar-salt", "cedar-candle", cedar_candle, "obj-without-mtl", "ceramic_candle"),
    Entry("lamp-ostrava", "desk-lamp", desk_lamp, "glb", "brass_desk_lamp"),
    Entry("tote-kelp-crane", "bookshop-tote", bookshop_tote, "fbx", "canvas_tote_bag"),
    Entry("vase-linnea", "porcelain-vase", porcelain_vase, "stl", "porcelain_vase"),
)

SETTINGS_TEXT = """\
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
    (root / SETTINGS).write_text(SETTINGS_TEXT)
    return [write_sku(entry, root / entry.sku) for entry in ENTRIES if entry.sku in wanted]


def write_sku(entry: Entry, folder: Path) -> Path:
    """Write one SKU folder anew. Reference photos are not made here and stay."""
    model = tidied(entry.model())
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    WRITERS[entry.format](model, folder, entry.stem)
    if entry.manifest is not None:
        (folder / MANIFEST).write_text(_manifest_text(entry.manifest, model))
    return folder


class _Points(list[list[float]]):
    """uv points, written on one line."""


class _Dumper(yaml.SafeDumper):
    """YAML as a person would write it."""


_Dumper.add_representer(_Points, lambda dumper, points: dumper.represent_sequence(
    "tag:yaml.org,2002:seq", [list(point) for point in points], flow_style=True))


def _manifest_text(manifest: Manifest, model: Model) -> str:
    regions = []
    for region in () if manifest.regions else model.regions:
        entry = RegionEntry(name=region.name, kind=region.kind, material=region.material, polygon=region.polygon,
                            path=region.path, text=region.text, rows=region.rows, width=region.width)
        values = entry.model_dump(mode="json", exclude_defaults=True)
        regions.append({key: _Points(value) if key in ("polygon", "path") else value for key, value in values.items()})
    regions += [{key: _Points(value) if key in ("polygon", "path") else value for key, value in
                 entry.model_dump(mode="json", exclude_defaults=True).items()} for entry in manifest.regions]
    entries = manifest.model_dump(mode="json", exclude_defaults=True) | {"regions": regions}
    return yaml.dump(entries, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=116)
