"""What Sentinel compares, what it measures, and what it concludes: three separate things."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.catalogue import Shot
from pipeline.render.types import F32, U32, CameraMatrices, Replaced

U8 = NDArray[np.uint8]
BBox = tuple[int, int, int, int]           # x0, y0, x1, y1 pixels, x1 and y1 exclusive
Verdict = Literal["pass", "warn", "fail", "unmeasured", "not_applicable"]
Layer = Literal["quality", "fidelity", "house"]    # general quality, the product's identity, a house's own rules
Remedy = Literal["retry", "repair", "review"]      # another attempt, a stronger lock where it is, a person's eyes
Action = Literal["deliver", Remedy]                # what to do with an image


@dataclass(frozen=True, slots=True)
class Expected:
    """What every pixel of a faithful image should show (H × W pixels, scene-linear Rec. 709).

    A faithful image is ``diffuse_albedo · diffuse · k(x) + s(x)`` with k achromatic and smooth per
    instance, and s ≥ 0 of the light's chromaticity.
    """

    shot: Shot
    camera: CameraMatrices
    white_backdrop: bool
    key_chromaticity: tuple[float, float, float]
    toe_direction: tuple[float, float] | None  # unit (x right, y down), None where the front is unknown
    material_names: tuple[str, ...]
    material_kinds: tuple[str, ...]
    display: U8                            # (H, W, 3) the beauty pass as it would be delivered
    plate: F32                             # (H, W, 3) the stage without the product; the shadow ratio on white
    alpha: F32                             # (H, W) filtered coverage
    diffuse_albedo: F32                    # (H, W, 3)
    diffuse: F32                           # (H, W, 3) light
    specular: F32                          # (H, W, 3)
    emissive: F32                          # (H, W, 3)
    uv: F32                                # (H, W, 2) NaN outside
    normal: F32                            # (H, W, 3) camera space, +Z to the viewer
    depth: F32                             # (H, W) metres, +inf outside
    instance_id: U32                       # (H, W) 0 = none
    material_id: U32                       # (H, W) 0 = none, else 1 + index into ``material_names``
    chart_id: U32                          # (H, W) 0 = none
    replaced: Replaced | None = None       # of a shot in a photo: the photo, and what stood there
    # What several checks derive from it, by what it is derived for; dies with the picture.
    derived: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.alpha.shape
        return width, height


@dataclass(frozen=True, slots=True)
class Measurement:
    """One estimator's reading on one region of one image. Knows nothing of limits."""

    check: str                             # registry name, e.g. "silhouette"
    estimator: str                         # e.g. "contour_deviation_p99"
    region: str                            # "image", "product", "toe", "material:upper", "label:tongue#1", …
    value: float | None                    # None: could not be measured; never a stand-in number
    unit: str
    coverage: float                        # 0..1 share of what should be seen that could be used
    bbox: BBox | None = None               # of the evidence
    evidence: U8 | None = None             # (h, w, 3) expected beside observed, where a picture helps
    applicable: bool = True
    reason: str = ""                       # why not applicable or unmeasured; else a detail worth reading
    evidence_path: str | None = None       # where a stored measurement's crop is kept, inside its artefact


@dataclass(frozen=True, slots=True)
class Limit:
    """When a value is too much (``direction`` "max") or too little ("min")."""

    fail: float
    warn: float | None = None
    direction: Literal["max", "min"] = "max"
    perfect: float = 0.0                   # the value that scores 100
    min_coverage: float = 0.5              # below it: unmeasured, which fails a required check
    required: bool = True
    source: Literal["engineering", "calibrated", "catalogue"] = "engineering"  # which of them decides
    n: int = 0                             # products behind the calibration; 0: uncalibrated
    enabled: bool = True                   # False: the catalogue does not want it judged


@dataclass(frozen=True, slots=True)
class Score:
    """A measurement judged."""

    measurement: Measurement
    limit: Limit | None
    verdict: Verdict
    score: float | None                    # 0..100, 50 at the failing limit; None where nothing was measured
    margin: float | None                   # signed distance to the failing limit in ``unit``; negative is bad
    sentence: str                          # in a merchandiser's words
