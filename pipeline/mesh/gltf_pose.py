"""The pose a file is saved in: morph targets at their default weights, skins at their joints' rest (glTF 2.0 3.7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.gltf_accessors import read_floats, read_matrices
from pipeline.mesh.gltf_container import Document, Json, malformed
from pipeline.mesh.raw import RawPart

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """What shapes one node's mesh: morph weights, and (J, 4, 4) joint matrices where it is skinned."""

    weights: tuple[float, ...] = ()
    joints: F64 | None = None


def pose_of(document: Document, node: Json, worlds: dict[int, F64], warnings: list[str]) -> Pose:
    """The pose of a node that has a mesh; ``worlds``: world matrix of every node of the scene."""
    weights = node.get("weights", document.item("meshes", node.get("mesh")).get("weights", []))
    if not isinstance(weights, list) or not all(isinstance(w, int | float) for w in weights):
        raise malformed(document.context, "morph `weights` are not numbers")
    return Pose(tuple(float(w) for w in weights), _joints(document, node, worlds, warnings))


def _joints(document: Document, node: Json, worlds: dict[int, F64], warnings: list[str]) -> F64 | None:
    """(J, 4, 4) from the mesh's bind space to the scene: each joint's world matrix × its inverse bind matrix."""
    if "skin" not in node:
        return None
    skin = document.item("skins", node["skin"])
    joints = skin.get("joints")
    if not isinstance(joints, list) or not joints:
        raise malformed(document.context, "a skin has no joints")
    for joint in joints:
        document.item("nodes", joint)
    if not all(joint in worlds for joint in joints):
        warnings.append("a skin's joints are not in the scene; its mesh stays where its node is")
        return None
    matrices = np.stack([worlds[joint] for joint in joints])
    if "inverseBindMatrices" in skin:
        inverse = read_matrices(document, skin["inverseBindMatrices"])
        if len(inverse) < len(joints):
            raise malformed(document.context, "a skin has fewer matrices than joints")
        matrices = matrices @ inverse[:len(joints)]
    return matrices


def morphed(document: Document, part: RawPart, targets: Any, weights: tuple[float, ...]) -> RawPart:
    """``part`` with its morph targets' displacements added by weight."""
    if not isinstance(targets, list):
        raise malformed(document.context, "`targets` is not an array")
    moved = {"POSITION": part.positions, "NORMAL": part.normals}
    for target, weight in zip(targets, weights, strict=False):
        if not isinstance(target, dict):
            raise malformed(document.context, "a morph target is not an object")
        for name, base in moved.items():
            if weight and base is not None and name in target:
                offset = read_floats(document, target[name], (3,))
                if len(offset) != len(base):
                    raise malformed(document.context, "a morph target differs in length from its primitive")
                moved[name] = base + np.float64(weight) * offset
    positions, normals = moved["POSITION"], moved["NORMAL"]
    assert positions is not None
    return replace(part, positions=positions, normals=normals)


def skinned(document: Document, part: RawPart, attributes: Json, joints: F64) -> RawPart | None:
    """``part`` in the rest pose of its skin, in the scene's space; None where no joint is named."""
    sets = [k for k in range(4) if f"JOINTS_{k}" in attributes and f"WEIGHTS_{k}" in attributes]
    if not sets:
        return None
    index = np.concatenate([read_floats(document, attributes[f"JOINTS_{k}"], (4,)) for k in sets], axis=1)
    weight = np.concatenate([read_floats(document, attributes[f"WEIGHTS_{k}"], (4,)) for k in sets], axis=1)
    if len(index) != len(part.positions) or len(weight) != len(part.positions):
        raise malformed(document.context, "a skinned primitive's attributes differ in length")
    used = weight > 0
    if len(index) and not 0 <= float(index.min()) <= float(np.where(used, index, 0).max()) < len(joints):
        raise malformed(document.context, "a vertex names a joint that its skin does not have")
    which = np.where(used, index, 0).astype(np.int64)
    total = weight.sum(axis=1, keepdims=True)
    share = weight / np.where(total > 0, total, 1)
    share[total[:, 0] <= 0, 0] = 1.0
    a, b, c = (joints[:, k, :3] for k in range(3))
    cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    sign = np.where(np.linalg.det(joints[:, :3, :3]) < 0, -1.0, 1.0)
    positions = np.zeros((len(which), 3))
    normals = None if part.normals is None else np.zeros((len(which), 3))
    for k in range(which.shape[1]):
        matrix, scale = joints[which[:, k]], share[:, k, None]
        positions += scale * (np.einsum("vij,vj->vi", matrix[:, :3, :3], part.positions) + matrix[:, :3, 3])
        if normals is not None and part.normals is not None:
            turn: F64 = (cofactors * sign[:, None, None])[which[:, k]]
            normals += scale * np.einsum("vij,vj->vi", turn, part.normals)
    mirrored = bool(len(which)) and float(sign[which[:, 0]].mean()) < 0
    # The file's tangents would need the same blend; the renderer derives them as well from the uv.
    return replace(part, positions=positions, normals=normals, tangents=None,
                   triangles=part.triangles[:, ::-1] if mirrored else part.triangles)
