"""What Mitsuba asks of a surface's material: maps with glTF's wrapping and transforms, colour, roughness, normals.

Part of the path tracer's own process; see pathtrace_child.py. Nothing else imports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import drjit as dr
import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

VARIANT = "llvm_ad_rgb"
mi.set_variant(VARIANT)

F32 = NDArray[np.float32]
SMOOTHEST = 0.05           # roughness; below, a reflection is not sampled well by either renderer


def number(value: float) -> Any:
    """A number that kernels read from memory: written into their code, each new value would be compiled anew."""
    return dr.opaque(mi.Float, float(value))


class Map:
    """A texture map: its texels, and which of them a surface's point looks at."""

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        pixels = np.load(folder / given["image"])
        if pixels.dtype == np.uint8:
            values = pixels.astype(np.float32) / 255.0
            if given["coded"]:
                values[..., :3] = _decoded(values[..., :3])
        else:
            values = pixels.astype(np.float32)
        if values.shape[2] == 3:
            values = np.concatenate([values, np.ones_like(values[..., :1])], axis=2)
        self.wrap = given["wrap"]
        self.uv_set = given["uv_set"]
        matrix = np.asarray(given["matrix"], np.float64)
        self.matrix = [[number(value) for value in row] for row in matrix]
        self.inverse = [[number(value) for value in row] for row in np.linalg.inv(matrix[:2, :2])]
        self.strength = number(given["strength"])
        repeats = self.wrap == ["repeat", "repeat"]
        self.texels = dr.auto.ad.Texture2f16(
            dr.auto.ad.TensorXf16(values.astype(np.float16)),
            filter_mode=dr.FilterMode.Nearest if given["nearest"] else dr.FilterMode.Linear,
            wrap_mode=dr.WrapMode.Repeat if repeats else dr.WrapMode.Clamp)

    def at(self, si: Any) -> Any:
        """The surface's uv in the map, before wrapping."""
        uv = mi.Point2f(si.uv)
        if self.uv_set == 1:
            second = si.shape.eval_attribute_3("vertex_second", si)
            uv = mi.Point2f(second.x, second.y)
        m = self.matrix
        return mi.Point2f(*(row[0] * uv.x + row[1] * uv.y + row[2] for row in m[:2]))

    def wrapped(self, uv: Any) -> Any:
        return mi.Point2f(*(_wrapped(value, how) for value, how in zip((uv.x, uv.y), self.wrap, strict=True)))

    def value(self, si: Any, active: Any) -> Any:
        """rgba."""
        uv = self.at(si)
        uv = uv if self.wrap == ["repeat", "repeat"] else self.wrapped(uv)
        return mi.Vector4f(*(mi.Float(channel) for channel in self.texels.eval(uv, active)))


def _wrapped(value: Any, how: str) -> Any:
    if how == "repeat":
        return value - dr.floor(value)
    if how == "mirror":
        return 1.0 - dr.abs(value - 2.0 * dr.floor(value * 0.5) - 1.0)
    return dr.clip(value, 0.0, 1.0)


def _decoded(coded: F32) -> F32:
    """IEC 61966-2-1."""
    return np.where(coded <= 0.04045, coded / 12.92, ((np.maximum(coded, 0.04045) + 0.055) / 1.055) ** 2.4
                    ).astype(np.float32)


class Look:
    """One surface's material: its values at a point of the surface."""

    def __init__(self, folder: Path, given: dict[str, Any], colored: bool, uv_sets: int) -> None:
        self.given = given
        self.colored = colored
        self.maps = {slot: Map(folder, entry) for slot, entry in given["maps"].items() if uv_sets > 0}
        self.albedo = [number(value) for value in [*given["albedo"], 1.0][:4]]
        self.numbers = {name: number(1.0 if given[name] is None else given[name])
                        for name in ("roughness", "metallic", "opacity", "cutoff", "clearcoat", "sheen")}

    @property
    def pierced(self) -> bool:
        return bool(self.given["alpha_mode"] != "opaque" or self.given["opacity"] < 1.0)

    @property
    def emits(self) -> bool:
        return any(value > 0.0 for value in self.given["emission"])

    def base(self, si: Any, active: Any) -> Any:
        """rgba: albedo of dielectrics, reflectance of metals."""
        color = mi.Vector4f(*self.albedo)
        if "base_color" in self.maps:
            color *= self.maps["base_color"].value(si, active)
        if "opacity" in self.maps:
            color.w *= self.maps["opacity"].value(si, active).x
        if self.colored:
            tint = si.shape.eval_attribute_3("vertex_tint", si, active)
            color *= mi.Vector4f(tint.x, tint.y, tint.z, si.shape.eval_attribute_1("vertex_cover", si, active))
        return color

    def opacity(self, si: Any, active: Any) -> Any:
        alpha = self.base(si, active).w
        if self.given["alpha_mode"] == "mask":
            return dr.select(alpha < self.numbers["cutoff"], 0.0, 1.0) * self.numbers["opacity"]
        return self.numbers["opacity"] * (alpha if self.given["alpha_mode"] == "blend" else mi.Float(1.0))

    def metallic(self, si: Any, active: Any) -> Any:
        return self._surface(si, active, "metallic", 2)

    def roughness(self, si: Any, active: Any) -> Any:
        return dr.maximum(self._surface(si, active, "roughness", 1), SMOOTHEST)

    def _surface(self, si: Any, active: Any, name: str, channel: int) -> Any:
        value = mi.Float(self.numbers[name])
        if "metallic_roughness" in self.maps:
            value = value * self.maps["metallic_roughness"].value(si, active)[channel]
        if name in self.maps:
            value = value * self.maps[name].value(si, active).x
        return dr.clip(value, 0.0, 1.0)

    def emission(self, si: Any, active: Any) -> Any:
        color = mi.Color3f(*self.given["emission"])
        if "emissive" in self.maps:
            value = self.maps["emissive"].value(si, active)
            color *= mi.Color3f(value.x, value.y, value.z)
        return color

    def bent(self, si: Any, active: Any) -> Any:
        """Shading normal in the world: the normal map's, whose green points against v."""
        n = si.sh_frame.n
        if "normal" not in self.maps:
            return n
        entry = self.maps["normal"]
        value = entry.value(si, active)
        return tilted(si, value, entry.inverse, entry.strength)

    def number(self, name: str, si: Any, active: Any) -> Any:
        return self.numbers[name]


def tilted(si: Any, value: Any, inverse: Any, strength: Any) -> Any:
    """The shading normal bent by a normal map's ``value``; ``inverse``: 2 × 2, of the map's uv transform."""
    n = si.sh_frame.n
    bump = (mi.Vector3f(value.x, value.y, value.z) * 2.0 - 1.0) * mi.Vector3f(strength, strength, 1.0)
    # Tangents of the map's own uv: position's derivatives through the uv transform's inverse.
    along = si.dp_du * inverse[0][0] + si.dp_dv * inverse[1][0]
    down = si.dp_du * inverse[0][1] + si.dp_dv * inverse[1][1]
    t = dr.normalize(dr.fma(-n, dr.dot(n, along), along))
    turned = dr.dot(dr.cross(n, along), down) < 0.0
    b = dr.cross(n, t) * dr.select(turned, -1.0, 1.0)
    bent = dr.normalize(t * bump.x - b * bump.y + n * bump.z)
    return dr.select(dr.isfinite(dr.squared_norm(bent)), bent, n)


class Slot(mi.Texture):  # type: ignore[misc]
    """One value of a Look as a texture of Mitsuba's."""

    looks: tuple[Any, ...] = ()            # Look or MergedLook

    def __init__(self, props: Any) -> None:
        mi.Texture.__init__(self, props)
        self.look = Slot.looks[int(props["look"])]
        self.value = str(props["value"])

    def eval(self, si: Any, active: Any = True) -> Any:
        return self.eval_3(si, active)

    def eval_3(self, si: Any, active: Any = True) -> Any:
        if self.value == "base":
            rgba = self.look.base(si, active)
            return mi.Color3f(rgba.x, rgba.y, rgba.z)
        if self.value == "normal":
            return mi.Color3f(si.sh_frame.to_local(self.look.bent(si, active)) * 0.5 + 0.5)
        if self.value == "emission":
            return self.look.emission(si, active)
        return mi.Color3f(self.eval_1(si, active))

    def eval_1(self, si: Any, active: Any = True) -> Any:
        if self.value == "metallic":
            return self.look.metallic(si, active)
        if self.value == "roughness":
            return self.look.roughness(si, active)
        if self.value == "opacity":
            return self.look.opacity(si, active)
        return dr.mean(self.eval_3(si, active))

    def mean(self) -> Any:
        return mi.Float(0.5)

    def max(self) -> float:
        return 1.0

    def is_spatially_varying(self) -> bool:
        # Emission is sampled evenly over its surface; Mitsuba asks only to sample it by its map.
        return self.value != "emission"

    def traverse(self, callback: Any) -> None:
        pass


mi.register_texture("packshot_slot", Slot)
