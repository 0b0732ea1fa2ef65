"""What channels ask of a picture and of its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from pipeline.catalogue import Catalogue
from pipeline.delivery import encode, files_for
from pipeline.errors import PackshotError
from pipeline.sentinel import judge, judging_for
from pipeline.sentinel.channels import (
    Channel,
    Files,
    Rule,
    built_in,
    built_in_names,
    channel_scores,
    channels_for,
    file_scores,
)
from pipeline.sentinel.checks.artefacts import artefacts
from pipeline.sentinel.checks.delivery import ESTIMATORS, delivery
from pipeline.sentinel.measuring import measure
from pipeline.sentinel.types import Expected, Measurement
from pipeline.settings import DeliverySettings, Settings
from pipeline.shots import BUILT_IN, shots_for
from tests.sentinel_scene import Scene, shoe_scene
from tests.small_catalogue import small_catalogue

NOWHERE = UPath("/nonexistent")


def named(measurements: list[Measurement]) -> dict[str, Measurement]:
    return {m.estimator: m for m in measurements}


def verdict(reading: Measurement) -> str:
    return judge([reading])[0].verdict


def readings(fill: float = 0.87, long: float = 1080.0, impure: float | None = 0.0) -> list[Measurement]:
    background = Measurement("artefacts", "impure_share", "background", impure, "share", 1.0,
                             applicable=impure is not None, reason="the stage is not white" if impure is None else "")
    values = {"fill_share": fill, "margin_share": 0.05, "short_side": long, "long_side": long,
              "megapixels": long * long / 1e6, "aspect": 1.0}
    return [background, *(Measurement("delivery", name, "image", value, "", 1.0) for name, value in values.items())]


def test_framing_reads_fill_and_margin(scene: Scene) -> None:
    read = named(delivery(scene.expected, scene.expected.display, ()))
    assert read["fill_share"].value == pytest.approx(0.84, abs=0.01)
    assert read["margin_share"].value == pytest.approx(0.08 * 480 / 400, abs=0.01)
    assert {verdict(read[name]) for name in ("fill_share", "margin_share")} == {"pass"}
    assert read["long_side"].value == 480
    assert read["megapixels"].value == pytest.approx(0.192)
    assert read["aspect"].value == pytest.approx(1.2)


def test_a_product_at_the_border_fails(scene: Scene) -> None:
    cropped = crop(scene.expected, 60)
    read = named(delivery(cropped, cropped.display, ()))
    assert read["margin_share"].value == 0.0
    assert verdict(read["margin_share"]) == "fail"


def test_a_detail_shot_may_cut_the_product(scene: Scene) -> None:
    cropped = crop(scene.expected, 60)
    close = replace(cropped, shot=replace(cropped.shot, framed_region="tongue"))
    read = named(delivery(close, close.display, ()))
    assert {verdict(read[name]) for name in ("fill_share", "margin_share")} == {"not_applicable"}


def test_own_rules_are_the_engineering_limits() -> None:
    own = built_in("own")
    assert set(own.rules) == {"fill", "margin", "short_side", "long_side", "megapixels", "aspect"}
    assert len(own.rules) == len(ESTIMATORS)
    assert ESTIMATORS["fill_share"].limit.fail == own.rules["fill"].min


@pytest.mark.parametrize("name", built_in_names())
def test_a_built_in_channel_names_its_source(name: str) -> None:
    channel = built_in(name)
    assert channel.source
    assert channel.files is not None
    assert "jpg" in channel.files.formats


@pytest.mark.parametrize(("channel", "broken", "rule"), [
    ("amazon_main", {"fill": 0.84}, "fill_share"), ("amazon_main", {"long": 990.0}, "long_side"),
    ("amazon_main", {"long": 10_001.0}, "long_side"), ("amazon_main", {"impure": 0.0001}, "impure_share"),
    ("amazon_main", {"impure": None}, "impure_share"), ("google", {"long": 499.0}, "short_side"),
    ("google", {"long": 8_001.0}, "megapixels"), ("shopify", {"long": 5_001.0}, "megapixels"),
])
def test_a_broken_rule_fails_alone(channel: str, broken: dict[str, float | None], rule: str) -> None:
    chosen = (built_in(channel),)
    assert {score.verdict for score in channel_scores(readings(), chosen)} == {"pass"}
    scores = channel_scores(readings(**broken), chosen)  # type: ignore[arg-type]
    failed = {score.measurement.estimator for score in scores if score.verdict == "fail"}
    assert rule in failed
    sentence = next(score.sentence for score in scores if score.measurement.estimator == rule)
    assert sentence.startswith(f"The channel {channel.replace('_', ' ')} ")


def test_one_score_for_each_channel_and_rule(scene: Scene) -> None:
    measured = [*delivery(scene.expected, scene.expected.display, ()),
                *artefacts(scene.expected, scene.expected.display, ())]
    chosen = (built_in("amazon_main"), built_in("google"))
    scores = channel_scores(measured, chosen)
    keys = [(score.measurement.region, score.measurement.estimator) for score in scores]
    assert len(keys) == len(set(keys)) == sum(len(channel.rules) for channel in chosen)
    assert {score.measurement.check for score in scores} == {"delivery"}
    failed = {key for key, score in zip(keys, scores, strict=True) if score.verdict == "fail"}
    assert failed == {("channel:amazon_main", "fill_share"), ("channel:amazon_main", "long_side"),
                      ("channel:google", "short_side")}


def test_a_reading_that_nobody_took_is_no_pass() -> None:
    (score,) = channel_scores([], (Channel(name="x", title="X", source="-", rules={"fill": Rule(min=0.5)}),))
    assert score.verdict == "unmeasured"


def test_a_catalogue_chooses_channels_and_brings_its_own(tmp_path: Path) -> None:
    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / "kiosk.yaml").write_text("title: Kiosk\nsource: house manual\nrules: {fill: {min: 0.9}}\n")
    (tmp_path / "catalogue.yaml").write_text("channels: {square: [kiosk, google]}\n")
    catalogue = Catalogue.at(tmp_path)
    judging = judging_for(catalogue.settings, catalogue.root)
    scene = shoe_scene()
    measured = measure(scene.expected, scene.expected.display)
    regions = {score.measurement.region for score in judging.judge(measured, shot="square")}
    assert {"channel:kiosk", "channel:google"} <= regions
    kiosk = [score for score in judging.judge(measured, shot="square") if score.measurement.region == "channel:kiosk"]
    assert [score.verdict for score in kiosk] == ["fail"]
    assert not any(score.measurement.region.startswith("channel:") for score in judging.judge(measured, shot="hero"))
    assert "0.9" in str(judging.inputs["channels"])


@pytest.mark.parametrize(("text", "code", "hint"), [
    (None, "channel_unknown", "amazon_main"),
    ("title: A\nsource: b\nrules: {fil: {min: 1}}\n", "channel_invalid", ""),
    ("title: A\nsource: b\nrules: {fill: {mim: 1}}\n", "channel_invalid", "`min`"),
    ("title: A\nsource: b\nrules: {fill: {}}\n", "channel_invalid", ""),
    ("title: A\nsource: b\nrules: {fill: {min: 0.8, warn: 0.5}}\n", "channel_invalid", ""),
    ("- a\n", "channel_invalid", ""), ("title: [\n", "channel_invalid", ""),
])
def test_a_channel_that_cannot_be_used_says_why(tmp_path: Path, text: str | None, code: str, hint: str) -> None:
    if text is not None:
        (tmp_path / "channels").mkdir()
        (tmp_path / "channels" / "amazon_man.yaml").write_text(text)
    with pytest.raises(PackshotError) as caught:
        channels_for(Settings(channels={"square": ("amazon_man",)}), UPath(tmp_path))
    assert caught.value.code == code
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["../own", "a/b", "", "Own"])
def test_a_channel_is_no_path(name: str) -> None:
    with pytest.raises(PackshotError, match="no channel"):
        channels_for(Settings(channels={"square": (name,)}), NOWHERE)


def test_a_channel_for_a_shot_that_is_not_there(tmp_path: Path) -> None:
    catalogue = Catalogue.at(small_catalogue(tmp_path, "bar"))
    settings = catalogue.settings.model_copy(update={"channels": {"sqare": ("google",)}})
    with pytest.raises(PackshotError) as caught:
        shots_for(catalogue.product("bar"), settings, ())
    assert caught.value.code == "channel_shot_unknown"
    assert "`square`" in caught.value.hint
    chosen = catalogue.settings.model_copy(update={"channels": {"square": ("google",)}})
    assert shots_for(catalogue.product("bar"), chosen, ())


def test_the_built_in_square_shot_fills_what_amazon_asks_for() -> None:
    least = built_in("amazon_main").rules["fill"].min
    assert least is not None
    assert getattr(BUILT_IN["square"].camera, "fill", 0.0) >= least + 0.01


def test_files_are_judged_by_format_and_size() -> None:
    amazon = (built_in("amazon_main"),)
    assert {score.verdict for score in file_scores("jpg", 900_000, amazon)} == {"pass"}
    assert {score.verdict for score in file_scores(".JPEG", 900_000, amazon)} == {"pass"}
    refused = {score.measurement.estimator: score for score in file_scores("webp", 900_000, amazon)}
    assert refused["format"].verdict == "fail"
    assert ".webp" in refused["format"].sentence or "webp" in refused["format"].sentence
    large = {score.measurement.estimator: score for score in file_scores("jpg", 12_000_000, amazon)}
    assert large["bytes"].verdict == "fail"
    assert "12.0 MB" in large["bytes"].sentence


def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (160, 160, 3)).astype(np.uint8)


def channel(formats: tuple[str, ...], most: int | None = None) -> Channel:
    return Channel(name="tight", title="Tight", source="-", files=Files(formats=formats, max_bytes=most))


def test_each_channel_gets_a_file_that_it_takes() -> None:
    chosen = (built_in("amazon_main"), built_in("google"), built_in("shopify"))
    encodings = encode(picture(), DeliverySettings(), b"", b"", chosen)
    assert encodings == encode(picture(), DeliverySettings(), b"", b"")
    files = files_for(encodings, chosen)
    assert files["amazon_main"] == "jpg"
    assert set(files) == {"amazon_main", "google", "shopify"}


def test_a_file_too_large_is_encoded_again() -> None:
    plain = encode(picture(), DeliverySettings(), b"", b"")
    most = int(0.8 * len(plain["jpg"]))
    smaller = encode(picture(), DeliverySettings(), b"", b"", (channel(("jpg",), most),))
    assert len(smaller["jpg"]) <= most < len(plain["jpg"])
    assert smaller["webp"] == plain["webp"]
    assert files_for(smaller, (channel(("jpg",), most),)) == {"tight": "jpg"}


@pytest.mark.parametrize(("formats", "most", "code"), [(("jpg",), 900, "channel_bytes"), (("png",), None,
                                                                                         "channel_format")])
def test_a_channel_that_takes_no_file_is_an_error(formats: tuple[str, ...], most: int | None, code: str) -> None:
    with pytest.raises(PackshotError) as caught:
        encode(picture(), DeliverySettings(), b"", b"", (channel(formats, most),))
    assert caught.value.code == code


def crop(expected: Expected, pixels: int) -> Expected:
    """The same picture without its left columns."""
    return replace(expected, display=expected.display[:, pixels:], plate=expected.plate[:, pixels:],
                   alpha=expected.alpha[:, pixels:])


@pytest.fixture
def scene() -> Scene:
    return shoe_scene()
