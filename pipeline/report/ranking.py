"""Which products a page of a large catalogue shows, and what all of them together come to: from the score table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report.types import ReportTotals
from pipeline.score_table import read_current
from pipeline.store import ArtifactStore

# Of a shot: its gravest reading. A required one that is missing counts as failed, an advisory one never does.
FAILED, UNMEASURED, WARNED, PASSED, NOTHING = range(5)
UNSCORED = 2.5                             # a product without scores: after those with findings
COLUMNS = ("sku", "shot", "verdict", "required", "score", "selected")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Products by how much they need a look, and the whole catalogue in numbers."""

    names: tuple[str, ...]                 # worst first
    totals: ReportTotals


def rank(store: ArtifactStore, names: Sequence[str], errors: Collection[str]) -> Ranking:
    """Errors first, then by the gravest finding and the lowest score. Reads the score table and nothing else."""
    shots = _shots(read_current(store, COLUMNS))
    by_sku: dict[str, tuple[float, float]] = {}
    for sku, gravest, score in shots:
        by_sku[sku] = min(by_sku.get(sku, (9.0, 100.0)), (float(gravest), score))
    present = set(names)
    counts = [gravest for sku, gravest, _ in shots if sku in present]
    totals = ReportTotals(len(names), len(counts), counts.count(PASSED), counts.count(WARNED),
                          counts.count(FAILED) + counts.count(UNMEASURED),
                          counts.count(UNMEASURED) + counts.count(NOTHING), len(present & set(errors)))
    order = sorted(names, key=lambda name: (name not in errors, *by_sku.get(name, (UNSCORED, 0.0)), name))
    return Ranking(tuple(order), totals)


def _shots(table: pa.Table) -> list[tuple[str, int, float]]:
    """(SKU, gravest reading, lowest required score) of every shot."""
    table = table.filter(table["selected"])
    if not table.num_rows:
        return []
    verdict, required = table["verdict"], table["required"]
    ranks = pc.if_else(pc.and_(required, pc.equal(verdict, "unmeasured")), UNMEASURED, WARNED)
    ranks = pc.if_else(pc.and_(required, pc.equal(verdict, "fail")), FAILED, ranks)
    ranks = pc.if_else(pc.equal(verdict, "pass"), PASSED, ranks)
    ranks = pc.if_else(pc.equal(verdict, "not_applicable"), NOTHING, ranks)
    score = pc.if_else(required, table["score"], 100.0)
    grouped = pa.table({"sku": table["sku"], "shot": table["shot"], "rank": ranks, "score": score}).group_by(
        ["sku", "shot"]).aggregate([("rank", "min"), ("score", "min")])
    columns: Mapping[str, list[object]] = grouped.to_pydict()
    return [(str(sku), int(str(gravest)), 100.0 if lowest is None else float(str(lowest))) for sku, gravest, lowest
            in zip(columns["sku"], columns["rank_min"], columns["score_min"], strict=True)]
