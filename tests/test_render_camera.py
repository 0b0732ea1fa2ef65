"""Framing, orbits and directions. No OpenGL is needed here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalogue import IDENTITY, EmbeddedCameraRef, Instance, OrbitCamera, Region, Shot
from pipeline.errors import RenderError
from pipeline.mesh.types import EmbeddedCamera, Front, Mesh
from pipeline.render.camera import F64, Target, front_direction, project, solve_camera, toe_direction, world_points
from pipeline.render.framing import region_target
from pipeline.render.types import CameraMatrices
from tests.render_meshes import box, shot, sphere

side = st.floats(0.02, 3.0)
FACING_Z = Front("+z", 1.0, "manifest")


def solve(mesh: Mesh, a_shot: Shot) -> CameraMatrices:
    points = world_points(mesh, a_shot.instances)
    return solve_camera(mesh, a_shot, Target(points, points))


def facing(mesh: Mesh, *instances: Instance) -> tuple[F64, bool]:
    return front_direction(mesh, instances, world_points(mesh, instances))


def eye(camera: CameraMatrices) -> np.ndarray:
    return np.linalg.inv(camera.view)[:3, 3]


@settings(max_examples=40, deadline=None)
@given(st.tuples(side, side, side), st.floats(-180, 180), st.floats(-20, 90), st.floats(24, 200), st.floats(0.3, 0.95),
       st.sampled_from([(96, 96), (192, 108), (80, 100)]))
def test_any_box_is_framed(size: tuple[float, float, float], azimuth: float, elevation: float, focal: float,
                           fill: float, frame: tuple[int, int]) -> None:
    mesh = box(size)
    a_shot = shot(frame, azimuth_deg=azimuth, elevation_deg=elevation, focal_mm=focal, fill=fill)
    pixels = project(solve(mesh, a_shot), mesh.positions.astype(float), *frame)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    assert np.all(low >= 0)
    assert np.all(high <= frame)
    assert np.allclose((low + high) / 2, np.array(frame) / 2, atol=0.05)
    assert np.max((high - low) / frame) == pytest.approx(fill, rel=2e-3)


def test_azimuth_zero_looks_at_the_front_and_positive_moves_to_the_products_left() -> None:
    mesh = box((0.2, 0.2, 0.2), front=FACING_Z)
    front = eye(solve(mesh, shot(azimuth_deg=0.0, elevation_deg=0.0)))
    left = eye(solve(mesh, shot(azimuth_deg=90.0, elevation_deg=0.0)))
    assert front[2] > 0.3
    assert abs(front[0]) < 1e-6
    # Facing +Z with +Y up, one's left hand is at +X.
    assert left[0] > 0.3
    assert abs(left[2]) < 1e-6


def test_elevation_is_measured_from_the_horizon() -> None:
    mesh = box((0.2, 0.2, 0.2), front=FACING_Z)
    offset = eye(solve(mesh, shot(azimuth_deg=0.0, elevation_deg=30.0))) - [0.0, 0.1, 0.0]
    assert np.degrees(np.arcsin(offset[1] / np.linalg.norm(offset))) == pytest.approx(30.0, abs=1e-6)


@pytest.mark.parametrize(("azimuth", "elevation", "expected"), [
    (90.0, 0.0, (-1.0, 0.0)), (-90.0, 0.0, (1.0, 0.0)), (90.0, 89.0, (1.0, 0.0)), (0.0, 0.0, None)])
def test_toe_direction(azimuth: float, elevation: float, expected: tuple[float, float] | None) -> None:
    mesh = box(front=FACING_Z)
    a_shot = shot(azimuth_deg=azimuth, elevation_deg=elevation)
    toe = toe_direction(mesh, a_shot, solve(mesh, a_shot))
    assert toe == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_toe_direction_is_unknown_without_a_front() -> None:
    mesh = box()
    a_shot = shot(azimuth_deg=90.0)
    assert toe_direction(mesh, a_shot, solve(mesh, a_shot)) is None


def test_an_unknown_front_is_the_largest_silhouette() -> None:
    direction, known = facing(box((0.1, 0.1, 0.4)), Instance())
    assert not known
    assert abs(direction[0]) == pytest.approx(1.0)


def test_a_round_product_without_front_faces_z() -> None:
    direction, _ = facing(sphere(), Instance())
    assert np.allclose(direction, [0.0, 0.0, 1.0])


def test_a_turned_instance_turns_its_front() -> None:
    quarter = ((0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    direction, known = facing(box(front=FACING_Z), Instance(quarter))
    assert known
    assert np.allclose(direction, [1.0, 0.0, 0.0])


def test_heavy_meshes_are_framed_by_their_outermost_points() -> None:
    mesh = sphere(rings=64)
    points = world_points(mesh, (Instance(),))
    assert len(points) < len(mesh.positions)
    assert np.allclose(points.min(axis=0), mesh.bounds[0], atol=1e-6)
    assert np.allclose(points.max(axis=0), mesh.bounds[1], atol=1e-6)


def test_a_camera_of_the_file_is_used_as_it_is() -> None:
    world = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.05), (0.0, 0.0, 1.0, 2.0), (0.0, 0.0, 0.0, 1.0))
    mesh = replace(box(), cameras=(EmbeddedCamera("side", world, yfov=0.5),))
    for name in ("side", "0"):
        camera = solve(mesh, Shot("test", EmbeddedCameraRef(name), 128, 64))
        assert np.allclose(eye(camera), [0.0, 0.05, 2.0])
        # The upper edge of the picture is half the field of view above the axis.
        edge = project(camera, np.array([[0.0, 0.05 + 2.0 * np.tan(0.25), 0.0]]), 128, 64)
        assert np.allclose(edge, [[64.0, 0.0]], atol=1e-6)


def test_an_unknown_camera_is_named_with_those_there_are() -> None:
    mesh = replace(box(), cameras=(EmbeddedCamera("side", IDENTITY, yfov=0.5),))
    with pytest.raises(RenderError, match="back") as caught:
        solve(mesh, Shot("test", EmbeddedCameraRef("back")))
    assert caught.value.code == "camera_unknown"
    assert "side" in caught.value.hint


def test_a_product_without_size_cannot_be_framed() -> None:
    mesh = box((1e-30, 1e-30, 1e-30))
    with pytest.raises(RenderError) as caught:
        solve(mesh, shot())
    assert caught.value.code == "shot_unframeable"


LABEL = Region("label", "label", "*", polygon=((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)))


def detail(mesh: Mesh, region: Region) -> tuple[CameraMatrices, Target]:
    a_shot = Shot("detail", OrbitCamera(fill=0.6), 100, 100, framed_region=region.name)
    target = region_target(mesh, a_shot.instances, region, world_points(mesh, a_shot.instances))
    return solve_camera(mesh, a_shot, target), target


def test_a_region_is_looked_at_along_its_normal_and_fills_the_frame() -> None:
    # The largest faces of this box are those towards ±Z.
    mesh = box((0.3, 0.2, 0.05), front=FACING_Z)
    camera, target = detail(mesh, LABEL)
    direction = np.linalg.inv(camera.view)[:3, 2]
    assert abs(direction[2]) > 0.99
    pixels = project(camera, target.points, 100, 100)
    assert np.max(np.ptp(pixels, axis=0)) == pytest.approx(60.0, abs=1.0)


def test_a_tiny_region_is_not_approached_beyond_an_eighth_of_the_product() -> None:
    mesh = box((0.3, 0.2, 0.05), front=FACING_Z)
    tiny = replace(LABEL, polygon=((0.5, 0.5), (0.502, 0.5), (0.502, 0.502)))
    camera, target = detail(mesh, tiny)
    centre = target.points.mean(axis=0)
    ends = centre + np.array([[-0.018, 0.0, 0.0], [0.018, 0.0, 0.0]])
    across = project(camera, ends, 100, 100)
    # The frame shows 12 % of 0.3 m: these 36 mm.
    assert abs(across[1, 0] - across[0, 0]) == pytest.approx(100.0, rel=0.05)


def test_a_region_that_no_triangle_shows_is_an_error() -> None:
    with pytest.raises(RenderError) as caught:
        detail(box(), replace(LABEL, material="gold"))
    assert caught.value.code == "region_not_found"


def in_frame(camera: CameraMatrices, target: Target, text: str) -> float:
    """Estimated height of the capitals, px of a 1080 px frame: the label of the tests is a square."""
    pixels = project(camera, target.points, 1080, 1080)
    return replace(LABEL, text=text).cap_height(float(np.ptp(pixels, axis=0).min()))


def test_small_print_is_approached_until_its_capitals_are_20_px_high_even_where_it_overflows() -> None:
    mesh = box((0.3, 0.2, 0.05), front=FACING_Z)
    two, thirty = "ONE\nTWO", "\n".join(["LINE"] * 30)
    far, near = (detail(mesh, replace(LABEL, text=text)) for text in (two, thirty))
    assert in_frame(*detail(mesh, LABEL), two) == pytest.approx(in_frame(*far, two))
    assert in_frame(*far, thirty) < 15.0
    assert in_frame(*near, thirty) == pytest.approx(20.0, rel=0.03)


def test_small_print_is_not_approached_beyond_an_eighth_of_the_product_either() -> None:
    mesh = box((0.3, 0.2, 0.05), front=FACING_Z)
    endless = replace(LABEL, text="\n".join(["LINE"] * 400))
    tiny = replace(LABEL, polygon=((0.5, 0.5), (0.502, 0.5), (0.502, 0.502)))
    (camera, _), (nearest, _) = detail(mesh, endless), detail(mesh, tiny)
    assert np.linalg.norm(np.linalg.inv(camera.view)[:3, 3] - np.linalg.inv(nearest.view)[:3, 3]) < 0.05
    assert np.linalg.inv(camera.view)[2, 3] >= np.linalg.inv(nearest.view)[2, 3] - 1e-6
