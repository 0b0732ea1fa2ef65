"""packshot calibrate: limits from a store's good images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.options import DEFAULT_STORE, Json, StorePath, answer


def calibrate(out: Annotated[Path, typer.Option("--out", help="File to write; name it as `calibration:` in "
                                                              "catalogue.yaml beside it.")],
              store: StorePath = DEFAULT_STORE,
              sku: Annotated[list[str] | None, typer.Option("--sku", help="Whose images are good; may be repeated; "
                                                                          "default all.")] = None,
              alpha: Annotated[float, typer.Option("--alpha", min=0.0001, max=0.5, help="Share of good products that "
                                                   "may alarm.")] = 0.01,
              as_json: Json = False) -> None:
    """Set limits by what a store's good images read: as strict as α allows, never laxer than engineering's."""
    from pipeline import calibrating
    from pipeline.sentinel import calibrate as calibrate_from
    from pipeline.sentinel.calibration import to_yaml
    from pipeline.store import ArtifactStore

    found = calibrating.samples_of(ArtifactStore(store), sku)
    calibration = calibrate_from(found.samples, alpha)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(to_yaml(calibration))
    answer({"file": str(out), "id": calibration.id, "alpha": alpha, "products": calibration.products,
             "limits": calibrating.limits_of(calibration), "failing": found.failing, "left_out": dict(found.left_out),
             "uncalibrated": calibrating.uncalibrated(calibration, found)}, as_json,
            lambda: f"{calibrating.told(calibration, found)}\n{out}")
