"""What the nights did, SKU by SKU."""

from typing import Any

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue, asset

from assets import sentinel_scores
from assets.stage import OWNERS
from pipeline.night_runs import night_dates, publish_nights, read_night_runs
from resources import StoreResource

RESULTS = ("done", "kept", "failed", "postponed", "pending")
SLOWEST, MOST_FAILED = 10, 30


@asset(deps=[sentinel_scores.spec], group_name="publish", kinds={"parquet"}, owners=OWNERS, code_version="1",
       description="`night_runs/night=<date>.parquet`: a row per SKU that a night asked for, with why, what came of it "
                   "(done, kept, failed, postponed, pending) and its seconds.")
def night_runs(context: AssetExecutionContext, store: StoreResource) -> MaterializeResult[None]:
    opened = store.open()
    publish_nights(opened)
    dates = night_dates(opened)
    if not dates:
        return MaterializeResult(metadata={"night": MetadataValue.text("No night has run yet.")})
    table = read_night_runs(opened, dates[-1])
    rows: list[dict[str, Any]] = table.to_pylist()
    counts = {result: sum(row["result"] == result for row in rows) for result in RESULTS}
    seconds = sum(row["seconds"] or 0.0 for row in rows)
    failed = [row for row in rows if row["result"] == "failed"]
    slowest = sorted(rows, key=lambda row: -(row["seconds"] or 0.0))[:SLOWEST]
    return MaterializeResult(metadata={
        "night": MetadataValue.text(dates[-1]),
        "results": MetadataValue.md("| result | SKUs |\n|---|---|\n" + "\n".join(
            f"| {result} | {count} |" for result, count in counts.items())),
        "failed": MetadataValue.md(_failures(failed)),
        "slowest": MetadataValue.md("| SKU | seconds | result | why |\n|---|---|---|---|\n" + "\n".join(
            f"| {row['sku']} | {row['seconds'] or 0.0:.1f} | {row['result']} | {_cell(row['why'])} |"
            for row in slowest)),
        "seconds": MetadataValue.float(round(seconds, 1)),
        "seconds_per_sku": MetadataValue.float(round(seconds / max(1, len(rows)), 2)),
        "nights": MetadataValue.int(len(dates)),
        "table": MetadataValue.path(str(opened.root / "night_runs")),
    })


def _failures(rows: list[dict[str, Any]]) -> str:
    lines = [f"| {row['sku']} | {row['code']} | {_cell(row['message'])} | {_cell(row['why'])} |"
             for row in rows[:MOST_FAILED]]
    more = f"\n\nand {len(rows) - MOST_FAILED} more" if len(rows) > MOST_FAILED else ""
    return "| SKU | code | message | why it ran |\n|---|---|---|---|\n" + "\n".join(lines) + more if rows else "none"


def _cell(text: str) -> str:
    """Text that stays in its cell: file names may hold a bar, messages several lines."""
    return " ".join(text.replace("|", "/").split())
