"""Presets as data: what the file says becomes settings, pins hold them to commits, licences are heeded."""

from __future__ import annotations

from pathlib import Path

import pytest
from upath import UPath

from pipeline.errors import RefineError
from pipeline.refine import PRESETS, RefinerSettings, identity_of
from pipeline.refine.hub import COMMIT, NONCOMMERCIAL
from pipeline.refine.pins import Pin, read, write
from pipeline.refine.presets import all_presets, preset_data

SDXL, UNION = "stabilityai/stable-diffusion-xl-base-1.0", "xinsir/controlnet-union-sdxl-1.0"
ONE, OTHER = "1" * 40, "2" * 40


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PACKSHOT_REFINER": "sdxl-union", "PACKSHOT_CATALOGUE": str(folder), **more}


@pytest.mark.parametrize("name", all_presets())
def test_every_value_of_the_file_is_a_setting(name: str) -> None:
    data, settings = all_presets()[name], RefinerSettings.from_environment({"PACKSHOT_REFINER": name})
    assert name in PRESETS
    assert settings == RefinerSettings(preset=name) == RefinerSettings.parse({"preset": name})
    assert (settings.model, settings.steps, settings.strength, settings.long_side, settings.offload) \
        == (data.model.id, data.steps, data.strength, data.long_side, data.offload)
    assert [(net.model, net.drive, net.scale, net.start, net.end, net.licence) for net in settings.controlnets] \
        == [(net.id, net.drive, net.scale, net.start, net.end, net.licence) for net in data.controlnets]
    assert all(model.revision is None or COMMIT.fullmatch(model.revision) for model in data.models)
    assert data.commercial_use == all(model.commercial_use for model in data.models)
    assert all(model.licence for model in data.models)


def test_a_setting_of_ones_own_wins_over_the_preset_s(tmp_path: Path) -> None:
    settings = RefinerSettings.from_environment(environment(tmp_path, PACKSHOT_REFINER_STEPS="12",
                                                            PACKSHOT_REFINER_LONG_SIDE="640"))
    data = preset_data("sdxl-union")
    assert data is not None
    assert (settings.steps, settings.long_side, settings.guidance_scale) == (12, 640, data.guidance_scale)
    (tmp_path / "refiner.yaml").write_text("preset: sdxl-union\nstrength: 0.2\n")
    from_file = RefinerSettings.from_environment({"PACKSHOT_REFINER": str(tmp_path / "refiner.yaml")})
    assert (from_file.strength, from_file.model, from_file.steps) == (0.2, SDXL, data.steps)


@pytest.mark.parametrize("variables", [
    {"PACKSHOT_REFINER": "sdxl-union:/models/mine"}, {"PACKSHOT_REFINER_MODEL": "/models/mine"}])
def test_another_model_keeps_the_values_and_loses_what_was_the_model_s(tmp_path: Path,
                                                                       variables: dict[str, str]) -> None:
    write(UPath(tmp_path / "refiner-pins.yaml"), {SDXL: Pin(revision=ONE, licence="mit")})
    settings = RefinerSettings.from_environment(environment(tmp_path) | variables)
    assert (settings.model, settings.revision, settings.licence) == ("/models/mine", "", "")
    assert settings.controlnets[0].model == UNION
    assert settings.steps == all_presets()["sdxl-union"].steps


def test_pins_beside_the_catalogue_hold_models_to_commits(tmp_path: Path) -> None:
    write(UPath(tmp_path / "refiner-pins.yaml"), {SDXL: Pin(revision=ONE), UNION: Pin(revision=OTHER)})
    settings = RefinerSettings.from_environment(environment(tmp_path))
    assert (settings.revision, [net.revision for net in settings.controlnets]) == (ONE, [OTHER, OTHER])
    assert identity_of(settings).revision == ONE
    chosen = RefinerSettings.from_environment(environment(tmp_path, PACKSHOT_REFINER_REVISION="main"))
    assert chosen.revision == "main", "what is asked for by name wins"
    elsewhere = tmp_path / "elsewhere.yaml"
    write(UPath(elsewhere), {SDXL: Pin(revision=OTHER)})
    named = RefinerSettings.from_environment(environment(tmp_path, PACKSHOT_REFINER_PINS=str(elsewhere)))
    assert (named.revision, named.controlnets[0].revision) == (OTHER, "")


@pytest.mark.parametrize(("variables", "refused"), [
    ({}, False), ({"PACKSHOT_PRODUCTION": "1"}, True), ({"PACKSHOT_STORE": "s3://bucket/shop"}, True),
    ({"PACKSHOT_STORE": "s3://bucket/shop", "PACKSHOT_PRODUCTION": "0"}, False), ({"PACKSHOT_STORE": "store"}, False)])
def test_production_refuses_a_hub_model_that_may_move(tmp_path: Path, variables: dict[str, str], refused: bool) -> None:
    settings = RefinerSettings.from_environment(environment(tmp_path, **variables))
    assert settings.production == refused
    if not refused:
        assert identity_of(settings).model == SDXL
        return
    with pytest.raises(RefineError, match=SDXL) as caught:
        identity_of(settings)
    assert caught.value.code == "weights_unpinned"
    assert "packshot refine --pin" in caught.value.hint
    write(UPath(tmp_path / "refiner-pins.yaml"), {SDXL: Pin(revision=ONE)})
    with pytest.raises(RefineError, match=UNION):  # every model, not only the first
        identity_of(RefinerSettings.from_environment(environment(tmp_path, **variables)))
    write(UPath(tmp_path / "refiner-pins.yaml"), {SDXL: Pin(revision=ONE), UNION: Pin(revision=OTHER)})
    assert identity_of(RefinerSettings.from_environment(environment(tmp_path, **variables))).revision == ONE


def test_a_branch_is_no_pin(tmp_path: Path) -> None:
    variables = environment(tmp_path, PACKSHOT_PRODUCTION="yes", PACKSHOT_REFINER="diffusers:owner/name",
                            PACKSHOT_REFINER_REVISION="main")
    with pytest.raises(RefineError) as caught:
        identity_of(RefinerSettings.from_environment(variables))
    assert caught.value.code == "weights_unpinned"


def test_weights_that_forbid_commercial_use_need_leave(tmp_path: Path) -> None:
    write(UPath(tmp_path / "refiner-pins.yaml"),
          {UNION: Pin(revision=ONE, licence="cc-by-nc-4.0", commercial_use=False)})
    with pytest.raises(RefineError, match=UNION) as caught:
        identity_of(RefinerSettings.from_environment(environment(tmp_path)))
    assert caught.value.code == "weights_noncommercial"
    assert "PACKSHOT_REFINER_ALLOW_NONCOMMERCIAL=1" in caught.value.hint
    allowed = environment(tmp_path, PACKSHOT_REFINER_ALLOW_NONCOMMERCIAL="1")
    assert identity_of(RefinerSettings.from_environment(allowed)).model == SDXL
    mine = RefinerSettings(preset="diffusers", model="owner/name", commercial_use=False)
    with pytest.raises(RefineError, match="owner/name"):
        identity_of(mine)


@pytest.mark.parametrize(("licence", "free"), [
    ("apache-2.0", True), ("openrail++", True), ("creativeml-openrail-m", True), ("cc-by-nc-4.0", False),
    ("cc-by-nc-sa-4.0", False), ("flux-1-dev-non-commercial-license", False), ("incl-2.0", True),
    ("stabilityai-nc-research-community", False)])
def test_licences_of_the_hub_are_read_by_their_names(licence: str, free: bool) -> None:
    assert (NONCOMMERCIAL.search(licence) is None) == free


@pytest.mark.parametrize(("text", "code"), [
    ("pins: [", "pins_invalid"), ("schema: 2\n", "pins_invalid"), ("- a\n", "pins_invalid"),
    ("pins: {owner/name: {revision: main}}\n", "pins_invalid"), ("pins: {a: {sha256: 12}}\n", "pins_invalid"),
    ("pins: {a: {revison: x}}\n", "pins_invalid")])
def test_a_broken_pins_file_is_an_error_that_names_it(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "refiner-pins.yaml").write_text(text)
    with pytest.raises(RefineError, match=r"refiner-pins\.yaml") as caught:
        RefinerSettings.from_environment(environment(tmp_path))
    assert caught.value.code == code
    assert caught.value.hint


def test_pins_come_back_as_they_were_written(tmp_path: Path) -> None:
    pins = {"a/b": Pin(revision=ONE, licence="mit"), "/models/c": Pin(sha256="3" * 64),
            "d/e": Pin(revision=OTHER, commercial_use=False)}
    write(UPath(tmp_path / "new" / "pins.yaml"), pins)
    assert read(UPath(tmp_path / "new" / "pins.yaml")) == pins
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["pins.yaml"]
    assert read(UPath(tmp_path / "absent.yaml")) == {}
