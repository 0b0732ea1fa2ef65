"""Maps beside the diffuse one that no file names: ``shoe_normal.png``, ``leather_roughness.png``, … by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.mesh.bindings import BASE_WORDS, NOT_PRODUCT, Binding, squash
from pipeline.mesh.resolver import IMAGE_SUFFIXES
from pipeline.mesh.types import Material, Slot, TextureRef

# What an image's name ends in, most telling first. DirectX normal maps have green upside down and are left.
WORDS: Mapping[Slot, tuple[str, ...]] = {
    "metallic_roughness": ("occlusionroughnessmetallic", "metallicroughness", "roughnessmetallic", "orm"),
    "normal": ("normal", "normalmap", "normalgl", "normalopengl", "normals", "nrm", "nor"),
    "roughness": ("roughness", "rough", "rgh"),
    "metallic": ("metallic", "metalness", "metal"),
    "occlusion": ("ambientocclusion", "occlusion", "ao"),
    "opacity": ("opacity", "alpha"),
    "emissive": ("emissive", "emission"),
}
_DIRECTX = ("normaldx", "normaldirectx")
_PACKED = frozenset({"roughness", "metallic"})


def bind_loose_maps(materials: Sequence[Material], can_bind: Sequence[bool], fixed: Sequence[frozenset[Slot]],
                    files: Sequence[str], mesh_file: str) -> tuple[list[Material], list[Binding], list[str]]:
    """Bind loose images to the slots that their names end in.

    An image belongs to a material by the material's name, by that of its diffuse map, or by the mesh's.
    ``can_bind``: the material has uv coordinates; ``fixed``: slots that are taken or that the manifest decides.
    A map says what its value was guessed to be, so that guess is withdrawn.
    """
    taken = {t.path for m in materials for t in m.textures.values()}
    images = {squash(PurePosixPath(f).stem): f for f in reversed(files)
              if PurePosixPath(f.lower()).suffix in IMAGE_SUFFIXES and not f.startswith(NOT_PRODUCT) and f not in taken}
    bound: list[Material] = []
    bindings: list[Binding] = []
    for material, possible, closed in zip(materials, can_bind, fixed, strict=True):
        chosen = material
        for slot, words in WORDS.items():
            packed = slot in _PACKED and "metallic_roughness" in chosen.textures
            if not possible or slot in chosen.textures or slot in closed or packed:
                continue
            owners = _owners(material, mesh_file, len(materials) == 1)
            found = next((images[owner + word] for owner in owners for word in words if owner + word in images), None)
            if found is not None:
                chosen = _with_map(chosen, slot, found)
                bindings.append(Binding(material.name, slot, found, "name"))
        bound.append(chosen)
    warnings = [f"{file} is a DirectX normal map, whose green is upside down; it is not used"
                for name, file in images.items() if name.endswith(_DIRECTX)]
    return bound, bindings, warnings


def _owners(material: Material, mesh_file: str, alone: bool) -> list[str]:
    """What an image's name may begin with."""
    owners = [squash(material.name)]
    base = material.textures.get("base_color")
    if base is not None and base.source == "catalogue":
        stem = squash(PurePosixPath(base.path).stem)
        owners += [stem.removesuffix(word) for word in BASE_WORDS if stem.endswith(word)] + [stem]
    owners.append(squash(PurePosixPath(mesh_file).stem))
    return [*(owner for owner in owners if owner), *([""] if alone else [])]


def _with_map(material: Material, slot: Slot, path: str) -> Material:
    base = material.textures.get("base_color")
    reference = TextureRef("catalogue", path) if base is None else replace(base, source="catalogue", path=path)
    decided = {"roughness", "metallic"} if slot == "metallic_roughness" else {slot}
    material = replace(material, textures={**material.textures, slot: reference},
                       guessed=tuple(name for name in material.guessed if name not in decided))
    if slot in ("roughness", "metallic_roughness"):
        material = replace(material, roughness=1.0)
    if slot in ("metallic", "metallic_roughness"):
        material = replace(material, metallic=1.0)
    if slot == "opacity" and material.alpha_mode == "opaque":
        material = replace(material, alpha_mode="mask")
    if slot == "emissive" and not any(material.emissive):
        material = replace(material, emissive=(1.0, 1.0, 1.0))
    return material
