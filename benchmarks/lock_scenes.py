"""Products to prove the identity lock on: scenes with their regions, and path-traced truths kept in a folder.

Regions of products without a manifest are given by hand, read off their textures.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Catalogue, OrbitCamera, Region, Shot
from pipeline.colour import to_display
from pipeline.lone_file import open_file
from pipeline.render import Renderer, compose
from pipeline.render.pathtrace import trace
from pipeline.render.types import ControlPasses
from pipeline.settings import Manifest, MaterialOverride, Point, RegionKind

F32 = NDArray[np.float32]
ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("PACKSHOT_CORPUS", ROOT.parent / "shared")) / "corpus"
EXAMPLES = ROOT / "examples" / "catalogue"
BOUNCES = 8


@dataclass(frozen=True, slots=True)
class Product:
    """A file, how it is looked at, and what of it is protected."""

    file: Path
    camera: OrbitCamera
    regions: tuple[Region, ...] = ()
    manifest: Manifest | None = None
    stage: str = "white"
    larger: float = 1.0                    # than the proof's pictures, where stitches are too fine for those


@dataclass(frozen=True, slots=True)
class Truth:
    """One product's passes and its path-traced picture, displayed over the raster's own background."""

    passes: ControlPasses
    regions: tuple[Region, ...]
    picture: NDArray[np.uint8]             # (H, W, 3)
    alpha: F32                             # (H, W) as the path tracer saw it


def _box(name: str, kind: RegionKind, u0: float, v0: float, u1: float, v1: float, text: str = "") -> Region:
    corners: tuple[Point, ...] = ((u0, v0), (u1, v0), (u1, v1), (u0, v1))
    return Region(name, kind, "*", polygon=corners, text=text)


def _sneaker_regions() -> tuple[Region, ...]:
    return Catalogue.at(EXAMPLES).product("court-sneaker-green").regions


_BOTTLE = EXAMPLES / "bottle-fjellbekk" / "steel_bottle.gltf"
_BOTTLE_PRINT = (_box("badge", "logo", 0.41, 0.30, 0.59, 0.485),
                 _box("name", "label", 0.345, 0.49, 0.655, 0.59, "FJELLBEKK"))


def products() -> Mapping[str, Product]:
    """What is there to prove on; those of the corpus only where it is."""
    every = {
        "sneaker": Product(EXAMPLES / "court-sneaker-green" / "court_sneaker.fbx", OrbitCamera(35.0, 12.0),
                           _sneaker_regions(), larger=1.6),
        "sneaker on sweep": Product(EXAMPLES / "court-sneaker-green" / "court_sneaker.fbx", OrbitCamera(-50.0, 20.0),
                                    _sneaker_regions(), stage="sweep"),
        "carton": Product(EXAMPLES / "carton-morning-oolong" / "tea_carton.obj", OrbitCamera(25.0, 12.0), (
            _box("title", "label", 0.02, 0.13, 0.285, 0.30, "MORNING\nOOLONG"),
            _box("maker", "label", 0.05, 0.07, 0.25, 0.10, "HALDEN TEA CO."),
            _box("leaf", "logo", 0.03, 0.305, 0.13, 0.42))),
        "tote": Product(EXAMPLES / "tote-kelp-crane" / "canvas_tote_bag.fbx", OrbitCamera(20.0, 8.0), (
            _box("crane", "logo", 0.39, 0.255, 0.59, 0.59),
            _box("name", "label", 0.365, 0.61, 0.635, 0.74, "KELP & CRANE"),
            Region("hem", "stitching", "*", path=((0.0, 0.0625), (1.0, 0.0625)), width=0.02))),
        "bottle": Product(_BOTTLE, OrbitCamera(0.0, 8.0), _BOTTLE_PRINT),
        "glossy bottle": Product(_BOTTLE, OrbitCamera(-30.0, 4.0), _BOTTLE_PRINT,
                                 Manifest(material={"powder_coat": MaterialOverride(roughness=0.15)})),
        "mug": Product(EXAMPLES / "mug-tidewater" / "stoneware_mug.glb", OrbitCamera(0.0, 12.0), (
            _box("name", "label", 0.365, 0.285, 0.635, 0.42, "TIDEWATER"),
            _box("sun", "logo", 0.46, 0.125, 0.54, 0.275),
            _box("lines", "label", 0.41, 0.405, 0.59, 0.525, "COFFEE BAR\nEST. 1987"))),
        "shoe": Product(CORPUS / "shoe-gltf" / "Shoe.gltf", OrbitCamera(35.0, 12.0), (
            _box("tongue strip", "logo", 0.095, 0.29, 0.125, 0.37),)),
        "mixer": Product(CORPUS / "mixer-glb" / "Mixer.glb", OrbitCamera(20.0, 12.0), (
            _box("badge", "logo", 0.694, 0.055, 0.784, 0.141),)),
        "racquet": Product(CORPUS / "racquet-gltf" / "TennisRacquet.gltf", OrbitCamera(90.0, 55.0), (
            Region("star", "logo", "strings_material", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))),)),
    }
    return {name: product for name, product in every.items() if product.file.exists()}


def truth_of(name: str, product: Product, renderer: Renderer, size: int, samples: int, cache: Path) -> Truth:
    """The passes, drawn now, and the picture, traced once. Raises RenderError ``pathtrace_missing``."""
    size = round(size * product.larger)
    opened = open_file(product.file, manifest=product.manifest)
    scene = compose(opened.mesh, Shot(name, product.camera, size, size, product.stage), opened.textures)
    passes = renderer.draw(scene)
    key = hashlib.sha256(repr((product.file.name, product.camera, product.stage, product.manifest, size, samples,
                               passes.stage_hash)).encode()).hexdigest()[:12]
    file = cache / f"{name.replace(' ', '-')}-{key}.npz"
    if not file.exists():
        traced = trace(scene, samples=samples, depth=BOUNCES, denoise=True)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, product=traced.product.astype(np.float16))
    # Half precision: 1/2048 of a value, less than a code value.
    seen = np.load(file)["product"].astype(np.float32)
    seen[..., 3] = np.clip(seen[..., 3], 0.0, 1.0)
    return Truth(passes, product.regions, to_display(seen, passes.plate, passes.white_backdrop), seen[..., 3])
