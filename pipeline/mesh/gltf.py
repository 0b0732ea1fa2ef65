"""glTF 2.0 and GLB: the scene graph, primitives and cameras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import IngestError
from pipeline.mesh.affine import transform_part
from pipeline.mesh.gltf_accessors import read_draco, read_floats, read_indices
from pipeline.mesh.gltf_container import Document, Json, malformed
from pipeline.mesh.gltf_materials import read_materials
from pipeline.mesh.gltf_variants import choose_variant, material_of, variant_names
from pipeline.mesh.loaders import LoadContext, loader
from pipeline.mesh.raw import RawMesh, RawPart
from pipeline.mesh.types import EmbeddedCamera

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_MAX_DEPTH = 200
_MAX_NODES = 50_000  # instances, after the graph is unrolled


@loader(".gltf", ".glb")
def load_gltf(data: bytes, context: LoadContext) -> RawMesh:
    """Read the default scene. Skins and morph targets stay in their bind pose."""
    document = Document(data, context)
    warnings: list[str] = []
    suffix = "glb" if data[:4] == b"glTF" else "gltf"
    raw = RawMesh(suffix, "packshot gltf", [], read_materials(document, warnings), 1.0, "m", "+y", "+y",
                  warnings=warnings, variants=variant_names(document))
    variant = choose_variant(raw.variants, context.variant, context.mesh_file)
    raw.variant = None if variant is None else raw.variants[variant]
    cache: dict[int, list[RawPart]] = {}
    triangles = 0
    for node, world in _nodes(document, warnings):
        if "mesh" in node:
            index = document.count(node, "mesh", None)
            if index not in cache:
                cache[index] = _mesh(document, index, variant, warnings)
            triangles += sum(len(part.triangles) for part in cache[index])
            context.check_triangles(triangles)
            if "skin" in node:
                warnings.append("a skinned mesh is taken in its bind pose")
            raw.parts.extend(transform_part(part, world) for part in cache[index])
        if "camera" in node and (camera := _camera(document, node, world)) is not None:
            raw.cameras.append(camera)
    raw.warnings[:] = list(dict.fromkeys(raw.warnings))
    return raw


def _nodes(document: Document, warnings: list[str]) -> list[tuple[Json, F64]]:
    """Every node of the default scene with its world matrix; a node reached through itself is refused."""
    found: list[tuple[Json, F64]] = []
    stack: list[tuple[Any, F64, tuple[Any, ...]]] = [
        (index, np.eye(4), ()) for index in reversed(_roots(document, warnings))]
    while stack:
        index, parent, path = stack.pop()
        node = document.item("nodes", index)
        if index in path or len(path) >= _MAX_DEPTH:
            raise malformed(document.context, f"node {index} is its own ancestor")
        if len(found) >= _MAX_NODES:
            raise malformed(document.context, f"more than {_MAX_NODES:,} nodes")
        world = parent @ _local(document, node)
        found.append((node, world))
        children = node.get("children", [])
        if not isinstance(children, list):
            raise malformed(document.context, "`children` is not an array")
        stack.extend((child, world, (*path, index)) for child in reversed(children))
    return found


def _roots(document: Document, warnings: list[str]) -> list[Any]:
    scenes, nodes = document.list("scenes"), document.list("nodes")
    if scenes:
        index = document.json.get("scene", 0)
        if len(scenes) > 1:
            warnings.append(f"the file has {len(scenes)} scenes; scene {index} is used")
        roots = document.item("scenes", index).get("nodes", [])
        if not isinstance(roots, list):
            raise malformed(document.context, "a scene's `nodes` is not an array")
        return roots
    below = {child for node in nodes if isinstance(node, dict) for child in node.get("children", [])
             if isinstance(child, int)}
    return [index for index in range(len(nodes)) if index not in below]


def _local(document: Document, node: Json) -> F64:
    """4×4 of a node's matrix, or of translation · rotation · scale."""
    if "matrix" in node:
        return _numbers(document, node, "matrix", 16, ()).reshape(4, 4).T
    x, y, z, w = _numbers(document, node, "rotation", 4, (0.0, 0.0, 0.0, 1.0))
    length = float(np.sqrt(x * x + y * y + z * z + w * w)) or 1.0
    x, y, z, w = x / length, y / length, z / length, w / length
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]) * _numbers(document, node, "scale", 3, (1.0, 1.0, 1.0))
    matrix[:3, 3] = _numbers(document, node, "translation", 3, (0.0, 0.0, 0.0))
    return matrix


def _numbers(document: Document, node: Json, key: str, count: int, default: tuple[float, ...]) -> F64:
    value = node.get(key, default)
    if not isinstance(value, list | tuple) or len(value) != count or not all(
            isinstance(v, int | float) for v in value):
        raise malformed(document.context, f"a node's `{key}` is not {count} numbers")
    return np.array(value, np.float64)


def _mesh(document: Document, index: int, variant: int | None, warnings: list[str]) -> list[RawPart]:
    primitives = document.item("meshes", index).get("primitives", [])
    if not isinstance(primitives, list):
        raise malformed(document.context, "`primitives` is not an array")
    parts = [_primitive(document, primitive, variant, warnings) for primitive in primitives]
    return [part for part in parts if part is not None]


def _primitive(document: Document, primitive: Any, variant: int | None, warnings: list[str]) -> RawPart | None:
    attributes = primitive.get("attributes") if isinstance(primitive, dict) else None
    if not isinstance(attributes, dict):
        raise malformed(document.context, "a primitive has no attributes")
    mode = primitive.get("mode", _TRIANGLES)
    if mode not in (_TRIANGLES, _STRIP, _FAN):
        warnings.append("points and lines are left out")
        return None
    if "POSITION" not in attributes:
        warnings.append("a primitive without positions is left out")
        return None
    if primitive.get("targets"):
        warnings.append("morph targets are left out")
    extension = (primitive.get("extensions") or {}).get("KHR_draco_mesh_compression")
    decoded: dict[str, F64] = {}
    indices: I64
    if isinstance(extension, dict):
        indices, decoded = read_draco(document, primitive, extension)
        mode = _TRIANGLES
    positions = _attribute(document, attributes, decoded, "POSITION", (3,))
    assert positions is not None
    if not isinstance(extension, dict):
        indices = (read_indices(document, primitive["indices"]) if "indices" in primitive
                   else np.arange(len(positions), dtype=np.int64))
    triangles = _assemble(indices, mode)
    if len(triangles) and int(triangles.max()) >= len(positions):
        raise IngestError("mesh_indices", f"{document.context.mesh_file}: a triangle refers to vertex "
                          f"{int(triangles.max()):,} of {len(positions):,}.", "The file is damaged: export it again.")
    uv_sets: list[F64] = []
    while (uv := _attribute(document, attributes, decoded, f"TEXCOORD_{len(uv_sets)}", (2,))) is not None:
        uv_sets.append(uv)
    colors = _attribute(document, attributes, decoded, "COLOR_0", (3, 4))
    if colors is not None and colors.shape[1] == 3:
        colors = np.concatenate([colors, np.ones((len(colors), 1))], axis=1)
    material = material_of(document, primitive, variant)
    part = RawPart(positions, triangles, material, _attribute(document, attributes, decoded, "NORMAL", (3,)),
                   tuple(uv_sets), colors, _attribute(document, attributes, decoded, "TANGENT", (4,)), indexed=True,
                   flat=True)
    for array in (part.normals, part.colors, part.tangents, *part.uv_sets):
        if array is not None and len(array) != len(positions):
            raise malformed(document.context, "a primitive's attributes differ in length")
    # Without normals the specification wants facets, which need vertices of their own.
    return part if part.normals is not None else _unshared(part)


def _attribute(document: Document, attributes: Json, decoded: dict[str, F64], name: str, widths: tuple[int, ...]
               ) -> F64 | None:
    if name in decoded:
        if decoded[name].shape[1] not in widths:
            raise malformed(document.context, f"Draco attribute {name} has the wrong width")
        return decoded[name]
    return read_floats(document, attributes[name], widths) if name in attributes else None


def _assemble(indices: I64, mode: int) -> I64:
    """(T, 3) triangles of a list, strip or fan."""
    if mode == _TRIANGLES:
        return indices[:len(indices) // 3 * 3].reshape(-1, 3)
    if len(indices) < 3:
        return np.empty((0, 3), np.int64)
    if mode == _FAN:
        return np.stack([np.full(len(indices) - 2, indices[0]), indices[1:-1], indices[2:]], axis=1)
    triangles = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
    triangles[1::2] = triangles[1::2][:, [1, 0, 2]]
    return triangles


def _unshared(part: RawPart) -> RawPart:
    corners = part.triangles.reshape(-1)
    return replace(part, positions=part.positions[corners],
                   triangles=np.arange(len(corners), dtype=np.int64).reshape(-1, 3),
                   uv_sets=tuple(uv[corners] for uv in part.uv_sets),
                   colors=None if part.colors is None else part.colors[corners], tangents=None, indexed=False)


def _camera(document: Document, node: Json, world: F64) -> EmbeddedCamera | None:
    """A perspective camera; scale in its node does not apply to it."""
    index = document.count(node, "camera", None)
    entry = document.item("cameras", index)
    perspective = entry.get("perspective")
    yfov = perspective.get("yfov") if isinstance(perspective, dict) else None
    lengths = np.linalg.norm(world[:3, :3], axis=0)
    if not isinstance(yfov, int | float) or not 0 < yfov < np.pi or not (lengths > 0).all():
        return None
    rigid = world.copy()
    rigid[:3, :3] /= lengths
    if not np.isfinite(rigid).all():
        return None
    aspect = perspective.get("aspectRatio") if isinstance(perspective, dict) else None
    # The camera's name is what a person sees; the node's says where two nodes share one camera.
    name = entry.get("name") or node.get("name") or f"camera_{index}"
    return EmbeddedCamera(str(name), tuple(tuple(float(x) for x in row) for row in rigid), float(yfov),
                          float(aspect) if isinstance(aspect, int | float) and aspect > 0 else None)
