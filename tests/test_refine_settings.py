"""Refiner settings from code, files and the environment; seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import RefineError
from pipeline.refine import RefinerSettings, identity_of, make_refiner, seed_for


def test_without_any_variable_the_embedded_model_refines() -> None:
    assert RefinerSettings.from_environment({}) == RefinerSettings(preset="embedded")


def test_a_preset_carries_its_model_and_every_field_has_a_variable() -> None:
    settings = RefinerSettings.from_environment({
        "PACKSHOT_REFINER": "diffusers:owner/name", "PACKSHOT_REFINER_STRENGTH": "0.5", "PACKSHOT_REFINER_BATCH": "4",
        "PACKSHOT_REFINER_VAE_TILING": "true",
        "PACKSHOT_REFINER_CONTROLNETS": "depth@0.7=/models/depth, edges=owner/lines"})
    assert (settings.preset, settings.model, settings.strength, settings.batch, settings.vae_tiling) \
        == ("diffusers", "owner/name", 0.5, 4, True)
    assert [(net.drive, net.scale, net.model) for net in settings.controlnets] \
        == [("depth", 0.7, "/models/depth"), ("edges", 0.8, "owner/lines")]


@pytest.mark.parametrize(("name", "text"), [
    ("refiner.yaml", "preset: diffusers\nmodel: sd15\nstrength: 0.3\ncontrolnets: [{drive: normal, scale: 0.6}]\n"),
    ("refiner.json", '{"preset": "diffusers", "model": "sd15", "strength": 0.3, '
                     '"controlnets": [{"drive": "normal", "scale": 0.6}]}')])
def test_a_file_holds_settings_and_variables_win_over_it(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "sd15").mkdir()
    settings = RefinerSettings.from_environment({"PACKSHOT_REFINER": str(tmp_path / name),
                                                 "PACKSHOT_REFINER_STEPS": "12"})
    assert (settings.strength, settings.steps, settings.controlnets[0].drive) == (0.3, 12, "normal")
    assert settings.model == str(tmp_path / "sd15"), "a folder beside the file is found from anywhere"


@pytest.mark.parametrize(("variables", "named"), [
    ({"PACKSHOT_REFINER_STRENGHT": "0.5"}, "PACKSHOT_REFINER_STRENGHT"),
    ({"PACKSHOT_REFINER_STRENGTH": "1.5"}, "strength"),
    ({"PACKSHOT_REFINER_STEPS": "2", "PACKSHOT_REFINER_STRENGTH": "0.3"}, "below one step"),
    ({"PACKSHOT_REFINER_CONTROLNETS": "depth=="}, None),
    ({"PACKSHOT_REFINER_CONTROLNETS": "depth,normal,edges,depth"}, "controlnets"),
    ({"PACKSHOT_REFINER_CONTROLNETS": "colour"}, "drive"),
    ({"PACKSHOT_REFINER_CONTROLNETS": "depth@much"}, "depth@much"),
    ({"PACKSHOT_REFINER": "absent/refiner.yaml"}, "refiner.yaml")])
def test_a_wrong_setting_is_named(variables: dict[str, str], named: str | None) -> None:
    if named is None:  # a strange model name is not the settings' business
        assert RefinerSettings.from_environment(variables).controlnets[0].model == "="
        return
    with pytest.raises(RefineError) as caught:
        RefinerSettings.from_environment(variables)
    assert named in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["preset: [", "- none", "presett: none"])
def test_a_broken_file_is_an_error_with_a_hint(tmp_path: Path, text: str) -> None:
    path = tmp_path / "refiner.yaml"
    path.write_text(text)
    with pytest.raises(RefineError, match=r"refiner\.yaml") as caught:
        RefinerSettings.from_environment({"PACKSHOT_REFINER": str(path)})
    assert caught.value.hint


def test_an_unknown_preset_lists_the_known_ones() -> None:
    settings = RefinerSettings.from_environment({"PACKSHOT_REFINER": "photoshop"})
    for asked in (make_refiner, identity_of):
        with pytest.raises(RefineError, match="photoshop") as caught:
            asked(settings)
        assert caught.value.code == "preset_unknown"
        assert all(name in caught.value.hint for name in ("none", "diffusers", "sd15-multi", "sdxl-union"))


def test_seeds_are_stable_and_differ_by_sku_shot_and_attempt() -> None:
    assert seed_for("sneaker", "hero", 0) == 7914338187023473705
    others = {seed_for("sneaker", "hero", 1), seed_for("sneaker", "top", 0), seed_for("mug", "hero", 0),
              seed_for("sneakerhero", "", 0)}
    assert len(others | {seed_for("sneaker", "hero", 0)}) == 5
    assert all(0 <= seed < 2**63 for seed in others)
