"""Does the image show what was asked for, and the product? Advisory, and only where ``PACKSHOT_CLIP`` names a model.

``PACKSHOT_CLIP`` is a folder with ``open_clip_config.json`` and weights, or an open_clip model of the Hugging Face hub
(see ``pipeline/sentinel/clip.py``). No model ships with Packshot: without one the check does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.catalogue import Region
from pipeline.sentinel import clip
from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, BBox, Expected, Limit, Measurement

NOT_CONFIGURED = "not_configured"

ESTIMATORS: Mapping[str, Estimator] = {
    # Cosines differ from model to model; these are usual for ViT-B/32. CLIP cannot see most defects: it only advises.
    "prompt_similarity": Estimator(Limit(fail=0.15, warn=0.2, direction="min", perfect=0.35, required=False),
                                   "does not look like what was asked for (similarity {value:.2f})"),
    "product_similarity": Estimator(Limit(fail=0.75, warn=0.85, direction="min", perfect=1.0, required=False),
                                    "does not look like the product that was rendered (similarity {value:.2f})"),
}


@check("semantic", needs=("alpha", "display"), unit="cosine", estimators=ESTIMATORS, about="likeness", layer="quality")
def semantic(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """CLIP cosine of the image with the shot's prompt, and of the product with its render.

    The product is compared in a square around it, the same in both pictures (Radford et al., 2021).
    """
    named = clip.configured()
    if not named:
        return [_without_value(name, NOT_CONFIGURED) for name in ESTIMATORS]
    model = clip.load(named)
    return [_prompt(model, expected, observed), _product(model, expected, observed)]


def _prompt(model: clip.Clip, expected: Expected, observed: U8) -> Measurement:
    prompt = expected.shot.prompt.strip()
    if not prompt:
        return _without_value("prompt_similarity", "the shot has no prompt")
    value = float(model.of_images([observed])[0] @ model.of_text(prompt))
    return Measurement("semantic", "prompt_similarity", "image", value, "cosine", 1.0)


def _product(model: clip.Clip, expected: Expected, observed: U8) -> Measurement:
    box = bbox_of(expected.alpha > 0.5)
    if box is None:
        return _without_value("product_similarity", "the product is not in the picture")
    wanted, seen = model.of_images([_square(picture, box) for picture in (expected.display, observed)])
    return Measurement("semantic", "product_similarity", "product", float(wanted @ seen), "cosine", 1.0, box)


def _square(picture: U8, box: BBox) -> U8:
    """The box made square about its centre; beyond the picture its border is continued."""
    side = max(box[2] - box[0], box[3] - box[1])
    rows, columns = (np.clip(np.arange(side) + (low + high - side) // 2, 0, last - 1)
                     for low, high, last in ((box[1], box[3], picture.shape[0]), (box[0], box[2], picture.shape[1])))
    return picture[rows[:, None], columns]


def _without_value(estimator: str, reason: str) -> Measurement:
    region = "image" if estimator == "prompt_similarity" else "product"
    return Measurement("semantic", estimator, region, None, "cosine", 0.0, applicable=False, reason=reason)
