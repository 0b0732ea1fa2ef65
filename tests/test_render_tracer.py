"""A tracer that stays sees what one started for each picture sees, whatever its shortcuts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pipeline.catalogue import OrbitCamera, Shot
from pipeline.errors import RenderError
from pipeline.mesh.types import Material
from pipeline.render import compose
from pipeline.render.pathtrace import probe, trace
from pipeline.render.scene import Scene
from pipeline.render.textures import Textures
from pipeline.render.tracer import Tracer
from tests.render_meshes import box


@pytest.fixture(scope="module")
def tracer() -> Iterator[Tracer]:
    try:
        probe()
    except RenderError as missing:
        pytest.skip(missing.message)
    with Tracer(threads=1) as opened:
        yield opened


def product_scene(azimuth: float = 35.0, metallic: float = 0.0) -> Scene:
    """A training product: several materials with repeated, strengthened and stretched maps."""
    from training.families import make_sample

    sample = make_sample("tote", 5)
    if metallic:
        materials = tuple(replace(material, metallic=metallic) for material in sample.truth.materials)
        sample = replace(sample, truth=replace(sample.truth, materials=materials))
    return compose(sample.truth, Shot("s", OrbitCamera(azimuth_deg=azimuth), 64, 64, "white"), sample.truth_textures)


def test_materials_made_one_surface_look_as_they_did(tracer: Tracer) -> None:
    scene = product_scene()
    assert len(scene.mesh.materials) > 2
    merged, apart = tracer.trace(scene, samples=64, depth=4), trace(scene, samples=64, depth=4)
    for name in ("radiance", "product", "albedo", "normal"):
        np.testing.assert_allclose(getattr(merged, name), getattr(apart, name), atol=0.02, err_msg=name)
        assert np.abs(getattr(merged, name) - getattr(apart, name)).mean() < 5e-4, name


def test_another_product_and_another_camera_are_not_taken_for_the_last(tracer: Tracer) -> None:
    first, other_side, metal = (tracer.trace(scene, samples=16, depth=3).product for scene in (
        product_scene(), product_scene(120.0), product_scene(metallic=1.0)))
    again = tracer.trace(product_scene(), samples=16, depth=3).product
    assert np.abs(first - other_side).mean() > 0.01
    assert np.abs(first - metal).mean() > 0.01
    np.testing.assert_allclose(first, again, atol=1e-4)


def test_a_mesh_without_maps_is_traced_as_well(tracer: Tracer) -> None:
    mesh = replace(box(), materials=(Material("plain", (0.2, 0.4, 0.8, 1.0)),))
    scene = compose(mesh, Shot("s", OrbitCamera(), 48, 48, "white"), Textures())
    np.testing.assert_allclose(tracer.trace(scene, samples=64, depth=3).product,
                               trace(scene, samples=64, depth=3).product, atol=0.05)


def test_a_tracer_that_died_says_so(tracer: Tracer) -> None:
    with Tracer(threads=1) as doomed:
        doomed._child.kill()
        doomed._child.wait()
        with pytest.raises(RenderError) as caught:
            doomed.trace(product_scene(), samples=1, depth=2)
        assert caught.value.code == "pathtrace_failed"


def test_a_tracer_that_hangs_is_ended(tracer: Tracer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.render.tracer.PATIENCE_S", 1.0)
    with Tracer(threads=1) as stuck:
        os.kill(stuck._child.pid, signal.SIGSTOP)
        with pytest.raises(RenderError) as caught:
            stuck.trace(product_scene(), samples=1, depth=2)
        assert caught.value.code == "pathtrace_failed"
        assert stuck._child.poll() == -signal.SIGKILL
