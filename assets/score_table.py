"""All SKUs' scores as tables for analysts."""

import pyarrow.compute as pc
from dagster import AssetExecutionContext, MaterializeResult, MetadataValue, asset

from assets import sentinel_scores
from assets.stage import OWNERS
from pipeline import timings
from pipeline.score_index import signatures, tree_signatures
from pipeline.scores import compact, read_current
from resources import CatalogueResource, StoreResource

VERDICTS = ("pass", "warn", "fail", "unmeasured", "not_applicable")


@asset(deps=[sentinel_scores.spec], group_name="publish", kinds={"parquet"}, owners=OWNERS, code_version="1",
       description="`score_table/current`: the latest scores of every SKU of the catalogue, in at most 64 Parquet "
                   "files sorted by SKU; `score_table/history`: every score ever given, appended by date; "
                   "`timing_table`: what every image took, by date.")
def score_table(context: AssetExecutionContext, catalogue: CatalogueResource,
                store: StoreResource) -> MaterializeResult[None]:
    opened = store.open()
    result = compact(opened, context.run.run_id, skus=set(catalogue.open().skus()))
    timing_rows = timings.publish(opened)
    readings = read_current(opened, ["required", "verdict"])
    counted = pc.value_counts(readings["verdict"].filter(readings["required"]))
    counts = {entry["values"]: entry["counts"] for entry in counted.to_pylist()}
    lines = [f"| {verdict} | {counts.get(verdict, 0)} |" for verdict in VERDICTS]
    tables = opened.root / "score_table"
    return MaterializeResult(metadata={
        "rows": MetadataValue.int(result.rows),
        "skus": MetadataValue.int(result.skus),
        "skus_read": MetadataValue.int(result.read),
        "unreadable": MetadataValue.text(", ".join(result.unreadable) or "none"),
        "new_history_rows": MetadataValue.int(result.history_rows),
        "new_timing_rows": MetadataValue.int(timing_rows),
        "files": MetadataValue.int(len(signatures(tables / "current")) + len(tree_signatures(tables / "history"))),
        "required_readings": MetadataValue.md("| verdict | readings |\n|---|---|\n" + "\n".join(lines)),
        "current": MetadataValue.path(str(tables / "current")),
        "history": MetadataValue.path(str(tables / "history")),
    })
