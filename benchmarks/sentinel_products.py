"""Products to prove Sentinel on: procedural families by their split, and the test products of examples and corpus.

    for plan in plans():
        subject = plan.open()
        subject.mesh, subject.textures, subject.regions, subject.shots
"""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, zip_longest
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.lock_scenes import CORPUS, EXAMPLES, ROOT
from pipeline.catalogue import Catalogue, OrbitCamera, Region, Shot
from pipeline.lone_file import open_file
from pipeline.mesh.types import Front, Mesh
from pipeline.render.camera import UP, front_direction, world_points
from pipeline.render.framing import region_target
from pipeline.render.textures import Textures
from training.families import FAMILIES, HELD_OUT
from training.families.product import Product
from training.families.sample import sample_of
from training.types import Sample

F64 = NDArray[np.float64]
Split = Literal["calibration", "test"]
Edit = Callable[[Product], Product]

SMALL = (640, 448)             # px of a picture of the whole product, and of a close view, which the product fills
LARGE = (1080, 1080)           # as the built-in shots have them; tracing costs by the pixel
FIRST_SEED = 7_000_000         # far from those the embedded model was trained with
PER_FAMILY = {"test": 52, "calibration": 25}
LARGE_FROM = 40                # products of the test split from this number on are seen large, all others small
DAMAGED = {"boot": 12, "backpack": 12, "bottle": 10, "headwear": 10, "kettle": 8, "lamp": 3}  # first of each family
STAGES = ("white", "sweep", "white", "sweep", "window", "white", "sweep")
FACING = {"boot": Front("+z", 1.0, "manifest"), "headwear": Front("+z", 1.0, "manifest")}  # as product.yaml would say
FINEST = 2.0                   # px per texel in a close view: a map shows no detail closer up
DRAWN = 5                      # of undamaged test products every so many is expected in drawn light; others are traced
IN_SIGHT = {"boot": ("left", "right"), "backpack": ("pocket",)}  # parts whose seams a close view shows best
ONE = Shot("").instances
_FILES = {"racquet-gltf": "TennisRacquet.gltf", "mixer-glb": "Mixer.glb", "wickerchair-glb": "WickerChair.glb"}


@dataclass(frozen=True, slots=True)
class Subject:
    """One product, how it is looked at, and how it can be made again with something changed."""

    name: str
    mesh: Mesh
    textures: Textures
    regions: tuple[Region, ...]
    shots: tuple[Shot, ...]
    spec: Product | None = None                        # of a procedural product
    again: Callable[[Edit], Sample] | None = None      # the same product but for an edit of its spec


@dataclass(frozen=True, slots=True)
class Plan:
    """A product to come, cheap until opened."""

    name: str
    family: str                                        # what the cluster bootstrap and the table group by
    split: Split
    open: Callable[[], Subject]
    raster: bool = False                               # Expected in drawn light instead of traced
    damaged: bool = False
    number: int = 0                                    # within its family


def plans() -> list[Plan]:
    """Families in turn, and damaged products among the others, so that a run that was cut short is balanced."""
    split = families_by_split()
    damaged = _in_turn({family: _procedural(family, "test", range(most)) for family, most in DAMAGED.items()})
    others = _in_turn({
        **{family: _procedural(family, "test", range(DAMAGED.get(family, 0), PER_FAMILY["test"]))
           for family in split["test"]},
        **{family: _procedural(family, "calibration", range(PER_FAMILY["calibration"]))
           for family in split["calibration"]}})
    every = len(others) / len(damaged)
    mixed = [plan for place, one in enumerate(damaged)
             for plan in (one, *others[round(place * every):round((place + 1) * every)])]
    return [*mixed, *_real()]


def size_of(product: str, shot: str) -> tuple[int, int]:
    """px of a picture; a small close view is smaller still, and of the same class."""
    number = product.rpartition("-")[2]
    large = shot.endswith("-large") or (number.isdecimal() and int(number) >= LARGE_FROM)
    return (max(LARGE), max(LARGE)) if large else (max(SMALL), max(SMALL))


def families_by_split() -> dict[Split, list[str]]:
    """Procedural families that ``splits.toml`` gives to calibration and to test."""
    entries = tomllib.loads((ROOT / "benchmarks" / "splits.toml").read_text())["families"].values()
    return {split: [name for entry in entries if entry["split"] == split for name in entry.get("procedural", [])]
            for split in ("calibration", "test")}


def _in_turn(columns: dict[str, list[Plan]]) -> list[Plan]:
    return [plan for row in zip_longest(*columns.values()) for plan in row if plan is not None]


def _procedural(family: str, split: Split, numbers: range) -> list[Plan]:
    def opener(number: int) -> Callable[[], Subject]:
        return lambda: procedural(family, number, split)

    return [Plan(f"{family}-{number:03d}", family, split, opener(number), number=number,
                 raster=split == "test" and number % DRAWN == 0 and number >= DAMAGED.get(family, 0),
                 damaged=number < DAMAGED.get(family, 0)) for number in numbers]


def procedural(family: str, number: int, split: Split = "test") -> Subject:
    """Product ``number`` of a family. Its seams have two rows, its prints are labels and logos in turn.

    For calibration every view is there in both sizes: limits hold for the class of sizes that they come from.
    """
    seed = next(_seeds(family, number))

    def again(edit: Edit) -> Sample:
        rng, product = _spec(family, seed)
        return sample_of(family, seed, edit(_furnished(product, number)), rng)

    sample = again(lambda product: product)
    spec = _furnished(_spec(family, seed)[1], number)
    mesh = replace(sample.known, front=FACING.get(family, Front()))
    hidden = {f"stitching_{place}" for place, stitch in enumerate(spec.stitches)
              if stitch.part not in IN_SIGHT.get(family, (stitch.part,))}
    framed = [region for region in sample.regions if region.name not in hidden]
    sides = LARGE if split == "test" and number >= LARGE_FROM else SMALL
    shots = _shots(mesh, framed, number, sides, both=number < DAMAGED.get(family, 0))
    return Subject(f"{family}-{number:03d}", mesh, sample.known_textures, sample.regions,
                   shots if split == "test" else (*shots, *_shots(mesh, framed, number, LARGE, "-large")), spec, again)


def _spec(family: str, seed: int) -> tuple[np.random.Generator, Product]:
    rng = np.random.default_rng([zlib.crc32(family.encode()), seed])
    return rng, (FAMILIES[family] if family in FAMILIES else HELD_OUT[family])(rng)


def _seeds(family: str, number: int) -> Iterator[int]:
    """Of products ``number`` on. Even ones carry a print, in families that have prints."""
    for seed in count(FIRST_SEED + 40 * number):
        if number % 2 or family in ("lamp", "stool") or _spec(family, seed)[1].prints:
            yield seed


def _furnished(product: Product, number: int) -> Product:
    prints = tuple(replace(mark, kind=("label", "logo")[(number // 2 + place) % 2])
                   for place, mark in enumerate(product.prints))
    return replace(product, prints=prints, stitches=tuple(replace(stitch, rows=2) for stitch in product.stitches))


def _shots(mesh: Mesh, regions: Sequence[Region], number: int, sides: tuple[int, int], suffix: str = "",
           both: bool = False) -> tuple[Shot, ...]:
    """The whole product and, where it has a region, a close view of one; only one of the two unless ``both``."""
    side, close_side = sides
    rng = np.random.default_rng([number, len(mesh.positions)])
    chosen = _chosen(mesh, regions, number)
    stage, other = STAGES[number % len(STAGES)], STAGES[(number + 1) % len(STAGES)]
    azimuth, elevation = float(rng.uniform(-75.0, 75.0)), float(rng.uniform(8.0, 25.0))
    if chosen is not None and (both or number % 3):
        azimuth, elevation = _facing(mesh, chosen)
        azimuth += float(rng.uniform(-18.0, 18.0))
    whole = Shot(f"whole{suffix}", OrbitCamera(azimuth, elevation, float(rng.uniform(60.0, 100.0)), 0.82), side, side,
                 stage)
    if chosen is None:
        return (whole,)
    close = Shot(f"detail{suffix}", OrbitCamera(elevation_deg=14.0, fill=_fill(mesh, chosen, close_side)), close_side,
                 close_side, other, framed_region=chosen.name)
    return (whole, close) if both else ((whole, close)[number % 2],)


def _chosen(mesh: Mesh, regions: Sequence[Region], number: int) -> Region | None:
    """Prints and seams in turn, where there are both; of seams the shorter ones, which one view shows whole."""
    prints = [region for region in regions if region.kind != "stitching"]
    seams = sorted((region for region in regions if region.kind == "stitching"), key=lambda seam: _extent(mesh, seam))
    order = (prints, seams[:2]) if number % 2 == 0 else (seams[:2], prints)
    kind = next((found for found in order if found), [])
    return kind[number // 2 % len(kind)] if kind else None


def _extent(mesh: Mesh, region: Region) -> float:
    """Metres of a region's longest side in the world."""
    points = world_points(mesh, ONE)
    return float(np.ptp(region_target(mesh, ONE, region, points).points, axis=0).max())


def _facing(mesh: Mesh, region: Region) -> tuple[float, float]:
    """Orbit angles that look at a region."""
    points = world_points(mesh, ONE)
    towards = region_target(mesh, ONE, region, points).direction
    assert towards is not None
    front, _ = front_direction(mesh, ONE, points)
    left = np.cross(UP, front)
    azimuth = float(np.degrees(np.arctan2(towards @ left, towards @ front)))
    return azimuth, float(np.clip(np.degrees(np.arcsin(np.clip(towards[1], -1.0, 1.0))), 8.0, 35.0))


def _fill(mesh: Mesh, region: Region, side: int) -> float:
    """Share of the frame, so that a texel of a painted map (1024²) is at most ``FINEST`` px."""
    widest = side / FINEST / 1024 * metres_per_uv(mesh, region.material)   # metres that the frame must show
    return float(np.clip(_extent(mesh, region) / widest, 0.15, 0.85))


def metres_per_uv(mesh: Mesh, material: str) -> float:
    """Metres that the whole texture of a material spans on the product."""
    own = np.isin(mesh.triangle_material, [k for k, entry in enumerate(mesh.materials) if entry.name == material])
    corners = mesh.positions[mesh.triangles[own]].astype(np.float64)
    uv = mesh.uv_sets[0][mesh.triangles[own]].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    return float(np.sqrt(area / max(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), 1e-12)))


# Real and hand-made products


def _real() -> list[Plan]:
    entries = tomllib.loads((ROOT / "benchmarks" / "splits.toml").read_text())["families"]
    tests = {name: entry for name, entry in entries.items() if entry["split"] == "test"}
    found = [Plan(sku, name, "test", lambda sku=sku: _example(sku))  # type: ignore[misc]
             for name, entry in tests.items() for sku in entry.get("examples", [])]
    folders = chain.from_iterable(entry.get("corpus", []) for entry in tests.values())
    files = [(folder, CORPUS / folder / _FILES[folder]) for folder in folders if folder in _FILES]
    return found + [Plan(folder, folder, "test", lambda path=path, folder=folder: _lone(folder, path))  # type: ignore[misc]
                    for folder, path in files if path.exists()]


def _example(sku: str) -> Subject:
    product = Catalogue.at(EXAMPLES).product(sku)
    opened = open_file(Path(product.folder.path) / product.mesh_file, manifest=product.manifest,
                       description=product.description, category=product.category)
    return Subject(sku, opened.mesh, opened.textures, product.regions, _turns(opened.mesh))


def _lone(name: str, path: Path) -> Subject:
    opened = open_file(path)
    return Subject(name, opened.mesh, opened.textures, (), _turns(opened.mesh))


def _turns(mesh: Mesh) -> tuple[Shot, ...]:
    return tuple(Shot(f"turn{number}", OrbitCamera(azimuth, 14.0, fill=0.82), SMALL[0], SMALL[0], stage)
                 for number, (azimuth, stage) in enumerate(((25.0, "white"), (-60.0, "sweep"))))
