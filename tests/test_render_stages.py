"""Modelled stages as plates: filled to the frame's edges, out of focus far away, under the product's shadow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.catalogue import Shot
from pipeline.render import Renderer, compose
from pipeline.render.camera import project
from pipeline.render.environment import sample_lights
from pipeline.render.heading import UPRIGHT
from pipeline.render.sets import SETS, baked, draw, stage_of
from pipeline.render.sets.panels import ATLAS, charts
from pipeline.render.stages import find_stage
from tests.render_meshes import shot, sphere, textures_of

F32 = NDArray[np.float32]
NAMES = tuple(SETS)
MESH = sphere(0.1)
TEXTURES = textures_of(MESH)
MOST_BYTES = 300_000       # of one set's baked light


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer() as opened:
        yield opened


def plate(renderer: Renderer, asked: Shot) -> F32:
    return renderer.render(MESH, asked, TEXTURES).plate


def seen_at(asked: Shot, places: list[tuple[float, float, float]]) -> NDArray[np.int_]:
    """(N, 2) row and column of places in the stage's axes."""
    scene = compose(MESH, asked, TEXTURES)
    points = np.asarray(places) @ scene.stage_to_world[:3, :3].T + scene.stage_to_world[:3, 3]
    return np.floor(project(scene.camera, points, asked.width, asked.height)[:, ::-1]).astype(int)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("camera", [{"elevation_deg": 8.0, "focal_mm": 85.0, "fill": 0.6},
                                    {"elevation_deg": 16.0, "focal_mm": 50.0, "fill": 0.66},
                                    {"elevation_deg": 35.0, "focal_mm": 50.0, "fill": 0.6}],
                         ids=["low", "usual", "high"])
def test_nothing_shows_beside_the_set(renderer: Renderer, monkeypatch: pytest.MonkeyPatch, name: str,
                                      camera: dict[str, float]) -> None:
    """The open air beyond the panels would be in another colour."""
    for size in ((96, 120), (160, 90)):
        asked = shot(size, name, **camera)
        usual = plate(renderer, asked)
        assert np.isfinite(usual).all()
        assert usual.min() >= 0.0
        assert usual.mean() > 0.02
        with monkeypatch.context() as patched:
            patched.setattr(draw, "SETS", {**SETS, name: replace(SETS[name], sky=(900.0, 0.0, 900.0))})
            np.testing.assert_array_equal(plate(renderer, asked), usual)


@pytest.mark.parametrize("name", NAMES)
def test_the_set_turns_with_the_camera(renderer: Renderer, name: str) -> None:
    """A ball looks the same from everywhere, so its picture does; and twice the same."""
    first, again, turned = (plate(renderer, shot((96, 120), name, azimuth_deg=azimuth))
                            for azimuth in (20.0, 20.0, 140.0))
    np.testing.assert_array_equal(first, again)
    assert float(np.median(np.abs(turned - first) / (first + 0.02))) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_far_is_out_of_focus_and_the_products_ground_is_not(renderer: Renderer, monkeypatch: pytest.MonkeyPatch,
                                                            name: str) -> None:
    asked = shot((240, 300), name, elevation_deg=14.0, focal_mm=85.0, fill=0.6)
    usual = plate(renderer, asked)
    monkeypatch.setattr(draw, "APERTURE", 0.0)
    pinhole = plate(renderer, asked)
    at = seen_at(asked, [(-0.55, 0.0, 0.1), (0.55, 0.0, 0.1), (0.0, 0.0, 0.55)])
    np.testing.assert_array_equal(usual[at[:, 0], at[:, 1]], pinhole[at[:, 0], at[:, 1]])

    far = seen_at(asked, [(0.0, 0.0, -2.0)])[0, 0]

    def steepest(picture: F32) -> float:
        tones = np.log(picture[:far].mean(axis=2) + 0.02)
        return max(float(np.quantile(np.abs(np.diff(tones, axis=axis)), 0.999)) for axis in (0, 1))

    if name == "sweep":
        assert steepest(pinhole) < 0.02        # seamless paper: there is nothing to blur
    else:
        assert steepest(pinhole) > 0.02
        assert steepest(usual) < 0.6 * steepest(pinhole)


@pytest.mark.parametrize("name", NAMES)
def test_the_product_shades_the_ground_away_from_the_key(renderer: Renderer, name: str) -> None:
    asked = shot((160, 200), name, elevation_deg=30.0, fill=0.4)
    key = SETS[name].key
    away = -UPRIGHT.direction(np.radians(key.azimuth_deg), 0.0)
    shaded, lit = (tuple(away * distance) for distance in (0.6, -0.75))
    at = seen_at(asked, [(float(x), 0.0, float(z)) for x, _, z in (shaded, lit)])
    picture = plate(renderer, asked).mean(axis=2)
    values = [picture[row - 2:row + 3, column - 2:column + 3].mean() for row, column in at]
    assert values[0] < 0.85 * values[1]


@pytest.mark.parametrize("name", NAMES)
def test_product_and_ground_stand_in_the_same_light(name: str) -> None:
    """The light maps at the product's place against the lights that the product is lit by."""
    light, panels = baked(name), SETS[name].panels
    for panel, chart in zip(panels, charts(panels), strict=True):
        corner, u, v = (np.asarray(vector) for vector in (panel.corner, panel.u, panel.v))
        a, b = float(-corner @ u / (u @ u)), float(-corner @ v / (v @ v))
        if panel.normal[1] < 0.9 or abs(corner[1]) > 1e-6 or not (0 < a < 1 and 0 < b < 1):
            continue
        column, row = int(chart.left + a * chart.width), int(chart.top + b * chart.height)
        break
    else:
        pytest.fail("nothing lies under the product")
    around = (slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), min(column + 2, ATLAS)))
    lights = sample_lights(stage_of(name), UPRIGHT)
    up = np.array([0.0, 1.0, 0.0])
    key = light.key[around].astype(np.float64).mean(axis=(0, 1))
    rest = light.rest[around].astype(np.float64).mean(axis=(0, 1))
    assert key == pytest.approx(lights.key_irradiance(up), rel=0.1)
    assert rest == pytest.approx(lights.irradiance(up) - lights.key_irradiance(up), rel=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_baked_light_is_small_and_sound(name: str) -> None:
    assert len(files("pipeline.render.sets").joinpath(f"{name}.npz").read_bytes()) < MOST_BYTES
    light = baked(name)
    assert light.key.shape == light.rest.shape == (ATLAS, ATLAS, 3)
    for values in (light.key, light.rest, light.probe):
        assert np.isfinite(values).all()
        assert values.min() >= 0.0


def test_a_stages_hash_follows_its_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    name = NAMES[0]
    before = stage_of(name).sha256
    moved = replace(SETS[name].panels[0], tint=(0.9, 1.0, 1.0))
    monkeypatch.setattr("pipeline.render.sets.SETS",
                        {**SETS, name: replace(SETS[name], panels=(moved, *SETS[name].panels[1:]))})
    assert stage_of(name).sha256 != before


def test_a_stages_hash_follows_the_code_that_makes_and_draws_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stage_of("cafe").sha256
    monkeypatch.setattr("pipeline.render.sets.source", lambda module: f"another {module}".encode())
    assert stage_of("cafe").sha256 != before


def test_lifestyle_is_the_window() -> None:
    assert find_stage("lifestyle") is find_stage("window")
