"""Every control pass of one shot as a PNG, for people and for programs that read no OpenEXR.

====================  =======================================================================================
beauty                what is delivered: product over its plate, view-transformed sRGB
product               RGBA sRGB, straight alpha, view-transformed
plate                 the stage without the product (the shadow ratio on white)
alpha                 grey, coverage 0..255; mask: 0 or 255 where coverage exceeds one half
base_color            sRGB without view transform, as diffuse_albedo
diffuse               light: view-transformed sRGB, as specular and emissive
visibility, ao        grey, linear 0..255
normal                128 + 127 · n in camera space (+X right, +Y up, +Z to the viewer), as normal_geometric
depth                 16 bit grey: 0 nearest … 65534 furthest point of the product, 65535 background
uv                    u in red, v in green, 0..255
instance_id           one colour per id, as material_id and chart_id; black is none
====================  =======================================================================================

``passes.json`` beside them holds the camera's matrices, the range of the depth and the colour of each id.
Normals, depth and uv are black outside the product unless said otherwise.
"""

from __future__ import annotations

import colorsys
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from pipeline.colour import quantise, srgb_encode, view_transform
from pipeline.render.types import F32, U32, ControlPasses

PASS_NAMES = ("beauty", "product", "plate", "alpha", "mask", "base_color", "diffuse_albedo", "diffuse", "specular",
              "emissive", "visibility", "ao", "normal", "normal_geometric", "depth", "uv", "instance_id",
              "material_id", "chart_id")
DEPTH_BACKGROUND = 65535
_IDS = ("instance_id", "material_id", "chart_id")
_GOLDEN = 0.618034
_PNG_LEVEL = 4             # as small as level 6 within a few per cent, in half the time

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def pass_images(passes: ControlPasses) -> dict[str, Pixels]:
    """Pixels by pass name: (H, W), (H, W, 3) or (H, W, 4), uint8; ``depth`` (H, W) uint16."""
    inside = passes.instance_id > 0
    alpha = passes.alpha[..., None]
    straight = passes.product[..., :3] / np.maximum(alpha, 1e-4)
    plate = passes.plate if passes.white_backdrop else srgb_encode(view_transform(passes.plate))
    images: dict[str, Pixels] = {
        "beauty": passes.display,
        "product": quantise(np.concatenate([srgb_encode(view_transform(straight)), alpha], axis=-1)),
        "plate": quantise(plate), "alpha": quantise(passes.alpha),
        "mask": np.where(passes.mask, 255, 0).astype(np.uint8),
        "depth": _depth(passes), "uv": _uv(passes.uv),
    }
    for name in ("base_color", "diffuse_albedo"):
        images[name] = quantise(srgb_encode(getattr(passes, name)))
    for name in ("diffuse", "specular", "emissive"):
        images[name] = quantise(srgb_encode(view_transform(getattr(passes, name))))
    for name in ("visibility", "ao"):
        images[name] = quantise(getattr(passes, name))
    for name in ("normal", "normal_geometric"):
        coded = np.rint(128.0 + 127.0 * np.clip(getattr(passes, name), -1.0, 1.0))
        images[name] = np.where(inside[..., None], coded, 0.0).astype(np.uint8)
    for name in _IDS:
        images[name] = _id_picture(getattr(passes, name))
    return {name: images[name] for name in PASS_NAMES}


def save_pass_images(passes: ControlPasses, folder: Path) -> tuple[Path, ...]:
    """Write ``<pass>.png`` for every pass and ``passes.json``; the paths written."""
    about = _about(passes)
    written = []
    for name, pixels in pass_images(passes).items():
        text = PngImagePlugin.PngInfo()
        if name in about:
            text.add_text(f"packshot.{name}", json.dumps(about[name]))
        Image.fromarray(pixels).save(folder / f"{name}.png", "PNG", pnginfo=text, compress_level=_PNG_LEVEL)
        written.append(folder / f"{name}.png")
    (folder / "passes.json").write_text(json.dumps(about, indent=1) + "\n")
    return (*written, folder / "passes.json")


def id_color(number: int) -> tuple[int, int, int]:
    """The colour of an id: hues a golden ratio apart, so that neighbours differ; 0 is black."""
    if number == 0:
        return 0, 0, 0
    ring = number // 97        # after about a hundred hues the lightness changes
    red, green, blue = colorsys.hsv_to_rgb((number * _GOLDEN) % 1.0, (0.85, 0.5, 0.65)[ring % 3],
                                           (0.95, 1.0, 0.6)[ring % 3])
    return round(255 * red), round(255 * green), round(255 * blue)


def _about(passes: ControlPasses) -> dict[str, object]:
    height, width = passes.alpha.shape
    near, far = _depth_range(passes.depth)
    ids = {name: {int(number): id_color(int(number)) for number in np.unique(getattr(passes, name)) if number}
           for name in _IDS}
    return {
        "shot": passes.shot.name, "width": width, "height": height,
        "view": passes.camera.view.tolist(), "projection": passes.camera.projection.tolist(),
        "depth": {"near_m": near, "far_m": far, "far_code": DEPTH_BACKGROUND - 1, "background": DEPTH_BACKGROUND},
        **ids, "materials": {1 + index: name for index, name in enumerate(passes.material_names)},
    }


def _depth_range(depth: F32) -> tuple[float, float]:
    """Nearest and furthest metres of the product; 0, 0 where there is none."""
    finite = depth[np.isfinite(depth)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _depth(passes: ControlPasses) -> NDArray[np.uint16]:
    near, far = _depth_range(passes.depth)
    finite = np.isfinite(passes.depth)
    share = (np.where(finite, passes.depth, near).astype(np.float64) - near) / max(far - near, 1e-12)
    return np.where(finite, np.rint(share * (DEPTH_BACKGROUND - 1)), DEPTH_BACKGROUND).astype(np.uint16)


def _uv(uv: F32) -> NDArray[np.uint8]:
    known = np.nan_to_num(np.concatenate([uv, np.zeros_like(uv[..., :1])], axis=-1))
    return quantise(known)


def _id_picture(ids: U32) -> NDArray[np.uint8]:
    numbers, where = np.unique(ids, return_inverse=True)
    table = np.array([id_color(int(number)) for number in numbers], np.uint8)
    return np.asarray(table[where.reshape(ids.shape)])
