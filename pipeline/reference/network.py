"""Products found by a segmentation network of the user's own, as ONNX: U²-Net, IS-Net, BiRefNet and their kind.

None comes with Packshot. What such networks share is all that is asked of one: an RGB picture (1, 3, S, S) goes in,
and the first output says of every pixel how surely it is product, (1, 1, S, S) or (1, S, S), as a probability or
before its sigmoid; of two channels the second is the product.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PhotoError
from pipeline.settings import SegmentationSettings

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

THREADS = 2
LEAST_SIDE = 16                # px of a map of a picture
_HINT = "Check `segmentation:` in catalogue.yaml: a file beside it, with its `side`, `mean` and `std`."


class SegmentationNetwork:
    """One network, loaded once."""

    def __init__(self, model: bytes, settings: SegmentationSettings) -> None:
        """Raises PhotoError ``segmentation_model`` where onnxruntime cannot load it."""
        import onnxruntime  # 0.2 s that a photo without a network does not need

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base
            raise PhotoError("segmentation_model", f"{settings.model} is no ONNX model that can be run: {error}", _HINT
                             ) from error
        entry = self._session.get_inputs()[0]
        height, width = (entry.shape[2], entry.shape[3]) if len(entry.shape) == 4 else (None, None)
        self._name, self._settings = entry.name, settings
        self._size = ((width, height) if isinstance(height, int) and isinstance(width, int) else
                      (settings.side, settings.side))

    def mask(self, pixels: U8) -> U8:
        """(H, W) 0..255 how surely each pixel of (H, W, 3) sRGB is product.

        Raises PhotoError ``segmentation_model``.
        """
        small = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
        given = (small - np.array(self._settings.mean, np.float32)) / np.array(self._settings.std, np.float32)
        try:
            found = self._session.run(None, {self._name: np.ascontiguousarray(given.transpose(2, 0, 1)[None])})[0]
        except Exception as error:
            raise PhotoError("segmentation_model", f"{self._settings.model} cannot be run on a photo: {error}", _HINT
                             ) from error
        return np.asarray(cv2.resize(_probability(np.asarray(found, np.float32), self._settings.model) * 255.0,
                                     pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR) + 0.5).astype(np.uint8)


def _probability(found: F32, model: str) -> F32:
    """(S, S) 0..1 of a network's output."""
    while found.ndim > 3 and found.shape[0] == 1:
        found = found[0]
    if found.ndim == 3 and found.shape[0] in (1, 2):
        if found.shape[0] == 2:
            found = found[1] - found[0] if found.min() < 0.0 or found.max() > 1.0 else found[1]
        else:
            found = found[0]
    if found.ndim != 2 or min(found.shape) < LEAST_SIDE or not np.isfinite(found).all():
        raise PhotoError("segmentation_model", f"The output of {model} is no map of one picture: its shape is "
                         f"{found.shape}.", _HINT)
    if found.min() < 0.0 or found.max() > 1.0:
        found = (1.0 / (1.0 + np.exp(-found))).astype(np.float32)
    return np.asarray(found, np.float32)
