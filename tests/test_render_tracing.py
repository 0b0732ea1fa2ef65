"""Path-traced light in the rasteriser's passes: same outline, same identities, nearer to the truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.catalogue import OrbitCamera, Shot
from pipeline.errors import RenderError
from pipeline.render import Renderer, compose, load_passes, save_passes
from pipeline.render.pathtrace import probe, trace
from pipeline.render.scene import Scene, cropped
from pipeline.render.tracing import TracingRenderer, in_light_of, light_here, open_renderer
from pipeline.render.types import ControlPasses
from tests.passes_factory import sphere_passes


def scene_of(size: int = 128, azimuth: float = 35.0) -> Scene:
    from training.families import make_sample

    sample = make_sample("mug", 5)
    return compose(sample.known, Shot("s", OrbitCamera(azimuth_deg=azimuth), size, size, "white"),
                   sample.known_textures)


@pytest.fixture(scope="module")
def tracing() -> Iterator[TracingRenderer]:
    try:
        probe()
    except RenderError as missing:
        pytest.skip(missing.message)
    with TracingRenderer(threads=1) as opened:
        yield opened


def explained(passes: ControlPasses) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(passes.alpha[..., None] * (passes.diffuse_albedo * passes.diffuse + passes.specular
                                                 + passes.emissive), np.float32)


def test_traced_light_keeps_the_outline_and_what_explains_it(tracing: TracingRenderer) -> None:
    scene = scene_of()
    with Renderer() as renderer:
        drawn = renderer.draw(scene)
    traced = tracing.draw(scene)
    assert traced.traced
    assert not drawn.traced
    for name in ("alpha", "base_color", "diffuse_albedo", "depth", "uv", "material_id", "plate"):
        np.testing.assert_array_equal(getattr(traced, name), getattr(drawn, name), err_msg=name)
    np.testing.assert_allclose(traced.product[..., :3], explained(traced), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(
        traced.beauty[..., :3], traced.product[..., :3] + (1 - traced.alpha[..., None]) * traced.plate, atol=2e-3)
    assert np.abs(traced.product - drawn.product).max() > 0.02


def test_traced_light_is_nearer_to_the_truth_inside_and_at_the_edge(tracing: TracingRenderer) -> None:
    scene = scene_of(256)
    with Renderer() as renderer:
        drawn = renderer.draw(scene)
    traced = tracing.draw(scene)
    truth = trace(scene, samples=400, depth=6, seed=9).product
    inside, edge = drawn.alpha == 1.0, (drawn.alpha > 0.2) & (drawn.alpha < 1.0)
    for where, share in ((inside, 0.5), (edge, 0.9)):
        left, before = (float(np.square(passes.product[where] - truth[where]).mean()) for passes in (traced, drawn))
        assert left < share * before


def test_the_same_scene_gives_the_same_bytes(tracing: TracingRenderer) -> None:
    first, other, again = (tracing.draw(scene_of(azimuth=azimuth)) for azimuth in (35.0, 90.0, 35.0))
    for name in ("product", "diffuse", "specular", "beauty"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name), err_msg=name)
    assert not np.array_equal(first.product, other.product)


def test_a_file_remembers_whose_light_it_holds(tracing: TracingRenderer, tmp_path_factory: pytest.TempPathFactory
                                               ) -> None:
    passes = tracing.draw(scene_of(64))
    path = tmp_path_factory.mktemp("passes") / "s.exr"
    save_passes(passes, path)
    back = load_passes(path)
    assert back.traced
    np.testing.assert_allclose(back.product, passes.product, atol=2e-3)


def test_passes_are_the_same_made_and_loaded(tracing: TracingRenderer, tmp_path_factory: pytest.TempPathFactory
                                             ) -> None:
    """Or an image would depend on whether a killed run had got as far as its passes."""
    path = tmp_path_factory.mktemp("exr") / "s.exr"
    made = tracing.draw(scene_of())
    save_passes(made, path)
    loaded = load_passes(path)
    for name in ("beauty", "product", "plate", "alpha", "base_color", "diffuse_albedo", "diffuse", "specular",
                 "emissive", "visibility", "ao", "normal", "depth", "uv"):
        np.testing.assert_array_equal(getattr(made, name), getattr(loaded, name), err_msg=name)


def test_a_tracer_that_died_is_replaced_for_the_next_shot(tracing: TracingRenderer) -> None:
    tracing.draw(scene_of(64))
    assert tracing._tracer is not None
    tracing._tracer._child.kill()
    tracing._tracer._child.wait()
    with pytest.raises(RenderError) as caught:
        tracing.draw(scene_of(64))
    assert caught.value.code == "pathtrace_failed"
    assert tracing.draw(scene_of(64)).traced


def test_light_that_nothing_diffuse_explains_shines() -> None:
    """On black metal there is no diffuse albedo to hold what a reflection brings."""
    passes = sphere_passes(64, white=False)
    brighter = passes.product.copy()
    brighter[..., :3] = brighter[..., :3] * 20.0 + 0.5 * brighter[..., 3:]
    found = in_light_of(passes, brighter)
    np.testing.assert_allclose(found.product, brighter, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(found.product[..., :3], explained(found), rtol=1e-3, atol=1e-6)
    assert found.specular.min() >= 0.0
    assert found.diffuse.min() >= 0.0


def test_a_window_shows_the_same_pixels() -> None:
    scene = scene_of(96)
    rows, columns = slice(20, 80), slice(11, 91)
    with Renderer() as renderer:
        whole, part = renderer.draw(scene), renderer.draw(cropped(scene, rows, columns))
    np.testing.assert_allclose(part.depth, whole.depth[rows, columns], rtol=1e-4)
    np.testing.assert_array_equal(part.material_id, whole.material_id[rows, columns])


def test_light_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert light_here("raster") == "raster"
    assert type(open_renderer("raster")) is Renderer
    with pytest.raises(RenderError, match="no light called"):
        light_here("sunny")

    def absent() -> None:
        raise RenderError("pathtrace_missing", "The path tracer is not installed.", "Install it.")

    monkeypatch.setattr("pipeline.render.tracing.probe", absent)
    assert light_here("auto") == "raster"
    with pytest.raises(RenderError) as caught:
        light_here("traced")
    assert caught.value.code == "pathtrace_missing"
