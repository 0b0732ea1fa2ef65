"""Rendering and refining in one process: Mesa's LLVM and triton's must not meet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tiny_pipelines import save_tiny_pipeline

STORY = """
import sys
from tests.render_meshes import shot, sphere, textures_of
from pipeline.render import Renderer
from pipeline.refine import RefineRequest, RefinerSettings, make_refiner

mesh = sphere()
with Renderer() as renderer:
    passes = renderer.render(mesh, shot((64, 64)), textures_of(mesh))
    refiner = make_refiner(RefinerSettings(preset="diffusers", model=sys.argv[1], steps=4, strength=0.5, long_side=64))
    [image] = refiner.refine([RefineRequest(passes, "a ball", 1)])
    again = renderer.render(mesh, shot((64, 64)), textures_of(mesh))
print(image.pixels.shape, (again.alpha == passes.alpha).all())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the clash is between Linux libraries")
def test_a_process_that_has_rendered_can_refine_and_render_again(tmp_path: Path) -> None:
    folder = save_tiny_pipeline(tmp_path / "model", controlnets=1)
    child = subprocess.run([sys.executable, "-c", STORY, str(folder)], cwd=ROOT, capture_output=True, text=True,
                           check=False)
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stdout.strip().splitlines()[-1] == "(64, 64, 3) True"
