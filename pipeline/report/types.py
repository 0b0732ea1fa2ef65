"""What the report page shows, gathered before it is drawn. No store, no HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.sentinel.types import Verdict


@dataclass(frozen=True, slots=True)
class ReportImage:
    """A picture on disk, and the address the page uses where it links instead of embedding."""

    path: Path                             # a local file, of any format Pillow reads
    link: str = ""                         # relative to the page, posix; "" where there is none


@dataclass(frozen=True, slots=True)
class ReportScore:
    """One judged check of one shot."""

    check: str
    estimator: str
    region: str
    verdict: Verdict
    value: float | None
    unit: str
    limit: float | None
    direction: str                         # "max" or "min"
    score: float | None                    # 0..100, 50 at the limit
    coverage: float                        # 0..1
    required: bool
    sentence: str
    reason: str = ""
    bbox: tuple[int, int, int, int] | None = None  # x0, y0, x1, y1 in pixels of the final image
    evidence: ReportImage | None = None


@dataclass(frozen=True, slots=True)
class ReportShot:
    """One picture of one product, before and after. What does not exist yet is None."""

    name: str
    width: int                             # pixels of the final image
    height: int
    verdict: Verdict | None                # None: not scored
    score: float | None                    # lowest score of the required checks
    before: ReportImage | None             # the picture before refinement
    after: ReportImage | None              # the final image
    scores: tuple[ReportScore, ...] = ()
    delivered: bool | None = None          # None: delivery has not run
    delivery_reason: str = ""
    provenance: Mapping[str, str] | None = None  # facts about the final image, in display order
    before_label: str = "Render"           # what ``before`` is, in a word
    unlocked: ReportImage | None = None    # the refined picture before the identity lock; None: nothing was locked
    action: str = ""                       # what Sentinel recommends: deliver, retry, repair or review
    notice: str = ""                       # what to know about the limits that judged it


@dataclass(frozen=True, slots=True)
class ReportMaterial:
    name: str
    kind: str
    guessed: tuple[str, ...] = ()          # fields the file did not give


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What ingest found out about the mesh."""

    format: str
    triangles: int
    extents_mm: tuple[float, float, float]  # x, y, z of the canonical frame
    front: str                             # axis and confidence in words
    materials: tuple[ReportMaterial, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportError:
    """Why a SKU did not get through."""

    asset: str
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class ReportRefusal:
    """A reference photo in which the product could not be placed surely enough."""

    photo: str                             # file inside the SKU's folder
    message: str
    hint: str                              # what to write beside it
    candidates: ReportImage | None         # how it might stand there


@dataclass(frozen=True, slots=True)
class ReportSku:
    sku: str
    name: str
    category: str
    shots: tuple[ReportShot, ...] = ()
    facts: ReportFacts | None = None
    error: ReportError | None = None
    refused: tuple[ReportRefusal, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportTotals:
    """A catalogue of which the page shows a part, in numbers."""

    products: int
    shots: int                             # that are scored
    passed: int
    warned: int
    failed: int                            # those with a required check that could not be measured too
    unmeasured: int
    errors: int                            # products that could not be processed


@dataclass(frozen=True, slots=True)
class ReportData:
    """A whole catalogue, ready to be drawn."""

    title: str
    skus: tuple[ReportSku, ...]
    presets: tuple[str, ...]               # refiner presets behind the images, sorted
    generated_at: str                      # ISO 8601; given, so that equal data draws an equal page
    run: Mapping[str, str]                 # further lines of run information, in display order
    totals: ReportTotals | None = None     # of the catalogue, where ``skus`` are only those that need a look most
