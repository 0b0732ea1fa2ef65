"""FBX through ufbx 0.0.5, every version and encoding it knows.

This version of the binding returns cached objects without a new reference and drops one reference
too many when a buffer is released. So every object is pinned (:mod:`pipeline.mesh.ufbx_pin`), arrays are copied, and
the process ends without tearing anything down; load FBX only in :mod:`pipeline.mesh.child`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import ufbx
from numpy.typing import NDArray

from pipeline.errors import IngestError
from pipeline.mesh.affine import transform_part
from pipeline.mesh.fbx_materials import FbxMaterials
from pipeline.mesh.loaders import LoadContext, loader
from pipeline.mesh.raw import RawMaterial, RawMesh, RawPart
from pipeline.mesh.triangulate import triangulate
from pipeline.mesh.types import EmbeddedCamera
from pipeline.mesh.ufbx_pin import pin
from pipeline.mesh.units import METRES
from pipeline.mesh.weld import unique_rows

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
_NO_INDEX = 0xFFFFFFFF
_AXES = ("+x", "-x", "+y", "-y", "+z", "-z", "unknown")


@dataclass(frozen=True)
class _Geometry:
    """Triangulated corners of one FBX mesh, in its own space."""

    values: F64                    # (V, 3) positions
    vertex: I64                    # (3T,) position of each corner
    normals: F32 | None            # (3T, 3)
    uv_sets: tuple[F32, ...]       # each (3T, 2)
    colors: F32 | None             # (3T, 4)
    face_material: I64             # (T,) index into the node's materials, -1 none


@loader(".fbx")
def load_fbx(data: bytes, context: LoadContext) -> RawMesh:
    """Read every visible mesh instance; ufbx turns units and axes into metres and +Y up."""
    scene = pin(_open(data, context))
    settings = pin(scene.settings)
    metadata = pin(scene.metadata)
    warnings = [str(pin(w).description) for w in pin(metadata.warnings)][:20]
    unit = float(settings.unit_meters)
    raw = RawMesh("fbx", "ufbx 0.0.5", [], [], 1.0, _unit_name(unit), "+y",
                  _AXES[int(settings.axes.up)], warnings=warnings)
    nodes = [pin(node) for node in pin(scene.nodes)]
    with_mesh = [node for node in nodes if pin(node.mesh) is not None]
    visible = [node for node in with_mesh if node.visible]
    if len(visible) < len(with_mesh):
        fate = "left out" if visible else "kept: there are no others"
        raw.warnings.append(f"{len(with_mesh) - len(visible)} hidden objects are {fate}")
    materials = FbxMaterials(raw.materials, raw.warnings, context)
    cache: dict[int, _Geometry] = {}
    triangles = 0
    for node in visible or with_mesh:
        mesh = pin(node.mesh)
        key = int(mesh.element_id)
        if key not in cache:
            context.check_triangles(triangles + int(mesh.num_triangles))
            cache[key] = _geometry(mesh)
        triangles += len(cache[key].face_material)
        context.check_triangles(triangles)
        set_names = [str(pin(uv).name) for uv in pin(mesh.uv_sets)]
        owned = [pin(m) for m in pin(node.materials)] or [pin(m) for m in pin(mesh.materials)]
        indices = [materials.index_of(material, set_names) for material in owned]
        raw.parts.extend(_parts(cache[key], _matrix(node.geometry_to_world), indices, raw.materials))
    raw.cameras.extend(camera for node in nodes if (camera := _camera(node)) is not None)
    return raw


def _unit_name(metres: float) -> str:
    return next((name for name, size in METRES.items() if abs(metres / size - 1) < 1e-6), f"{metres:g} m")


def _open(data: bytes, context: LoadContext) -> Any:
    try:
        return ufbx.load_memory(
            data, target_axes=ufbx.axes_right_handed_y_up, target_unit_meters=1.0, generate_missing_normals=True,
            geometry_transform_handling=ufbx.GeometryTransformHandling.MODIFY_GEOMETRY, ignore_animation=True,
            target_camera_axes=ufbx.axes_right_handed_y_up, file_format=ufbx.FileFormat.FBX)
    except (ufbx.OutOfMemoryError, ufbx.MemoryLimitError, ufbx.AllocationLimitError) as error:
        raise MemoryError from error
    except ufbx.UnsupportedVersionError as error:
        raise IngestError("fbx_version", f"{context.mesh_file} has an FBX version that cannot be read.",
                          "Export it as FBX 2013 or later, or as .glb.") from error
    except ufbx.UfbxError as error:
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise IngestError("fbx_malformed", f"{context.mesh_file} is not a whole FBX file: {text}.",
                          "The file is damaged or cut off: copy or export it again.") from error


def _geometry(mesh: Any) -> _Geometry:
    corner_vertex, values = _attribute(mesh.vertex_position, 3)
    faces = np.array(memoryview(pin(mesh.faces)), np.int64).reshape(-1, 2)
    corners, owner = triangulate(values, corner_vertex, faces[:, 0], faces[:, 1])
    flat = corners.reshape(-1)
    stored = _integers(mesh.face_material)
    face_material = stored if len(stored) == len(faces) else np.zeros(len(faces), np.int64)
    face_material = np.where(face_material == _NO_INDEX, -1, face_material)
    smooth_known = len(pin(mesh.face_smoothing)) or len(pin(mesh.edge_smoothing))
    keep_normals = not mesh.generated_normals or smooth_known
    uv_sets = []
    for uv_set in pin(mesh.uv_sets):
        uv = _corner_values(pin(uv_set).vertex_uv, 2, flat)
        if uv is not None:
            uv[:, 1] = 1.0 - uv[:, 1]
            uv_sets.append(uv)
    normals = _corner_values(mesh.vertex_normal, 3, flat) if keep_normals else None
    return _Geometry(values, corner_vertex[flat], normals, tuple(uv_sets), _corner_values(mesh.vertex_color, 4, flat),
                     face_material[owner])


def _attribute(attribute: Any, width: int) -> tuple[I64, F64]:
    """(C,) value index of each corner and (N, width) values; out-of-range indices become 0."""
    pin(attribute)
    values = np.array(memoryview(pin(attribute.values)), np.float64).reshape(-1, width)
    indices = _integers(attribute.indices)
    if len(values) == 0:
        return np.zeros(0, np.int64), values
    return np.where(indices < len(values), indices, 0), values


def _corner_values(attribute: Any, width: int, corners: I64) -> F32 | None:
    if not pin(attribute).exists:
        return None
    indices, values = _attribute(attribute, width)
    if len(indices) <= (int(corners.max()) if len(corners) else 0):
        return None
    return np.asarray(values.astype(np.float32)[indices[corners]])


def _integers(items: Any) -> I64:
    """ufbx's integer lists have no buffer."""
    pin(items)
    return np.fromiter(items, np.int64, len(items))


def _parts(geometry: _Geometry, matrix: F64, indices: list[int], materials: list[RawMaterial]) -> list[RawPart]:
    """One part per material, in world space.

    Vertex colours count only where there is no diffuse map: modelling tools do not show them over
    one, and they often hold masks.
    """
    parts = []
    for slot in np.unique(geometry.face_material):
        corners = (3 * np.flatnonzero(geometry.face_material == slot)[:, None] + np.arange(3)).reshape(-1)
        material = indices[slot] if 0 <= slot < len(indices) else -1
        mapped = material >= 0 and "base_color" in materials[material].textures
        colors = None if mapped else geometry.colors
        # Shared here rather than by the parent: three quarters of a corner soup need not cross to it.
        columns = [a[corners] for a in (geometry.normals, *geometry.uv_sets, colors) if a is not None]
        first, number = unique_rows([geometry.vertex[corners].astype(np.uint32), *columns])
        kept = corners[first]
        part = RawPart(geometry.values[geometry.vertex[kept]], number.reshape(-1, 3), material,
                       None if geometry.normals is None else geometry.normals[kept].astype(np.float64),
                       tuple(uv[kept].astype(np.float64) for uv in geometry.uv_sets),
                       None if colors is None else colors[kept].astype(np.float64))
        parts.append(transform_part(part, matrix))
    return parts


def _matrix(columns: Any) -> F64:
    """4×4 of ufbx's 3×4 column tuple."""
    matrix = np.eye(4)
    matrix[:3, :] = np.array(columns, np.float64).T
    return matrix


def _camera(node: Any) -> EmbeddedCamera | None:
    """With ``target_camera_axes`` the camera looks down -Z, as in glTF."""
    camera = pin(node.camera)
    if camera is None or int(camera.projection_mode) != 0:
        return None
    world = _matrix(node.node_to_world)
    lengths = np.linalg.norm(world[:3, :3], axis=0)
    fov = camera.field_of_view_deg
    if not np.isfinite(world).all() or (lengths <= 0).any() or not 0 < fov.y < 180:
        return None
    world[:3, :3] /= lengths
    tangent = camera.field_of_view_tan
    return EmbeddedCamera(str(node.name) or "camera", tuple(tuple(float(x) for x in row) for row in world),
                          float(np.radians(fov.y)), float(tangent.x / tangent.y) if tangent.y else None)
