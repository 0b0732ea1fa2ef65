"""glTF materials, textures and samplers (glTF 2.0 section 3.9, and the KHR_materials extensions)."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from pipeline.mesh.gltf_container import Document, Json, data_uri, is_data_uri, malformed
from pipeline.mesh.raw import RawMaterial, RawTexture
from pipeline.mesh.types import AlphaMode, Slot, Wrap

_WRAPS: dict[int, Wrap] = {10497: "repeat", 33648: "mirror", 33071: "clamp"}
_NEAREST = 9728
_ALPHA: dict[str, AlphaMode] = {"OPAQUE": "opaque", "MASK": "mask", "BLEND": "blend"}


def read_materials(document: Document, warnings: list[str]) -> list[RawMaterial]:
    return [_material(document, document.item("materials", i), i, warnings)
            for i in range(len(document.list("materials")))]


def _material(document: Document, entry: Json, index: int, warnings: list[str]) -> RawMaterial:
    pbr, extensions = _object(entry, "pbrMetallicRoughness"), _object(entry, "extensions")
    textures: dict[Slot, RawTexture] = {}
    sources: list[tuple[Slot, Any]] = [
        ("base_color", pbr.get("baseColorTexture")), ("metallic_roughness", pbr.get("metallicRoughnessTexture")),
        ("normal", entry.get("normalTexture")), ("occlusion", entry.get("occlusionTexture")),
        ("emissive", entry.get("emissiveTexture"))]
    glossy = _object(extensions, "KHR_materials_pbrSpecularGlossiness")
    color = _numbers(pbr.get("baseColorFactor"), 4)
    metallic, roughness = _unit(pbr.get("metallicFactor")), _unit(pbr.get("roughnessFactor"))
    if glossy:
        sources.append(("base_color", glossy.get("diffuseTexture")))
        color = _numbers(glossy.get("diffuseFactor"), 4)
        gloss = _unit(glossy.get("glossinessFactor"))
        metallic, roughness = 0.0, None if gloss is None else 1.0 - gloss
        warnings.append("specular-glossiness is read as a dielectric of the same diffuse colour")
    for slot, info in sources:
        if info is not None and (texture := _texture(document, info, slot, warnings)) is not None:
            textures[slot] = texture
    if "metallic_roughness" in textures:  # with a texture, the specification's default of 1 is meant
        metallic = 1.0 if metallic is None else metallic
        roughness = 1.0 if roughness is None else roughness
    elif metallic is None and roughness is not None:
        metallic = 1.0  # exporters leave out values that equal the default; a bare material is one they know nothing of
    strength = _number(_object(extensions, "KHR_materials_emissive_strength").get("emissiveStrength"), 1.0)
    emissive = _numbers(entry.get("emissiveFactor"), 3) or (0.0, 0.0, 0.0)
    sheen = _numbers(_object(extensions, "KHR_materials_sheen").get("sheenColorFactor"), 3)
    mode = entry.get("alphaMode", "OPAQUE")
    name = entry.get("name")
    name = name if isinstance(name, str) and name else f"material_{index}"
    warnings.extend(f"material {name}: {what} is not rendered" for what in _unused(extensions))
    return RawMaterial(
        name,
        None if color is None else (color[0], color[1], color[2], color[3]), metallic, roughness,
        (emissive[0] * strength, emissive[1] * strength, emissive[2] * strength),
        None if sheen is None else max(sheen),
        _unit(_object(extensions, "KHR_materials_clearcoat").get("clearcoatFactor")),
        _unit(_object(extensions, "KHR_materials_transmission").get("transmissionFactor")),
        _ALPHA.get(mode, "opaque") if isinstance(mode, str) else "opaque", _number(entry.get("alphaCutoff"), 0.5),
        entry.get("doubleSided") is True, textures,
        isinstance(extensions.get("KHR_materials_unlit"), dict))


# What leaves a material extension's field without effect; ... where the field is read, or changes nothing by itself.
_NEUTRAL: dict[str, dict[str, Any]] = {
    "KHR_materials_clearcoat": {"clearcoatFactor": ..., "clearcoatRoughnessFactor": 0},
    "KHR_materials_sheen": {"sheenColorFactor": ..., "sheenRoughnessFactor": 0},
    "KHR_materials_transmission": {"transmissionFactor": ...},
    "KHR_materials_specular": {"specularFactor": 1, "specularColorFactor": [1, 1, 1]},
    "KHR_materials_ior": {"ior": 1.5},
    "KHR_materials_volume": {"thicknessFactor": 0, "attenuationColor": [1, 1, 1], "attenuationDistance": ...},
    "KHR_materials_iridescence": {"iridescenceFactor": 0, "iridescenceIor": ..., "iridescenceThicknessMinimum": ...,
                                  "iridescenceThicknessMaximum": ...},
    "KHR_materials_anisotropy": {"anisotropyStrength": 0, "anisotropyRotation": ...},
    "KHR_materials_dispersion": {"dispersion": 0}}


def _unused(extensions: Json) -> list[str]:
    """Fields of a material's extensions that would change its look and that the mesh has no place for."""
    found = []
    for name, neutral in _NEUTRAL.items():
        found += [f"{key} of {name}" for key, value in _object(extensions, name).items()
                  if key not in ("extensions", "extras") and neutral.get(key) is not ... and value != neutral.get(key)]
    return found


def _texture(document: Document, info: Any, slot: Slot, warnings: list[str]) -> RawTexture | None:
    if not isinstance(info, dict):
        raise malformed(document.context, "a texture reference is not an object")
    entry = document.item("textures", info.get("index"))
    source = _object(_object(entry, "extensions"), "EXT_texture_webp").get("source", entry.get("source"))
    if source is None:
        kinds = ", ".join(sorted(_object(entry, "extensions"))) or "no image"
        warnings.append(f"a {slot} texture is left out: it has {kinds[:80]}; PNG, JPEG and WebP can be read")
        return None
    name, blob = _image(document, source)
    sampler = document.item("samplers", entry["sampler"]) if "sampler" in entry else {}
    placed = _object(_object(info, "extensions"), "KHR_texture_transform")
    offset, scale = _numbers(placed.get("offset"), 2) or (0.0, 0.0), _numbers(placed.get("scale"), 2) or (1.0, 1.0)
    uv_set = placed.get("texCoord", info.get("texCoord", 0))
    return RawTexture(
        name, blob, uv_set if isinstance(uv_set, int) and 0 <= uv_set < 256 else 0,
        _WRAPS.get(sampler.get("wrapS", 10497), "repeat"), _WRAPS.get(sampler.get("wrapT", 10497), "repeat"),
        sampler.get("magFilter") == _NEAREST, (offset[0], offset[1]), (scale[0], scale[1]),
        _number(placed.get("rotation"), 0.0),
        _number(info.get({"normal": "scale", "occlusion": "strength"}.get(slot, "")), 1.0))


def _image(document: Document, source: Any) -> tuple[str, str | None]:
    """(name, blob) of an image; files beside the mesh stay unread."""
    entry = document.item("images", source)
    uri = entry.get("uri")
    if isinstance(uri, str) and not is_data_uri(uri):
        return uri, None
    data = data_uri(uri, document.context) if isinstance(uri, str) else document.view_bytes(entry.get("bufferView"))
    name = entry.get("name")
    blob = document.context.keep_blob(hashlib.sha256(data).hexdigest()[:32], data)
    return name if isinstance(name, str) and name else f"image_{source}", blob


def _object(entry: Json, key: str) -> Json:
    value = entry.get(key)
    return value if isinstance(value, dict) else {}


def _number(value: Any, default: float) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if valid else default


def _unit(value: Any) -> float | None:
    if value is None:
        return None
    return min(max(_number(value, 1.0), 0.0), 1.0)


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    return tuple(_number(v, 0.0) for v in value)
