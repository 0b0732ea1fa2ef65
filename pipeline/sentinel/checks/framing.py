"""How the product sits in its frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.catalogue import Region, SolvedCamera
from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.registry import Estimator, check
from pipeline.sentinel.types import U8, Expected, Limit, Measurement

ESTIMATORS: Mapping[str, Estimator] = {
    # Below a third of the frame the product is a thumbnail in its own picture.
    "fill_share": Estimator(Limit(fail=0.33, warn=0.5, direction="min", perfect=0.85),
                            "fills only {value:.0%} of the frame"),
    # A product that touches the border is cut off; two hundredths of the frame is the usual least margin.
    "margin_share": Estimator(Limit(fail=0.001, warn=0.02, direction="min", perfect=0.05),
                              "comes within {value:.1%} of the frame's border"),
}


@check("framing", needs=("alpha",), unit="share", estimators=ESTIMATORS, about="framing")
def framing(expected: Expected, observed: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Share of the frame that the product's larger extent takes, and the smallest margin.

    Both follow from the shot's geometry; that the image keeps to it is the silhouette's check.
    The margin is a share of the frame's shorter side.
    """
    box = bbox_of(expected.alpha > 0.5)
    cropped = _cropped_on_purpose(expected)
    if box is None or cropped:
        return [Measurement("framing", name, "product", None, "share", 0.0, applicable=not cropped, reason=cropped
                            or "the product is not in the picture") for name in ("fill_share", "margin_share")]
    width, height = expected.size
    fill = max((box[2] - box[0]) / width, (box[3] - box[1]) / height)
    margin = min(box[0], box[1], width - box[2], height - box[3]) / min(width, height)
    return [Measurement("framing", "fill_share", "product", fill, "share", 1.0, box),
            Measurement("framing", "margin_share", "product", margin, "share", 1.0, box)]


def _cropped_on_purpose(expected: Expected) -> str:
    """Why framing rules do not apply, or nothing."""
    if expected.shot.framed_region is not None:
        return "the shot frames a detail"
    return "the photo's frame is given" if isinstance(expected.shot.camera, SolvedCamera) else ""
