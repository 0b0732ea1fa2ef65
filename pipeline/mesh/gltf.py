"""glTF 2.0 and GLB: the scene graph, primitives and cameras."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import IngestError
from pipeline.mesh.affine import transform_part
from pipeline.mesh.gltf_accessors import element_count, read_draco, read_floats, read_indices
from pipeline.mesh.gltf_container import Document, Json, malformed
from pipeline.mesh.gltf_materials import read_materials
from pipeline.mesh.gltf_pose import Pose, morphed, pose_of, skinned
from pipeline.mesh.gltf_variants import choose_variant, material_of, variant_names
from pipeline.mesh.loaders import LoadContext, loader
from pipeline.mesh.raw import RawMesh, RawPart
from pipeline.mesh.types import EmbeddedCamera

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_IDENTITY = np.eye(4)
_MAX_DEPTH = 200
_MAX_NODES = 50_000  # instances, after the graph is unrolled


@loader(".gltf", ".glb")
@np.errstate(all="ignore")  # damaged numbers end at the gate, by name
def load_gltf(data: bytes, context: LoadContext) -> RawMesh:
    """Read the default scene, in the pose it is saved in."""
    document = Document(data, context)
    warnings: list[str] = []
    suffix = "glb" if data[:4] == b"glTF" else "gltf"
    raw = RawMesh(suffix, "packshot gltf", [], read_materials(document, warnings), 1.0, "m", "+y", "+y",
                  warnings=warnings, variants=variant_names(document))
    variant = choose_variant(raw.variants, context.variant, context.mesh_file)
    raw.variant = None if variant is None else raw.variants[variant]
    cache: dict[tuple[int, tuple[float, ...], int], list[_Placed]] = {}
    triangles = 0
    nodes = _nodes(document, warnings)
    worlds = {index: world for index, _, world in reversed(nodes)}
    for _, node, world in nodes:
        if "mesh" in node:
            pose = pose_of(document, node, worlds, warnings)
            index = document.count(node, "mesh", None)
            key = index, pose.weights, -1 if pose.joints is None else int(node["skin"])
            if key not in cache:
                cache[key] = _mesh(document, index, variant, pose, warnings)
            triangles += sum(len(placed.part.triangles) for placed in cache[key])
            context.check_triangles(triangles)
            # A skin places its mesh itself: the node's own transform does not count.
            raw.parts.extend(placed.part if placed.in_scene or np.array_equal(world, _IDENTITY)
                             else transform_part(placed.part, world) for placed in cache[key])
        if "camera" in node and (camera := _camera(document, node, world, warnings)) is not None:
            raw.cameras.append(camera)
    raw.warnings[:] = list(dict.fromkeys(raw.warnings))
    return raw


@dataclass(frozen=True)
class _Placed:
    part: RawPart
    in_scene: bool              # its skin has brought it to the scene already


def _nodes(document: Document, warnings: list[str]) -> list[tuple[int, Json, F64]]:
    """Every node of the default scene with its index and world matrix; a node reached through itself is refused."""
    found: list[tuple[int, Json, F64]] = []
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
        found.append((int(index), node, world))
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


def _mesh(document: Document, index: int, variant: int | None, pose: Pose, warnings: list[str]
          ) -> list[_Placed]:
    primitives = document.item("meshes", index).get("primitives", [])
    if not isinstance(primitives, list):
        raise malformed(document.context, "`primitives` is not an array")
    parts = [_primitive(document, primitive, variant, pose, warnings) for primitive in primitives]
    return [part for part in parts if part is not None]


def _primitive(document: Document, primitive: Any, variant: int | None, pose: Pose, warnings: list[str]
               ) -> _Placed | None:
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
    extension = (primitive.get("extensions") or {}).get("KHR_draco_mesh_compression")
    decoded: dict[str, NDArray[Any]] = {}
    indices: I64
    if isinstance(extension, dict):
        indices, decoded = read_draco(document, primitive, extension)
        mode = _TRIANGLES
    else:
        count = element_count(document, primitive["indices"] if "indices" in primitive else attributes["POSITION"])
        document.context.check_triangles(count // 3 if mode == _TRIANGLES else max(count - 2, 0))
    positions = _attribute(document, attributes, decoded, "POSITION", (3,))
    assert positions is not None
    if not isinstance(extension, dict):
        indices = (read_indices(document, primitive["indices"]) if "indices" in primitive
                   else np.arange(len(positions), dtype=np.int64))
    triangles = _assemble(indices, mode)
    if len(triangles) and int(triangles.max()) >= len(positions):
        raise IngestError("mesh_indices", f"{document.context.mesh_file}: a triangle refers to vertex "
                          f"{int(triangles.max()):,} of {len(positions):,}.", "The file is damaged: export it again.")
    uv_sets: list[NDArray[Any]] = []
    while (uv := _attribute(document, attributes, decoded, f"TEXCOORD_{len(uv_sets)}", (2,))) is not None:
        uv_sets.append(uv)
    colors = _attribute(document, attributes, decoded, "COLOR_0", (3, 4))
    if colors is not None and colors.shape[1] == 3:
        colors = np.concatenate([colors, np.ones((len(colors), 1), np.float32)], axis=1)
    material = material_of(document, primitive, variant)
    part = RawPart(positions, triangles, material, _attribute(document, attributes, decoded, "NORMAL", (3,)),
                   tuple(uv_sets), colors, _attribute(document, attributes, decoded, "TANGENT", (4,)), indexed=True,
                   flat=True)
    for array in (part.normals, part.colors, part.tangents, *part.uv_sets):
        if array is not None and len(array) != len(positions):
            raise malformed(document.context, "a primitive's attributes differ in length")
    if pose.weights and primitive.get("targets"):
        part = morphed(document, part, primitive["targets"], pose.weights)
    rested = None if pose.joints is None else skinned(document, part, attributes, pose.joints)
    part = part if rested is None else rested
    # Without normals the specification wants facets, which need vertices of their own.
    return _Placed(part if part.normals is not None else _unshared(part), rested is not None)


def _attribute(document: Document, attributes: Json, decoded: dict[str, NDArray[Any]], name: str,
               widths: tuple[int, ...]) -> NDArray[Any] | None:
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


def _camera(document: Document, node: Json, world: F64, warnings: list[str]) -> EmbeddedCamera | None:
    """A perspective camera; scale in its node does not apply to it."""
    index = document.count(node, "camera", None)
    entry = document.item("cameras", index)
    if entry.get("type") == "orthographic":
        warnings.append(f"camera {str(entry.get('name', index))[:60]} is orthographic and left out")
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
