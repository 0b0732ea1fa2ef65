"""Wavefront MTL: diffuse colour and map, and the few other statements that can be trusted.

Phong values (Ns, Ks, Ka) describe another reflection model; they count as not given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.mesh.raw import RawMaterial, RawTexture
from pipeline.mesh.types import Slot, Wrap

# Options of a map statement and how many values each takes at most.
_OPTION_VALUES = {"-blendu": 1, "-blendv": 1, "-boost": 1, "-bm": 1, "-cc": 1, "-clamp": 1, "-imfchan": 1, "-texres": 1,
                  "-type": 1, "-mm": 2, "-o": 3, "-s": 3, "-t": 3}
_SCALAR = ("opacity", "roughness", "metallic")
_NORMAL_WORDS = ("normal", "nrm", "_nor", "_n.")


@dataclass(frozen=True)
class _Map:
    file: str
    options: dict[str, list[str]]


def decode_text(data: bytes) -> str:
    """UTF-8, else Latin-1: older tools write names in the code page of their machine."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def library_names(rest: str) -> list[str]:
    """File names of one ``mtllib`` statement: several, or one with blanks in it."""
    words = rest.split()
    return words if all(word.lower().endswith(".mtl") for word in words) else [rest.strip()]


def parse_mtl(text: str, warnings: list[str]) -> dict[str, RawMaterial]:
    """Materials by name."""
    materials: dict[str, RawMaterial] = {}
    name: str | None = None
    for line in text.replace("\r", "\n").split("\n"):
        words = line.strip().split(None, 1)
        if len(words) < 2 or words[0].startswith("#"):
            continue
        word, rest = words[0].lower(), words[1].strip()
        if word == "newmtl":
            name = rest
            materials[name] = RawMaterial(name, double_sided=True)
        elif name is not None:
            materials[name] = _apply(materials[name], word, rest, warnings)
    return materials


def _apply(material: RawMaterial, word: str, rest: str, warnings: list[str]) -> RawMaterial:
    numbers = _floats(rest)
    red, green, blue, alpha = material.base_color or (1.0, 1.0, 1.0, 1.0)
    if word == "kd" and len(numbers) >= 3:
        return replace(material, base_color=(numbers[0], numbers[1], numbers[2], alpha))
    if word in ("d", "tr") and len(numbers) == 1:
        opacity = numbers[0] if word == "d" else 1.0 - numbers[0]
        if not 0.01 < opacity < 0.999:
            return material  # opaque, or the wrong-way-round 0 that some exporters write
        return replace(material, base_color=(red, green, blue, opacity), alpha_mode="blend")
    if word == "ke" and len(numbers) >= 3:
        return replace(material, emissive=(numbers[0], numbers[1], numbers[2]))
    if word == "pr" and numbers and "roughness" not in material.textures:
        return replace(material, roughness=min(max(numbers[0], 0.0), 1.0))
    if word == "pm" and numbers and "metallic" not in material.textures:
        return replace(material, metallic=min(max(numbers[0], 0.0), 1.0))
    if word.startswith("map_") or word in ("norm", "bump"):
        return _apply_map(material, word, _map(rest), warnings)
    return material


def _apply_map(material: RawMaterial, word: str, found: _Map, warnings: list[str]) -> RawMaterial:
    texture = _texture(found)
    slot: Slot
    if word == "map_kd":
        slot = "base_color"
    elif word == "map_ke":
        slot = "emissive"
    elif word == "norm" or (word in ("map_bump", "bump") and _is_normal_map(found.file)):
        slot = "normal"
    elif word == "map_d":
        color = material.textures.get("base_color")
        if color is not None and color.name == texture.name:
            return replace(material, alpha_mode="mask")
        slot = "opacity"
        material = replace(material, alpha_mode="mask")
    elif word == "map_pr":
        slot = "roughness"
        material = replace(material, roughness=1.0)  # the map alone decides
    elif word == "map_pm":
        slot = "metallic"
        material = replace(material, metallic=1.0)
    else:
        if word not in ("map_ks", "map_ka", "map_ns"):
            warnings.append(f"material {material.name}: {word} {found.file} is not used")
        return material
    channel = (found.options.get("-imfchan") or ["r"])[0].lower()
    if slot in _SCALAR and channel not in ("r", "l", "m"):
        warnings.append(f"material {material.name}: the red channel of {found.file} is used, not {channel!r}")
    strength = _floats(" ".join(found.options.get("-bm", [])))
    if slot == "normal" and strength:
        texture = replace(texture, strength=strength[0])
    return replace(material, textures={**material.textures, slot: texture})


def _is_normal_map(file: str) -> bool:
    return any(word in file.lower() for word in _NORMAL_WORDS)


def _map(rest: str) -> _Map:
    """Options come first; what is left, blanks included, is the file name."""
    words = rest.split(" ")
    options: dict[str, list[str]] = {}
    while words and (words[0] == "" or words[0].lower() in _OPTION_VALUES):
        option = words.pop(0).lower()
        if option == "":
            continue
        values: list[str] = []
        while len(values) < _OPTION_VALUES[option] and len(words) > 1:
            if option in ("-o", "-s", "-t", "-mm") and values and not _floats(words[0]):
                break
            values.append(words.pop(0))
        options[option] = values
    return _Map(" ".join(words).strip().strip('"'), options)


def _texture(found: _Map) -> RawTexture:
    """-o and -s are texture' = o + s · uv with the origin at the bottom; here it is at the top."""
    scale_u, scale_v = _pair(found.options.get("-s"), 1.0)
    offset_u, offset_v = _pair(found.options.get("-o"), 0.0)
    wrap: Wrap = "clamp" if found.options.get("-clamp") == ["on"] else "repeat"
    return RawTexture(found.file, wrap_u=wrap, wrap_v=wrap, scale=(scale_u, scale_v),
                      offset=(offset_u, 1.0 - scale_v - offset_v))


def _pair(values: list[str] | None, default: float) -> tuple[float, float]:
    numbers = _floats(" ".join(values or []))
    if not numbers:
        return default, default
    return numbers[0], numbers[1] if len(numbers) > 1 else default


def _floats(text: str) -> list[float]:
    """Leading numbers of a line."""
    numbers: list[float] = []
    for word in text.split():
        try:
            numbers.append(float(word))
        except ValueError:
            break
    return numbers
