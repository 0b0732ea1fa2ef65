"""Which image file is which material's texture: as the file says, as the manifest says, or by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pipeline.errors import IngestError
from pipeline.mesh.raw import RawMaterial, RawTexture
from pipeline.mesh.resolver import IMAGE_SUFFIXES, Resolver
from pipeline.mesh.types import Material, Slot, TextureRef

if TYPE_CHECKING:
    from pipeline.settings import MaterialOverride

BASE_WORDS = ("basecolor", "diffuse", "albedo", "color", "colour", "diff", "col")
_OTHER_MAPS = re.compile(r"(normal|nrm|rough|metal|gloss|spec|occlusion|height|displace|bump|emissi|opacity|mask|"
                         r"preview|thumb|screenshot|photo|"
                         r"(^|[^a-z])(ao|orm|nor)([^a-z]|$))")
NOT_PRODUCT = ("reference/",)


@dataclass(frozen=True, slots=True)
class Binding:
    """One texture of one material, for the report."""

    material: str
    slot: Slot
    texture: str                                        # path or sha256
    source: Literal["file", "manifest", "name", "only image"]


def file_textures(raw: RawMaterial, resolver: Resolver, exchange: Path, put_texture: Callable[[bytes], str],
                  *, loose: bool) -> tuple[dict[Slot, TextureRef], list[str]]:
    """Texture references that the mesh file itself names; embedded bytes go to ``put_texture``.

    ``loose``: the format's paths are habitually those of another machine (OBJ, FBX).
    """
    references: dict[Slot, TextureRef] = {}
    warnings = []
    for slot, texture in raw.textures.items():
        if texture.blob is not None:
            references[slot] = _reference("store", put_texture((exchange / texture.blob).read_bytes()), texture)
            continue
        path, warning = resolver.find_texture(texture.name, loose=loose)
        references[slot] = _reference("catalogue", path, texture)
        if warning:
            warnings.append(f"material {raw.name}: {warning}")
    return references, warnings


def _reference(source: Literal["catalogue", "store"], path: str, texture: RawTexture) -> TextureRef:
    return TextureRef(source, path, texture.uv_set, texture.wrap_u, texture.wrap_v, texture.nearest, texture.offset,
                      texture.scale, texture.rotation, texture.strength)


def manifest_texture(material: Material, overrides: Sequence[MaterialOverride], resolver: Resolver
                     ) -> tuple[Material, list[Binding], list[str]]:
    """The diffuse map that the manifest gives this material; it keeps the file's sampler and placement."""
    named = [override.texture for override in overrides if override.texture is not None]
    if not named:
        return material, [], []
    path, warning = replace(resolver, mesh_file="product.yaml").find_texture(named[-1], loose=False)
    before = material.textures.get("base_color", TextureRef("catalogue", path))
    reference = replace(before, source="catalogue", path=path)
    changed = replace(material, textures={**material.textures, "base_color": reference})
    return (changed, [Binding(material.name, "base_color", path, "manifest")],
            [f"material {material.name}: {warning}"] if warning else [])


def bind_by_name(materials: Sequence[Material], can_bind: Sequence[bool], files: Sequence[str], mesh_file: str
                 ) -> tuple[list[Material], list[Binding], list[str]]:
    """Give untextured materials the loose images of the folder that carry their name.

    Tried in order: material name with a word for colour, mesh name with one, a bare word or name;
    at last the only image that is not obviously another map. ``can_bind``: has uv coordinates.
    """
    images = [f for f in files if PurePosixPath(f.lower()).suffix in IMAGE_SUFFIXES and not f.startswith(NOT_PRODUCT)]
    taken = {t.path for m in materials for t in m.textures.values() if t.source == "catalogue"}.intersection(files)
    free = [f for f in images if f not in taken and not _OTHER_MAPS.search(PurePosixPath(f).stem.lower())]
    bound = list(materials)
    bindings: list[Binding] = []
    warnings: list[str] = []
    for index, material in enumerate(materials):
        if not _lacks_map(material, files) or not can_bind[index]:
            continue
        found = next((f for key in _keys(material.name, mesh_file) if (f := _match(key, free)) is not None), None)
        if found is not None:
            bound[index] = _with_texture(material, found)
            bindings.append(Binding(material.name, "base_color", found, "name"))
            if "base_color" in material.textures:
                warnings.append(f"material {material.name}: {found} is used instead, by its name")
    used = {binding.texture for binding in bindings}
    left = [f for f in free if f not in used]
    open_slots = [i for i, m in enumerate(bound) if _lacks_map(m, files) and can_bind[i]]
    if len(left) == 1 and open_slots and not bindings and not taken:
        for index in open_slots:
            bound[index] = _with_texture(bound[index], left[0])
            bindings.append(Binding(bound[index].name, "base_color", left[0], "only image"))
        warnings.append(f"{left[0]} is the only image beside the mesh and is used as diffuse map of "
                        f"{', '.join(bound[i].name for i in open_slots[:5])}")
    return bound, bindings, warnings


def _lacks_map(material: Material, files: Sequence[str]) -> bool:
    """No diffuse map, or one that is not there."""
    texture = material.textures.get("base_color")
    return texture is None or (texture.source == "catalogue" and texture.path not in files)


def _with_texture(material: Material, path: str) -> Material:
    """``material`` with ``path`` as its diffuse map, placed as the file places the one that is not there."""
    before = material.textures.get("base_color")
    reference = TextureRef("catalogue", path) if before is None else replace(before, path=path)
    # Without its map, the colour a file gives is a placeholder (0.8 grey in most tools).
    color = (1.0, 1.0, 1.0, material.base_color[3]) if before is None else material.base_color
    return replace(material, base_color=color, textures={**material.textures, "base_color": reference})


def _keys(material: str, mesh_file: str) -> list[str]:
    """Names an image may have, most telling first; letters and digits only."""
    own, mesh = squash(material), squash(PurePosixPath(mesh_file).stem)
    keys = [own + word for word in (*BASE_WORDS, "d") if own] + [mesh + word for word in (*BASE_WORDS, "d")]
    return [*keys, *BASE_WORDS, "texture", *([own] if own else []), mesh]


def _match(key: str, images: Sequence[str]) -> str | None:
    return next((f for f in images if squash(PurePosixPath(f).stem) == key), None)


def squash(name: str) -> str:
    """Letters and digits only, lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def overrides_for(name: str, manifest: Mapping[str, MaterialOverride]) -> list[MaterialOverride]:
    """The manifest's entries for one material, the general one first."""
    return [manifest[key] for key in ("*", name) if key in manifest]


def check_named(names: Sequence[str], manifest: Mapping[str, MaterialOverride]) -> list[str]:
    """Warnings for manifest entries that no material answers to."""
    unknown = [key for key in manifest if key != "*" and key not in names]
    return [f"product.yaml names the material {key!r}; the mesh has {', '.join(names[:8])}" for key in unknown]


def require_uv(materials: Sequence[Material], has_uv: Sequence[bool], mesh_file: str) -> None:
    """A diffuse map needs coordinates: IngestError ``uv_missing`` where they are absent."""
    for material, present in zip(materials, has_uv, strict=True):
        texture = material.textures.get("base_color")
        if texture is not None and not present:
            shown = texture.path if texture.source == "catalogue" else "an embedded image"
            raise IngestError("uv_missing", f"{mesh_file}: material {material.name!r} has the texture {shown}, but its "
                              "surface has no UV coordinates.", "Unwrap the model, or remove the texture.")
