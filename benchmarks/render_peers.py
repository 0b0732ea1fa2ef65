"""One peer's frame time, in a process of its own: ``python render_peers.py PEER MESH.npz COUNT``.

Runs in the benchmark's own environment (`make bench-render`), so it imports nothing of ours. The mesh
file holds positions, normals, uv, triangles, texture, view, projection and size. For every line read
from stdin COUNT frames are drawn, and their seconds are printed as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ["PYOPENGL_PLATFORM"] = "egl"


def pyrender_frame(data: Any, lit: bool) -> Callable[[], Any]:
    import pyrender
    import trimesh
    from PIL import Image

    width, height = map(int, data["size"])
    visual = trimesh.visual.TextureVisuals(uv=data["uv"] * [1, -1] + [0, 1], image=Image.fromarray(data["texture"]))
    shape = trimesh.Trimesh(data["positions"], data["triangles"], vertex_normals=data["normals"], visual=visual,
                            process=False)
    scene = pyrender.Scene(bg_color=[0, 0, 0, 0], ambient_light=[0.3, 0.3, 0.3])
    scene.add(pyrender.Mesh.from_trimesh(shape, smooth=True))
    pose = np.linalg.inv(data["view"])
    projection = data["projection"]
    near = projection[2, 3] / (projection[2, 2] - 1.0)
    far = projection[2, 3] / (projection[2, 2] + 1.0)
    camera = pyrender.PerspectiveCamera(2.0 * np.arctan(1.0 / projection[1, 1]), znear=near, zfar=far,
                                        aspectRatio=width / height)
    scene.add(camera, pose=pose)
    if lit:
        scene.add(pyrender.DirectionalLight(intensity=3.0), pose=pose)
    renderer = pyrender.OffscreenRenderer(width, height)
    flags = pyrender.RenderFlags.NONE if lit else pyrender.RenderFlags.FLAT
    return lambda: renderer.render(scene, flags=flags)


def pyvista_frame(data: Any) -> Callable[[], Any]:
    import pyvista

    width, height = map(int, data["size"])
    faces = np.concatenate([np.full((len(data["triangles"]), 1), 3), data["triangles"]], axis=1)
    shape = pyvista.PolyData(data["positions"], faces)
    shape.active_texture_coordinates = data["uv"] * [1, -1] + [0, 1]
    plotter = pyvista.Plotter(off_screen=True, window_size=(width, height))
    plotter.add_mesh(shape, texture=pyvista.Texture(data["texture"]), lighting=False)
    view = data["view"]
    eye = -view[:3, :3].T @ view[:3, 3]
    plotter.camera.position = eye
    plotter.camera.focal_point = eye - view[2, :3]
    plotter.camera.up = view[1, :3]
    plotter.camera.view_angle = float(np.degrees(2.0 * np.arctan(1.0 / data["projection"][1, 1])))
    plotter.show(auto_close=False)

    def frame() -> Any:
        plotter.render()
        color = plotter.screenshot(return_img=True)
        depth = plotter.get_image_depth()
        return color, depth

    return frame


FRAMES: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "pyrender flat": lambda data: pyrender_frame(data, lit=False),
    "pyrender lit": lambda data: pyrender_frame(data, lit=True),
    "pyvista": pyvista_frame,
}


def main(peer: str, mesh: str, count: int) -> None:
    with np.load(mesh) as file:
        frame = FRAMES[peer](dict(file))
    color, depth = frame()
    shown = np.isfinite(depth) & (np.abs(depth) > 0)
    print(json.dumps({"covered": float(shown.mean()), "color": float(np.asarray(color)[shown].mean())}), flush=True)
    for _ in sys.stdin:
        seconds = []
        for _ in range(count):
            started = time.perf_counter()
            frame()
            seconds.append(time.perf_counter() - started)
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
