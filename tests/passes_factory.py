"""A sphere's control passes in plain numpy: what a renderer would hand on, without OpenGL.

>>> passes = sphere_passes(size=64)
>>> passes.beauty.shape, passes.alpha.shape
((64, 64, 4), (64, 64))
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Shot
from pipeline.render.types import CameraMatrices, ControlPasses

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

RADIUS_M = 0.05
DISTANCE_M = 0.4
FOCAL = 4.2                    # NDC units per unit slope, of the image's height; the sphere takes about half of it
SAMPLES = 4                    # per pixel and axis: alpha has 16 samples
LIGHT = (-0.45, 0.65, 0.61)    # towards the key light, camera space
AMBIENT = 0.35
GLOSS = 40.0                   # Blinn–Phong exponent
SPECULAR = 0.25
GREEN = (0.05, 0.30, 0.12)     # linear albedo of the upper half: material 1, chart 1
WHITE = (0.70, 0.69, 0.66)     # linear albedo of the lower half: material 2, chart 2


def sphere_passes(size: int | tuple[int, int] = 64, depth_offset: float = 0.0, white: bool = True,
                  stage: str | None = None, name: str = "hero") -> ControlPasses:
    """One shot of a two-coloured checkered sphere, lit from the upper left, with a contact shadow.

    The sphere has radius 50 mm and stands 0.4 m before a perspective camera that looks along -Z; its
    upper half is green (material 1), its lower half white (material 2). All passes follow the contract:
    premultiplied and filtered colour, point-sampled normal, depth, uv and ids.

    Args:
        size: side in pixels, or (width, height).
        depth_offset: metres added to the depth of the *lower half only*, leaving every other pass as it
            is: a step that no rescaling of the depth range can hide.
        white: pure white backdrop, where ``plate`` is the shadow ratio; else a grey stage in linear light.
        stage: the shot's stage name; "white" or "sweep" by default.
        name: of the shot.
    """
    width, height = (size, size) if isinstance(size, int) else size
    fine = _trace(width * SAMPLES, height * SAMPLES)
    centre = _trace(width, height)

    alpha = _filter(fine["hit"])
    base_color = _filter(fine["albedo"])
    specular = _filter(fine["specular"])
    lit = _filter(fine["albedo"] * fine["irradiance"]) + specular
    product = np.concatenate([lit, alpha[..., None]], axis=-1).astype(np.float32)
    plate = _plate(width, height, white)
    beauty = np.concatenate([lit + (1.0 - alpha[..., None]) * plate, np.ones_like(alpha)[..., None]], axis=-1)

    hit = centre["hit"] > 0
    upper = centre["point"][..., 1] >= 0
    ids = np.where(hit, np.where(upper, 1, 2), 0).astype(np.uint32)
    depth = np.where(hit, centre["depth"] + np.where(upper, 0.0, depth_offset), np.inf)
    normal = np.where(hit[..., None], centre["normal"], 0.0).astype(np.float32)
    facing = np.clip(centre["normal"] @ _light(), 0.0, 1.0)
    return ControlPasses(
        shot=Shot(name, width=width, height=height, stage=stage or ("white" if white else "sweep")),
        camera=_camera(width, height), stage_hash="sphere", white_backdrop=white,
        key_chromaticity=(1 / 3, 1 / 3, 1 / 3), toe_direction=None,
        beauty=beauty.astype(np.float32), product=product, plate=plate, alpha=alpha,
        base_color=base_color, diffuse_albedo=base_color,
        diffuse=((lit - specular) / np.maximum(base_color, 1e-3)).astype(np.float32),
        specular=specular, emissive=np.zeros_like(specular),
        visibility=np.where(hit, facing > 0, 1.0).astype(np.float32), ao=np.ones_like(alpha),
        normal=normal, normal_geometric=normal, depth=depth.astype(np.float32),
        uv=np.where(hit[..., None], centre["uv"], np.nan).astype(np.float32),
        instance_id=hit.astype(np.uint32), material_id=ids, chart_id=ids.copy(),
        material_names=("upper", "sole"), material_kinds=("leather", "rubber"),
    )


def _trace(width: int, height: int) -> dict[str, F64]:
    """First hit of every pixel centre's ray with the sphere; (height, width, …) camera-space fields."""
    x = (2.0 * (np.arange(width) + 0.5) / width - 1.0) * width / height / FOCAL
    y = (1.0 - 2.0 * (np.arange(height) + 0.5) / height) / FOCAL
    slope_x, slope_y = np.meshgrid(x, y)
    ray = np.stack([slope_x, slope_y, -np.ones_like(slope_x)], axis=-1)  # unnormalised: t is the depth
    centre = np.array([0.0, 0.0, -DISTANCE_M])
    a, b = (ray * ray).sum(-1), ray @ centre
    discriminant = b * b - a * (centre @ centre - RADIUS_M**2)
    hit = discriminant > 0
    depth = (b - np.sqrt(np.maximum(discriminant, 0.0))) / a
    point = ray * depth[..., None] - centre
    normal = point / np.linalg.norm(point, axis=-1, keepdims=True)
    u = np.arctan2(normal[..., 0], normal[..., 2]) / (2 * np.pi) + 0.5
    v = np.arccos(np.clip(normal[..., 1], -1.0, 1.0)) / np.pi
    checker = 1.0 - 0.3 * ((np.floor(u * 24) + np.floor(v * 12)) % 2)
    albedo = np.where(point[..., 1:2] >= 0, GREEN, WHITE) * checker[..., None]
    facing = np.clip(normal @ _light(), 0.0, None)
    halfway = _light() - ray / np.linalg.norm(ray, axis=-1, keepdims=True)
    halfway /= np.linalg.norm(halfway, axis=-1, keepdims=True)
    gleam = SPECULAR * np.clip((normal * halfway).sum(-1), 0.0, 1.0) ** GLOSS
    covered = hit[..., None].astype(np.float64)
    return {"hit": hit.astype(np.float64), "depth": depth, "point": point, "normal": normal,
            "uv": np.stack([u, v], axis=-1), "albedo": albedo * covered,
            "irradiance": (AMBIENT + facing)[..., None] * np.ones(3),
            "specular": gleam[..., None] * covered * np.ones(3)}


def _filter(field: F64) -> F32:
    """Box filter of SAMPLES × SAMPLES sub-pixels."""
    rows, columns = field.shape[0] // SAMPLES, field.shape[1] // SAMPLES
    blocks = field.reshape(rows, SAMPLES, columns, SAMPLES, *field.shape[2:])
    filtered: F32 = blocks.mean(axis=(1, 3)).astype(np.float32)
    return filtered


def _plate(width: int, height: int, white: bool) -> F32:
    """A soft elliptical contact shadow under the sphere; exactly 1 (or the stage's grey) away from it."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    bottom = 0.5 + 0.5 * FOCAL * RADIUS_M / DISTANCE_M
    distance = np.hypot((x / height - 0.5 * width / height) / 0.30, (y / height - bottom) / 0.09)
    ratio = 1.0 - 0.5 * np.clip(1.0 - distance, 0.0, 1.0) ** 1.5
    level = 1.0 if white else 0.42
    plate: F32 = np.repeat((level * ratio)[..., None], 3, axis=-1).astype(np.float32)
    return plate


def _camera(width: int, height: int) -> CameraMatrices:
    near, far = 0.01, 10.0
    view = np.eye(4)
    view[2, 3] = -DISTANCE_M
    projection = np.zeros((4, 4))
    projection[0, 0], projection[1, 1] = FOCAL * height / width, FOCAL
    projection[2, 2], projection[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
    projection[3, 2] = -1.0
    return CameraMatrices(view, projection)


def _light() -> F64:
    direction: F64 = np.array(LIGHT)
    return np.asarray(direction / np.linalg.norm(direction), np.float64)
