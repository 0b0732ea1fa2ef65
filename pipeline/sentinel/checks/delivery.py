"""What shops ask of a picture: how the product sits in its frame, and how large and of what shape the picture is.

Only measured here. The limits are those of the channel ``own``; rules of the channels that a catalogue has chosen
judge the same readings (:mod:`pipeline.sentinel.channels`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.catalogue import Region, SolvedCamera
from pipeline.sentinel.channels import own_limit
from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, Expected, Measurement

# What breaks a rule follows from the shot, which another attempt shares: a person has to change it.
ESTIMATORS: Mapping[str, Estimator] = {
    "fill_share": Estimator(own_limit("fill"), "fills only {value:.0%} of the frame", "review"),
    "margin_share": Estimator(own_limit("margin"), "comes within {value:.1%} of the frame's border", "review"),
    "short_side": Estimator(own_limit("short_side"), "is only {value:.0f} px on its short side", "review"),
    "long_side": Estimator(own_limit("long_side"), "is {value:.0f} px on its long side", "review"),
    "megapixels": Estimator(own_limit("megapixels"), "has {value:.0f} megapixels", "review"),
    "aspect": Estimator(own_limit("aspect"), "is {value:.1f} times as long as it is wide", "review"),
}


@check("delivery", needs=("alpha",), unit="share", layer="quality", estimators=ESTIMATORS, about="delivery rule")
def delivery(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Share of the frame that the product's larger extent takes, its smallest margin, and the picture's size.

    Fill and margin follow from the shot's geometry; that the image keeps to it is the silhouette's check.
    The margin is a share of the frame's shorter side.
    """
    height, width = observed.shape[:2]
    short, long = min(width, height), max(width, height)
    sizes = [("short_side", float(short), "px"), ("long_side", float(long), "px"),
             ("megapixels", width * height / 1e6, "MP"), ("aspect", long / short, "ratio")]
    return [*_framing(expected),
            *(Measurement("delivery", name, "image", value, unit, 1.0) for name, value, unit in sizes)]


def _framing(expected: Expected) -> list[Measurement]:
    box = bbox_of(expected.alpha > 0.5)
    cropped = _cropped_on_purpose(expected)
    if box is None or cropped:
        return [Measurement("delivery", name, "product", None, "share", 0.0, applicable=not cropped, reason=cropped
                            or "the product is not in the picture") for name in ("fill_share", "margin_share")]
    width, height = expected.size
    fill = max((box[2] - box[0]) / width, (box[3] - box[1]) / height)
    margin = min(box[0], box[1], width - box[2], height - box[3]) / min(width, height)
    return [Measurement("delivery", "fill_share", "product", fill, "share", 1.0, box),
            Measurement("delivery", "margin_share", "product", margin, "share", 1.0, box)]


def _cropped_on_purpose(expected: Expected) -> str:
    """Why framing rules do not apply, or nothing."""
    if expected.shot.framed_region is not None:
        return "the shot frames a detail"
    return "the photo's frame is given" if isinstance(expected.shot.camera, SolvedCamera) else ""
