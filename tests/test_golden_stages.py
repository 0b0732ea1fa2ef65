"""Output and VERSION change together, for the stages that compute on the CPU alone.

``python -m tests.test_golden_stages`` writes tests/golden/<stage>-<version>.json for versions that have
none yet. When an output changes on purpose, raise the stage's VERSION first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from assets import delivered_images
from pipeline import delivery, refine, sentinel
from pipeline.refine.types import RefineRequest
from pipeline.settings import DeliverySettings
from tests.passes_factory import sphere_passes

FOLDER = Path(__file__).resolve().parent / "golden"
SIDE, BLOCK = 96, 8
CODE_TOLERANCE = 0.2   # of a block's mean: another processor may round single pixels differently
VALUE_TOLERANCE = 0.02


def pixels() -> NDArray[np.uint8]:
    request = RefineRequest(sphere_passes(size=SIDE), "a ball", 7)
    [image] = refine.make_refiner(refine.RefinerSettings(preset="none")).refine([request])
    return image.pixels


def refined() -> Any:
    """Mean code of every block of 8 × 8 pixels."""
    blocks = pixels().reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK, 3).mean(axis=(1, 3))
    return blocks.round(2).tolist()


def measured() -> Any:
    """Every reading of an image that is a little too red on the left."""
    image = pixels().astype(np.int16)
    image[:, : SIDE // 2, 0] += 9
    found = sentinel.measure(sentinel.expected_from(sphere_passes(size=SIDE)), np.clip(image, 0, 255).astype(np.uint8))
    return {f"{m.check}.{m.estimator} {m.region}": m.value for m in found}


def delivered() -> Any:
    settings = DeliverySettings(deliver_unrefined=True)
    decisions = delivery.select({"hero": "pass", "square": "fail"}, "none", settings)
    shot = delivery.DeliveredShot("hero", 2, 2, {"webp": b"w", "jpg": b"j"}, "pass", 91.5, "none", "digitalCreation")
    return delivery.delivery_manifest("sku", "A ball", "toy", [shot], decisions, {"square": ["silhouette"]})


STAGES: dict[str, tuple[int, Callable[[], Any], float]] = {
    "refined": (refine.VERSION, refined, CODE_TOLERANCE),
    "measured": (sentinel.VERSION, measured, VALUE_TOLERANCE),
    "delivered": (delivered_images.VERSION, delivered, 0.0),
}


@pytest.mark.parametrize("stage", STAGES)
def test_output_and_version_change_together(stage: str) -> None:
    version, make, tolerance = STAGES[stage]
    golden = json.loads((FOLDER / f"{stage}-{version}.json").read_text())
    made = json.loads(json.dumps(make()))
    if stage == "refined":
        assert np.abs(np.subtract(made, golden)).max() <= tolerance
    elif stage == "measured":
        assert made == pytest.approx(golden, abs=tolerance)
    else:
        assert made == golden


if __name__ == "__main__":
    for name, (version, make, _) in STAGES.items():
        path = FOLDER / f"{name}-{version}.json"
        if not path.exists():
            path.write_text(json.dumps(make(), indent=1) + "\n")
            print(path.name)
