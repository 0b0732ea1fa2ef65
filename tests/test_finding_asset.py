"""What is found on a SKU's maps becomes its product_regions, its detail shot, and what `packshot regions` shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import cli
from tests.house import House, house_of
from tests.test_finding_text import cloth, write

PLATE = """v -0.1 0.2 0
v 0.1 0.2 0
v 0.1 0 0
v -0.1 0 0
vt 0 1
vt 1 1
vt 1 0
vt 0 0
f 4/4 3/3 2/2 1/1
"""
ASSETS = ("product_mesh", "product_regions", "reference_shots", "control_passes")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    folder = tmp_path / "catalogue" / "sign"
    folder.mkdir(parents=True)
    (tmp_path / "catalogue" / "catalogue.yaml").write_text("scale: 0.3\nshots: [square, detail]\n")
    (folder / "plate.obj").write_text(PLATE)
    picture = cloth()
    write(picture, (400, 300), "HARBOUR", 60)
    picture.save(folder / "diffuse.png")
    with house_of(tmp_path / "catalogue", tmp_path / "store", {"PACKSHOT_LIGHT": "raster"}) as opened:
        yield opened


def regions_of(house: House) -> list[str]:
    artifact = house.store.require("product_regions", "sign")
    return [region["name"] for region in artifact.json("regions.json")]


def test_a_product_without_a_manifest_has_regions_and_a_detail_shot(house: House) -> None:
    assert house.batch("sign", assets=ASSETS).success
    assert regions_of(house) == ["logo 1 HARBOUR"]
    artifact = house.store.require("product_regions", "sign")
    assert artifact.metadata["maps"] == ["maps/00-default.png"]
    assert artifact.path("maps/00-default.png").stat().st_size > 1000
    assert house.store.require("control_passes", "sign").metadata["shots"] == ["square", "detail"]


@pytest.mark.parametrize("manifest", ["regions_found: false\n", "ignore_regions: [logo 1 HARBOUR]\n"])
def test_the_manifest_may_say_that_there_are_none(house: House, manifest: str) -> None:
    (house.catalogue / "sign" / "product.yaml").write_text(manifest)
    assert house.batch("sign", assets=ASSETS).success
    assert regions_of(house) == []
    assert house.store.require("control_passes", "sign").metadata["shots"] == ["square"]


def test_a_map_that_cannot_be_read_is_the_control_passes_error(house: House) -> None:
    (house.catalogue / "sign" / "diffuse.png").write_bytes(b"not an image")
    assert not house.batch("sign", assets=ASSETS).success
    assert regions_of(house) == []
    assert "diffuse.png" in next(iter(house.store.require("product_regions", "sign").metadata["unread"].values()))
    assert house.store.errors()["sign"]["code"] == "texture_unreadable"


def test_packshot_regions_lists_and_draws_them(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    assert house.batch("sign", assets=ASSETS).success
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["packshot", "regions", "--sku", "sign", "--out", str(tmp_path / "out"), "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)
    said = json.loads(capsys.readouterr().out)
    assert [region["name"] for region in said["regions"]] == ["logo 1 HARBOUR"]
    assert {each["shot"] for each in said["occurrences"]} == {"square", "detail"}
    detail = next(each for each in said["occurrences"] if each["shot"] == "detail")
    assert min(detail["size_px"]) > 20
    assert all(Path(picture).stat().st_size > 1000 for picture in said["pictures"])
    assert {Path(picture).name for picture in said["pictures"]} == {"00-default.png", "square.png", "detail.png"}
