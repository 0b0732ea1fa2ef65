"""How the product sits in its frame."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalogue import Region, SolvedCamera
from pipeline.sentinel.evidence import bbox_of
from pipeline.sentinel.registry import check
from pipeline.sentinel.types import U8, Expected, Measurement


@check("framing", needs=("alpha",), unit="share", estimators=("fill_share", "margin_share"))
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
