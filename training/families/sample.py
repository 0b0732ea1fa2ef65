"""A product's parts, painted, as the two meshes of a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.catalogue import Region
from pipeline.mesh.types import Material, Mesh
from pipeline.refine.nets.guide import Tile
from pipeline.render.textures import Textures
from training.families.atlas import Packed, pack
from training.families.paint import U8
from training.families.product import Print, Product, Stitch
from training.families.shapes import F64, I64, Part, Sheet, smooth_normals
from training.families.surfaces import Placed, Seam, surface
from training.materials.tile import guiding
from training.types import Sample

BARE = 1 / 3               # of the products: their known maps hold nothing of the surface


def sample_of(family: str, seed: int, product: Product, rng: np.random.Generator) -> Sample:
    told = 0.0 if rng.random() < BARE else float(rng.uniform(0.1, 0.8))
    used = [name for name in product.finishes if any(part.material == name for part in product.parts)]
    positions: list[F64] = []
    normals: list[F64] = []
    uvs: list[F64] = []
    triangles: list[I64] = []
    owner: list[int] = []
    truths: list[Material] = []
    knowns: list[Material] = []
    images: dict[tuple[str, str], U8] = {}
    known_images: dict[tuple[str, str], U8] = {}
    regions: list[Region] = []
    tiles: list[tuple[Tile, float]] = []
    shared = _normals(product.parts)
    start = 0
    for index, name in enumerate(used):
        finish = product.finishes[name]
        parts = [part for part in product.parts if part.material == name]
        sheets = [sheet for part in parts for sheet in part.sheets]
        packed = pack(sheets, finish.tile.size_mm / 1000.0)
        for part in parts:
            normals.extend(shared[part.name])
        for k, sheet in enumerate(sheets):
            positions.append(sheet.positions)
            uvs.append(packed.uv(k, packed.charts[k]))
            triangles.append(sheet.triangles + start)
            owner.extend([index] * len(sheet.triangles))
            start += len(sheet.positions)
        prints, seams, found = _decorations(product, parts, packed, sheets, finish.name)
        made = surface(rng, finish, packed.side, prints, seams, told, product.category)
        truths.append(made.truth)
        tiles.append((guiding(finish.tile), packed.side * 1000.0 / finish.tile.size_mm))
        knowns.append(made.known)
        images.update(made.images)
        known_images.update(made.known_images)
        regions.extend(found)
    points = np.concatenate(positions)
    points -= [0.0, points[:, 1].min(), 0.0]
    charts = np.repeat(np.arange(len(triangles)), [len(t) for t in triangles]).astype(np.uint32)
    truth = Mesh(points.astype(np.float32), np.concatenate(normals).astype(np.float32),
                 (np.concatenate(uvs).astype(np.float32),), np.concatenate(triangles).astype(np.uint32),
                 np.array(owner, np.uint16), charts, tuple(truths))
    known = Mesh(truth.positions, truth.normals, truth.uv_sets, truth.triangles, truth.triangle_material,
                 truth.triangle_chart, tuple(knowns))
    return Sample(family, seed, product.category, truth, Textures(images), known, Textures(known_images),
                  tuple(tiles), tuple(regions))


def _normals(parts: Sequence[Part]) -> dict[str, list[F64]]:
    """Of every part's sheets, by the part's name."""
    found: dict[str, list[F64]] = {}
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.joins or f"alone {part.name}", []).append(part)
    for group in groups.values():
        normals = iter(smooth_normals([sheet for part in group for sheet in part.sheets]))
        found.update({part.name: [next(normals) for _ in part.sheets] for part in group})
    return found


def _decorations(product: Product, parts: Sequence[Part], packed: Packed, sheets: Sequence[Sheet], material: str
                 ) -> tuple[list[Placed], list[Seam], list[Region]]:
    """What lies on one material's map, and the regions it makes."""
    first = {}
    count = 0
    for part in parts:
        first[part.name] = count
        count += len(part.sheets)
    prints: list[Placed] = []
    seams: list[Seam] = []
    regions: list[Region] = []
    for number, mark in enumerate(product.prints):
        if mark.part in first:
            placed = _placed(mark, first[mark.part] + mark.sheet, packed)
            prints.append(placed)
            corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * mark.size + [placed.left, placed.top]
            regions.append(Region(f"{mark.kind}_{number}", mark.kind, material, _points(corners / packed.side),
                                  text=mark.text))
    for number, stitch in enumerate(product.stitches):
        if stitch.part in first:
            seam = _seam(stitch, first[stitch.part] + stitch.sheet, packed, sheets)
            seams.append(seam)
            width = (seam.gap * (seam.rows - 1) + 0.003) / packed.side
            regions.append(Region(f"stitching_{number}", "stitching", material, path=_points(
                seam.path[::max(1, len(seam.path) // 40)] / packed.side), rows=seam.rows, width=width))
    return prints, seams, regions


def _placed(mark: Print, sheet: int, packed: Packed) -> Placed:
    chart = packed.charts[sheet]
    low, high = chart.min(axis=0), chart.max(axis=0)
    centre = low + (high - low) * mark.centre + packed.offsets[sheet]
    return Placed(mark, float(centre[0] - mark.size[0] / 2), float(centre[1] - mark.size[1] / 2))


def _seam(stitch: Stitch, sheet: int, packed: Packed, sheets: Sequence[Sheet]) -> Seam:
    # A chart that closes was stretched to hold whole tiles.
    stretch = np.ptp(packed.charts[sheet], axis=0) / np.maximum(np.ptp(sheets[sheet].uv, axis=0), 1e-9)
    return Seam(stitch.path * stretch + packed.offsets[sheet], stitch.colour, stitch.rows, stitch.gap, stitch.pitch)


def _points(uv: F64) -> tuple[tuple[float, float], ...]:
    return tuple((float(np.clip(u, 0.0, 1.0)), float(np.clip(v, 0.0, 1.0))) for u, v in uv)
