"""Rendering does not grow: what a shot needs on the GPU goes when the next one does not need it."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

# Three rounds of the same meshes, angles and stages; each loads every mesh and lights every stage again.
# The whole 1,000 is `python -m benchmarks.render_speed --memory`.
STORY = """
import os
from pipeline.render import Renderer
from pipeline.render.fast import FastRenderer
from tests.render_meshes import box, plates, shot, sphere, textures_of

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

meshes = [box(), sphere(), plates(0.1)]
textures = [textures_of(mesh) for mesh in meshes]
marks = []
with Renderer() as renderer, FastRenderer() as fast:
    for turn in range(3):
        for number in range(6):
            mesh, maps = meshes[number % 3], textures[number % 3]
            passes = renderer.render(mesh, shot(64, ("white", "sweep")[number % 2], azimuth_deg=number * 31.0), maps)
            fast.draw(mesh, maps, passes.camera, (64 + number % 2, 64))
        marks.append(resident())
print(marks[-1] - marks[0])
"""


def test_many_renders_need_no_more_memory_than_few() -> None:
    child = subprocess.run([sys.executable, "-c", STORY], cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-2000:]
    # One atlas of shadow maps alone is 67 MB: leaking any target of size shows.
    assert float(child.stdout) < 6.0
