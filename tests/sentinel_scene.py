"""A textured product with a toe, a label, a logo and a seam, as control passes in plain numpy.

>>> scene = shoe_scene()
>>> expected, faithful = scene.expected, scene.expected.display
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from pipeline.catalogue import OrbitCamera, Region, Shot
from pipeline.colour import to_display
from pipeline.render.types import CameraMatrices, ControlPasses
from pipeline.sentinel import expected_from
from pipeline.sentinel.types import U8, Expected

F32 = NDArray[np.float32]
FINE = 3  # sub-pixels per axis: alpha has 9 samples

LABEL = Region("tongue", "label", "upper", polygon=((0.40, 0.20), (0.62, 0.20), (0.62, 0.38), (0.40, 0.38)),
               text="NORTH 42")
LOGO = Region("side", "logo", "upper", polygon=((0.68, 0.42), (0.84, 0.42), (0.84, 0.66), (0.68, 0.66)))
SEAM = Region("quarter", "stitching", "upper", path=((0.12, 0.3), (0.3, 0.7)), rows=2, width=0.03)
ROW_GAP = 0.017  # uv between the seam's rows
REGIONS = (LABEL, LOGO, SEAM)


class Nuisance(TypedDict, total=False):
    """What may differ in a faithful image; see :meth:`Scene.observed`."""

    exposure: float
    jpeg: int
    noise: float
    blur: float


NUISANCES: tuple[Nuisance, ...] = (
    {}, {"exposure": 0.25}, {"jpeg": 92}, {"noise": 1.0}, {"blur": 0.4},
    {"exposure": 0.2, "jpeg": 92, "noise": 1.0, "blur": 0.4})


@dataclass(frozen=True)
class Scene:
    passes: ControlPasses
    expected: Expected
    regions: tuple[Region, ...] = REGIONS

    def observed(self, *, exposure: float = 0.0, jpeg: int | None = None, noise: float = 0.0, blur: float = 0.0,
                 seed: int = 0) -> U8:
        """A faithful image with what a good refiner and encoder change.

        exposure: relative size of a smooth, achromatic change of light; noise: σ in code values;
        blur: σ in px. Light, noise and blur touch the product only: the background is composited.
        """
        passes = self.passes
        height, width = passes.alpha.shape
        y, x = np.mgrid[0:height, 0:width] / max(width, height)
        k = 1.0 + exposure * np.sin(2.2 * x + 1.0) * np.cos(1.8 * y)
        product = passes.product.copy()
        product[..., :3] *= k[..., None].astype(np.float32)
        image = to_display(product, passes.plate, passes.white_backdrop).astype(np.float32)
        solid = passes.alpha[..., None]
        if blur:
            image = image + (gaussian_filter(image, (blur, blur, 0)) - image) * (solid > 0)
        grain = np.random.default_rng(seed).normal(0, noise, image.shape) * (solid > 0)
        coded: U8 = np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)
        return coded if jpeg is None else jpeg_coded(coded, jpeg)


def jpeg_coded(image: U8, quality: int) -> U8:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(buffer).convert("RGB"))


@cache
def shoe_scene(width: int = 480, height: int = 400, white: bool = True, toe: bool = True,
               texture: float = 0.25) -> Scene:
    """A rounded body, its toe to the right; green upper over a light sole; planar uv."""
    fine = (height * FINE, width * FINE)
    y, x = (np.mgrid[0:fine[0], 0:fine[1]] + 0.5) / FINE
    inside = _body(x, y, width, height)
    u, v = _uv(x, y, width, height)
    upper = v < 0.74
    rng = np.random.default_rng(7)
    weave = gaussian_filter(rng.normal(size=fine), 1.1 * FINE)
    weave = 1.0 + texture * weave / weave.std()
    green, light = np.array([0.06, 0.27, 0.11]), np.array([0.55, 0.53, 0.47])
    albedo = np.where(upper[..., None], green, light) * np.clip(weave, 0.3, 1.7)[..., None]
    albedo = np.where(_print(fine, u, v)[..., None] > 0, np.array([0.75, 0.72, 0.60]), albedo)
    light_field = (0.75 + 0.35 * (1 - v) + 0.1 * u)[..., None] * np.array([1.0, 1.0, 1.0])
    gleam = 0.012 + 0.05 * np.exp(-((u - 0.3) ** 2 + (v - 0.25) ** 2) / 0.01)
    covered = inside[..., None].astype(np.float64)

    alpha = _filter(inside.astype(np.float64))
    diffuse_albedo, specular = _filter(albedo * covered), _filter(gleam[..., None] * covered * np.ones(3))
    lit = _filter((albedo * light_field + gleam[..., None]) * covered)
    product = np.concatenate([lit, alpha[..., None]], axis=-1)
    centre = FINE // 2
    at = (slice(centre, None, FINE), slice(centre, None, FINE))
    hit = inside[at]
    ids = np.where(hit, np.where(upper[at], 1, 2), 0).astype(np.uint32)
    plate = _plate(width, height, white)
    bulge = np.stack([0.8 * (u[at] - 0.5), 0.8 * (0.5 - v[at]), np.ones_like(u[at])], axis=-1)
    normal = (bulge / np.linalg.norm(bulge, axis=-1, keepdims=True) * hit[..., None]).astype(np.float32)
    passes = ControlPasses(
        shot=Shot("square", OrbitCamera(azimuth_deg=90.0), width, height, "white" if white else "sweep"),
        camera=CameraMatrices(np.eye(4), np.eye(4)), stage_hash="test", white_backdrop=white,
        key_chromaticity=(1 / 3, 1 / 3, 1 / 3), toe_direction=(1.0, 0.0) if toe else None,
        beauty=np.concatenate([lit + (1 - alpha[..., None]) * plate, np.ones_like(alpha)[..., None]],
                              axis=-1).astype(np.float32),
        product=product.astype(np.float32), plate=plate, alpha=alpha, base_color=diffuse_albedo,
        diffuse_albedo=diffuse_albedo,
        diffuse=((lit - specular) / np.maximum(diffuse_albedo, 1e-3)).astype(np.float32), specular=specular,
        emissive=np.zeros_like(specular), visibility=np.ones_like(alpha), ao=np.ones_like(alpha), normal=normal,
        normal_geometric=normal, depth=np.where(hit, 0.4, np.inf).astype(np.float32),
        uv=np.where(hit[..., None], np.stack([u[at], v[at]], axis=-1), np.nan).astype(np.float32),
        instance_id=hit.astype(np.uint32), material_id=ids, chart_id=ids.copy(),
        material_names=("upper", "sole"), material_kinds=("knit", "rubber"))
    return Scene(passes, expected_from(passes))


def _body(x: NDArray[np.float64], y: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    across, up = (x - width / 2) / (0.42 * width), (y - 0.48 * height) / (0.30 * height)
    return np.asarray(np.abs(across) ** 2.5 + np.abs(up) ** 2.5 < 1.0)


def _uv(x: NDArray[np.float64], y: NDArray[np.float64], width: int, height: int,
        ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (x - 0.08 * width) / (0.84 * width), (y - 0.18 * height) / (0.60 * height)


def _print(fine: tuple[int, int], u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(fine) non-zero where the label's letters, the logo's bars and the seam's thread are."""
    canvas = Image.new("L", (fine[1], fine[0]))
    draw = ImageDraw.Draw(canvas)
    columns, rows = u[0], v[:, 0]
    x0, y0 = np.searchsorted(columns, LABEL.polygon[0][0]), np.searchsorted(rows, LABEL.polygon[0][1])
    x1, y1 = np.searchsorted(columns, LABEL.polygon[2][0]), np.searchsorted(rows, LABEL.polygon[2][1])
    draw.text(((x0 + x1) / 2, (y0 + y1) / 2), LABEL.text, fill=255, anchor="mm",
              font=ImageFont.load_default(size=float(0.24 * (x1 - x0))))
    a0, b0 = np.searchsorted(columns, LOGO.polygon[0][0]), np.searchsorted(rows, LOGO.polygon[0][1])
    a1, b1 = np.searchsorted(columns, LOGO.polygon[2][0]), np.searchsorted(rows, LOGO.polygon[2][1])
    for i in range(3):
        left = a0 + (0.12 + 0.28 * i) * (a1 - a0)
        draw.polygon([(left, b1 - 0.1 * (b1 - b0)), (left + 0.1 * (a1 - a0), b0 + 0.1 * (b1 - b0)),
                      (left + 0.22 * (a1 - a0), b0 + 0.1 * (b1 - b0)), (left + 0.12 * (a1 - a0), b1 - 0.1 * (b1 - b0))],
                     fill=255)
    for start, end in _stitches(u, v):
        draw.line([start, end], fill=255, width=2 * FINE)
    return np.asarray(canvas)


def _stitches(u: NDArray[np.float64], v: NDArray[np.float64]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Ends of the seam's stitches on the fine raster: rows 6 px apart, 17 stitches each, 7 px from one to the next."""
    path = np.array(SEAM.path)
    way = path[1] - path[0]
    normal = np.array([way[1], -way[0]]) / np.linalg.norm(way)
    result = []
    for side in (-1, 1):
        for share in (np.arange(17) + 0.5) / 17:
            middle = path[0] + share * way + side * ROW_GAP / 2 * normal
            ends = [middle + half * 0.33 / 17 * way for half in (-1, 1)]
            (x0, y0), (x1, y1) = ((float(np.interp(point[0], u[0], np.arange(u.shape[1]))),
                                   float(np.interp(point[1], v[:, 0], np.arange(v.shape[0])))) for point in ends)
            result.append(((x0, y0), (x1, y1)))
    return result


def _plate(width: int, height: int, white: bool) -> F32:
    y, x = np.mgrid[0:height, 0:width] + 0.5
    distance = np.hypot((x - width / 2) / (0.4 * width), (y - 0.79 * height) / (0.06 * height))
    ratio = 1.0 - 0.4 * np.clip(1.0 - distance, 0.0, 1.0) ** 1.5
    tone = np.ones(3) if white else np.array([0.40, 0.40, 0.40])
    return np.asarray(ratio[..., None] * tone, np.float32)


def _filter(field: NDArray[np.float64]) -> F32:
    rows, columns = field.shape[0] // FINE, field.shape[1] // FINE
    return np.asarray(field.reshape(rows, FINE, columns, FINE, *field.shape[2:]).mean(axis=(1, 3)), np.float32)
