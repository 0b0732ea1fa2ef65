"""Every connected part faces outwards, and what is right already stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.mesh.canonical import assemble
from pipeline.mesh.normals import signed_volume
from pipeline.mesh.raw import RawPart
from pipeline.mesh.uv_overlap import overlapping_uv_share
from tests.mesh_files import box

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def _boxes(*places: tuple[float, float], inverted: tuple[int, ...], with_normals: bool = False) -> RawPart:
    """Boxes at an x, each scaled; those in ``inverted`` are inside out, normals and all."""
    positions, normals, _, triangles = box()
    parts, faces, directions = [], [], []
    for number, (x, scale) in enumerate(places):
        sign = -1 if number in inverted else 1
        parts.append((positions - [0, 0.05, 0]) * scale + [x, 0, 0])
        faces.append(triangles[:, ::sign] + number * len(positions))
        directions.append(normals * sign)
    given = np.concatenate(directions) if with_normals else None
    return RawPart(np.concatenate(parts), np.concatenate(faces), 0, given, indexed=True)



@pytest.mark.parametrize("with_normals", [True, False])
def test_one_inverted_part_is_turned_alone(with_normals: bool) -> None:
    warnings: list[str] = []
    geometry = assemble([_boxes((0, 1), (1, 0.5), (2, 1), inverted=(1,), with_normals=with_normals)], warnings)
    positions, triangles = geometry.positions.astype(float), geometry.triangles.astype(np.int64)
    corners = positions[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    centre = np.round(corners.mean(axis=1)[:, :1]) * [1, 0, 0]
    assert (np.einsum("tk,tk->t", normal, corners.mean(axis=1) - centre) > 0).all()
    assert (np.einsum("tk,tk->t", normal, geometry.normals[triangles].sum(axis=1)) > 0).all()
    assert any("1 of 3 parts (12 triangles)" in warning for warning in warnings)


def test_a_cavity_stays_one() -> None:
    warnings: list[str] = []
    part = _boxes((0, 1), (0, 0.5), inverted=(1,))
    geometry = assemble([part], warnings)
    assert geometry.solid.volume_cm3 == pytest.approx(1200 * (1 - 1 / 8), rel=1e-4)
    assert warnings == []


def test_a_lining_with_an_opening_stays() -> None:
    """An all but closed surface that faces inwards: the inside of a shoe or a bowl beside its outside."""
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 41)[:-1], np.linspace(0.05, np.pi, 40), indexing="ij")
    ball = np.stack([np.sin(height) * np.cos(angle), np.cos(height), np.sin(height) * np.sin(angle)], -1)
    i, j = np.meshgrid(np.arange(40), np.arange(39), indexing="ij")
    a, b = (i * 40 + j).reshape(-1), ((i + 1) % 40 * 40 + j).reshape(-1)
    sheet = np.concatenate([np.stack([a, b, a + 1], 1), np.stack([b, b + 1, a + 1], 1)])[:-40]
    points = ball.reshape(-1, 3)
    if signed_volume(points, sheet) < 0:
        sheet = sheet[:, ::-1]
    both = RawPart(np.concatenate([points, points * 0.9]), np.concatenate([sheet, sheet[:, ::-1] + len(points)]), 0,
                   indexed=True)
    warnings: list[str] = []
    geometry = assemble([both], warnings)
    inner = geometry.positions[geometry.triangles[len(sheet):]].astype(float)
    normal = np.cross(inner[:, 1] - inner[:, 0], inner[:, 2] - inner[:, 0])
    assert (np.einsum("tk,tk->t", normal, inner.mean(axis=1)) <= 0).all()


def test_single_turned_triangles_follow_their_neighbours() -> None:
    part = _boxes((0, 1), inverted=())
    part.triangles[[2, 7]] = part.triangles[[2, 7], ::-1]
    warnings: list[str] = []
    geometry = assemble([part], warnings)
    assert geometry.solid.volume_cm3 == pytest.approx(1200, rel=1e-4)
    assert warnings == ["2 triangles wind against their neighbours and are turned"]


def test_a_moebius_strip_is_left() -> None:
    turn = np.linspace(0, 2 * np.pi, 33)[:-1]
    out = np.stack([np.cos(turn), np.zeros(32), np.sin(turn)], 1)
    half = 0.2 * (np.cos(turn / 2)[:, None] * [0, 1, 0] + np.sin(turn / 2)[:, None] * out)
    points = np.concatenate([out + half, out - half])
    a = np.arange(31)
    strip = np.concatenate([np.stack([a, a + 1, a + 32], 1), np.stack([a + 1, a + 33, a + 32], 1),
                            [[31, 32, 63], [32, 0, 63]]])  # the ends meet the other way round
    warnings: list[str] = []
    geometry = assemble([RawPart(points, strip, 0, indexed=True)], warnings)
    assert not geometry.solid.winding_consistent
    assert any("one side" in warning for warning in warnings)


def test_a_wall_between_two_rooms_has_no_neighbour_to_follow() -> None:
    """Edges of three triangles join nothing."""
    points = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0.2], [-1, 0, -0.2]], float)
    fins = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    warnings: list[str] = []
    assert np.array_equal(assemble([RawPart(points, fins, 0, indexed=True)], warnings).triangles.shape, (3, 3))
    assert warnings == []


def _square(x: float, y: float, size: float, flipped: bool = False) -> F64:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    return (corners[::-1] if flipped else corners) + [x, y]


def _overlap(*squares: F64, layers: tuple[int, ...] | None = None) -> float:
    triangles: I64 = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * i for i in range(len(squares))])
    layer = np.repeat(np.array(layers or (0,) * len(squares)), 2)
    return overlapping_uv_share(np.concatenate(squares), triangles, layer)


def test_overlapping_uvs() -> None:
    whole = _square(0, 0, 0.5)
    assert _overlap(whole, _square(0.5, 0, 0.5)) == 0.0            # an edge in common is no overlap
    assert _overlap(whole, _square(0, 0, 0.5, flipped=True)) == 1.0  # a mirrored half
    assert _overlap(whole, _square(0.25, 0.25, 0.5)) == pytest.approx(0.25, abs=0.01)
    assert _overlap(whole, _square(3, 7, 0.5)) == 1.0              # the same place after wrapping
    assert _overlap(whole, _square(0, 0, 0.5), layers=(0, 1)) == 0.0  # another texture
    assert _overlap(_square(0, 0, 2)) == 1.0                       # tiled
    assert _overlap(_square(0, 0, 1e5)) == 1.0
    assert overlapping_uv_share(None, np.zeros((0, 3), np.int64), np.zeros(0, np.int64)) == 0.0
