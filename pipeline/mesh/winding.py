"""Winding and normals that point outwards together, decided for every connected part by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.normals import cross
from pipeline.mesh.topology import Topology, patches_of
from pipeline.mesh.weld import I64, components

Bools = NDArray[np.bool_]
F64 = NDArray[np.float64]
_DISAGREE = 0.02     # share of triangles whose normals may point against their winding unremarked
_OPEN = 0.02         # share of edges that may be open where the whole mesh still tells inside from outside
_MAX_NESTED = 256    # inside-out parts that are tested for lying within another
_SAMPLES = 5         # vertices of a part that vote on where it lies
_MAX_ANGLES = 50_000_000  # triangles looked at for that in all


@dataclass(frozen=True)
class Turns:
    """(T,) triangles to wind the other way, and triangles whose given normals are to point the other way."""

    winding: Bools
    normals: Bools


def tetra_volumes(positions: NDArray[Any], triangles: I64) -> F64:
    """(T,) signed volume between each triangle and the vertices' mean; their sum is the enclosed volume."""
    centred = positions - positions.mean(axis=0)
    a, b, c = (centred[triangles[:, k]] for k in range(3))
    return np.asarray(np.einsum("tk,tk->t", a, cross(b, c)), np.float64) / 6


def decide_turns(positions: NDArray[Any], triangles: I64, vectors: NDArray[Any], topology: Topology, bodies: I64,
                 normals: NDArray[Any] | None, warnings: list[str]) -> Turns:
    """Which triangles and normals to turn.

    ``vectors`` (T, 3): the triangles' area vectors. ``normals`` (V, 3): unit, zero where the file has none.
    Where most normals of a part oppose its winding, the enclosed volume says which of the two is right; an
    open part trusts its normals. A closed part that is inside out is turned, unless it lies within another:
    then it is the wall of a cavity.
    """
    count = len(triangles)
    facing = np.zeros(count) if normals is None else np.einsum(
        "tk,tk->t", normals[triangles[:, 0]] + normals[triangles[:, 1]] + normals[triangles[:, 2]], vectors)
    volumes = tetra_volumes(positions, triangles)
    uneven = topology.manifold & ~topology.opposed
    whole = np.bincount(bodies, volumes)
    still = np.zeros(count, bool)
    if not uneven.any() and not (facing < 0).any() and (whole >= -1e-9 * np.abs(volumes).sum()).all():
        return Turns(still, still)
    patch = patches_of(topology)
    area = np.sqrt(np.einsum("tk,tk->t", vectors, vectors)).astype(np.float64)
    turned = _even_out(topology, patch, uneven, area, facing, warnings) if uneven.any() else still
    against = np.where(turned, facing > 0, facing < 0)
    total = np.bincount(patch, area)
    share = np.bincount(patch, area * against) / np.where(total > 0, total, 1.0)
    volume = np.asarray(np.bincount(patch, np.where(turned, -volumes, volumes)), np.float64)
    # A lining is all but closed and faces inwards rightly. So one part must be closed without a gap to be
    # called inside out; parts with gaps only are where the mesh as a whole is inside out.
    closed = _closed(topology, patch, _OPEN if volume.sum() < 0 and len(topology.boundary) <= _OPEN * topology.edges
                     else 0.0)
    opposed = share > 0.5
    inward = closed & (volume < -1e-9 * np.abs(volumes).sum())
    inside_out = inward & ~opposed
    inside_out[_cavities(positions, triangles, patch, np.flatnonzero(inside_out), volume)] = False
    wrong_normals = opposed & closed & ~inward
    turn_winding = (opposed & ~wrong_normals) | inside_out
    turn_normals = wrong_normals | inside_out
    _say(patch, opposed & ~wrong_normals, "the triangles", "wind against their normals and are turned", warnings)
    _say(patch, wrong_normals, "the normals", "point inwards and are turned", warnings)
    _say(patch, inside_out, "the mesh", "is inside out and is turned", warnings)
    left = float((against & ~opposed[patch]).mean())
    if left > _DISAGREE:
        warnings.append(f"normals point against the winding on {left:.0%} of the triangles")
    return Turns(turned ^ turn_winding[patch], turn_normals[patch])


def _say(patch: I64, which: Bools, whole: str, what: str, warnings: list[str]) -> None:
    if which.all():
        warnings.append(f"{whole} {what}")
    elif which.any():
        parts = int(which.sum())
        subject = whole if whole != "the mesh" else "a part of the mesh"
        warnings.append(f"in {parts:,} of {len(which):,} parts ({int(which[patch].sum()):,} triangles) {subject} "
                        f"{what}")


def _even_out(topology: Topology, patch: I64, uneven: Bools, area: F64, facing: F64, warnings: list[str]) -> Bools:
    """(T,) triangles to turn so that neighbours agree, the larger side of every patch staying as it is.

    In the double cover each triangle stands once as it is and once turned; an orientable patch falls apart
    into its two orientations. Normals that agree with an uneven winding speak for it: it is left.
    """
    count = len(patch)
    one, two = topology.one[topology.manifold] // 3, topology.two[topology.manifold] // 3
    cross_over = uneven[topology.manifold] * count
    cover = components(2 * count, np.concatenate([one, one + count]),
                       np.concatenate([two + cross_over, two + count - cross_over]))
    _, lead = np.unique(patch, return_index=True)
    turned = cover[:count] != cover[lead][patch]
    two_sided = (cover[lead] != cover[lead + count])[patch]
    turned &= two_sided
    heavy = np.bincount(patch, area * turned) > np.bincount(patch, area) / 2
    turned = np.where(heavy[patch] & two_sided, ~turned, turned)

    def disagreement(against: Bools) -> F64:
        opposed, agreed = np.bincount(patch, area * against), np.bincount(patch, area * ~against * (facing != 0))
        return np.minimum(opposed, agreed)

    known = np.bincount(patch, area * (facing != 0)) > 0
    better = disagreement(np.where(turned, facing > 0, facing < 0)) < disagreement(facing < 0)
    turned &= (better | ~known)[patch]
    if turned.any():
        warnings.append(f"{int(turned.sum()):,} triangles wind against their neighbours and are turned")
    if not two_sided.all():
        warnings.append("part of the surface has one side only (a Möbius strip); its winding is left")
    return np.asarray(turned)


def _closed(topology: Topology, patch: I64, gaps: float) -> Bools:
    """(P,) at most this share of the patch's edges is open; one with three or more triangles counts as open to each."""
    edges = np.bincount(patch, minlength=int(patch.max()) + 1) * 3
    inner = np.bincount(patch[topology.one[topology.manifold] // 3], minlength=len(edges)) * 2
    return np.asarray(edges - inner <= gaps * edges)


def _cavities(positions: NDArray[Any], triangles: I64, patch: I64, suspects: I64, volume: F64) -> I64:
    """Those of the inside-out patches that lie within larger ones, by their winding number (Jacobson 2013)."""
    if not len(suspects):
        return suspects
    budget = _MAX_ANGLES
    found = []
    for suspect in suspects[np.argsort(-np.abs(volume[suspects]))][:_MAX_NESTED]:
        others = np.abs(volume) > abs(volume[suspect])
        around = others[patch]
        budget -= _SAMPLES * int(around.sum())
        if not around.any() or budget < 0:
            continue
        own = np.unique(triangles[patch == suspect])
        points = positions[own[np.linspace(0, len(own) - 1, _SAMPLES).astype(np.int64)]]
        sign = np.sign(volume)[patch[around]]
        votes = [abs(float((_solid_angles(positions, triangles[around], point) * sign).sum())) > 2 * np.pi
                 for point in points]
        if sum(votes) > _SAMPLES / 2:
            found.append(suspect)
    return np.array(found, np.int64)


def _solid_angles(positions: NDArray[Any], triangles: I64, point: NDArray[Any]) -> F64:
    """(T,) signed solid angle of each triangle seen from a point (Van Oosterom and Strackee 1983)."""
    a, b, c = (positions[triangles[:, k]].astype(np.float64) - point for k in range(3))
    la, lb, lc = (np.sqrt(np.einsum("tk,tk->t", v, v)) for v in (a, b, c))
    below = (la * lb * lc + np.einsum("tk,tk->t", a, b) * lc + np.einsum("tk,tk->t", b, c) * la
             + np.einsum("tk,tk->t", c, a) * lb)
    return np.asarray(2 * np.arctan2(np.einsum("tk,tk->t", a, cross(b, c)), below))
