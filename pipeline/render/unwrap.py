"""A region of the texture, cut out of any picture of a shot and laid flat.

    for occurrence in occurrences_of(mesh, shot.instances, region):
        flat = unwrap(picture, passes, mesh, occurrence, (256, 128))

UV is no address: half of real products use a part of their texture twice, often mirrored. So what is unwrapped
is an occurrence: a region on one chart, of one instance, in one orientation. Its triangles are drawn into the
uv window, every texel is carried to the surface, from there to the screen, and read where the passes agree that
this surface is what the camera sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Instance, Region
from pipeline.mesh.types import Mesh
from pipeline.regions import DEFAULT_STITCH_WIDTH
from pipeline.render.geometry import transformed_uv
from pipeline.render.types import F32, ControlPasses

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
Window = tuple[float, float, float, float]  # u0, v0, u1, v1; texel (0, 0) is at u0, v0

DEPTH_TOLERANCE = 5e-4     # of the depth
SLOPE_TOLERANCE = 0.5      # pixels of the surface's own slope, for what is curved
MOST_FINER = 4             # samples per texel and axis where a texel is larger than a pixel
_BORDER = 4                # pixels; more than the filters reach beyond the frame
_EDGE = 1e-6               # barycentric; texels on an edge belong to both its triangles


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One copy of a uv window on the product, seen or not."""

    window: Window
    instance: int                          # from 1, as in ``instance_id``
    chart: int                             # from 1, as in ``chart_id``
    mirrored: bool                         # seen from outside, the texture is left-right reversed
    triangles: I64                         # (T,) of the mesh
    corners: F64                           # (T, 3, 2) uv of their corners after transform and wrapping


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A window of h × w texels, row 0 at the window's smallest v."""

    texels: F32                            # (h, w, channels) as in the picture; 0 where coverage is 0
    coverage: F32                          # (h, w) share of the texel that the picture shows
    footprint: F32                         # (h, w) picture pixels a texel takes: √ of its area on screen; 0 unseen
    view_angle_deg: F32                    # (h, w) between surface and line of sight; 90 unseen


def occurrences_of(mesh: Mesh, instances: tuple[Instance, ...], region: Region) -> list[Occurrence]:
    """Every copy of the region's bounding box, by instance, chart and orientation."""
    return occurrences_in(mesh, instances, window_of(region), region.material)


def occurrences_in(mesh: Mesh, instances: tuple[Instance, ...], window: Window, material: str = "*"
                   ) -> list[Occurrence]:
    """The same for any uv window; ``material`` is a name, or "*" for any."""
    if not mesh.uv_sets:
        return []
    triangles, corners = _candidates(mesh, window, material)
    # Counter-clockwise seen from outside is clockwise in uv, whose v runs down.
    edges = corners[:, 1:] - corners[:, :1]
    turned = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0] > 0.0
    charts = mesh.triangle_chart[triangles].astype(np.int64) + 1
    found = []
    for number, instance in enumerate(instances, start=1):
        flipped = bool(np.linalg.det(np.asarray(instance.world, np.float64)[:3, :3]) < 0.0)
        for chart in np.unique(charts):
            for mirrored in (False, True):
                mine = (charts == chart) & (turned == (mirrored ^ flipped))
                if mine.any():
                    found.append(Occurrence(window, number, int(chart), mirrored, triangles[mine], corners[mine]))
    return found


def unwrap(image: NDArray[np.floating], passes: ControlPasses, mesh: Mesh, occurrence: Occurrence,
           size: tuple[int, int]) -> Unwrapped:
    """Lay one occurrence flat as ``size`` = (width, height) texels.

    Args:
        image: (H, W) or (H, W, channels) any values, as large as the passes. Light should be linear, since
            pixels are averaged.
        passes: of the shot that the image shows.

    Read with Catmull–Rom (E. Catmull and R. Rom 1974) where the 4 × 4 pixels around a point all show the surface,
    else bilinearly from those of the nearest four that do. Texels larger than a pixel are averaged from finer ones.
    """
    planes = np.asarray(image, np.float32).reshape(*image.shape[:2], -1)
    fine = _finer(passes, mesh, occurrence, size)
    width, height = size[0] * fine, size[1] * fine
    points = _surface_points(passes, mesh, occurrence, width, height)
    seen, values = _read(planes, passes, occurrence, points)
    # Where triangles of one orientation overlap within a chart, the one the camera sees counts.
    order = np.argsort(seen, kind="stable")
    where = points.texel[order]
    flat = np.zeros((height * width, planes.shape[2]), np.float32)
    coverage, area = np.zeros(height * width, np.float32), np.zeros(height * width, np.float32)
    angle = np.full(height * width, 90.0, np.float32)
    flat[where], coverage[where] = values[order], seen[order]
    shown = np.where(seen > 0.0, points.area, 0.0)
    area[where] = shown[order]
    angle[where] = np.where(seen > 0.0, points.angle_deg, 90.0)[order]
    blocks = (size[1], fine, size[0], fine)
    share = coverage.reshape(blocks).mean(axis=(1, 3))
    weighted = (flat * coverage[:, None]).reshape(*blocks, -1).mean(axis=(1, 3))
    seen_share = np.maximum((coverage > 0).reshape(blocks).mean(axis=(1, 3)), 1e-6)
    return Unwrapped(
        np.asarray(weighted / np.maximum(share, 1e-6)[..., None], np.float32), share.astype(np.float32),
        (np.sqrt(area.reshape(blocks).mean(axis=(1, 3)) / seen_share) * fine).astype(np.float32),
        angle.reshape(blocks).min(axis=(1, 3)).astype(np.float32))


def window_of(region: Region) -> Window:
    """Bounding box of a region's polygon, or of the band around its path."""
    points = np.asarray(region.polygon or region.path, np.float64)
    margin = (region.width or DEFAULT_STITCH_WIDTH) / 2 if region.kind == "stitching" else 0.0
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _candidates(mesh: Mesh, window: Window, material: str) -> tuple[I64, F64]:
    """Triangles that touch the window, and their uv after transform and wrapping; once for every tile."""
    low, high = np.array(window[:2]), np.array(window[2:])
    numbers, corners = [], []
    for index, each in enumerate(mesh.materials):
        own = np.flatnonzero(mesh.triangle_material == index)
        if material not in ("*", each.name) or not len(own):
            continue
        ref = each.textures.get("base_color")
        used = min(ref.uv_set, len(mesh.uv_sets) - 1) if ref else 0
        uv = transformed_uv(mesh.uv_sets[used], ref)[mesh.triangles[own]]
        wraps = ("repeat", "repeat") if ref is None else (ref.wrap_u, ref.wrap_v)
        for tile_u in _tiles(uv[..., 0], wraps[0]):
            for tile_v in _tiles(uv[..., 1], wraps[1]):
                moved = np.stack([_in_tile(uv[..., 0], tile_u, wraps[0]), _in_tile(uv[..., 1], tile_v, wraps[1])],
                                 axis=-1)
                touching = ((moved.max(axis=1) > np.maximum(low, 0.0))
                            & (moved.min(axis=1) < np.minimum(high, 1.0))).all(axis=1)
                numbers.append(own[touching])
                corners.append(moved[touching])
    if not numbers:
        return np.zeros(0, np.int64), np.zeros((0, 3, 2))
    return np.concatenate(numbers), np.concatenate(corners)


def _tiles(values: F64, wrap: str) -> range:
    """Which repetitions of the texture these coordinates reach into."""
    if wrap == "clamp" or not values.size:
        return range(1)
    low, high = np.floor(values.min() + _EDGE), np.ceil(values.max() - _EDGE)
    return range(int(low), max(int(high), int(low) + 1))


def _in_tile(values: F64, tile: int, wrap: str) -> F64:
    inside = values - tile
    return 1.0 - inside if wrap == "mirror" and tile % 2 else inside


@dataclass(frozen=True, slots=True)
class _Points:
    """N points of the surface, one per triangle and texel it covers."""

    texel: I64                             # (N,) row · width + column
    screen: F64                            # (N, 2) pixels, x and y
    depth: F64                             # (N,) metres
    inverse_slope: F64                     # (N, 2) d(1 / depth) per pixel in x and y
    area: F64                              # (N,) pixels² per texel
    angle_deg: F64                         # (N,)


def _planes(passes: ControlPasses, mesh: Mesh, occurrence: Occurrence) -> tuple[F64, F64]:
    """(T, 4, 3) clip = plane · (u, v, 1) per triangle, and (T, 3, 3) its corners in camera space."""
    world = np.asarray(passes.shot.instances[occurrence.instance - 1].world, np.float64)
    corners = mesh.positions[mesh.triangles[occurrence.triangles]].astype(np.float64)
    camera = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2) @ (passes.camera.view @ world).T
    clip = camera @ passes.camera.projection.T
    flat = np.concatenate([occurrence.corners, np.ones((*occurrence.corners.shape[:2], 1))], axis=2)
    good = np.abs(np.linalg.det(flat)) > 1e-14
    planes = np.zeros((len(flat), 4, 3))
    planes[good] = np.transpose(np.linalg.solve(flat[good], clip[good]), (0, 2, 1))
    return planes, camera[..., :3]


def _finer(passes: ControlPasses, mesh: Mesh, occurrence: Occurrence, size: tuple[int, int]) -> int:
    """Samples per texel and axis, so that no sample steps over a pixel."""
    planes, _ = _planes(passes, mesh, occurrence)
    middle = np.concatenate([occurrence.corners.mean(axis=1), np.ones((len(planes), 1))], axis=1)
    jacobian, depth, _ = _jacobian(planes, middle, passes)
    u0, v0, u1, v1 = occurrence.window
    area = np.abs(np.linalg.det(jacobian)) * (u1 - u0) / size[0] * (v1 - v0) / size[1]
    area = area[(depth > 0.0) & np.isfinite(area)]
    side = float(np.sqrt(np.percentile(area, 90))) if area.size else 1.0
    return int(np.clip(np.ceil(side), 1, MOST_FINER))


def _jacobian(planes: F64, place: F64, passes: ControlPasses) -> tuple[F64, F64, F64]:
    """(N, 2, 2) d(x, y) / d(u, v) in pixels, (N,) depth and (N, 2) pixels of (N, 3) u, v, 1."""
    height, width = passes.alpha.shape
    clip = np.einsum("nij,nj->ni", planes, place)
    depth = clip[:, 3]
    safe = np.where(depth > 0.0, depth, 1.0)
    ndc = clip[:, :2] / safe[:, None]
    half = np.array([0.5 * width, -0.5 * height])
    jacobian = (planes[:, :2, :2] - ndc[:, :, None] * planes[:, 3:4, :2]) / safe[:, None, None] * half[:, None]
    return jacobian, depth, ndc * half + [0.5 * width, 0.5 * height]


def _surface_points(passes: ControlPasses, mesh: Mesh, occurrence: Occurrence, width: int, height: int) -> _Points:
    planes, camera = _planes(passes, mesh, occurrence)
    u0, v0, u1, v1 = occurrence.window
    step = np.array([(u1 - u0) / width, (v1 - v0) / height])
    corners = (occurrence.corners - [u0, v0]) / step           # in texels
    triangle, column, row = _rasterise(corners, width, height)
    place = np.stack([u0 + (column + 0.5) * step[0], v0 + (row + 0.5) * step[1], np.ones(len(row))], axis=1)
    jacobian, depth, screen = _jacobian(planes[triangle], place, passes)
    determinant = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
    kept = (depth > 0.0) & (np.abs(determinant) > 1e-9)
    triangle, jacobian, determinant = triangle[kept], jacobian[kept], determinant[kept]
    depth, screen = depth[kept], screen[kept]
    fall = -planes[triangle, 3, :2] / (depth * depth)[:, None]  # d(1 / depth) / d(u, v)
    slope = np.stack([fall[:, 0] * jacobian[:, 1, 1] - fall[:, 1] * jacobian[:, 1, 0],
                      fall[:, 1] * jacobian[:, 0, 0] - fall[:, 0] * jacobian[:, 0, 1]], axis=1) / determinant[:, None]
    normal = np.cross(camera[:, 1] - camera[:, 0], camera[:, 2] - camera[:, 0])[triangle]
    projection = passes.camera.projection
    pixels = np.array([passes.alpha.shape[1], passes.alpha.shape[0]])
    ndc = (screen / pixels * 2.0 - 1.0) * [1.0, -1.0]
    ray = np.concatenate([(ndc + projection[:2, 2]) / np.diag(projection)[:2], -np.ones((len(ndc), 1))], axis=1)
    cosine = np.abs(np.einsum("ni,ni->n", normal, ray)) / np.maximum(
        np.linalg.norm(normal, axis=1) * np.linalg.norm(ray, axis=1), 1e-30)
    return _Points((row * width + column)[kept], screen, depth, slope, np.abs(determinant) * step[0] * step[1],
                   np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0))))


def _rasterise(corners: F64, width: int, height: int) -> tuple[I64, I64, I64]:
    """Triangle, column and row of every texel centre inside a triangle of (T, 3, 2) corners in texels."""
    low = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, [width, height]).astype(np.int64)
    high = np.clip(np.floor(corners.max(axis=1) - 0.5) + 1, 0, [width, height]).astype(np.int64)
    spans = np.maximum(high - low, 0)
    counts = spans.prod(axis=1)
    triangle = np.repeat(np.arange(len(corners)), counts)
    index = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts)
    across = np.maximum(spans[triangle, 0], 1)
    column, row = low[triangle, 0] + index % across, low[triangle, 1] + index // across
    a, b, c = np.moveaxis(corners, 1, 0)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    inside = area[triangle] != 0.0
    for start, end in ((a, b), (b, c), (c, a)):
        edge = (end - start) / np.where(area == 0.0, 1.0, area)[:, None]
        inside &= (edge[triangle, 0] * (row + 0.5 - start[triangle, 1])
                   - edge[triangle, 1] * (column + 0.5 - start[triangle, 0])) >= -_EDGE
    return triangle[inside], column[inside], row[inside]


def _read(planes: F32, passes: ControlPasses, occurrence: Occurrence, points: _Points) -> tuple[F32, F32]:
    """(N,) share of each point's four nearest pixels that show its surface, and (N, channels) what they say.

    A pixel shows the surface where its chart and instance are the right ones and its depth is that of the point's
    tangent plane, on which 1 / depth is linear across the screen.
    """
    height, width = passes.alpha.shape
    owned = (passes.chart_id == occurrence.chart) & (passes.instance_id == occurrence.instance)
    # A border of what is not owned spares every look for the frame's edge.
    row_length = width + 2 * _BORDER
    inverse_depth = np.zeros((height + 2 * _BORDER, row_length), np.float32)
    inside = inverse_depth[_BORDER:-_BORDER, _BORDER:-_BORDER]
    inside[owned] = 1.0 / passes.depth[owned]
    colors = np.pad(planes, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0))).reshape(inverse_depth.size, -1)
    flat_inverse = inverse_depth.ravel()

    corner = np.floor(points.screen - 0.5)
    corner = np.clip(corner, -2.0, [width, height])
    share = np.clip(points.screen - 0.5 - corner, 0.0, 1.0)
    base = ((corner[:, 1] + _BORDER) * row_length + corner[:, 0] + _BORDER).astype(np.int64)
    slope_x, slope_y = points.inverse_slope.T
    at_base = 1.0 / points.depth - share[:, 0] * slope_x - share[:, 1] * slope_y
    slack = DEPTH_TOLERANCE / points.depth + SLOPE_TOLERANCE * (np.abs(slope_x) + np.abs(slope_y))

    def shows(across: int, down: int, which: slice | NDArray[np.intp]) -> Bools:
        """Whether the pixel so many to the right and below the corner shows the point's surface."""
        seen_there = flat_inverse[base[which] + (down * row_length + across)]
        expected = at_base[which] + across * slope_x[which] + down * slope_y[which]
        return np.asarray((np.abs(seen_there - expected) <= slack[which]) & (seen_there > 0.0))

    nearest = {(across, down): shows(across, down, slice(None)) for down in (0, 1) for across in (0, 1)}
    weights = {(across, down): np.where(good, _beside(share[:, 0], across) * _beside(share[:, 1], down), 0.0)
               for (across, down), good in nearest.items()}
    seen = np.sum(list(weights.values()), axis=0)
    around = _owned_around(inside > 0.0)
    whole = np.logical_and.reduce(list(nearest.values())) & np.pad(around, _BORDER).ravel()[base]
    # Of the outer pixels, which all carry the right ids, the depth of the four corners is asked for.
    for tap in ((-1, -1), (2, -1), (-1, 2), (2, 2)):
        whole &= shows(*tap, slice(None))

    values = np.zeros((len(base), colors.shape[1]), np.float32)
    part = np.flatnonzero(~whole & (seen > 0.0))
    for (across, down), weight in weights.items():
        values[part] += ((weight[part] / seen[part])[:, None] * colors[base[part] + (down * row_length + across)]
                         ).astype(np.float32)
    full = np.flatnonzero(whole)
    in_x, in_y = _catmull_rom(share[full, 0]), _catmull_rom(share[full, 1])
    sharp = np.zeros((len(full), colors.shape[1]), np.float32)
    first = base[full] - (row_length + 1)
    for down in range(4):
        for across in range(4):
            sharp += (in_x[across] * in_y[down])[:, None] * colors[first + (down * row_length + across)]
    values[full] = sharp
    return seen.astype(np.float32), values


def _beside(share: F64, step: int) -> F64:
    """Bilinear weight of the pixel at 0 or 1 for a point at ``share`` between them."""
    return share if step else 1.0 - share


def _owned_around(owned: Bools) -> Bools:
    """(H, W) where all of the pixels at −1 … 2 to the right and below are owned; False where they leave the frame."""
    padded = np.pad(owned, ((1, 2), (1, 2)))
    across = np.logical_and.reduce([padded[:, start:start + owned.shape[1]] for start in range(4)])
    return np.asarray(np.logical_and.reduce([across[start:start + owned.shape[0]] for start in range(4)]))


def _catmull_rom(t: F64) -> tuple[F32, F32, F32, F32]:
    """Weights of the pixels at −1, 0, 1 and 2 for a point at t in 0..1."""
    weights = ((-0.5 * t + 1.0) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1.0, \
        ((-1.5 * t + 2.0) * t + 0.5) * t, (0.5 * t - 0.5) * t * t
    first, second, third, fourth = (np.asarray(weight, np.float32) for weight in weights)
    return first, second, third, fourth
