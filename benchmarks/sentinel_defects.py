"""Defects made upstream: edited textures and deformed meshes, so that a picture of them is honest but for the defect.

Sizes are those in the picture: a blur of 1.2 px is 1.2 px there, whatever the map's resolution. What a defect came
out as is measured afterwards on noise-free renders (:mod:`benchmarks.sentinel_severity`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage.draw import polygon2mask

from benchmarks.sentinel_products import Subject
from pipeline.colour import srgb_decode, srgb_encode
from pipeline.mesh.types import Mesh, TextureRef
from pipeline.render.camera import project
from pipeline.render.scene import Scene
from pipeline.render.textures import Textures, key_of
from pipeline.render.types import ControlPasses
from pipeline.sentinel import Expected
from pipeline.sentinel.cielab import ciede2000, lab_of, linear_of
from pipeline.sentinel.occurrences import Occurrence, occurrences, uv_jacobian
from training.families.thread import rows_of

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
U8 = NDArray[np.uint8]

SMALLEST_CAPITALS = 14.0       # px; below it a print is damaged in the close view instead
SMALLEST_MARK = 24.0           # px of a logo's shorter side
STEEPEST = 60.0                # degrees
SMALLEST_GAP = 4.0             # px between two rows
MISSING = 0.30                 # of one row, as far as the picture shows it
CLOSER = 0.85                  # times the rows' gap
DENT = 0.06                    # standard deviation, share of the product's size
SMEAR = (10.0, 2.0)            # px, along and across
SMEAR_RADIUS = 34.0            # px
PLAINEST = 0.008               # rms of the texture, code values 0..1: a smear over less changes nothing
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class View:
    """One undamaged shot: its scene, its passes in drawn light, and what of the product shows in it."""

    subject: Subject
    scene: Scene
    passes: ControlPasses
    expected: Expected
    found: tuple[Occurrence, ...]

    @staticmethod
    def of(subject: Subject, scene: Scene, passes: ControlPasses, expected: Expected) -> View:
        return View(subject, scene, passes, expected, tuple(occurrences(expected, subject.regions)))

    def legible(self, kind: str) -> Occurrence | None:
        """The largest print of a kind that shows well."""
        fit = [one for one in self.found
               if one.region.kind == kind and one.view_angle_deg <= STEEPEST and not one.mirrored
               and (one.cap_height_px >= SMALLEST_CAPITALS if kind == "label" else min(one.size_px) >= SMALLEST_MARK)
               and _wholly_shown(self, one)]
        return max(fit, key=lambda one: int(one.mask.sum()), default=None)


@dataclass(frozen=True, slots=True)
class Damaged:
    """The product with a defect, to be seen by the same camera in the same light."""

    mesh: Mesh
    textures: Textures
    region: str = ""           # as measurements name it
    where: Bools | None = None  # (H, W) pixels that the defect may have changed
    note: str = ""

    def scene(self, view: View) -> Scene:
        return replace(view.scene, mesh=self.mesh, textures=self.textures)


Defect = Callable[[View, float], Damaged | None]


# Labels and logos


def blurred_print(kind: str) -> Defect:
    """Blur a print in its map by so many px of the picture."""
    def damage(view: View, sigma_px: float) -> Damaged | None:
        one = view.legible(kind)
        if one is None:
            return None
        texels = _texels_per_px(view, one)
        ref = _map_of(view.subject.mesh, one.region.material)
        map_ = view.subject.textures.of(ref)
        soft = _softened(map_, sigma_px * texels)
        inside = polygon2mask(map_.shape[:2], np.asarray(one.region.polygon)[:, ::-1] * map_.shape[:2])
        return Damaged(view.subject.mesh, _with(view.subject.textures, ref, _mixed(map_, soft, inside)), one.name,
                       _pixels_of(view, one), f"{texels[0]:.2f} texels per px")
    return damage


def swapped_glyph(view: View, _: float) -> Damaged | None:
    """One letter of a label is another one, about as wide."""
    one = view.legible("label")
    if one is None or not one.region.text or view.subject.again is None:
        return None
    number = int(one.region.name.rsplit("_", 1)[1])
    text = misprint(one.region.text)

    def edit(product: Any) -> Any:
        prints = list(product.prints)
        prints[number] = replace(prints[number], text=text)
        return replace(product, prints=tuple(prints))

    sample = view.subject.again(edit)
    return Damaged(view.subject.mesh, sample.known_textures, one.name, _pixels_of(view, one),
                   f"{one.region.text} → {text}")


def misprint(text: str) -> str:
    """The word with the one letter changed that keeps its width best and yet looks different."""
    font = ImageFont.load_default(size=64.0)
    assert isinstance(font, ImageFont.FreeTypeFont)
    drawn = {letter: _glyph(font, letter) for letter in sorted(set(text.upper()) | set(_LETTERS))}
    best, width = text, np.inf
    for place, old in enumerate(text):
        for new in _LETTERS:
            both = drawn[old.upper()] & drawn[new], drawn[old.upper()] | drawn[new]
            if old == " " or both[0].sum() > 0.55 * both[1].sum():
                continue
            candidate = text[:place] + new + text[place + 1:]
            change = abs(font.getlength(candidate) - font.getlength(text))
            if change < width:
                best, width = candidate, change
    return best


def _glyph(font: ImageFont.FreeTypeFont, letter: str) -> Bools:
    canvas = Image.new("L", (96, 96))
    ImageDraw.Draw(canvas).text((48, 48), letter, 255, font, anchor="mm")
    return np.asarray(canvas) > 127


# Stitching


@dataclass(frozen=True, slots=True)
class _Seam:
    occurrence: Occurrence
    number: int                # of the spec's stitches
    gap_px: float


def _seam(view: View) -> _Seam | None:
    """The double seam of which most shows, rows well apart."""
    spec = view.subject.spec
    if spec is None:
        return None
    best = None
    for one in view.found:
        if one.region.kind != "stitching" or one.view_angle_deg > STEEPEST:
            continue
        number = int(one.region.name.rsplit("_", 1)[1])
        texels = _texels_per_px(view, one)
        map_ = view.subject.textures.of(_map_of(view.subject.mesh, one.region.material))
        stitch = spec.stitches[number]
        gap_uv = stitch.gap / (stitch.gap * (stitch.rows - 1) + 0.003) * one.region.width
        gap_px = gap_uv * map_.shape[0] / float(np.mean(texels))
        if gap_px >= SMALLEST_GAP and (best is None or one.mask.sum() > best.occurrence.mask.sum()):
            best = _Seam(one, number, gap_px)
    return best


def merged_rows(view: View, _: float) -> Damaged | None:
    """A double seam sewn as a single row, in its middle."""
    return _resewn(view, lambda stitch: (replace(stitch, rows=1),))


def closer_rows(view: View, factor: float) -> Damaged | None:
    """Both rows, ``factor`` times as far apart."""
    return _resewn(view, lambda stitch: (replace(stitch, gap=stitch.gap * factor),))


def _resewn(view: View, sewn: Callable[[Any], tuple[Any, ...]]) -> Damaged | None:
    seam = _seam(view)
    if seam is None or view.subject.again is None:
        return None
    sample = view.subject.again(lambda product: replace(product, stitches=tuple(
        new for number, stitch in enumerate(product.stitches)
        for new in (sewn(stitch) if number == seam.number else (stitch,)))))
    return Damaged(view.subject.mesh, sample.known_textures, seam.occurrence.name, _pixels_of(view, seam.occurrence),
                   f"gap {seam.gap_px:.1f} px")


def missing_stitches(view: View, share: float) -> Damaged | None:
    """``share`` of the shown part of one row is gone, in one piece."""
    seam = _seam(view)
    if seam is None or view.subject.again is None or view.subject.spec is None:
        return None
    one, stitch = seam.occurrence, view.subject.spec.stitches[seam.number]
    kept = replace(stitch, rows=1, path=rows_of(stitch.path, 2, stitch.gap)[0])
    sample = view.subject.again(lambda product: replace(product, stitches=tuple(
        kept if number == seam.number else other for number, other in enumerate(product.stitches))))
    ref = _map_of(view.subject.mesh, one.region.material)
    whole, bare = view.subject.textures.of(ref), sample.known_textures.of(ref)
    arc, side = _along(_texels(whole), np.asarray(one.region.path))
    shown, _ = _along(view.passes.uv[_pixels_of(view, one)].astype(np.float64), np.asarray(one.region.path))
    low, high = np.quantile(shown, [0.02, 0.98])
    middle, half = (low + high) / 2, share * (high - low) / 2
    # The second row lies on the positive side of the path.
    gone = (np.abs(arc - middle) < half) & (side > 0.0) & (side < one.region.width)
    map_ = _mixed(whole, bare, gone.reshape(whole.shape[:2]), feather=0.0)
    return Damaged(view.subject.mesh, _with(view.subject.textures, ref, map_), one.name, _pixels_of(view, one),
                   f"gap {seam.gap_px:.1f} px")


def _along(points: F64, path: F64) -> tuple[F64, F64]:
    """(n,) length along a polyline (m, 2), and signed distance from it, of (n, 2) points; far ones get infinity."""
    arc, side = np.full(len(points), np.inf), np.full(len(points), np.inf)
    nearest = np.full(len(points), np.inf)
    start = 0.0
    for a, b in pairwise(path):
        way = b - a
        length = float(np.hypot(*way))
        if length < 1e-12:
            continue
        close = np.flatnonzero(((points >= np.minimum(a, b) - 0.03) & (points <= np.maximum(a, b) + 0.03)).all(axis=1))
        t = np.clip((points[close] - a) @ way / length**2, 0.0, 1.0)
        offset = points[close] - a - t[:, None] * way
        distance = np.hypot(*offset.T)
        better = distance < nearest[close]
        index = close[better]
        nearest[index] = distance[better]
        arc[index] = start + t[better] * length
        side[index] = (way[0] * offset[better, 1] - way[1] * offset[better, 0]) / length
        start += length
    return arc, side


# Colour


def shifted_material(view: View, delta_e: float) -> Damaged | None:
    """The most visible material in another hue."""
    material = _largest_material(view)
    return None if material is None else _shifted(view, material, delta_e, left=False)


def shifted_left(view: View, delta_e: float) -> Damaged | None:
    """The same, on the left half of what shows of it."""
    material = _largest_material(view)
    return None if material is None else _shifted(view, material, delta_e, left=True)


def _shifted(view: View, material: int, delta_e: float, left: bool) -> Damaged | None:
    passes = view.passes
    where = (passes.material_id == material + 1) & (passes.alpha > 0.99)
    columns = np.nonzero(where)[1]
    middle = (columns.min() + columns.max() + 1) / 2
    if left:
        where &= (np.arange(where.shape[1]) < middle)[None]
    light, shine = passes.diffuse[where], passes.specular[where]
    base, albedo = passes.base_color[where], passes.diffuse_albedo[where]
    matte = albedo / np.maximum(base, 1e-4)
    before = lab_of(albedo * light + shine)
    angle = np.radians(zlib.crc32(view.subject.name.encode()) % 360)
    step = np.array([0.0, np.cos(angle), np.sin(angle)])

    def reached(size: float) -> float:
        changed = linear_of(lab_of(base) + size * step)
        return float(np.median(ciede2000(before, lab_of(np.clip(changed, 0, 1) * matte * light + shine))))

    low, high = 0.0, 90.0
    for _ in range(20):
        half = (low + high) / 2
        low, high = (half, high) if reached(half) < delta_e else (low, half)
    mesh, textures = view.subject.mesh, view.subject.textures
    ref = mesh.materials[material].textures["base_color"]
    map_ = textures.of(ref)
    linear = linear_of(lab_of(srgb_decode(map_[..., :3]).reshape(-1, 3)) + low * step).reshape(*map_.shape[:2], 3)
    shifted = map_.copy()
    shifted[..., :3] = np.rint(srgb_encode(linear) * 255.0)
    name = f"material:{mesh.materials[material].name}"
    if not left:
        return Damaged(mesh, _with(textures, ref, shifted), name, where)
    own = mesh.triangle_material == material
    own &= _centroids(view)[:, 0] < middle
    return Damaged(*_patched(mesh, textures, material, own, shifted), name, where)


def _largest_material(view: View) -> int | None:
    counts = np.bincount(view.passes.material_id[view.passes.alpha > 0.99], minlength=1)
    counts[0] = 0
    material = int(counts.argmax()) - 1
    if counts.max(initial=0) < 2000 or "base_color" not in view.subject.mesh.materials[material].textures:
        return None
    return material


# Shape


def dented_toe(view: View, depth_px: float) -> Damaged | None:
    """The tip along the product's front pushed in."""
    direction = view.passes.toe_direction
    return None if direction is None else _dented(view, np.asarray(direction), depth_px, "toe")


def dented_side(view: View, depth_px: float) -> Damaged | None:
    """The outline pushed in at its right-most point, where the product has no known front."""
    if view.subject.mesh.front.axis is not None:
        return None
    return _dented(view, np.array([1.0, 0.0]), depth_px, "product")


def _dented(view: View, direction: F64, depth_px: float, region: str) -> Damaged | None:
    mesh, passes = view.subject.mesh, view.passes
    rows, columns = np.nonzero(passes.alpha > 0.5)
    height, width = passes.alpha.shape
    if len(rows) == 0 or min(rows.min(), columns.min(), height - 1 - rows.max(), width - 1 - columns.max()) < 3:
        return None
    points = mesh.positions.astype(np.float64)
    pixels = project(passes.camera, points, width, height)
    along = pixels @ direction
    tip = int(np.nanargmax(along))
    axes = passes.camera.view[:3, :3]                  # world → camera
    depth = -float(axes[2] @ points[tip] + passes.camera.view[2, 3])
    metres = depth * 2.0 / (passes.camera.projection[0, 0] * width)    # of a pixel
    inward = -(axes.T @ np.array([direction[0], -direction[1], 0.0]))
    sigma = DENT * view.scene.placement.size
    # In the plane of the picture, so that what is behind the tip goes along and the outline moves as told.
    offset = (points - points[tip]) @ axes.T
    fall = np.exp(-(offset[:, :2] ** 2).sum(axis=1) / (2 * sigma**2))
    moved = points + depth_px * metres * fall[:, None] * inward
    y, x = np.indices(passes.alpha.shape)
    near = np.hypot(x - pixels[tip, 0], y - pixels[tip, 1]) < 3 * sigma / metres
    return Damaged(replace(mesh, positions=moved.astype(np.float32)), view.subject.textures, region, near)


# Texture


def smeared(view: View, strength: float) -> Damaged | None:
    """A round patch where the texture is strongest smeared along one direction, ``strength`` times ``SMEAR``."""
    spot = _most_textured(view)
    if spot is None:
        return None
    row, column = spot
    material = int(view.passes.material_id[row, column]) - 1
    mesh, textures = view.subject.mesh, view.subject.textures
    if "base_color" not in mesh.materials[material].textures:
        return None
    ref = mesh.materials[material].textures["base_color"]
    map_ = textures.of(ref)
    window = (slice(row - 3, row + 4), slice(column - 3, column + 4))
    slope = uv_jacobian(view.expected, window)
    slope = slope[np.isfinite(slope).all(axis=(2, 3))]
    if len(slope) == 0:
        return None
    texels = float(np.sqrt(abs(np.linalg.det(np.median(slope, axis=0))) * map_.shape[0] * map_.shape[1]))
    soft = _softened(map_, np.array([SMEAR[0], SMEAR[1]]) * texels * strength)
    near = np.hypot(*(_centroids(view) - [column, row]).T) < SMEAR_RADIUS
    own = near & (mesh.triangle_material == material)
    y, x = np.indices(view.passes.alpha.shape)
    where = (np.hypot(x - column, y - row) < SMEAR_RADIUS) & (view.passes.alpha > 0.99)
    return Damaged(*_patched(mesh, textures, material, own, soft), "product", where)


def _most_textured(view: View) -> tuple[int, int] | None:
    """Row and column around which the texture is strongest, away from prints and seams."""
    luma = view.expected.display @ np.array([0.2126, 0.7152, 0.0722]) / 255.0
    fine = luma - ndimage.gaussian_filter(luma, 3.0)
    allowed = ndimage.minimum_filter(view.passes.material_id, 9) == ndimage.maximum_filter(view.passes.material_id, 9)
    allowed &= ndimage.minimum_filter(view.passes.alpha, 9) > 0.99
    for one in view.found:
        x0, y0, x1, y1 = one.bbox
        allowed[max(0, y0 - 4):y1 + 4, max(0, x0 - 4):x1 + 4] = False
    size = int(2 * SMEAR_RADIUS)
    power = ndimage.uniform_filter(np.where(allowed, fine**2, 0.0), size)
    filled = ndimage.uniform_filter(allowed.astype(np.float64), size)
    rms = np.sqrt(np.maximum(power, 0.0) / np.maximum(filled, 1e-6)) * (filled > 0.7)
    row, column = np.unravel_index(int(rms.argmax()), rms.shape)
    return None if rms[row, column] < PLAINEST else (int(row), int(column))


# Maps and meshes


def _patched(mesh: Mesh, textures: Textures, material: int, own: Bools, map_: U8) -> tuple[Mesh, Textures]:
    """The triangles ``own`` of a material with another colour map; maps that repeat can be changed in one place so."""
    old = mesh.materials[material].textures["base_color"]
    ref = replace(old, path=f"patched_{old.path}")
    patch = replace(mesh.materials[material], textures={**mesh.materials[material].textures, "base_color": ref})
    ids = mesh.triangle_material.copy()
    ids[own] = len(mesh.materials)
    return (replace(mesh, materials=(*mesh.materials, patch), triangle_material=ids),
            Textures({**textures.images, key_of(ref): map_}))


def _with(textures: Textures, ref: TextureRef, map_: U8) -> Textures:
    return Textures({**textures.images, key_of(ref): map_})


def _mixed(first: U8, second: U8, where: Bools, feather: float = 0.6) -> U8:
    weight = ndimage.gaussian_filter(where.astype(np.float32), feather)[..., None] if feather else where[..., None]
    return np.asarray(np.rint(first + weight * (second.astype(np.float32) - first)), np.uint8)


def _softened(map_: U8, sigma: F64) -> U8:
    """Gaussian of (σ_u, σ_v) texels. Small ones get a kernel of the right variance, which sampling would lose."""
    soft = map_.astype(np.float32)
    for axis, wanted in ((1, float(sigma[0])), (0, float(sigma[1]))):
        if wanted < 0.7:                               # [w, 1 − 2w, w] has the variance 2w
            weight = wanted**2 / 2
            soft = ndimage.convolve1d(soft, [weight, 1 - 2 * weight, weight], axis=axis, mode="wrap")
        else:
            soft = ndimage.gaussian_filter1d(soft, wanted, axis=axis, mode="wrap")
    return np.asarray(np.rint(soft), np.uint8)


def _map_of(mesh: Mesh, material: str) -> TextureRef:
    return next(entry for entry in mesh.materials if entry.name == material).textures["base_color"]


def _texels(map_: U8) -> F64:
    """(H · W, 2) uv of texel centres."""
    rows, columns = np.indices(map_.shape[:2]) + 0.5
    return np.stack([columns.ravel() / map_.shape[1], rows.ravel() / map_.shape[0]], axis=1)


def _texels_per_px(view: View, one: Occurrence) -> F64:
    """(2,) texels in u and in v per pixel, at the occurrence."""
    x0, y0, x1, y1 = one.bbox
    slope = uv_jacobian(view.expected, (slice(y0, y1), slice(x0, x1)))[one.mask]
    slope = np.median(slope[np.isfinite(slope).all(axis=(1, 2))], axis=0)
    map_ = view.subject.textures.of(_map_of(view.subject.mesh, one.region.material))
    return np.asarray(np.linalg.norm(slope, axis=1) * [map_.shape[1], map_.shape[0]], np.float64)


def _pixels_of(view: View, one: Occurrence) -> Bools:
    x0, y0, x1, y1 = one.bbox
    where = np.zeros(view.passes.alpha.shape, bool)
    where[y0:y1, x0:x1] = one.mask
    return where


def _wholly_shown(view: View, one: Occurrence) -> bool:
    """Whether at least nine tenths of a print's area are in the picture."""
    width, height = one.size_px
    return bool(one.mask.sum() >= 0.9 * width * height * _skew(view, one))


def _skew(view: View, one: Occurrence) -> float:
    """Area of a print in the picture over the product of its sides there."""
    x0, y0, x1, y1 = one.bbox
    slope = uv_jacobian(view.expected, (slice(y0, y1), slice(x0, x1)))[one.mask]
    steps = np.linalg.inv(np.median(slope[np.isfinite(slope).all(axis=(1, 2))], axis=0))
    return float(abs(np.linalg.det(steps)) / max(float(np.prod(np.linalg.norm(steps, axis=0))), 1e-12))


def _centroids(view: View) -> F64:
    """(T, 2) pixels of the triangles' centres."""
    mesh, (height, width) = view.subject.mesh, view.passes.alpha.shape
    points = mesh.positions[mesh.triangles].astype(np.float64).mean(axis=1)
    return project(view.passes.camera, points, width, height)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a defect and its severities, and the view that shows it best."""

    name: str
    make: Defect
    severities: tuple[float, ...]
    unit: str
    shots: tuple[str, ...] = ("whole", "detail")       # in the order tried
    every: int = 2                                     # of a family's products get it one in so many


ROWS: Mapping[str, Row] = {row.name: row for row in (
    Row("toe dent", dented_toe, (1.0, 2.0, 4.0, 8.0), "px", ("whole",)),
    Row("outline dent", dented_side, (2.0, 4.0, 8.0), "px", ("whole",), 3),
    Row("material hue", shifted_material, (2.0, 4.0), "ΔE00", ("whole",), 4),
    Row("left-side hue", shifted_left, (2.0, 4.0), "ΔE00", ("whole",), 4),
    Row("logo blur", blurred_print("logo"), (0.8, 1.2, 2.0), "px", every=1),
    Row("label blur", blurred_print("label"), (1.8, 3.0), "px", every=1),
    Row("glyph swapped", swapped_glyph, (1.0,), "letters", every=1),
    Row("stitches missing", missing_stitches, (MISSING,), "of one row", ("detail", "whole")),
    Row("rows merged", merged_rows, (1.0,), "rows", ("detail", "whole")),
    Row("row gap", closer_rows, (CLOSER,), "times", ("detail", "whole")),
    Row("smear", smeared, (1.0,), "times", ("whole", "detail"), 1),
)}


def rows_for(number: int) -> list[Row]:
    """The lines that product ``number`` of a family takes part in; pictures are dear, so most skip some products."""
    return [row for place, row in enumerate(ROWS.values()) if (number + place) % row.every == 0]
