"""A house's own segmentation network finds the products of its reference photos: really loaded, really run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from pipeline.catalogue import Catalogue
from pipeline.errors import CatalogueError, PhotoError
from pipeline.reference.network import SegmentationNetwork
from pipeline.referencing import finder
from pipeline.refine.types import RefinerIdentity
from pipeline.settings import SegmentationSettings
from sensors.facets import changed_facets, facets
from tests.house import house_of
from tests.small_catalogue import small_catalogue

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
NAMED = "segmentation: {model: redness.onnx, mean: [0, 0, 0], std: [1, 1, 1]}\n"
RED_DISC = (380, 250, 90)                  # x, y, radius of what the network calls a product


def network(*, sigmoid: bool = True, fixed: int | None = None, channels: int = 1, red: float = 0.4) -> bytes:
    """What is redder than the mean of its colours by ``red`` is product."""
    side: int | str = fixed or "side"
    weights = np.array([1.0, -0.5, -0.5], np.float32).reshape(1, 3, 1, 1) * 40.0
    nodes = [helper.make_node("Conv", ["picture", "weights", "bias"], ["redness"])]
    last = "redness"
    if channels == 2:
        nodes += [helper.make_node("Neg", [last], ["ground"]), helper.make_node("Concat", ["ground", last], ["both"],
                                                                                axis=1)]
        last = "both"
    if sigmoid:
        nodes.append(helper.make_node("Sigmoid", [last], ["sure"]))
        last = "sure"
    graph = helper.make_graph(
        nodes, "redness", [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, channels, side, side])],
        [numpy_helper.from_array(weights, "weights"),
         numpy_helper.from_array(np.array([-40.0 * red], np.float32), "bias")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def photo() -> NDArray[np.uint8]:
    """A red disc and a green one, which is none of the network's."""
    pixels = np.full((500, 640, 3), 200, np.uint8)
    rows, columns = np.mgrid[:500, :640]
    for (x, y, radius), colour in ((RED_DISC, (220, 40, 30)), ((140, 250, 90), (30, 160, 50))):
        pixels[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = colour
    return pixels


def settings(**given: object) -> SegmentationSettings:
    return SegmentationSettings.model_validate({"model": "redness.onnx", **PLAIN, **given})


@pytest.mark.parametrize("given", [{}, {"sigmoid": False}, {"fixed": 256}, {"channels": 2}, {"channels": 2,
                                                                                         "sigmoid": False}])
def test_a_network_says_what_is_product(given: dict[str, bool | int]) -> None:
    mask = SegmentationNetwork(network(**given), settings(side=320)).mask(photo())  # type: ignore[arg-type]
    x, y, radius = RED_DISC
    rows, columns = np.mgrid[:500, :640]
    true = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
    assert mask.shape == (500, 640)
    assert ((mask > 127) & true).sum() / ((mask > 127) | true).sum() > 0.96


def test_colours_are_brought_to_what_it_was_trained_on() -> None:
    """With the mean of ImageNet taken off and divided by its deviation, the same network calls more red."""
    plain, trained = (SegmentationNetwork(network(red=0.8), settings(**given)).mask(photo())
                      for given in ({}, {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}))
    assert (plain > 127).sum() == 0
    assert (trained > 127).sum() > 20_000


@pytest.mark.parametrize("data", [b"", b"no model", network()[:200]])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(PhotoError) as caught:
        SegmentationNetwork(data, settings())
    assert caught.value.code == "segmentation_model"
    assert "segmentation:" in caught.value.hint


def test_an_output_that_is_no_map_is_refused() -> None:
    with pytest.raises(PhotoError, match="no map") as caught:
        SegmentationNetwork(shapeless(), settings()).mask(photo())
    assert caught.value.code == "segmentation_model"


def shapeless() -> bytes:
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["picture"], ["mean"]), helper.make_node("Flatten", ["mean"], ["flat"])],
        "mean", [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("flat", TensorProto.FLOAT, [1, 3])])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
                                   ).SerializeToString())


def test_a_catalogue_names_its_network(tmp_path: Path) -> None:
    small_catalogue(tmp_path, "box")
    (tmp_path / "catalogue.yaml").write_text(NAMED)
    catalogue = Catalogue.at(tmp_path)
    find = finder(catalogue.product("box"), catalogue.settings.segmentation)
    with pytest.raises(CatalogueError) as caught:
        find(photo())
    assert caught.value.code == "segmentation_missing"
    (tmp_path / "redness.onnx").write_bytes(network())
    [found] = find(photo()).figures
    assert abs(found.box[0] - (RED_DISC[0] - RED_DISC[2])) <= 3


def test_photos_are_solved_again_with_another_network(tmp_path: Path) -> None:
    """The network is an input of the asset: its settings and its content."""
    root = small_catalogue(tmp_path / "catalogue", "box")
    (root / "box" / "reference").mkdir()
    Image.fromarray(photo()).save(root / "box" / "reference" / "scene.png")
    settings_file = root / "catalogue.yaml"
    text = settings_file.read_text() if settings_file.exists() else ""
    versions = []
    with house_of(root, tmp_path / "store", {"PACKSHOT_LIGHT": "raster", "PACKSHOT_REFINER": "none"}) as house:
        for more, data in (("", b""), (NAMED, network()), (NAMED, network(red=0.5)), (NAMED, b"damaged")):
            settings_file.write_text(text + more)
            (root / "redness.onnx").write_bytes(data)
            assert house.batch("box").success
            artifact = house.store.require("reference_shots", "box")
            versions.append(artifact.data_version)
    assert len(set(versions)) == 4
    told = artifact.metadata["photos"]["photo-scene"]
    assert not told["accepted"]
    assert told["problem"]["code"] == "segmentation_model"


def test_the_sensor_tells_a_changed_network(tmp_path: Path) -> None:
    """And a store from before catalogues could name one sees no change."""
    small_catalogue(tmp_path, "box")
    settings_file = tmp_path / "catalogue.yaml"
    plain = settings_file.read_text()
    identity = RefinerIdentity("none", 1)
    before = facets(Catalogue.at(tmp_path), {}, identity)
    assert not any("network" in name for name in before)
    settings_file.write_text(plain + NAMED)
    named = facets(Catalogue.at(tmp_path), {"redness.onnx": "one"}, identity)
    assert changed_facets(before, named) == ["segmentation network changed", "segmentation network's file changed"]
    other = facets(Catalogue.at(tmp_path), {"redness.onnx": "another"}, identity)
    assert changed_facets(named, other) == ["segmentation network's file changed"]
