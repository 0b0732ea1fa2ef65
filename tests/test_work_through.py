"""Batches that several SKUs share: what goes through the model together, who waits, who fails alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets import refined_images, work_through
from assets.sku import Sku
from pipeline.colour import to_display
from pipeline.errors import RefineError
from pipeline.refine import PRESETS, RefinerSettings
from pipeline.refine.types import Refined, RefineRequest, RefinerIdentity
from pipeline.workpiece import Workpiece
from tests.house import NAMES, House, house_of
from tests.small_catalogue import add_box, checks, small_catalogue
from tests.tiny_pipelines import save_tiny_pipeline

GOOD = dict.fromkeys(NAMES, "materialized")
SETTINGS = ("scale: 0.06\nshots: [square, {name: wide, width: 1500, height: 1080}]\n"
            "delivery: {deliver_unrefined: true}\n")
VERSIONS = count(1)


class Counting:
    """A refiner that hands on the raster and writes down what it was asked together."""

    calls: list[list[str]]
    spoilt = ""                                # beginning of a prompt that breaks whatever batch it is in
    version = 0

    def __init__(self, settings: RefinerSettings) -> None:
        self.preferred_batch = settings.batch
        self.identity = self.identity_of(settings)

    @classmethod
    def identity_of(cls, settings: RefinerSettings) -> RefinerIdentity:
        return RefinerIdentity(settings.preset, cls.version, "", "", "", {"batch": settings.batch})

    def refine(self, requests: Sequence[RefineRequest]) -> list[Refined]:
        self.calls.append([f"{r.prompt.split(',')[0]} {r.passes.shot.name}" for r in requests])
        if self.spoilt and any(r.prompt.startswith(self.spoilt) for r in requests):
            raise RefineError("output_invalid", "Not a number.", "Look at it.")
        return [Refined(to_display(r.passes.product, r.passes.plate, r.passes.white_backdrop),
                        {"preset": "counting", "seed": r.seed, "digital_source_type": "x/digitalCreation"})
                for r in requests]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    # A version of its own: the process keeps the refiner it has for the identity it has.
    kind = type("Fresh", (Counting,), {"calls": [], "version": next(VERSIONS)})
    monkeypatch.setitem(PRESETS, "counting", kind)
    return kind


def house_at(folder: Path, batch: int, *skus: str) -> Any:
    catalogue = small_catalogue(folder / "catalogue", *skus)
    (catalogue / "catalogue.yaml").write_text(SETTINGS)
    for sku in skus:
        (catalogue / sku / "product.yaml").write_text(f"description: {sku}\n")
    return house_of(catalogue, folder / "store",
                    {"PACKSHOT_REFINER": "counting", "PACKSHOT_REFINER_BATCH": str(batch)})


@pytest.fixture
def house(tmp_path: Path, counting: type[Counting]) -> Iterator[House]:
    with house_at(tmp_path, 2, "a", "b", "c") as opened:
        yield opened


def test_shots_of_one_size_share_a_batch_whichever_sku_they_are_of(house: House, counting: type[Counting]) -> None:
    assert house.batch("a", "b", "c").success, house.store.errors()
    assert counting.calls == [["a square", "b square"], ["a wide", "b wide"], ["c square"], ["c wide"]]
    assert [house.status(sku) for sku in "abc"] == [GOOD] * 3
    for sku, size, position in (("a", 2, 0), ("b", 2, 1), ("c", 1, 0)):
        image = house.store.require("refined_images", sku)
        assert image.json("square.json")["batch"] == {"size": size, "position": position}
        assert image.json("square.json")["sku"] == sku
        assert set(image.metadata["seconds"]) == {"square", "wide"}


def test_one_image_at_a_time_goes_sku_by_sku(tmp_path: Path, counting: type[Counting]) -> None:
    with house_at(tmp_path, 1, "a", "b") as house:
        assert house.batch("a", "b").success
    assert counting.calls == [["a square"], ["a wide"], ["b square"], ["b wide"]]


def test_images_do_not_depend_on_who_shares_the_batch(house: House, tmp_path: Path) -> None:
    assert house.batch("a", "b", "c").success
    together = {sku: house.store.require("refined_images", sku).files["square.png"] for sku in "abc"}
    with house_at(tmp_path / "other", 2, "b", "c") as other:
        assert other.batch("c", "b").success
        np.testing.assert_array_equal(piece_of(house, "b").image("square"), piece_of(other, "b").image("square"))
        assert other.versions("b")["refined_images"] == house.versions("b")["refined_images"]
    assert len({stored.sha256 for stored in together.values()}) == 3, "each image names its SKU"


def piece_of(house: House, sku: str) -> Workpiece:
    catalogue = house.resources.catalogue.open()
    return Workpiece(catalogue.product(sku), catalogue.settings, house.store, house.resources.renderer.get)


def test_what_is_kept_waits_for_nobody_and_is_not_refined(house: House, counting: type[Counting]) -> None:
    assert house.batch("a", "b", "c").success
    before = house.versions("b")
    counting.calls.clear()
    for sku in ("a", "c"):
        checks((150, 40, 40)).save(house.catalogue / sku / "diffuse.png")
    assert house.batch("a", "b", "c").success
    assert counting.calls == [["a square", "c square"], ["a wide", "c wide"]]
    assert house.versions("b") == before
    assert all(house.kept("b").values())
    assert house.kept("a") == {name: name in ("product_mesh", "reference_shots") for name in NAMES}


def test_a_sku_that_fails_before_its_images_leaves_the_batch_to_others(house: House, counting: type[Counting]) -> None:
    (house.catalogue / "b" / "diffuse.png").write_bytes(b"not an image")
    assert not house.batch("a", "b", "c").success
    assert counting.calls == [["a square", "c square"], ["a wide", "c wide"]]
    assert house.status("a") == house.status("c") == GOOD
    assert house.store.errors()["b"]["code"] == "texture_unreadable"


def test_a_sku_that_spoils_its_batch_fails_alone(house: House, counting: type[Counting]) -> None:
    counting.spoilt = "b, "
    assert not house.batch("a", "b", "c").success
    assert house.status("a") == house.status("c") == GOOD
    assert house.status("b")["control_passes"] == "materialized"
    assert house.status("b")["refined_images"] == "failed"
    assert set(house.store.errors()) == {"b"}
    assert house.store.errors()["b"]["code"] == "output_invalid"
    counting.spoilt = ""
    assert house.batch("a", "b", "c").success
    assert house.store.errors() == {}


def test_passes_that_cannot_be_opened_fail_their_sku_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Workpiece.passes

    def torn(self: Workpiece, name: str) -> Any:
        if self.name == "a" and name == "wide":
            raise ValueError("torn")
        return whole(self, name)

    monkeypatch.setattr(Workpiece, "passes", torn)
    assert not house.batch("a", "b", "c").success
    assert house.status("b") == house.status("c") == GOOD
    assert house.store.errors()["a"]["code"] == "internal"


def test_passes_of_one_batch_at_most_are_in_memory(tmp_path: Path, counting: type[Counting],
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: dict[str, Sku] = {}
    held: list[int] = []
    whole = refined_images.refine_batch

    def watched(refiner: Any, batch: Any) -> Any:
        pieces.update({sku.name: sku for sku, _ in batch})
        before = sum(len(piece._passes) for piece in pieces.values())
        made = whole(refiner, batch)
        held.append(sum(len(piece._passes) for piece in pieces.values()) - before)
        assert before == 0
        return made

    monkeypatch.setattr(refined_images, "refine_batch", watched)
    with house_at(tmp_path, 3, "a", "b", "c") as house:
        assert house.batch("a", "b", "c").success
    assert held == [3, 3]
    assert not any(piece._passes or piece.ready for piece in pieces.values())


def test_megapixels_bound_how_many_wait(house: House, counting: type[Counting], monkeypatch: pytest.MonkeyPatch
                                        ) -> None:
    monkeypatch.setattr(work_through, "WAITING_MEGAPIXELS", 0.009)  # a SKU has 0.010 of them
    assert house.batch("a", "b", "c").success
    assert counting.calls == [[f"{sku} {shot}"] for sku in "abc" for shot in ("square", "wide")]


def test_passes_that_are_not_kept_are_rendered_again_for_the_batch(house: House, counting: type[Counting]) -> None:
    settings = house.catalogue / "catalogue.yaml"
    settings.write_text(settings.read_text() + "keep_passes: none\n")
    assert house.batch("a", "b").success, house.store.errors()
    assert counting.calls == [["a square", "b square"], ["a wide", "b wide"]]


def test_a_batch_of_refined_images_alone_shares_too(house: House, counting: type[Counting]) -> None:
    passes = ("product_mesh", "product_regions", "reference_shots", "control_passes")
    assert house.batch("a", "b", assets=passes).success
    assert counting.calls == []
    assert not house.batch("a", "b", "c", assets=("refined_images",)).success, "c has no passes"
    assert counting.calls == [["a square", "b square"], ["a wide", "b wide"]]
    assert house.store.errors()["c"]["code"] == "upstream_missing"


def test_the_model_is_loaded_once_per_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save_tiny_pipeline(tmp_path / "sd15", controlnets=1)  # prepares torch for a process that holds OpenGL
    import diffusers

    kind: Any = diffusers.StableDiffusionControlNetImg2ImgPipeline
    whole, loads = kind.from_pretrained, []

    def counted(*args: Any, **kwargs: Any) -> Any:
        loads.append(args)
        return whole(*args, **kwargs)

    monkeypatch.setattr(kind, "from_pretrained", counted)
    catalogue = small_catalogue(tmp_path / "catalogue", "a", "b", "c")
    variables = {"PACKSHOT_REFINER": f"diffusers:{model}", "PACKSHOT_REFINER_STEPS": "2",
                 "PACKSHOT_REFINER_STRENGTH": "0.5", "PACKSHOT_REFINER_LONG_SIDE": "64", "PACKSHOT_REFINER_BATCH": "2"}
    with house_of(catalogue, tmp_path / "store", variables) as house:
        assert house.batch("a", "b").success, house.store.errors()
        add_box(house.catalogue, "d")
        assert house.batch("c", "d").success
        assert house.materialize("a").success
    assert len(loads) == 1, "two batches, a run of its own, four SKUs: one model"
