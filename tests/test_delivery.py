"""Delivery: who goes out, how it is encoded, and what the manifest says."""

from __future__ import annotations

import hashlib
import io
import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pipeline.delivery import Decision, DeliveredShot, alt_text, delivery_manifest, encode, reason, select
from pipeline.errors import StoreError
from pipeline.sentinel.types import Verdict
from pipeline.settings import DeliverySettings

XMP = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
       b'<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" e:DigitalSourceType="x"/>'
       b"</rdf:RDF></x:xmpmeta>")
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DEFAULT = DeliverySettings()


def product_picture(side: int) -> NDArray[np.uint8]:
    """A saturated, textured ellipse on pure white, (side, side, 3)."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    grain = np.random.default_rng(0).normal(0, 12, (side, side, 1))
    stripes = np.stack([200 * (np.sin(x * 90) > 0), 90 + 60 * np.sin(y * 40), 40 + 0 * x], axis=-1)
    inside = ((x - 0.5) / 0.38) ** 2 + ((y - 0.55) / 0.26) ** 2 < 1
    return np.where(inside[..., None], np.clip(stripes + grain, 0, 255), 255).astype(np.uint8)


def shot(name: str, verdict: Verdict = "pass", score: float | None = 91.0) -> DeliveredShot:
    return DeliveredShot(name, 1080, 1080, {"webp": b"webp of " + name.encode(), "jpg": b"jpg"}, verdict, score,
                         "embedded", "compositeWithTrainedAlgorithmicMedia")


def manifest_of(verdicts: dict[str, Verdict], previous: dict[str, Any] | None = None) -> dict[str, Any]:
    decisions = select(verdicts, "embedded", DEFAULT, previous)
    return delivery_manifest("shoe", "Court Shoe", "footwear", [shot(d.shot, verdicts[d.shot]) for d in decisions
                                                                if d.deliver],
                             decisions, {"hero": ["silhouette", "colour"]}, previous)


@pytest.mark.parametrize(("verdict", "preset", "settings", "deliver", "outcome"), [
    ("pass", "embedded", DEFAULT, True, "passed"),
    ("warn", "embedded", DEFAULT, True, "warned"),
    ("warn", "embedded", DeliverySettings(deliver_warn=False), False, "warning_not_delivered"),
    ("fail", "embedded", DEFAULT, False, "failed"),
    ("unmeasured", "embedded", DEFAULT, False, "failed"),
    ("not_applicable", "embedded", DEFAULT, False, "failed"),
    ("pass", "none", DEFAULT, False, "unrefined"),
    ("pass", "none", DeliverySettings(deliver_unrefined=True), True, "passed"),
    ("warn", "none", DeliverySettings(deliver_unrefined=True, deliver_warn=False), False, "warning_not_delivered"),
    ("fail", "none", DeliverySettings(deliver_unrefined=True), False, "failed"),
])
def test_who_is_delivered(verdict: Verdict, preset: str, settings: DeliverySettings, deliver: bool,
                          outcome: str) -> None:
    (decision,) = select({"hero": verdict}, preset, settings)
    assert (decision.deliver, decision.outcome, decision.withdraw) == (deliver, outcome, False)


def test_a_new_fail_withdraws_the_old_image_until_it_is_replaced() -> None:
    first = manifest_of({"hero": "pass", "top": "pass"})
    second = manifest_of({"hero": "fail", "top": "pass"}, first)
    assert [image["shot"] for image in second["images"]] == ["top"]
    assert second["withheld"] == [{"shot": "hero", "role": "homepage", "outcome": "failed",
                                   "checks": ["silhouette", "colour"], "reason": "Failed silhouette and colour."}]
    (withdrawn,) = second["withdrawn"]
    assert withdrawn["files"] == first["images"][0]["files"]
    # A shop that missed the second manifest still learns from the third.
    third = manifest_of({"hero": "fail", "top": "pass"}, second)
    assert third["withdrawn"] == second["withdrawn"]
    assert manifest_of({"hero": "pass", "top": "pass"}, third)["withdrawn"] == []


def test_a_shot_that_no_longer_exists_is_withdrawn_but_not_withheld() -> None:
    manifest = manifest_of({"top": "pass"}, manifest_of({"hero": "pass", "top": "pass"}))
    assert [(entry["shot"], entry["outcome"]) for entry in manifest["withdrawn"]] == [("hero", "shot_removed")]
    assert manifest["withheld"] == []


VERDICTS = st.dictionaries(st.sampled_from(["hero", "square", "top", "detail", "pair"]),
                           st.sampled_from(["pass", "warn", "fail", "unmeasured"]))


@given(history=st.lists(VERDICTS, min_size=1, max_size=5), deliver_warn=st.booleans(), unrefined=st.booleans(),
       preset=st.sampled_from(["none", "embedded"]))
def test_nothing_that_went_out_is_ever_forgotten(history: list[dict[str, Verdict]], deliver_warn: bool,
                                                 unrefined: bool, preset: str) -> None:
    settings = DeliverySettings(deliver_warn=deliver_warn, deliver_unrefined=unrefined)
    previous: dict[str, Any] | None = None
    ever: set[str] = set()
    for verdicts in history:
        decisions = select(verdicts, preset, settings, previous)
        out = {d.shot for d in decisions if d.deliver}
        ever |= out
        assert {d.shot for d in decisions if d.withdraw} == ever - out
        assert [d.shot for d in decisions][:len(verdicts)] == list(verdicts)
        assert not any(d.deliver and verdicts[d.shot] in ("fail", "unmeasured") for d in decisions)
        previous = delivery_manifest("s", "S", "mug", [shot(name) for name in sorted(out)], decisions, {}, previous)
        json.dumps(previous, allow_nan=False)


def test_a_manifest_of_another_schema_is_refused_not_misread() -> None:
    with pytest.raises(StoreError) as caught:
        select({"hero": "pass"}, "embedded", DEFAULT, {"schema": "packshot.delivery/9", "images": []})
    assert caught.value.code == "schema_unknown"


def test_the_manifest_tells_a_shop_all_it_needs() -> None:
    (image,) = manifest_of({"hero": "pass"})["images"]
    data = b"webp of hero"
    assert image["files"][0] == {"name": "hero.webp", "mime": "image/webp", "bytes": len(data),
                                 "sha256": hashlib.sha256(data).hexdigest()}
    assert (image["role"], image["alt"], image["width"], image["height"], image["verdict"], image["score"]) == (
        "homepage", "Court Shoe, studio view", 1080, 1080, "pass", 91.0)
    assert image["digital_source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert alt_text("Mug", "left_side") == "Mug, left side"


def test_reasons_are_sentences() -> None:
    failed = Decision("hero", False, False, "failed")
    assert reason(failed, ["a", "b", "c"]) == "Failed a, b and c."
    assert reason(failed, ["a"]) == "Failed a."
    assert reason(failed) == "A required check failed or could not be measured."


@pytest.fixture(scope="module")
def encoded() -> dict[str, bytes]:
    return encode(product_picture(480), DEFAULT, XMP, ICC)


@pytest.mark.parametrize("suffix", ["webp", "jpg"])
def test_profile_provenance_and_pixels_survive(encoded: dict[str, bytes], suffix: str) -> None:
    image = Image.open(io.BytesIO(encoded[suffix]))
    assert image.info["icc_profile"] == ICC
    assert image.info["xmp"] == XMP
    pixels = np.asarray(image.convert("RGB")).astype(float)
    original = product_picture(480).astype(float)
    assert (pixels[:40] == 255).all(), "a pure white background has to stay pure white"
    assert np.abs(pixels - original).mean() < 3.0
    assert np.abs(pixels.mean(axis=(0, 1)) - original.mean(axis=(0, 1))).max() < 0.5, "no colour cast"


def test_jpeg_is_progressive_with_full_chroma(encoded: dict[str, bytes]) -> None:
    image = Image.open(io.BytesIO(encoded["jpg"]))
    assert image.info.get("progressive") == 1
    assert {component[1:3] for component in image.layer} == {(1, 1)}  # type: ignore[attr-defined]


def test_equal_pixels_give_equal_bytes_and_quality_is_obeyed(encoded: dict[str, bytes]) -> None:
    assert encode(product_picture(480), DEFAULT, XMP, ICC) == encoded
    small = encode(product_picture(480), DeliverySettings(webp_quality=60, jpeg_quality=60), XMP, ICC)
    assert all(len(small[suffix]) < len(encoded[suffix]) for suffix in encoded)


def test_both_encodings_stay_in_their_time_budget() -> None:
    started = time.process_time()
    encode(product_picture(1000), DEFAULT, XMP, ICC)
    assert time.process_time() - started < 0.7
