"""Frame times beside peers', in one run: ``make bench-render`` (or ``python -m benchmarks.render_speed``).

Colour and depth of the same mesh, camera and size by a bare moderngl draw, by us, by pyrender and by
pyvista, each in a process of its own and in turns, so that a busy machine is busy for all. Then what a
whole shot costs: all passes cold and warm, previews, EXR. ``--memory`` renders 1,000 small shots and
says how the process grew.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import moderngl
import numpy as np

from pipeline.catalogue import OrbitCamera, Shot
from pipeline.mesh.types import Material, Mesh, TextureRef
from pipeline.render import Renderer, Textures, gl_info, preview_images, save_passes
from pipeline.render.camera import Target, solve_camera, world_points
from pipeline.render.context import open_context
from pipeline.render.fast import FastRenderer
from pipeline.render.types import CameraMatrices

SIZE = 1024                # pixels
SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
OURS = ("bare moderngl", "packshot")
PEERS = ("pyrender flat", "pyrender lit", "pyvista")
PEER_PYTHON = Path(".venv-bench/bin/python")
MAP = TextureRef("catalogue", "stripes")
BARE_VERTEX = """#version 330
in vec3 in_position; in vec2 in_uv; out vec2 uv; uniform mat4 clip;
void main() { uv = in_uv; gl_Position = clip * vec4(in_position, 1.0); }
"""
BARE_FRAGMENT = """#version 330
in vec2 uv; uniform sampler2D map; out vec4 color;
void main() { color = texture(map, uv); }
"""


def knobbly_sphere(triangles: int) -> Mesh:
    """A displaced sphere of about so many triangles, 0.3 m across, with uv."""
    rings = round((triangles / 4) ** 0.5)
    theta, phi = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij")
    unit = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], axis=-1)
    radius = 0.15 * (1.0 + 0.08 * np.sin(9 * phi) * np.sin(theta) ** 2 * np.sin(7 * theta))
    row, column = np.meshgrid(np.arange(rings), np.arange(2 * rings), indexing="ij")
    corner = (row * (2 * rings + 1) + column).ravel()
    below = corner + 2 * rings + 1
    faces = np.concatenate([np.stack([corner, corner + 1, below], axis=1),
                            np.stack([corner + 1, below + 1, below], axis=1)])
    # Row by row, as a modelling program would write them.
    faces = faces[np.argsort(np.tile(corner, 2), kind="stable")]
    return Mesh((unit * radius[..., None]).reshape(-1, 3).astype(np.float32), unit.reshape(-1, 3).astype(np.float32),
                (np.stack([phi / (2 * np.pi), theta / np.pi], axis=-1).reshape(-1, 2).astype(np.float32),),
                faces.astype(np.uint32), np.zeros(len(faces), np.uint16), np.zeros(len(faces), np.uint32),
                (Material("stripes", textures={"base_color": MAP}),))


def stripes() -> Textures:
    tiles = np.indices((1024, 1024)).sum(axis=0) // 64 % 2
    image = np.full((1024, 1024, 4), 255, np.uint8)
    image[tiles == 0, :3] = (40, 90, 160)
    return Textures({("catalogue", "stripes"): image})


def centred_camera(mesh: Mesh) -> CameraMatrices:
    """All renderers can use it: no lens shift."""
    a_shot = Shot("speed", OrbitCamera(azimuth_deg=35.0, elevation_deg=20.0), SIZE, SIZE)
    points = world_points(mesh, a_shot.instances)
    camera = solve_camera(mesh, a_shot, Target(points, points))
    projection = camera.projection.copy()
    projection[:2, 2] = 0.0
    return CameraMatrices(camera.view, projection)


def bare_frame(mesh: Mesh, textures: Textures, camera: CameraMatrices) -> Callable[[], tuple[Any, Any]]:
    """The shortest moderngl program for the same two targets: an RGBA8 colour and a depth buffer, both read back."""
    context = open_context()
    vertices = context.buffer(np.hstack([mesh.positions, mesh.uv_sets[0]]).astype(np.float32).tobytes())
    program = context.program(vertex_shader=BARE_VERTEX, fragment_shader=BARE_FRAGMENT)
    array = context.vertex_array(program, [(vertices, "3f 2f", "in_position", "in_uv")],
                                 context.buffer(mesh.triangles.tobytes()))
    clip = program["clip"]
    assert isinstance(clip, moderngl.Uniform)
    clip.write((camera.projection @ camera.view).T.astype(np.float32).tobytes())
    context.texture((1024, 1024), 4, textures.of(MAP).tobytes()).use(0)
    target = context.simple_framebuffer((SIZE, SIZE))

    def frame() -> tuple[Any, Any]:
        with context:
            target.use()
            target.clear(depth=1.0)
            context.enable_only(moderngl.DEPTH_TEST)
            array.render()
            return (np.frombuffer(target.read(components=4), np.uint8).reshape(SIZE, SIZE, 4),
                    np.frombuffer(target.read(components=1, attachment=-1, dtype="f4"), np.float32))

    return frame


def our_frame(mesh: Mesh, textures: Textures, camera: CameraMatrices) -> Callable[[], tuple[Any, Any]]:
    renderer = FastRenderer()

    def frame() -> tuple[Any, Any]:
        drawn = renderer.draw(mesh, textures, camera, (SIZE, SIZE))
        return drawn.color, drawn.depth

    return frame


def serve(kind: str, triangles: int, count: int) -> None:
    """What a child of ours does: like render_peers.py, for one of OURS."""
    mesh, textures = knobbly_sphere(triangles), stripes()
    make = bare_frame if kind == "bare moderngl" else our_frame
    frame = make(mesh, textures, centred_camera(mesh))
    color, _ = frame()
    shown = color[..., 3] > 0
    print(json.dumps({"covered": float(shown.mean()), "color": float(color[shown][..., :3].mean())}), flush=True)
    for _ in sys.stdin:
        print(json.dumps([timed(frame) for _ in range(count)]), flush=True)


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Child:
    """A renderer in a process of its own that draws when asked."""

    def __init__(self, command: list[str]) -> None:
        # VTK talks on stderr.
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.seen: dict[str, float] = self._answer()

    def draw(self) -> list[float]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds: list[float] = self._answer()
        return seconds

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.command[1:])} ended without an answer")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def side_by_side(triangles: int, rounds: int, count: int) -> dict[str, float]:
    """Best seconds per frame by renderer; every round asks each of them in turn."""
    mesh = knobbly_sphere(triangles)
    camera = centred_camera(mesh)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.npz"
        np.savez(file, positions=mesh.positions, normals=mesh.normals, uv=mesh.uv_sets[0], triangles=mesh.triangles,
                 texture=stripes().of(MAP), view=camera.view, projection=camera.projection, size=(SIZE, SIZE))
        children = {kind: Child([sys.executable, "-m", "benchmarks.render_speed", "--serve", kind, str(triangles),
                                 "--frames", str(count)]) for kind in OURS}
        if PEER_PYTHON.exists():
            children |= {peer: Child([str(PEER_PYTHON), "benchmarks/render_peers.py", peer, str(file), str(count)])
                         for peer in PEERS}
        seen = {name: child.seen["covered"] for name, child in children.items()}
        if max(seen.values()) - min(seen.values()) > 0.01:
            raise SystemExit(f"the renderers do not show the same picture: {seen}")
        times: dict[str, list[float]] = {name: [] for name in children}
        for _ in range(rounds):
            for name, child in children.items():
                times[name] += child.draw()
        for child in children.values():
            child.close()
    return {name: min(values) for name, values in times.items()}


def whole_shot(triangles: int) -> dict[str, float]:
    """Seconds of all passes of one shot: the mesh's first (``cold``), another angle (``warm``), and its files."""
    mesh, textures = knobbly_sphere(triangles), stripes()
    first = Shot("cold", OrbitCamera(azimuth_deg=35.0, elevation_deg=20.0), SIZE, SIZE)
    with Renderer() as renderer, tempfile.TemporaryDirectory() as folder:
        small = knobbly_sphere(1000)
        renderer.render(small, replace(first, width=64, height=64), textures)  # compiles the shaders
        cold = timed(lambda: renderer.render(mesh, first, textures))
        seconds = []
        for azimuth in (35.0, 36.0, 34.0):
            again = replace(first, camera=OrbitCamera(azimuth_deg=azimuth, elevation_deg=25.0))
            started = time.perf_counter()
            passes = renderer.render(mesh, again, textures)
            seconds.append(time.perf_counter() - started)
        file = Path(folder) / "shot.exr"
        written = min(timed(lambda: save_passes(passes, file)) for _ in range(3))
        previews = min(timed(lambda: preview_images(passes)) for _ in range(2))
        return {"cold": cold, "warm": min(seconds), "EXR": written, "previews": previews,
                "EXR MB": file.stat().st_size / 1e6}


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(renders: int) -> None:
    """How resident memory grows over many shots of changing meshes, angles and stages."""
    textures = stripes()
    meshes = [knobbly_sphere(triangles) for triangles in (500, 2000, 1200)]
    marks: list[tuple[int, float]] = []
    with Renderer() as renderer:
        started = time.perf_counter()
        for number in range(renders):
            shot = Shot("m", OrbitCamera(azimuth_deg=number * 37.0 % 360), 64, 64, ("white", "sweep")[number // 3 % 2])
            renderer.render(meshes[number % 3], shot, textures)
            if (number + 1) % max(1, renders // 10) == 0:
                marks.append((number + 1, resident_mb()))
                print(f"{number + 1} renders, {marks[-1][1]:.1f} MB, {time.perf_counter() - started:.0f} s", flush=True)
    print(f"growth from {marks[0][0]} to {marks[-1][0]} renders: {marks[-1][1] - marks[0][1]:+.1f} MB")


def table(rows: list[list[str]]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triangles", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=3, help="per renderer and round")
    parser.add_argument("--memory", type=int, nargs="?", const=1000, help="render so many small shots instead")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], int(options.serve[1]), options.frames)
        return
    if options.memory:
        memory(options.memory)
        return
    drawn = options.rounds * options.frames
    print(f"{gl_info()['renderer']}, {os.cpu_count()} cores, {SIZE}², best of {drawn} frames, ms\n")
    frames = {size: side_by_side(SIZES[size], options.rounds, options.frames) for size in options.triangles}
    shots = {size: whole_shot(SIZES[size]) for size in options.triangles}
    names = list(next(iter(frames.values())))
    rows = [["triangles", *names, "ours / bare", "quickest peer / ours"]]
    for size, best in frames.items():
        peers = [best[name] for name in names if name in PEERS]
        rows.append([size, *(f"{best[name] * 1e3:.1f}" for name in names), f"{best['packshot'] / best[OURS[0]]:.2f}",
                     f"{min(peers) / best['packshot']:.2f}" if peers else "no peers installed"])
    print(table(rows) + "\n")
    columns = ("cold", "warm", "previews", "EXR", "EXR MB")
    rows = [["all passes, s", *columns]]
    rows += [[size, *(f"{shot[column]:.2f}" for column in columns)] for size, shot in shots.items()]
    print(table(rows))


if __name__ == "__main__":
    main()
