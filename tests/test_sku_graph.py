"""The asset graph: who fails alone, what is kept, what a change touches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dagster import AssetCheckKey, AssetKey
from PIL import Image

from pipeline.scores import read_current
from tests.house import NAMES, House, house_of
from tests.small_catalogue import add_box, box_obj, checks, small_catalogue

GOOD = dict.fromkeys(NAMES, "materialized")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_of(small_catalogue(tmp_path / "catalogue", "good", "kept"), tmp_path / "store") as opened:
        yield opened


def break_texture(house: House, sku: str) -> None:
    """A SKU whose mesh is fine and whose texture is not."""
    folder = house.catalogue / sku
    if not folder.exists():
        add_box(house.catalogue, sku)
    (folder / "diffuse.png").write_bytes(b"not an image")


def test_a_good_a_bad_and_a_kept_sku_in_one_batch(house: House) -> None:
    assert house.batch("kept").success
    break_texture(house, "bad")
    result = house.batch("bad", "good", "kept")
    assert not result.success
    assert house.status("good") == GOOD
    assert house.status("kept") == GOOD
    assert house.status("bad") == {**dict.fromkeys(NAMES, "failed"), "product_mesh": "materialized",
                                   "product_regions": "materialized", "reference_shots": "materialized"}
    assert all(house.kept("kept").values())
    assert not any(house.kept("good").values())
    assert house.store.errors()["bad"]["code"] == "texture_unreadable"
    assert house.store.errors()["bad"]["hint"]


def test_the_same_as_a_range_run_from_the_ui(house: House) -> None:
    break_texture(house, "bad")
    house.add_partitions()
    assert not house.materialize("bad", until="kept").success
    assert house.status("good") == house.status("kept") == GOOD
    assert house.status("bad")["control_passes"] == "failed"
    assert house.status("bad")["product_mesh"] == "materialized"


def test_single_sku_runs_of_a_good_a_bad_and_a_kept_sku(house: House) -> None:
    assert house.materialize("good").success
    assert house.status("good") == GOOD
    assert house.status("kept") == dict.fromkeys(NAMES, "absent")
    break_texture(house, "bad")
    assert not house.materialize("bad").success
    assert house.status("bad") == {**dict.fromkeys(NAMES, "failed"), "product_mesh": "materialized",
                                   "product_regions": "materialized", "reference_shots": "materialized"}
    assert house.materialize("good").success
    assert house.status("good") == GOOD
    assert all(house.kept("good").values())


def test_only_refined_images_of_a_good_a_bad_and_a_kept_sku(house: House) -> None:
    upstream = ("product_mesh", "product_regions", "reference_shots", "control_passes")
    add_box(house.catalogue, "bad")
    assert house.batch("good", assets=upstream).success
    assert house.batch("kept").success
    before = {name: house.last(name, "kept").metadata["seconds"].value for name in NAMES}
    assert not house.batch("bad", "good", "kept", assets=("refined_images",)).success
    absent = dict.fromkeys(NAMES, "absent")
    assert house.status("good") == {**absent, **dict.fromkeys((*upstream, "refined_images"), "materialized")}
    assert house.status("bad") == {**absent, "refined_images": "failed"}
    assert house.status("kept") == GOOD
    assert house.last("refined_images", "kept").metadata["kept"].value is True
    assert house.last("refined_images", "good").metadata["kept"].value is False
    after = {name: house.last(name, "kept").metadata["seconds"].value for name in NAMES}
    assert {name for name in NAMES if after[name] != before[name]} == {"refined_images"}, "nothing else is logged again"


def test_refined_images_without_passes_is_a_named_error(house: House) -> None:
    assert house.batch("good").success
    assert not house.materialize("kept", assets=("refined_images",)).success, "it has no passes to refine"
    assert house.status("kept") == {**dict.fromkeys(NAMES, "absent"), "refined_images": "failed"}
    assert house.store.errors()["kept"]["code"] == "upstream_missing"


def test_an_untouched_sku_never_turns_red(house: House) -> None:
    assert house.batch("good", "kept").success
    break_texture(house, "good")
    assert not house.batch("good").success
    assert house.status("kept") == GOOD


def test_a_changed_texture_reruns_what_it_touches_and_nothing_else(house: House) -> None:
    assert house.batch("good", "kept").success
    before, other = house.versions("good"), house.versions("kept")
    checks((150, 40, 40)).save(house.catalogue / "good" / "diffuse.png")
    assert house.batch("good", "kept").success
    changed = {name for name in NAMES if house.versions("good")[name] != before[name]}
    assert changed == set(NAMES) - {"product_mesh", "reference_shots"}
    assert house.kept("good") == {name: name not in changed for name in NAMES}
    assert house.versions("kept") == other
    checks().save(house.catalogue / "good" / "diffuse.png")
    assert house.batch("good").success
    assert house.versions("good") == before, "A, B, A: the same inputs are the same version"


def test_what_was_just_made_is_never_called_stale(house: House) -> None:
    assert house.batch("good", "kept").success
    assert house.batch("good").success
    assert house.stale("good") == house.stale("kept") == []


def test_a_changed_mesh_reruns_everything_of_its_sku(house: House) -> None:
    assert house.batch("good").success
    (house.catalogue / "good" / "box.obj").write_text(box_obj((0.1, 0.3, 0.1)))
    assert house.batch("good").success
    # Without a photo there is nothing that a mesh could be placed in.
    assert [name for name, kept in house.kept("good").items() if kept] == ["reference_shots"]


def test_a_changed_limit_judges_again_without_touching_pixels(house: House) -> None:
    assert house.batch("good").success
    image = house.store.require("refined_images", "good")
    settings = house.catalogue / "catalogue.yaml"
    settings.write_text(settings.read_text() + "limits: {delivery.fill_share: {fail: 0.999}}\n")
    assert house.batch("good").success
    assert house.store.require("refined_images", "good").data_version == image.data_version
    scores = house.store.require("sentinel_scores", "good")
    assert scores.metadata["verdicts"] == {"square": "fail"}
    assert scores.metadata["remeasured"] is False
    delivered = house.store.require("delivered_images", "good").json("manifest.json")
    assert [entry["shot"] for entry in delivered["withdrawn"]] == ["square"]


def test_a_sentinel_fail_is_a_failed_check_in_a_successful_run(house: House) -> None:
    settings = house.catalogue / "catalogue.yaml"
    settings.write_text(settings.read_text() + "limits: {delivery.fill_share: {fail: 0.999}}\n")
    assert house.batch("good", "kept").success
    history = house.instance.event_log_storage.get_asset_check_execution_history(
        AssetCheckKey(AssetKey("sentinel_scores"), "delivery"), limit=10)
    assert {(record.partition, record.status.value) for record in history} == {("good", "FAILED"), ("kept", "FAILED")}


def test_passes_that_were_not_kept_are_rendered_again(house: House) -> None:
    settings = house.catalogue / "catalogue.yaml"
    assert house.batch("good").success
    kept = house.versions("good")
    image = house.store.require("refined_images", "good").files["square.png"].sha256
    for choice in ("none", "failed"):
        settings.write_text(settings.read_text().split("keep_passes")[0] + f"keep_passes: {choice}\n")
        checks((150, 40, 40)).save(house.catalogue / "good" / "diffuse.png")
        assert house.batch("good").success
        assert "square.exr" not in house.store.require("control_passes", "good").files
        checks().save(house.catalogue / "good" / "diffuse.png")
        assert house.batch("good").success
        assert house.versions("good") == kept
        assert house.store.require("refined_images", "good").files["square.png"].sha256 == image
        assert house.materialize("good", assets=("sentinel_scores",)).success


def test_images_are_the_same_whether_passes_come_from_memory_or_from_the_store(house: House) -> None:
    assert house.batch("good").success
    assert house.batch("kept", assets=("product_mesh", "product_regions", "reference_shots", "control_passes")).success
    assert house.batch("kept", assets=("refined_images", "sentinel_scores", "delivered_images")).success
    with (Image.open(house.store.require("refined_images", "good").path("square.png")) as one,
          Image.open(house.store.require("refined_images", "kept").path("square.png")) as two):
        assert np.array_equal(np.asarray(one), np.asarray(two))


def test_materializations_carry_versions_and_what_an_engineer_wants_to_see(house: House) -> None:
    assert house.batch("good").success
    passes = house.last("control_passes", "good")
    assert passes.tags is not None
    assert passes.tags["dagster/data_version"] == house.versions("good")["control_passes"]
    assert passes.tags["dagster/input_data_version/product_mesh"] == house.versions("good")["product_mesh"]
    assert "data:image/jpeg;base64," in str(passes.metadata["preview"].value)
    assert len(str(passes.metadata["preview"].value)) < 31_000
    assert "leather" not in str(house.last("product_mesh", "good").metadata["materials"].value)
    assert "not refined" in str(house.last("refined_images", "good").metadata["preset"].value)


BAD: dict[str, tuple[str, dict[str, str | Image.Image]]] = {
    "empty": ("sku_empty", {}),
    "two-meshes": ("several_meshes", {"a.obj": box_obj(), "b.obj": box_obj()}),
    "missing-texture": ("texture_missing", {"a.obj": "mtllib a.mtl\n" + box_obj(material="skin"),
                                            "a.mtl": "newmtl skin\nmap_Kd gone.png\n"}),
    "unreadable-image": ("texture_unreadable", {"a.obj": box_obj(), "diffuse.png": "nonsense"}),
    "no-uv": ("uv_missing", {"a.obj": "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n",
                             "diffuse.png": checks()}),
    "no-triangles": ("mesh_empty", {"a.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\n"}),
    "not-a-number": ("mesh_not_finite", {"a.obj": box_obj().replace("v -0.100000", "v nan", 1)}),
    "unknown-format": ("unknown_format", {"model.blend": "?"}),
    "typo": ("manifest_invalid", {"a.obj": box_obj(), "product.yaml": "desciption: oops"}),
    "enormous-texture": ("texture_too_large", {"a.obj": box_obj(), "diffuse.png": Image.new("1", (10_000, 10_000))}),
}


def test_every_bad_input_is_a_named_error_and_nothing_else_is_lost(house: House) -> None:
    for sku, (_, files) in BAD.items():
        (house.catalogue / sku).mkdir()
        for name, content in files.items():
            if isinstance(content, str):
                (house.catalogue / sku / name).write_text(content)
            else:
                content.save(house.catalogue / sku / name)
    (house.catalogue / "illegal name").mkdir()
    assert not house.batch(*BAD, "good").success
    errors = house.store.errors()
    assert {sku: errors[sku]["code"] for sku in BAD} == {sku: code for sku, (code, _) in BAD.items()}
    for sku in BAD:
        assert errors[sku]["hint"], sku
        assert "Traceback" not in errors[sku]["message"], sku
        assert house.status(sku)["sentinel_scores"] == "failed"
    assert house.status("good") == GOOD
    assert house.publish().success
    page = (house.store.root / "report" / "index.html").read_text()
    assert all(code in page for code, _ in BAD.values())
    assert "illegal name" in page
    assert "sku_name" in page


def test_a_repaired_sku_loses_its_error(house: House) -> None:
    break_texture(house, "bad")
    assert not house.batch("bad").success
    checks().save(house.catalogue / "bad" / "diffuse.png")
    assert house.batch("bad").success
    assert house.store.errors() == {}
    assert house.status("bad") == GOOD


def test_a_repair_through_the_ui_clears_the_error_too(house: House) -> None:
    break_texture(house, "bad")
    assert not house.batch("bad").success
    checks().save(house.catalogue / "bad" / "diffuse.png")
    assert house.materialize("bad", assets=("control_passes", "refined_images", "sentinel_scores",
                                            "delivered_images")).success
    assert house.store.errors() == {}


def test_an_artefact_whose_file_is_gone_is_made_again(house: House) -> None:
    assert house.batch("good").success
    path = house.store.require("refined_images", "good").path("square.png")
    before = path.read_bytes()
    path.unlink()
    assert house.batch("good").success
    assert house.store.require("refined_images", "good").path("square.png").read_bytes() == before
    assert house.kept("good")["refined_images"] is False
    assert house.kept("good")["control_passes"] is True


def test_one_damaged_artefact_does_not_stop_the_tables(house: House) -> None:
    assert house.batch("good", "kept").success
    house.store.require("sentinel_scores", "good").path("scores.parquet").unlink()
    assert house.publish().success
    assert set(read_current(house.store)["sku"].to_pylist()) == {"kept"}


def test_passes_that_were_not_kept_are_never_rendered_from_other_inputs(house: House) -> None:
    settings = house.catalogue / "catalogue.yaml"
    settings.write_text(settings.read_text() + "keep_passes: none\n")
    assert house.batch("good").success
    checks((150, 40, 40)).save(house.catalogue / "good" / "diffuse.png")
    settings.write_text(settings.read_text() + "prompt: at dusk\n")
    assert not house.materialize("good", assets=("refined_images",)).success
    assert house.store.errors()["good"]["code"] == "upstream_stale"


def test_nothing_outside_a_skus_folder_is_part_of_it(house: House) -> None:
    checks((200, 0, 0)).save(house.catalogue.parent / "outside.png")
    folder = house.catalogue / "good"
    (folder / "diffuse.png").unlink()
    (folder / "diffuse.png").symlink_to("../../outside.png")
    (folder / ".hidden").mkdir()
    checks().save(folder / ".hidden" / "skin.png")
    (folder / "box.obj").write_text("mtllib box.mtl\n" + box_obj(material="skin"))
    for named in ("../..", ".hidden/skin.png", "diffuse.png", str(house.catalogue.parent / "outside.png")):
        (folder / "box.mtl").write_text(f"newmtl skin\nmap_Kd {named}\n")
        assert not house.batch("good").success, named
        error = house.store.errors()["good"]
        assert error["code"] in ("texture_missing", "path_escapes"), (named, error)


def test_a_shot_list_that_cannot_be_taken_is_a_named_error(house: House) -> None:
    for shots, code in (("[detail]", "no_shots"), ("[square, {name: square, azimuth_deg: 9}]", "shot_duplicate"),
                        ("[{name: square, azimuth_deg: .nan}]", "manifest_invalid")):
        (house.catalogue / "good" / "product.yaml").write_text(f"shots: {shots}\n")
        assert not house.batch("good").success
        assert house.store.errors()["good"]["code"] == code


def test_checks_are_of_the_latest_materialization_of_each_partition(house: House) -> None:
    """Dagster takes checks of another one, or of none, for missing."""
    check = AssetCheckKey(AssetKey("sentinel_scores"), "silhouette")
    for _ in range(2):
        assert house.batch("good", "kept").success
        found = house.instance.event_log_storage.get_asset_check_partition_info([check])
        assert {info.partition_key: info.is_current for info in found} == {"good": True, "kept": True}
