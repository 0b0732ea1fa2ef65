"""FBX materials and textures, through ufbx's own mapping of a dozen shaders to PBR values.

Lambert and Phong describe another reflection model: their roughness counts as not given.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import ufbx

from pipeline.mesh.loaders import LoadContext
from pipeline.mesh.raw import RawMaterial, RawTexture
from pipeline.mesh.types import AlphaMode, Slot, Wrap
from pipeline.mesh.ufbx_pin import pin

_PHONG = {int(kind) for name, kind in vars(ufbx.ShaderType).items()
          if name in ("UNKNOWN", "FBX_LAMBERT", "FBX_PHONG", "BLENDER_PHONG", "WAVEFRONT_MTL")}
_MAX_ALPHA, _MIN_ALPHA = 0.999, 0.01
_NORMAL_WORDS = ("normal", "nrm", "_nor", "_n.")


class FbxMaterials:
    """Turns the materials that meshes use into ``materials``, each once."""

    def __init__(self, materials: list[RawMaterial], warnings: list[str], context: LoadContext) -> None:
        self._materials = materials
        self._warnings = warnings
        self._context = context
        self._index: dict[int, int] = {}

    def index_of(self, material: Any, set_names: list[str]) -> int:
        """Index into ``materials``. UV set names are resolved by the first mesh that uses the material."""
        if material is None:
            return -1
        key = int(material.element_id)
        if key not in self._index:
            self._index[key] = len(self._materials)
            self._materials.append(self._convert(material, set_names))
        return self._index[key]

    def _convert(self, material: Any, set_names: list[str]) -> RawMaterial:
        pbr, fbx = pin(material.pbr), pin(material.fbx)
        name = str(material.name)
        given = int(material.shader_type) not in _PHONG
        textures: dict[Slot, RawTexture] = {}
        sources: dict[Slot, tuple[Any, ...]] = {
            "base_color": (pbr.base_color, fbx.diffuse_color),
            "normal": (pbr.normal_map, fbx.normal_map, fbx.bump),
            "emissive": (pbr.emission_color, fbx.emission_color),
            "occlusion": (pbr.ambient_occlusion,),
        }
        if given:
            sources |= {"roughness": (pbr.roughness,), "metallic": (pbr.metalness,)}
        for slot, maps in sources.items():
            texture = next((t for m in maps if (t := self._texture(m, set_names)) is not None), None)
            if texture is None:
                continue
            if slot == "normal" and not _is_normal_map(texture.name):
                self._warnings.append(f"material {name}: bump map {texture.name} is not used")
                continue
            textures[slot] = texture
        metallic = _scalar(pbr.metalness) if given else None
        roughness = _scalar(pbr.roughness) if given else None
        rough, metal = textures.get("roughness"), textures.get("metallic")
        if rough is not None and metal is not None and (rough.name, rough.blob) == (metal.name, metal.blob):
            # One image for both is the packing of glTF: roughness in green, metalness in blue.
            textures["metallic_roughness"] = rough
            del textures["roughness"], textures["metallic"]
        roughness, metallic = (1.0 if rough is not None else roughness), (1.0 if metal is not None else metallic)
        alpha, mode, cut = self._alpha(pbr, fbx, textures.get("base_color"), set_names, given)
        if cut is not None:
            textures["opacity"] = cut
        color = _color(pbr.base_color, pbr.base_factor)
        if "base_color" in textures or color is None:
            color = None if alpha == 1.0 else (1.0, 1.0, 1.0)
        return RawMaterial(name, None if color is None else (*color, alpha), metallic, roughness,
                           _color(pbr.emission_color, pbr.emission_factor) or (0.0, 0.0, 0.0), alpha_mode=mode,
                           double_sided=True, textures=textures)

    def _alpha(self, pbr: Any, fbx: Any, color: RawTexture | None, set_names: list[str], given: bool
               ) -> tuple[float, AlphaMode, RawTexture | None]:
        """A cut-out where opacity and colour share one map, or a PBR shader has a map of opacity.

        In Lambert and Phong some tools write opacity and some its inverse into a map of its own: it is not used.
        """
        cut = self._texture(pbr.opacity, set_names) or self._texture(fbx.transparency_color, set_names)
        if cut is not None:
            if color is not None and (cut.name, cut.blob) == (color.name, color.blob):
                return 1.0, "mask", None
            if given:
                return 1.0, "mask", cut
            self._warnings.append(f"opacity map {cut.name} is not used")
            return 1.0, "opaque", None
        value = _scalar(pbr.opacity)
        if value is None or not _MIN_ALPHA < value < _MAX_ALPHA:
            return 1.0, "opaque", None  # 0 is a common exporter fault: no product is invisible
        return value, "blend", None

    def _texture(self, material_map: Any, set_names: list[str]) -> RawTexture | None:
        texture = pin(pin(material_map).texture)
        if texture is None or not material_map.texture_enabled:
            return None
        if int(texture.type) != int(ufbx.TextureType.FILE):
            below = [pin(t) for t in pin(texture.file_textures)]
            if not below:
                return None
            self._warnings.append(f"only the first layer of texture {texture.name} is used")
            texture = below[0]
        content = bytes(pin(texture.content))
        name = str(texture.relative_filename or texture.filename or texture.absolute_filename or texture.name)
        if not content and not name:
            return None
        blob = self._context.keep_blob(hashlib.sha256(content).hexdigest()[:32], content) if content else None
        uv_set = str(texture.uv_set)
        wraps: list[Wrap] = ["clamp" if int(w) == int(ufbx.WrapMode.CLAMP) else "repeat"
                             for w in (texture.wrap_u, texture.wrap_v)]
        offset, scale, rotation = (0.0, 0.0), (1.0, 1.0), 0.0
        if texture.has_uv_transform:
            placed = _placement(np.array(texture.uv_to_texture, np.float64).T)
            if placed is None:
                self._warnings.append(f"the skewed placement of texture {name} is not used")
            else:
                offset, scale, rotation = placed
        return RawTexture(name, blob, set_names.index(uv_set) if uv_set in set_names else 0, wraps[0], wraps[1],
                          offset=offset, scale=scale, rotation=rotation)


def _placement(matrix: Any) -> tuple[tuple[float, float], tuple[float, float], float] | None:
    """(3, 4) uv → texture matrix with its origin at the bottom, as offset, scale and rotation of
    KHR_texture_transform, whose origin is at the top. None where it is skewed."""
    a, b, c, d = matrix[0, 0], -matrix[0, 1], -matrix[1, 0], matrix[1, 1]
    scale_u = float(np.hypot(a, c))
    if scale_u == 0 or not np.isfinite(matrix).all():
        return None
    scale_v = float((a * d - b * c) / scale_u)
    if abs(a * b + c * d) > 1e-4 * scale_u * max(abs(scale_v), 1e-9):
        return None
    # (u, v) top → (u, 1 - v) bottom → texture → top again
    offset_u = matrix[0, 1] + matrix[0, 3]
    offset_v = 1.0 - matrix[1, 1] - matrix[1, 3]
    return (float(offset_u), float(offset_v)), (scale_u, scale_v), float(np.arctan2(-c, a))


def _is_normal_map(name: str) -> bool:
    return any(word in name.lower() for word in _NORMAL_WORDS)


def _scalar(material_map: Any) -> float | None:
    if not pin(material_map).has_value:
        return None
    value = float(material_map.value_vec4[0])
    return min(max(value, 0.0), 1.0) if np.isfinite(value) else None


def _color(material_map: Any, factor_map: Any) -> tuple[float, float, float] | None:
    if not pin(material_map).has_value:
        return None
    factor = float(factor_map.value_vec4[0]) if pin(factor_map).has_value else 1.0
    red, green, blue = (float(x) * factor for x in tuple(material_map.value_vec4)[:3])
    return (red, green, blue) if np.isfinite([red, green, blue]).all() else None
