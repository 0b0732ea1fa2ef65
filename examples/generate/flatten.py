"""Flattening a curved surface into a pattern with little distortion, as a pattern cutter does with tape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import splu

F64 = NDArray[np.float64]


def as_rigid_as_possible(points: F64, triangles: NDArray[np.int64], start: F64, rounds: int = 25) -> F64:
    """Flatten a disc-like mesh by local/global iteration.

    Liu, Zhang, Xu, Gotsman, Gortler: "A Local/Global Approach to Mesh Parameterization", SGP 2008,
    with rotations only (ARAP): each triangle keeps its lengths as far as its neighbours let it.

    ``points`` (V, 3), ``triangles`` (T, 3), ``start`` (V, 2) a first guess without fold-overs.
    Returns (V, 2) in the unit of ``points``, centred and turned as the guess was.
    """
    a, b, c = (points[triangles[:, k]] for k in range(3))
    local = np.zeros((len(triangles), 3, 2))
    base = np.linalg.norm(b - a, axis=1)
    axis = (b - a) / base[:, None]
    local[:, 1, 0] = base
    local[:, 2, 0] = np.einsum("ij,ij->i", c - a, axis)
    local[:, 2, 1] = np.linalg.norm((c - a) - local[:, 2, 0, None] * axis, axis=1)
    # The guess may be mirrored against the triangles' own winding; keep the guess's hand.
    first = start[triangles]
    area = _cross(first[:, 1] - first[:, 0], first[:, 2] - first[:, 0]).sum()
    if area < 0:
        local[..., 1] *= -1

    rows, cols, weights, edges = [], [], [], []
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        p, q = local[:, i] - local[:, k], local[:, j] - local[:, k]
        cotangent = np.maximum((p * q).sum(axis=1) / np.maximum(np.abs(_cross(p, q)), 1e-9), 1e-3)
        rows.append(triangles[:, i])
        cols.append(triangles[:, j])
        weights.append(cotangent)
        edges.append(local[:, i] - local[:, j])
    row, col, weight = np.concatenate(rows), np.concatenate(cols), np.concatenate(weights)
    edge = np.concatenate(edges)
    owner = np.tile(np.arange(len(triangles)), 3)
    count = len(points)
    laplacian = csr_matrix((np.concatenate([weight, weight, -weight, -weight]),
                            (np.concatenate([row, col, row, col]), np.concatenate([row, col, col, row]))),
                           shape=(count, count))
    anchor = csr_matrix(([1.0], ([0], [0])), shape=(count, count))
    solver = splu((laplacian + anchor).tocsc())

    flat = start.copy()
    for _ in range(rounds):
        moved = flat[row] - flat[col]
        # Best rotation of each triangle: the angle of Σ w · conj(edge) · moved.
        real = np.bincount(owner, weight * (edge * moved).sum(axis=1))
        imaginary = np.bincount(owner, weight * _cross(edge, moved))
        length = np.maximum(np.hypot(real, imaginary), 1e-12)
        cosine, sine = (real / length)[owner], (imaginary / length)[owner]
        turned = np.stack([cosine * edge[:, 0] - sine * edge[:, 1], sine * edge[:, 0] + cosine * edge[:, 1]], axis=1)
        target = np.zeros((count, 2))
        for d in range(2):
            target[:, d] = (np.bincount(row, weight * turned[:, d], count)
                            - np.bincount(col, weight * turned[:, d], count))
        target[0] += flat[0]
        flat = solver.solve(target)
    return _aligned(flat, start)


def _aligned(flat: F64, start: F64) -> F64:
    """Turn ``flat`` onto ``start`` (Kabsch), so that a pattern lies the way its shoe stands."""
    p, q = flat - flat.mean(axis=0), start - start.mean(axis=0)
    angle = np.arctan2(_cross(p, q).sum(), (p * q).sum())
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    result: F64 = p @ rotation.T + start.mean(axis=0)
    return result


def _cross(a: F64, b: F64) -> F64:
    result: F64 = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return result
