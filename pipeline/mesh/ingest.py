"""One mesh file to the canonical mesh and a report of what was found, guessed and changed."""

from __future__ import annotations

import importlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import IngestError
from pipeline.mesh import bindings, gate, units
from pipeline.mesh.affine import bounds_of
from pipeline.mesh.bindings import Binding
from pipeline.mesh.canonical import Geometry, assemble, place
from pipeline.mesh.front import find_front
from pipeline.mesh.limits import IngestLimits
from pipeline.mesh.loaders import MODULES, check_suffix
from pipeline.mesh.loose_maps import bind_loose_maps
from pipeline.mesh.materials import coloured, complete
from pipeline.mesh.raw import RawMaterial, RawMesh, RawPart
from pipeline.mesh.report import IngestReport
from pipeline.mesh.resolver import Resolver
from pipeline.mesh.sandbox import load_in_child
from pipeline.mesh.types import Material, Mesh, Slot, TextureRef
from pipeline.mesh.uv_overlap import overlapping_uv_share
from pipeline.mesh.weld import mirrored_uv_share

if TYPE_CHECKING:
    from pipeline.settings import Manifest, MaterialOverride

VERSION = 3  # raised by hand whenever the same file would give another mesh
_FOREIGN_PATHS = ("fbx", "obj")  # formats whose texture paths are those of the machine that wrote them
_COLOURLESS = ("stl", "obj")     # formats in which no colour means that nothing is known of it
_MAX_MATERIALS = 65535
_MAX_SIBLINGS = 5000
_RENDERED = "passes.json"    # written beside every pass as PNG
_REMARKABLE = 0.02               # share of the uv area


@dataclass(frozen=True)
class Ingested:
    mesh: Mesh
    report: IngestReport


def ingest(folder: Path, mesh_file: str, *, files: Sequence[str], manifest: Manifest, description: str, category: str,
           limits: IngestLimits, put_texture: Callable[[bytes], str], bind_loose: bool = True) -> Ingested:
    """Load ``mesh_file`` of a local SKU ``folder``.

    ``files``: every file of the folder, relative; nothing else is opened. Embedded textures go to
    ``put_texture``, which returns their sha256. ``bind_loose``: images that no file names may be
    taken as diffuse maps by their own names. Raises IngestError and nothing else for a bad file.
    """
    started = time.perf_counter()
    check_suffix(mesh_file)  # an unknown suffix needs no process
    with tempfile.TemporaryDirectory(prefix="packshot-ingest-") as temporary:
        exchange = Path(temporary)
        # scipy takes a third of a second to import; this process has nothing else to do while the child reads.
        threading.Thread(target=importlib.import_module, args=("scipy.sparse.csgraph",), daemon=True).start()
        raw = load_in_child(folder, mesh_file, files, limits, exchange, manifest.variant)
        loaded = time.perf_counter()
        parts = gate.check(raw, mesh_file, limits)
        resolver = Resolver(folder, files, mesh_file, limits.max_file_mb)
        table, owner = _material_table(raw, parts, mesh_file)
        from_file = [bindings.file_textures(material, resolver, exchange, put_texture,
                                            loose=raw.format in _FOREIGN_PATHS) for material in table]
    longest = float(np.ptp(bounds_of(parts), axis=0).max())
    unit = units.choose_units(longest, raw.format, raw.metres_per_unit, manifest.units, category)
    up, up_source = _up(raw, manifest)
    warnings = list(raw.warnings)
    parts, cameras = place(parts, raw.cameras, unit.metres, units.up_rotation(up), warnings)
    if unit.warning:
        warnings.append(unit.warning)
    geometry = assemble([replace(part, material=owner[part.material]) for part in parts], warnings)
    materials, bound = _materials(table, from_file, parts, owner, manifest, description, category, resolver,
                                  bind_loose, raw.format in _FOREIGN_PATHS,
                                  raw.format in _COLOURLESS and geometry.colors is None, warnings)
    front = find_front(geometry.positions, category, manifest.front)
    mirrored, overlapping = _uv_shares(geometry, materials, warnings)
    warnings = list(dict.fromkeys(warnings))
    mesh = Mesh(geometry.positions, geometry.normals, geometry.uv_sets, geometry.triangles,
                geometry.material.astype(np.uint16), geometry.charts, tuple(materials), front, cameras,
                geometry.colors, geometry.tangents, tuple(warnings))
    extent = np.ptp(mesh.bounds, axis=0) * 1000
    report = IngestReport(
        raw.format, raw.loader, raw.source_units if unit.source == "file" else unit.name, unit.source, unit.metres,
        raw.source_up if up_source == "file" else up, up_source, front, len(mesh.triangles), len(mesh.positions),
        (round(float(extent[0]), 4), round(float(extent[1]), 4), round(float(extent[2]), 4)), mesh.materials,
        tuple(bound), len(mesh.uv_sets), round(mirrored, 4), _charts(geometry),
        geometry.solid, tuple(c.name for c in cameras),
        mesh.warnings, round(time.perf_counter() - started, 3), round(loaded - started, 3),
        tuple(raw.variants), raw.variant, round(overlapping, 4))
    return Ingested(mesh, report)


def _up(raw: RawMesh, manifest: Manifest) -> tuple[str, str]:
    """The manifest's word is about the numbers as loaded: +Y where the format itself states an axis."""
    if manifest.up is not None:
        return manifest.up, "manifest"
    if raw.up is not None:
        return raw.up, "file"
    return units.DEFAULT_UP.get(raw.format, "+y"), "convention"


def _charts(geometry: Geometry) -> int:
    return int(geometry.charts.max()) + 1 if geometry.uv_sets else 0


def _uv_shares(geometry: Geometry, materials: Sequence[Material], warnings: list[str]) -> tuple[float, float]:
    """Mirrored and overlapping share of the uv area; a texture is one address space, whoever uses it."""
    if not geometry.uv_sets:
        return 0.0, 0.0
    uv, triangles = geometry.uv_sets[0], geometry.triangles.astype(np.int64)
    spaces: dict[object, int] = {}
    layers = [spaces.setdefault(m.textures["base_color"].path if "base_color" in m.textures else i, len(spaces))
              for i, m in enumerate(materials)]
    mirrored = mirrored_uv_share(uv, triangles)
    overlapping = overlapping_uv_share(uv, triangles, np.array(layers, np.int64)[geometry.material])
    if any(material.textures for material in materials):
        if mirrored > _REMARKABLE:
            warnings.append(f"{mirrored:.0%} of the uv area is mirrored: text there reads backwards")
        if overlapping > _REMARKABLE:
            warnings.append(f"{overlapping:.0%} of the uv area overlaps: a mark there appears in several places")
    return mirrored, overlapping


def _material_table(raw: RawMesh, parts: Sequence[RawPart], mesh_file: str
                    ) -> tuple[list[RawMaterial], dict[int, int]]:
    """Materials that are used, in the file's order, and each file index's place among them; -1 is the unnamed."""
    used = sorted({part.material for part in parts}, key=lambda index: (index < 0, index))
    if len(used) > _MAX_MATERIALS:
        raise IngestError("too_many_materials", f"{mesh_file} has {len(used):,} materials.", "Merge materials.")
    table = [raw.materials[index] if index >= 0 else RawMaterial("default") for index in used]
    return table, {index: place for place, index in enumerate(used)}


def _materials(table: Sequence[RawMaterial], from_file: Sequence[tuple[dict[Slot, TextureRef], list[str]]],
               parts: Sequence[RawPart], owner: dict[int, int], manifest: Manifest, description: str, category: str,
               resolver: Resolver, bind_loose: bool, foreign: bool, colourless: bool, warnings: list[str]
               ) -> tuple[list[Material], list[Binding]]:
    """Values from file, guess and manifest; textures from file, manifest and name."""
    uv_counts = [max(len(part.uv_sets) for part in parts if owner[part.material] == i) for i in range(len(table))]
    warnings.extend(bindings.check_named([raw.name for raw in table], manifest.material))
    materials: list[Material] = []
    bound: list[Binding] = []
    decided: list[frozenset[Slot]] = []  # slots that the manifest leaves no room for
    for raw, (textures, notes) in zip(table, from_file, strict=True):
        overrides = bindings.overrides_for(raw.name, manifest.material)
        material = complete(raw, description, category, overrides)
        material = replace(material, textures=textures)
        # Values multiply their texture; the manifest's word is meant as it stands.
        decided.append(_decided(overrides))
        material = replace(material, textures={s: t for s, t in textures.items() if s not in decided[-1]})
        material, stated, more = bindings.manifest_texture(material, overrides, resolver)
        slots_stated = {b.slot for b in stated}
        bound.extend(Binding(raw.name, slot, t.path, "file") for slot, t in textures.items()
                     if slot not in slots_stated and slot in material.textures)
        bound.extend(stated)
        warnings.extend([*(notes if not stated else []), *more])
        materials.append(material)
    any_uv = any(uv_counts)
    can_bind = [count > 0 or not any_uv for count in uv_counts]
    by_name: list[Binding] = []
    if bind_loose:
        materials, by_name, more = bindings.bind_by_name(materials, can_bind, resolver.files, resolver.mesh_file)
        warnings.extend(more)
        # A file that names maps of its own and comes from a tool that writes them all means what it leaves out.
        loose = [ok and (foreign or not textures)
                 for ok, (textures, _) in zip(can_bind, from_file, strict=True)]
        materials, maps, more = bind_loose_maps(materials, loose, decided, resolver.files, resolver.mesh_file)
        by_name += maps
        warnings.extend(more)
    replaced = {(b.material, b.slot) for b in by_name}
    bound = [b for b in bound if (b.material, b.slot) not in replaced]
    bindings.require_uv(materials, [count > 0 for count in uv_counts], resolver.mesh_file)
    for part in parts:
        material = materials[owner[part.material]]
        if material.textures and not part.uv_sets and uv_counts[owner[part.material]]:
            warnings.append(f"{len(part.triangles):,} triangles of {material.name} have no UVs; there its textures "
                            "show one colour")
    if colourless:
        materials = [coloured(material, raw, bindings.overrides_for(raw.name, manifest.material))
                     for material, raw in zip(materials, table, strict=True)]
    return [_within_sets(m, count, warnings) for m, count in zip(materials, uv_counts, strict=True)], [*bound, *by_name]


def _decided(overrides: Sequence[MaterialOverride]) -> frozenset[Slot]:
    """Slots of maps that the manifest's values replace."""
    slots: set[Slot] = set()
    if any(override.roughness is not None for override in overrides):
        slots |= {"roughness", "metallic_roughness"}
    if any(override.metallic is not None for override in overrides):
        slots |= {"metallic", "metallic_roughness"}
    return frozenset(slots)


def _within_sets(material: Material, uv_sets: int, warnings: list[str]) -> Material:
    """Textures that name a uv set the surface lacks use set 0; without any uv they are left out."""
    textures: dict[Slot, TextureRef] = {}
    for slot, texture in material.textures.items():
        if uv_sets == 0:
            warnings.append(f"material {material.name}: the {slot} map is left out, there are no UVs")
        elif texture.uv_set >= uv_sets:
            warnings.append(f"material {material.name}: the {slot} map wants uv set {texture.uv_set}; set 0 is used")
            textures[slot] = replace(texture, uv_set=0)
        else:
            textures[slot] = texture
    return replace(material, textures=textures)


def ingest_file(path: Path, *, manifest: Manifest | None = None, description: str | None = None,
                category: str | None = None, limits: IngestLimits | None = None,
                put_texture: Callable[[bytes], str] | None = None) -> Ingested:
    """Ingest a lone file, its folder taken as SKU folder; where that holds other meshes, loose images stay unbound.

    Without ``put_texture`` embedded textures are hashed but kept nowhere.
    """
    import hashlib

    from pipeline.catalogue import guess_category
    from pipeline.settings import Manifest as ManifestModel

    if not path.is_file():
        raise IngestError("mesh_missing", f"There is no file {path}.", "Check the path.")
    path = path.resolve()  # a link is followed where a person names it; inside a catalogue it must stay in its folder
    files = _files_around(path.parent)
    alone = sum(PurePosixPath(f).suffix.lower() in MODULES for f in files) <= 1
    manifest = manifest or ManifestModel()
    words = description or manifest.description or manifest.name or path.stem.replace("_", " ").replace("-", " ")
    return ingest(path.parent, path.name, files=files, manifest=manifest, description=words,
                  category=category or manifest.category or guess_category(words), limits=limits or IngestLimits(),
                  put_texture=put_texture or (lambda data: hashlib.sha256(data).hexdigest()), bind_loose=alone)


def _files_around(folder: Path) -> list[str]:
    """Files of a folder and of two levels below it, relative, sorted; the first few thousand.

    Folders that ``packshot render --camera`` wrote are left out: their passes are named like texture maps.
    """
    found: list[str] = []
    for current, folders, names in os.walk(folder):
        place = Path(current).relative_to(folder)
        if place.parts and _RENDERED in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if len(place.parts) < 2 else []
        found.extend((place / name).as_posix() for name in sorted(names) if not name.startswith("."))
        if len(found) > _MAX_SIBLINGS:
            break
    return sorted(found)
