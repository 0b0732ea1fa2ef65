"""A file's colourways: listed, chosen by name, and part of what the mesh depends on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.commands import app
from pipeline.errors import IngestError
from pipeline.settings import Manifest
from tests.mesh_files import Gltf, box_obj, ingest_folder


def _two_colourways(folder: Path) -> None:
    gltf = Gltf()
    primitive = gltf.box() | {"material": 0, "extensions": {"KHR_materials_variants": {"mappings": [
        {"material": 1, "variants": [1]}, {"material": 2, "variants": [2, 0]}]}}}
    plain = gltf.box() | {"material": 3}
    gltf.json["materials"] = [{"name": name, "pbrMetallicRoughness": {"roughnessFactor": 0.5}}
                              for name in ("default", "red", "blue", "sole")]
    gltf.json["extensionsUsed"] = ["KHR_materials_variants"]
    gltf.json["extensions"] = {"KHR_materials_variants": {"variants": [
        {"name": "Sky"}, {"name": "Brick"}, {"name": "Sea"}]}}
    gltf.scene([primitive, plain])
    (folder / "m.glb").write_bytes(gltf.glb())


@pytest.mark.parametrize(("variant", "names"), [(None, ["default", "sole"]), ("Brick", ["red", "sole"]),
                                                ("Sea", ["blue", "sole"]), ("sky", ["blue", "sole"])])
def test_a_variant_is_chosen_by_name(variant: str | None, names: list[str], tmp_path: Path) -> None:
    _two_colourways(tmp_path)
    result = ingest_folder(tmp_path, "m.glb", manifest=Manifest(variant=variant))
    assert [material.name for material in result.mesh.materials] == names
    assert result.report.variants == ("Sky", "Brick", "Sea")
    assert result.report.variant == (None if variant is None else variant.capitalize())


def test_an_unknown_variant_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    _two_colourways(tmp_path)
    with pytest.raises(IngestError) as caught:
        ingest_folder(tmp_path, "m.glb", manifest=Manifest(variant="Moss"))
    assert caught.value.code == "unknown_variant"
    assert "Sky, Brick, Sea" in caught.value.message


def test_a_format_without_variants_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.obj").write_text(box_obj())
    with pytest.raises(IngestError) as caught:
        ingest_folder(tmp_path, "m.obj", manifest=Manifest(variant="Moss"))
    assert caught.value.code == "unknown_variant"


def test_the_command_takes_a_variant(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    _two_colourways(tmp_path)
    told = CliRunner().invoke(app, ["ingest", str(tmp_path / "m.glb"), "--out", str(tmp_path / "out"), "--variant",
                                    "Brick", "--json"])
    assert told.exit_code == 0
    report = json.loads(told.output)["report"]
    assert (report["variant"], report["materials"][0]["name"]) == ("Brick", "red")
