"""Reading text with no network: RapidOCR, whose models come inside its wheel.

>>> [reading] = read_lines([crop])                 # one line of text, about 60 px high
>>> for found in find_text(texture):
...     print(found.text, found.corners)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Corner = tuple[float, float]

LINE_PX = 60  # height of a line's crop that is read best
THREADS = 1   # per process: a batch of SKUs has its cores busy already
_TURN = threading.Lock()  # the engine keeps state while it reads; one SKU may be scored while another is looked at


@dataclass(frozen=True, slots=True)
class Reading:
    """What a crop says."""

    text: str
    confidence: float                      # 0..1


@dataclass(frozen=True, slots=True)
class FoundText:
    """A line of text somewhere in a picture."""

    text: str
    confidence: float                      # 0..1
    corners: tuple[Corner, Corner, Corner, Corner]  # px x, y: top left, top right, bottom right, bottom left as read


def read_lines(crops: Sequence[U8]) -> list[Reading]:
    """Read crops (h, w, 3), each one upright line of text, best about 60 px high."""
    readings = []
    for crop in crops:
        with _TURN:
            result = _engine()(np.ascontiguousarray(crop[..., ::-1]), use_det=False, use_cls=False, use_rec=True)
        readings.append(Reading(str(result.txts[0]), float(result.scores[0])) if result.txts else Reading("", 0.0))
    return readings


def find_text(image: U8) -> list[FoundText]:
    """Find and read every line of text in a picture (H, W, 3), whichever way up, the surest first."""
    with _TURN:
        result = _engine()(np.ascontiguousarray(image[..., ::-1]), use_det=True, use_cls=True, use_rec=True)
    if result.boxes is None or result.txts is None or result.scores is None:
        return []
    found = []
    for box, text, confidence in zip(result.boxes, result.txts, result.scores, strict=True):
        corners = [(float(x), float(y)) for x, y in box]
        found.append(FoundText(str(text), float(confidence), (corners[0], corners[1], corners[2], corners[3])))
    return sorted(found, key=lambda each: -each.confidence)


@cache
def _engine() -> Any:
    """One engine per process: loading takes a second."""
    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    return RapidOCR(params={"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
                            "EngineConfig.onnxruntime.inter_op_num_threads": THREADS})
