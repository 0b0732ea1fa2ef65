"""What analysts ask of 10 million scores, timed: ``python -m benchmarks.score_queries``.

Rows of the real schema in 64 bucket files, written by the writer that compaction uses, with every check's
readings of five shots of 54,000 SKUs. DuckDB, and beside it pyarrow and pandas for the first question.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as ds

from benchmarks.made_scores import made_scores, sku_name
from pipeline.score_schema import parquet_bytes
from pipeline.score_table import BUCKETS, bucket_of

QUERIES = {
    "pass rate by category and check": """
        SELECT category, "check", avg((verdict = 'pass')::int) AS pass_rate, count(*) AS readings
        FROM scores WHERE verdict <> 'not_applicable' GROUP BY ALL ORDER BY pass_rate""",
    "the same of delivered, required readings": """
        SELECT category, "check", avg((verdict = 'pass')::int) AS pass_rate, count(*) AS readings
        FROM scores WHERE verdict <> 'not_applicable' AND selected AND required GROUP BY ALL ORDER BY pass_rate""",
    "20 worst shots": """
        SELECT sku, shot, min(score) AS worst, count(*) FILTER (verdict = 'fail') AS findings
        FROM scores WHERE required AND selected AND verdict IN ('fail', 'warn', 'unmeasured')
        GROUP BY ALL ORDER BY worst, sku, shot LIMIT 20""",
    "drift: median score by week, check and refiner": """
        SELECT date_trunc('week', scored_at) AS week, "check", refiner, refiner_version, approx_quantile(score, 0.5)
        FROM scores WHERE score IS NOT NULL GROUP BY ALL ORDER BY ALL""",
    "one SKU": "SELECT * FROM scores WHERE sku = 'sku-031415'",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, help="keep the files here; a temporary folder by default")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        rows = written(folder, options.rows)
        files = list(folder.glob("*.parquet"))
        size = sum(path.stat().st_size for path in files) / 1e6
        print(f"{rows:,} rows in {len(files)} files, {size:.0f} MB; {options.threads} threads, "
              f"median of {options.runs} after one to warm up, load {os.getloadavg()[0]:.1f}")
        print("| question | with | seconds | slowest |\n|---|---|---|---|")
        connection = duckdb.connect(config={"threads": options.threads})
        connection.sql(f"CREATE VIEW scores AS SELECT * FROM '{folder}/*.parquet'")
        for name, query in QUERIES.items():
            tell(name, "DuckDB", options.runs, lambda query=query: connection.sql(query).fetchall())
        first = next(iter(QUERIES))
        tell(first, "pyarrow", options.runs, lambda: by_arrow(folder))
        tell(first, "pandas", options.runs, lambda: by_pandas(folder))


def written(folder: Path, rows: int) -> int:
    """Make the files that are not there yet; returns the number of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    per_sku = made_scores([sku_name(0)]).num_rows
    skus = [sku_name(number) for number in range(max(1, rows // per_sku))]
    members: dict[int, list[str]] = {}
    for sku in skus:
        members.setdefault(bucket_of(sku), []).append(sku)
    for bucket in range(BUCKETS):
        path = folder / f"bucket-{bucket:02d}.parquet"
        if bucket in members and not path.exists():
            path.write_bytes(parquet_bytes(made_scores(members[bucket])))
    return per_sku * len(skus)


def tell(question: str, tool: str, runs: int, ask: Callable[[], object]) -> None:
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    print(f"| {question} | {tool} | {statistics.median(seconds[1:]):.3f} | {max(seconds[1:]):.3f} |", flush=True)


def by_arrow(folder: Path) -> object:
    table = ds.dataset(folder).to_table(columns=["category", "check", "verdict"],
                                        filter=ds.field("verdict") != "not_applicable")
    passed = table.append_column("pass", pc.cast(pc.equal(table["verdict"], "pass"), "int8"))
    return passed.group_by(["category", "check"]).aggregate([("pass", "mean"), ([], "count_all")])


def by_pandas(folder: Path) -> object:
    frame = pd.read_parquet(folder, columns=["category", "check", "verdict"])
    frame = frame[frame["verdict"] != "not_applicable"]
    return (frame["verdict"] == "pass").groupby([frame["category"], frame["check"]]).agg(["mean", "size"])


if __name__ == "__main__":
    main()
