"""Camera and pose from a silhouette: our mesh in the place of another, the right way round, or a refusal."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.mesh import ingest_file
from pipeline.mesh.types import Front, Material, Mesh
from pipeline.reference import Figure, Hints, Photo, PoseAtlas, Segmentation, front_angle, place, pose_atlas
from pipeline.reference.fit import Fitter, angles_of, turned
from pipeline.reference.outline import MeshOutline, Outline
from pipeline.reference.placement import Placement, facing
from pipeline.reference.points import PointSilhouettes
from pipeline.reference.search import inner_side
from pipeline.referencing import ATLAS_POINTS, DepthRenderer
from tests.conftest import ROOT

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
SIDE = 512
PHOTO = Photo(np.zeros((SIDE, SIDE, 3), np.uint8))
DERBY = ROOT / "examples" / "catalogue" / "derby-brown"


@pytest.fixture(scope="module")
def shoe() -> Mesh:
    [file] = [path for path in DERBY.iterdir() if path.suffix in (".glb", ".gltf", ".fbx", ".obj")]
    return ingest_file(Path(file)).mesh


class Seen:
    """One mesh as a camera sees it, and what its placement needs."""

    def __init__(self, mesh: Mesh, *, partners: bool = False) -> None:
        self.mesh, self._partners, self._renderer = mesh, partners, DepthRenderer(mesh)

    @cached_property
    def atlas(self) -> PoseAtlas:
        return pose_atlas(self.mesh, PointSilhouettes(self.mesh, ATLAS_POINTS).draw, partners=self._partners)

    def draw(self, view: F64, lens: F64, side: int) -> F32:
        return self._renderer.draw(view, lens, side)

    def depth(self, view: F64) -> F32:
        """(SIDE, SIDE) by the lens of ``PHOTO``."""
        return self.draw(view, np.diag([2 * PHOTO.focal_px / SIDE, 2 * PHOTO.focal_px / SIDE, 1.0, 0.0]), SIDE)

    def figure(self, view: F64) -> Figure:
        return Figure(np.isfinite(self.depth(view)))


def photo_of(*depths: F32) -> Photo:
    """Grey things in the light of a lamp at the upper left, before white."""
    depth = np.minimum.reduce(depths)
    down, right = np.gradient(np.where(np.isfinite(depth), depth, 0.0) * PHOTO.focal_px / float(depth.min()))
    lit = (1.0 + 0.5 * right + 0.7 * down) / np.sqrt(1.0 + right**2 + down**2)
    grey = np.where(np.isfinite(depth), 120.0 + 60.0 * np.clip(lit, -1.0, 1.5), 255.0).astype(np.uint8)
    return Photo(np.repeat(grey[..., None], 3, axis=2))


@pytest.fixture(scope="module")
def ours(shoe: Mesh) -> Seen:
    return Seen(shoe, partners=True)


def view_of(mesh: Mesh, azimuth_deg: float, elevation_deg: float, *, at: tuple[float, float] = (0.0, 0.0),
            mirrored: bool = False) -> F64:
    """4×4 mesh → camera, from first principles: turned about +Y, tilted, pushed away by 7 radii."""
    low, high = (np.asarray(bound, np.float64) for bound in mesh.bounds)
    centre, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    a, e = math.radians(-azimuth_deg), math.radians(elevation_deg)
    around = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    tilt = np.array([[1, 0, 0], [0, math.cos(e), -math.sin(e)], [0, math.sin(e), math.cos(e)]])
    linear = tilt @ around @ (np.diag([1.0, 1.0, -1.0]) if mirrored else np.eye(3))
    view = np.eye(4)
    view[:3, :3] = linear
    view[:3, 3] = np.array([at[0] * radius, at[1] * radius, -7 * radius]) - linear @ centre
    return view


def placed(ours: Seen, *views: F64, old: Seen | None = None, hints: Hints | None = None, pairs: bool = True
           ) -> Placement:
    """Ours in a photo of ``old``, or of itself."""
    depths = [(old or ours).depth(view) for view in views]
    return placed_in(ours, photo_of(*depths), *(Figure(np.isfinite(depth)) for depth in depths), hints=hints,
                     pairs=pairs)


def placed_in(ours: Seen, photo: Photo, *figures: Figure, hints: Hints | None = None, pairs: bool = True) -> Placement:
    return place(ours.mesh, MeshOutline(ours.mesh), ours.atlas, ours.draw, photo, Segmentation(figures, 50.0),
                 hints or Hints(), pairs=pairs)


def turned_by(placement: Placement, number: int, view: F64) -> float:
    """Degrees between the solved orientation and the true one, mirror included."""
    solved = np.asarray(placement.chosen[number].view)[:3, :3]
    cosine = (np.trace(solved @ view[:3, :3].T) - 1) / 2
    return math.degrees(math.acos(max(-1.0, min(1.0, float(cosine)))))


@given(st.floats(-math.pi, math.pi), st.floats(-0.2, 1.5), st.floats(-0.3, 0.3))
def test_angles_are_those_of_their_rotation(azimuth: float, elevation: float, tilt: float) -> None:
    rotation = turned(azimuth, elevation, tilt)
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.allclose(turned(*angles_of(rotation)), rotation)


def test_an_outline_knows_how_far_away_everything_is() -> None:
    disc = np.hypot(*(np.mgrid[:SIDE, :SIDE] + 0.5 - 300.0)) < 80
    outline = Outline.of(Figure(disc))
    radius = 80 / outline.unit
    angles = np.linspace(0, 2 * math.pi, 50)
    for share in (0.5, 1.0, 1.2, 3.0):
        points = share * radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        away, slope = outline.away(points)
        assert away == pytest.approx((share - 1.0) * radius, abs=0.03 * radius + 0.1 * max(0.0, share - 1.2))
        if share < 1.5:
            assert (slope * points).sum(axis=1) == pytest.approx(share * radius, rel=0.06)
    assert (outline.normals * outline.points).sum(axis=1) == pytest.approx(radius, rel=0.06)
    assert outline.mask(100).mean() * (2 * outline.reach) ** 2 == pytest.approx(1.0, abs=0.03)


def test_a_mesh_s_outline_is_its_silhouette_s(shoe: Mesh) -> None:
    mesh = MeshOutline(shoe)
    seen = (mesh.points @ turned(0.4, 0.5, 0.0).T.astype(np.float32))[:, :2]
    rim = seen[mesh.seen(seen, 1.2)]
    hull = cv2.convexHull(seen.astype(np.float32))
    corners = hull[:, 0]
    nearest = np.linalg.norm(corners[:, None] - rim[None], axis=2).min(axis=1)
    assert nearest.max() < 0.03
    inner = [cv2.pointPolygonTest(hull, (float(x), float(y)), True) for x, y in rim]
    assert np.median(inner) < 0.05
    assert len(rim) < 0.02 * len(seen)


@settings(deadline=None)
@given(st.floats(-3.0, 3.0), st.sampled_from([3.0, 9.0, 30.0, 55.0, 75.0, 88.0]), st.floats(-0.2, 0.2),
       st.floats(-3.0, 3.0), st.sampled_from([(0, 1), (0, 0)]))
def test_what_is_unlikely_is_known_with_its_slope(azimuth: float, elevation_deg: float, tilt: float, other: float,
                                                  figures: tuple[int, int]) -> None:
    """A shoe turned a little away from its profile, seen from the side, is one of them; so is a partner in the same
    figure that stands apart."""
    fitter = flat_fitter()
    values = np.array([math.radians(elevation_deg), tilt, 0.05, -0.1, 0.02, azimuth, 0.01, 0.02, 2.0, other, 0.0, 0.1,
                       2.1])
    residuals, slopes = fitter.priors(values, figures)
    step = 1e-6
    moved = np.stack([fitter.priors(values + step * axis, figures)[0] for axis in np.eye(len(values))], axis=1)
    numeric = (moved - residuals[:, None]) / step
    differ = np.abs(numeric - slopes) > 1e-3 * (1.0 + np.abs(slopes))
    differ[-4:-2, 0] = False               # a profile's weight fades with the camera's height, which is not followed
    assert not differ.any()


@pytest.mark.parametrize(("turned_deg", "elevation_deg", "unlikely"), [(0, 5, 0.0), (10, 5, 10 / 14), (80, 5, 2.0),
                                                                       (10, 40, 0.0)])
def test_a_shoe_from_the_side_is_seen_in_profile(turned_deg: float, elevation_deg: float, unlikely: float) -> None:
    at = np.array([math.radians(elevation_deg), 0.0, 0.0, 0.0, 0.0, math.radians(turned_deg), 0.0, 0.0, 2.0])
    residuals, _ = flat_fitter().priors(at, [0])
    assert residuals[-1] == pytest.approx(unlikely)


@cache
def flat_fitter() -> Fitter:
    """Of two discs in a photo, for a box whose front is +x."""
    discs = [Figure(np.hypot(*(np.mgrid[:SIDE, :SIDE] - np.array([SIDE / 2, x])[:, None, None])) < 60)
             for x in (150.0, 350.0)]
    box = long_box(Front("+x", 1.0, "manifest"))
    return Fitter(MeshOutline(box), np.diag([1.0, 1.0, -1.0]), 0, PHOTO, [Outline.of(disc) for disc in discs],
                  (-5.0, 90.0))


def longer(shoe: Mesh, factor: float) -> Mesh:
    axis = 0 if (shoe.front.axis or "")[1] == "x" else 2
    scale = np.ones(3, np.float32)
    scale[axis] = factor
    return replace(shoe, positions=shoe.positions * scale)


@pytest.mark.parametrize("factor", [0.9, 1.12])
@pytest.mark.parametrize(("azimuth", "elevation"), [(20, 84), (215, 35), (140, 30)])
def test_a_longer_shoe_s_place_is_taken_without_leaning(shoe: Mesh, ours: Seen, factor: float, azimuth: float,
                                                        elevation: float) -> None:
    """Ours, leaned until its outline is as long as the old one's, would fill the place better: it is not."""
    old = longer(shoe, factor)
    view = view_of(old, azimuth, elevation)
    found = placed(ours, view, old=Seen(old))
    assert found.problem is None
    assert turned_by(found, 0, view) < 10


@pytest.mark.parametrize(("azimuth", "elevation", "at"), [
    (20, 80, (0.9, -0.6)), (215, 84, (0, 0)), (130, 30, (-1, 0.4)), (310, 42, (0, 0))])
def test_its_own_silhouette_is_solved(shoe: Mesh, ours: Seen, azimuth: float, elevation: float,
                                      at: tuple[float, float]) -> None:
    view = view_of(shoe, azimuth, elevation, at=at)
    found = placed(ours, view)
    assert found.problem is None
    assert not found.chosen[0].mirrored
    assert found.iou > 0.95
    assert turned_by(found, 0, view) < 12


def test_a_pair_is_a_left_and_a_right_shoe(shoe: Mesh, ours: Seen) -> None:
    left, right = view_of(shoe, 95, 82, at=(-0.6, 0), mirrored=True), view_of(shoe, 85, 82, at=(0.6, 0))
    found = placed(ours, left, right)
    assert found.problem is None
    assert [pose.mirrored for pose in found.chosen] == [True, False]
    assert max(turned_by(found, 0, left), turned_by(found, 1, right)) < 20
    # At azimuth 90 a front along +x points at the lower edge of a plan view.
    assert front_angle(found.chosen[1], shoe) == pytest.approx(185 if shoe.front.axis == "+x" else 95, abs=12)


def test_a_pair_whose_fronts_point_apart_is_asked_for(shoe: Mesh, ours: Seen) -> None:
    """Such photos are taken, but more often one of two shoes was turned round by its shadow."""
    views = view_of(shoe, 275, 82, at=(-0.6, 0), mirrored=True), view_of(shoe, 85, 82, at=(0.6, 0))
    found = placed(ours, *views)
    assert found.answer.odd
    assert found.problem is not None
    assert found.problem.code == "pose_ambiguous"
    front = front_angle(found.chosen[0], shoe)
    assert front is not None
    told = placed(ours, *views, hints=Hints(toe_direction=front))
    assert told.problem is None
    assert max(turned_by(told, number, view) for number, view in enumerate(views)) < 20


def test_a_pair_of_which_no_front_is_known_is_no_odd_one(shoe: Mesh) -> None:
    blind = Seen(replace(shoe, front=Front()), partners=True)
    left, right = view_of(shoe, 95, 82, at=(-0.6, 0), mirrored=True), view_of(shoe, 85, 82, at=(0.6, 0))
    assert not placed(blind, left, right).answer.odd


def touching_pair(shoe: Mesh, azimuth_deg: float, elevation_deg: float) -> list[F64]:
    """Views of a shoe and of its partner beside it: nearly parallel, so near that one hides some of the other."""
    inside = inner_side(shoe)
    assert inside.any()
    low, high = (np.asarray(bound, np.float64) for bound in shoe.bounds)
    first = view_of(shoe, azimuth_deg, elevation_deg)
    partner = view_of(shoe, azimuth_deg + 5.0, elevation_deg, mirrored=True)
    partner[:3, 3] += first[:3, :3] @ (inside * 1.4 * float((high - low) @ np.abs(inside)))
    return [first, partner]


def in_one_figure(ours: Seen, views: list[F64]) -> tuple[Photo, Figure]:
    depths = [ours.depth(view) for view in views]
    return photo_of(*depths), Figure(np.asarray(np.isfinite(depths).any(axis=0)))


@pytest.mark.parametrize(("azimuth", "elevation"), [(30, 30), (140, 36), (-60, 26), (-150, 42)])
def test_a_pair_in_one_outline_is_taken_apart(shoe: Mesh, ours: Seen, azimuth: float, elevation: float
                                              ) -> None:
    views = touching_pair(shoe, azimuth, elevation)
    photo, together = in_one_figure(ours, views)
    count, *_ = cv2.connectedComponents(together.mask.astype(np.uint8))
    assert count == 2                      # the ground and one figure
    found = placed_in(ours, photo, together)
    assert found.problem is None
    assert sorted(pose.mirrored for pose in found.chosen) == [False, True]
    by_foot = {pose.mirrored: np.asarray(pose.view) for pose in found.chosen}
    for mirrored, view in zip((False, True), views, strict=True):
        cosine = (np.trace(by_foot[mirrored][:3, :3] @ view[:3, :3].T) - 1) / 2
        assert math.degrees(math.acos(min(1.0, float(cosine)))) < 12
    x = [pose.view[0][3] / -pose.view[2][3] for pose in found.chosen]
    assert x[0] < x[1]                     # from left to right, as figures are


def test_a_shoe_alone_is_no_pair(shoe: Mesh, ours: Seen) -> None:
    longer_one = Seen(longer(shoe, 1.15))
    for azimuth in (20, 110, 250):
        assert len(placed(ours, view_of(shoe, azimuth, 34), old=longer_one).chosen) == 1


def test_a_pair_in_one_outline_may_be_ruled_out(shoe: Mesh, ours: Seen) -> None:
    views = touching_pair(shoe, 30, 30)
    photo, together = in_one_figure(ours, views)
    alone = placed_in(ours, photo, together, hints=Hints(pair=False))
    assert len(alone.chosen) == 1
    assert alone.problem is not None


def test_a_hint_turns_the_answer_round(shoe: Mesh, ours: Seen) -> None:
    view = view_of(shoe, 20, 82)
    free = placed(ours, view)
    front = front_angle(free.chosen[0], shoe)
    assert front is not None
    told = placed(ours, view, hints=Hints(toe_direction=(front + 180) % 360))
    other = front_angle(told.chosen[0], shoe)
    assert other is not None
    assert abs((other - front) % 360 - 180) < 50
    assert told.iou < free.iou


def test_a_view_is_kept_to(shoe: Mesh, ours: Seen) -> None:
    found = placed(ours, view_of(shoe, 130, 30), hints=Hints(view="top"))
    assert all(pose.elevation_deg > 45 for pose in found.candidates[0])


def test_another_shape_is_refused(ours: Seen) -> None:
    disc = np.hypot(*(np.mgrid[:SIDE, :SIDE] - SIDE / 2)) < 90
    found = placed_in(ours, PHOTO, Figure(disc))
    assert found.problem is not None
    assert found.problem.code == "pose_unsure"


def bare(points: NDArray[np.floating], faces: NDArray[np.integer], front: Front) -> Mesh:
    """A mesh of nothing but triangles."""
    return Mesh(np.asarray(points, np.float32), np.tile(np.array([0, 1, 0], np.float32), (len(points), 1)), (),
                np.asarray(faces, np.uint32), np.zeros(len(faces), np.uint16), np.zeros(len(faces), np.uint32),
                (Material("plain"),), front)


def long_box(front: Front) -> Mesh:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    size = np.array([0.15, 0.04, 0.05], np.float32)
    faces = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6),
             (0, 6, 4), (1, 5, 7), (1, 7, 3)]
    return bare(corners * size, np.array(faces), front)


def in_its_place(box: Mesh, azimuth: float, elevation: float) -> Placement:
    return placed(Seen(box), view_of(box, azimuth, elevation), pairs=False)


def test_two_opposite_answers_are_refused() -> None:
    """A box looks alike from both ends: where nobody says which is its front, only its owner can tell."""
    found = in_its_place(long_box(Front()), 25, 35)
    assert found.iou > 0.95
    assert found.problem is not None
    assert found.problem.code == "pose_ambiguous"
    assert "toe_direction" in found.problem.hint


@pytest.mark.parametrize("azimuth", [25, 205])
def test_what_looks_alike_from_behind_shows_its_front(azimuth: float) -> None:
    box = long_box(Front("+z", 1.0, "manifest"))
    found = in_its_place(box, azimuth, 35)
    assert found.problem is None
    assert found.chosen[0].azimuth_deg == pytest.approx(25, abs=6)
    assert facing(found.chosen[0], box) > 0.5


def solid(*parts: trimesh.Trimesh) -> Mesh:
    return bare(*trimesh.util.append_faces([part.vertices for part in parts], [part.faces for part in parts]),
                Front("+z", 1.0, "manifest"))


def turned_body(*profile: tuple[float, float]) -> trimesh.Trimesh:
    """A body of revolution around +Y through (radius, height) points."""
    body = trimesh.creation.revolve(np.array([(0.0, profile[0][1]), *profile, (0.0, profile[-1][1])]), sections=64)
    body.vertices = body.vertices[:, [0, 2, 1]] * np.array([1.0, 1.0, -1.0])   # its axis is +z
    return body


def mug(reach: float) -> Mesh:
    """With a handle along +X that is ``reach`` of the body's radius wide."""
    handle = trimesh.creation.box((reach * 0.04, 0.05, 0.012))
    handle.apply_translation((0.04 + reach * 0.02 - 0.004, 0.045, 0.0))
    return solid(turned_body((0.04, 0.0), (0.04, 0.09)), handle)


@pytest.mark.parametrize("elevation", [5, 30])
def test_a_bottle_of_other_shoulders_is_seen_from_the_same_height(elevation: float) -> None:
    """Shoulders that slope where ours are straight look like a camera further up; the disc it stands on tells."""
    ours = solid(turned_body((0.035, 0.0), (0.035, 0.19), (0.013, 0.2), (0.013, 0.24)))
    old = solid(turned_body((0.037, 0.0), (0.037, 0.1), (0.015, 0.17), (0.011, 0.2), (0.011, 0.23)))
    assert MeshOutline(ours).broadside is None
    found = placed(Seen(ours), view_of(old, 0, elevation), old=Seen(old), pairs=False)
    assert abs(found.chosen[0].elevation_deg - elevation) < 8


@pytest.mark.parametrize(("azimuth", "shows"), [(0.0, True), (40.0, True), (90.0, False), (-90.0, False)])
def test_a_handle_that_is_behind_or_in_front_of_its_mug_tells_nothing(azimuth: float, *, shows: bool) -> None:
    ours = mug(1.6)
    found = placed(Seen(ours), view_of(ours, azimuth, 14), pairs=False)
    assert (found.answer.handle_shown > 0.07) is shows
    assert shows or found.problem is not None


def test_a_box_has_no_handle() -> None:
    assert MeshOutline(mug(1.6)).handle.any()
    assert not MeshOutline(long_box(Front("+x", 1.0, "manifest"))).handle.any()


def test_a_mug_from_the_side_may_have_a_longer_handle_or_be_turned() -> None:
    """Its owner has to say; from above the handle points somewhere whatever its reach."""
    ours, old = mug(0.8), mug(1.0)
    broadside = MeshOutline(ours).broadside
    assert broadside is not None
    assert math.sin(broadside) == pytest.approx(0.0, abs=0.01)
    own, other = Seen(ours), Seen(old)
    alone, told = (placed(own, view_of(old, 20, 5), old=other, pairs=False, hints=hints)
                   for hints in (None, Hints(view="side")))
    from_above = placed(own, view_of(old, 20, 80), old=other, pairs=False)
    assert alone.problem is not None
    assert alone.problem.code == "pose_ambiguous"
    assert told.problem is None
    assert from_above.problem is None
    assert turned_by(from_above, 0, view_of(old, 20, 80)) < 10
