"""All SKUs' scores as tables for analysts."""

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue, asset

from assets import sentinel_scores
from assets.stage import OWNERS
from pipeline.scores import compact, read_current
from resources import CatalogueResource, StoreResource


@asset(deps=[sentinel_scores.spec], group_name="publish", kinds={"parquet"}, owners=OWNERS, code_version="1",
       description="`score_table/current`: the latest scores of every SKU of the catalogue, in at most 64 Parquet "
                   "files sorted by SKU; `score_table/history`: every score ever given, appended by date.")
def score_table(context: AssetExecutionContext, catalogue: CatalogueResource,
                store: StoreResource) -> MaterializeResult[None]:
    opened = store.open()
    result = compact(opened, context.run.run_id, skus=set(catalogue.open().skus()))
    current = read_current(opened)
    required = current.filter(current["required"]).to_pylist()
    lines = [f"| {verdict} | {sum(row['verdict'] == verdict for row in required)} |"
             for verdict in ("pass", "warn", "fail", "unmeasured", "not_applicable")]
    return MaterializeResult(metadata={
        "rows": MetadataValue.int(current.num_rows),
        "skus": MetadataValue.int(result.skus),
        "unreadable": MetadataValue.text(", ".join(result.unreadable) or "none"),
        "new_history_rows": MetadataValue.int(result.history_rows),
        "required_readings": MetadataValue.md("| verdict | readings |\n|---|---|\n" + "\n".join(lines)),
        "current": MetadataValue.path(str(opened.root / "score_table" / "current")),
        "history": MetadataValue.path(str(opened.root / "score_table" / "history")),
    })
