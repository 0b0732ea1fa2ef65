"""One picture to be taken, as plain data. Renderers draw it; neither knows of the other.

    scene = compose(mesh, shot, textures)
    passes = Renderer().draw(scene)            # OpenGL
    truth = pathtrace.trace(scene, ...)        # Mitsuba
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Instance, Region, Shot
from pipeline.errors import RenderError
from pipeline.mesh.types import Mesh
from pipeline.render.camera import Target, solve_camera, world_points
from pipeline.render.framing import region_target
from pipeline.render.heading import Heading
from pipeline.render.stage import Stage
from pipeline.render.stages import stage_of_shot
from pipeline.render.textures import Textures
from pipeline.render.types import CameraMatrices

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placement:
    """The product's place in the world."""

    points: F64                            # (N, 3) outermost points
    centre: F64                            # on the floor, below the product's middle
    size: float                            # metres: the largest of its sides


@dataclass(frozen=True, slots=True)
class Scene:
    """Mesh, materials, stage, lights and camera of one shot."""

    shot: Shot
    mesh: Mesh
    textures: Textures
    placement: Placement
    stage: Stage
    heading: Heading                       # how the stage is turned
    camera: CameraMatrices

    @property
    def instances(self) -> tuple[Instance, ...]:
        return self.shot.instances

    @property
    def stage_to_world(self) -> F64:
        """4×4: stage axes and product sizes → world metres."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.placement.size * self.heading.axes.T
        matrix[:3, 3] = self.placement.centre
        return matrix


def place(mesh: Mesh, instances: tuple[Instance, ...]) -> Placement:
    points = world_points(mesh, instances)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    return Placement(points, np.array([middle[0], low[1], middle[2]]), float((high - low).max()))


def compose(mesh: Mesh, shot: Shot, textures: Textures, region: Region | None = None, *,
            stage: Stage | None = None, placement: Placement | None = None) -> Scene:
    """The scene of one shot. ``region``: what the shot frames, where it frames one.

    ``stage`` replaces the one the shot names; ``placement`` spares its computation.
    Raises RenderError ``stage_unknown``, ``camera_unknown``, ``region_not_found``, ``shot_empty`` or
    ``shot_unframeable``.
    """
    stage = stage_of_shot(shot) if stage is None else stage
    placement = place(mesh, shot.instances) if placement is None else placement
    camera = solve_camera(mesh, shot, _target(mesh, shot, region, placement))
    return Scene(shot, mesh, textures, placement, stage, Heading.of(camera.view[:3, :3]), camera)


def cropped(scene: Scene, rows: slice, columns: slice) -> Scene:
    """The scene through a window of whole pixels, which fills the new picture."""
    width, height = columns.stop - columns.start, rows.stop - rows.start
    shot = scene.shot
    lens = np.diag([shot.width / width, shot.height / height, 1.0, 1.0])
    lens[0, 3] = lens[0, 0] - (columns.start + columns.stop) / width
    lens[1, 3] = (rows.start + rows.stop) / height - lens[1, 1]
    return replace(scene, shot=replace(shot, width=width, height=height),
                   camera=replace(scene.camera, projection=lens @ scene.camera.projection))


def _target(mesh: Mesh, shot: Shot, region: Region | None, placement: Placement) -> Target:
    if shot.framed_region is None:
        return Target(placement.points, placement.points)
    if region is None:
        raise RenderError("region_not_found", f"Shot {shot.name} frames region {shot.framed_region!r}, which is not "
                          "among the product's regions.", "Check `regions:` in product.yaml.")
    return region_target(mesh, shot.instances, region, placement.points)
