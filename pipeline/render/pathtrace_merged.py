"""Many materials as one surface whose values are looked up: one kernel for every product, where each set of separate
surfaces would be compiled anew, which takes longer than tracing a small picture.

Part of the path tracer's own process; see pathtrace_child.py. Nothing else imports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import drjit as dr
import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from pipeline.render.pathtrace_looks import SMOOTHEST, tilted

NUMBERS = ("roughness", "metallic", "clearcoat", "sheen", "opacity", "cutoff")
DEFAULTS = {"normal": (128, 128, 255, 255)}  # of a map that a material does not have: it changes nothing
_WRAPS = ("repeat", "mirror", "clamp")
_MAP_COLUMNS = 17                      # offset, size 2, matrix 6, its inverse 4, strength, wraps 2, absent
_LUT = np.arange(256) / 255.0
_DECODED = np.where(_LUT <= 0.04045, _LUT / 12.92, ((_LUT + 0.055) / 1.055) ** 2.4)


def can_merge(folder: Path, surface: dict[str, Any]) -> bool:
    """Opaque parts of the product with 8-bit maps on one set of uv; everything else stays a surface of its own."""
    look = surface["look"]
    return bool(
        surface["ids"][0] > 0 and look["roughness"] is not None and look["alpha_mode"] == "opaque"
        and look["opacity"] == 1.0 and not any(look["emission"]) and surface["colors"] is None
        and surface["normals"] is not None and len(surface["uv"]) >= 1
        and all(entry["uv_set"] == 0 and not entry["nearest"] and slot != "emissive"
                and np.load(folder / entry["image"], mmap_mode="r").dtype == np.uint8
                for slot, entry in look["maps"].items()))


class MergedLook:
    """What a Look answers, for all materials at once: which one holds is an attribute of the surface's faces."""

    pierced = False
    emits = False

    def __init__(self, folder: Path, looks: list[dict[str, Any]]) -> None:
        self.given = {**looks[0], "roughness": 1.0}
        self.slots = sorted({slot for look in looks for slot in look["maps"]} | {"base_color", "normal", "roughness"})
        self.maps: dict[str, Any] = dict.fromkeys(self.slots)
        texels: list[NDArray[np.uint32]] = [np.zeros(0, np.uint32)]
        rows = [[*[*look["albedo"], 1.0][:4], *(float(look[name]) for name in NUMBERS)] for look in looks]
        for slot in self.slots:
            for look, row in zip(looks, rows, strict=True):
                row.extend(_map_row(folder, look["maps"].get(slot), slot, texels))
        self.columns = len(rows[0])
        self.table = mi.Float(np.asarray(rows, np.float32).ravel())
        self.texels = mi.UInt32(np.concatenate(texels))
        self.decoded = mi.Float(_DECODED.astype(np.float32))

    def _row(self, si: Any, active: Any) -> Any:
        return mi.UInt32(si.shape.eval_attribute_1("face_look", si, active) + 0.5) * self.columns

    def _number(self, row: Any, column: int, active: Any) -> Any:
        return dr.gather(mi.Float, self.table, row + column, active)

    def number(self, name: str, si: Any, active: Any) -> Any:
        return self._number(self._row(si, active), 4 + NUMBERS.index(name), active)

    def _fetch(self, slot: str, si: Any, row: Any, active: Any, coded: bool) -> Any:
        """(r, g, b) of a slot's map, between texels, in linear light."""
        first = 4 + len(NUMBERS) + self.slots.index(slot) * _MAP_COLUMNS
        value = [self._number(row, first + column, active) for column in range(_MAP_COLUMNS)]
        width, height = value[1], value[2]
        u = value[3] * si.uv.x + value[4] * si.uv.y + value[5]
        v = value[6] * si.uv.x + value[7] * si.uv.y + value[8]
        x, y = u * width - 0.5, v * height - 0.5
        left, top = dr.floor(x), dr.floor(y)
        found = mi.Color3f(0.0)
        for down in (0, 1):
            for right in (0, 1):
                column = _wrapped(left + right, width, value[14])
                line = _wrapped(top + down, height, value[15])
                # A texture of 4096² has more texels than a float counts; its rows and columns it counts.
                at = mi.UInt32(value[0]) * 256 + mi.UInt32(line) * mi.UInt32(width) + mi.UInt32(column)
                word = dr.gather(mi.UInt32, self.texels, at, active)
                part = [(word >> shift) & 255 for shift in (0, 8, 16)]
                rgb = mi.Color3f(*(dr.gather(mi.Float, self.decoded, code, active) if coded else mi.Float(code) / 255.0
                                   for code in part))
                share_x = x - left if right else 1.0 - (x - left)
                share_y = y - top if down else 1.0 - (y - top)
                found += rgb * (share_x * share_y)
        return found, value

    def base(self, si: Any, active: Any) -> Any:
        row = self._row(si, active)
        rgb, _ = self._fetch("base_color", si, row, active, coded=True)
        red, green, blue = (self._number(row, column, active) for column in range(3))
        return mi.Vector4f(rgb.x * red, rgb.y * green, rgb.z * blue, 1.0)

    def opacity(self, si: Any, active: Any) -> Any:
        return mi.Float(1.0)

    def metallic(self, si: Any, active: Any) -> Any:
        return self._scalar("metallic", 2, si, active)

    def roughness(self, si: Any, active: Any) -> Any:
        return dr.maximum(self._scalar("roughness", 1, si, active), SMOOTHEST)

    def _scalar(self, name: str, channel: int, si: Any, active: Any) -> Any:
        row = self._row(si, active)
        value = self._number(row, 4 + NUMBERS.index(name), active)
        if "metallic_roughness" in self.slots:
            value = value * self._fetch("metallic_roughness", si, row, active, coded=False)[0][channel]
        if name in self.slots:
            value = value * self._fetch(name, si, row, active, coded=False)[0].x
        return dr.clip(value, 0.0, 1.0)

    def emission(self, si: Any, active: Any) -> Any:
        return mi.Color3f(0.0)

    def bent(self, si: Any, active: Any) -> Any:
        row = self._row(si, active)
        rgb, value = self._fetch("normal", si, row, active, coded=False)
        bent = tilted(si, rgb, [value[9:11], value[11:13]], value[13])
        return dr.select(value[16] > 0.5, si.sh_frame.n, bent)


def _map_row(folder: Path, entry: dict[str, Any] | None, slot: str, texels: list[NDArray[np.uint32]]) -> list[float]:
    if entry is None:
        pixels = np.array([[DEFAULTS.get(slot, (255, 255, 255, 255))]], np.uint8)
        entry = {"matrix": np.eye(3).tolist(), "strength": 1.0, "wrap": ["repeat", "repeat"]}
        absent = 1.0
    else:
        pixels, absent = np.load(folder / entry["image"]), 0.0
    wide = pixels.astype(np.uint32)
    packed = np.asarray(wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16, np.uint32).ravel()
    offset = sum(len(part) for part in texels)
    texels.append(packed)
    texels.append(np.zeros(-len(packed) % 256, np.uint32))
    matrix = np.asarray(entry["matrix"], np.float64)
    inverse = np.linalg.inv(matrix[:2, :2])
    return [offset / 256, pixels.shape[1], pixels.shape[0], *matrix[:2].ravel(), *inverse.ravel(),
            float(entry["strength"]), *(float(_WRAPS.index(how)) for how in entry["wrap"]), absent]


def _wrapped(position: Any, size: Any, how: Any) -> Any:
    """Texel number 0 … size − 1 of one beside the map: repeated, mirrored or the border's."""
    repeated = position - size * dr.floor(position / size)
    double = position - 2.0 * size * dr.floor(position / (2.0 * size))
    mirrored = dr.select(double < size, double, 2.0 * size - 1.0 - double)
    clamped = dr.clip(position, 0.0, size - 1.0)
    found = dr.select(how < 0.5, repeated, dr.select(how < 1.5, mirrored, clamped))
    return dr.clip(found, 0.0, size - 1.0)


def merged(folder: Path, surfaces: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """The surfaces' arrays as one: positions, normals, uv, triangles, and of every triangle its look and ids."""
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in ("positions", "normals", "uv", "triangles", "look")}
    vertices = 0
    for number, surface in enumerate(surfaces):
        positions, triangles = np.load(folder / surface["positions"]), np.load(folder / surface["triangles"])
        found["positions"].append(positions)
        found["normals"].append(np.load(folder / surface["normals"]))
        found["uv"].append(np.load(folder / surface["uv"][0]))
        found["triangles"].append(triangles + np.uint32(vertices))
        found["look"].append(np.full(len(triangles), number, np.float32))
        vertices += len(positions)
    return {name: np.concatenate(parts) for name, parts in found.items()}
