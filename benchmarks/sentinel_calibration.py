"""Calibrated limits from the benchmark: ``python -m benchmarks.sentinel_calibration --out FILE``.

What :mod:`pipeline.sentinel.calibration` makes of honest pictures of the presets that need no weights of yours, seen
through the benchmark's nuisances, in two sizes. The file that is shipped, ``pipeline/sentinel/calibrations/
standard.yaml``, is written by it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd

from benchmarks.sentinel_products import size_of
from benchmarks.sentinel_scoring import load
from pipeline.refine import RefinerSettings, identity_of
from pipeline.sentinel import Measurement
from pipeline.sentinel.calibration import Sample, calibrate, refiner_id, to_yaml

PRESETS = ("embedded", "none")


@cache
def refiner_of(source: str) -> str:
    """The name that calibrations give the preset; "" for a picture that no preset made."""
    if source not in PRESETS:
        return ""
    identity = identity_of(RefinerSettings.parse({"preset": source}))
    return refiner_id(identity.preset, identity.scored_as("traced"))


def samples(measured: pd.DataFrame) -> Iterator[Sample]:
    """One per honest picture of the calibration split."""
    table = measured[(measured["split"] == "calibration") & measured["source"].isin(PRESETS)]
    for (product, shot, source, _), rows in table.groupby(["product", "shot", "source", "seen"]):
        yield Sample(str(product), str(shot), refiner_of(str(source)), size_of(str(product), str(shot)), [
            Measurement(row["check"], row["estimator"], row["region"],
                        None if pd.isna(row["value"]) else float(row["value"]), row["unit"], float(row["coverage"]),
                        applicable=bool(row["applicable"])) for row in rows.to_dict("records")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=Path("bench-sentinel"))
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    calibration = calibrate(samples(load(given.pictures)), given.alpha)
    given.out.write_text(to_yaml(calibration))
    print(f"{calibration.id}: {calibration.products} products, "
          f"{', '.join(group.refiner for group in calibration.groups if group.excess is not None)}")


if __name__ == "__main__":
    main()
