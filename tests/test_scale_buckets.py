"""Partitions that are hash buckets of SKUs: what Dagster shows, in a process that is set to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from assets.partitions import BUCKETS, BY_SKU, SKUS, buckets_in, partition_of, skus_in
from pipeline.errors import CatalogueError
from tests.conftest import ROOT

UPSTREAM = {"product_mesh", "product_regions", "reference_shots"}
MATERIALIZED = {"bucket-00000": "materialized", "bucket-00001": "materialized"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = {**os.environ, "PACKSHOT_PARTITIONS": "buckets:3", "PACKSHOT_LIGHT": "raster",
                   "PACKSHOT_REFINER": "none"}
    done = subprocess.run([sys.executable, "-m", "tests.bucketed_house", str(tmp_path_factory.mktemp("bucketed"))],
                          cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    return told


def test_without_the_setting_every_sku_is_a_partition() -> None:
    assert BUCKETS == 0
    assert SKUS is BY_SKU
    assert partition_of("shoe") == "shoe"
    assert skus_in(["b", "a"], list) == ["b", "a"], "as they were given, and the catalogue is not asked"


def test_the_setting_is_read_or_refused() -> None:
    assert buckets_in("") == buckets_in("skus") == 0
    assert buckets_in("buckets:1024") == 1024
    for wrong in ("buckets", "buckets:0", "buckets:-3", "buckets:200000", "bucket:8", "1024"):
        with pytest.raises(CatalogueError) as caught:
            buckets_in(wrong)
        assert caught.value.code == "partitions_invalid"


def test_a_hundred_thousand_skus_spread_evenly() -> None:
    counts = Counter(partition_of(f"sku-{number:06d}", 1024) for number in range(100_000))
    assert len(counts) == 1024
    assert max(counts.values()) < 150 < 2 * min(counts.values()) + 50
    assert partition_of("000123", 1024) == "bucket-00534", "for ever"


def test_a_bad_sku_fails_its_bucket_by_name_and_stops_nobody(found: dict[str, Any]) -> None:
    assert found["of"] == {"sku-0": "bucket-00000", "sku-1": "bucket-00001", "sku-2": "bucket-00000",
                           "sku-3": "bucket-00000", "sku-4": "bucket-00001"}
    assert (found["status"], found["keys"]) == (1, []), "SKUs failed; no partition was made of any"
    failed = {**MATERIALIZED, "bucket-00000": "failed"}
    assert found["first"]["status"] == {name: MATERIALIZED if name in UPSTREAM else failed
                                        for name in found["first"]["status"]}
    assert found["first"]["observed"] == [{
        "partition": "bucket-00000", "sku": "sku-2", "code": "texture_unreadable",
        "error": "diffuse.png: this file is not an image that can be decoded.",
        "hint": "Export it again as PNG or JPEG."}]
    assert [(each["partition"], each["skus"], each["made"]) for each in found["first"]["materialized"]] == [
        ("bucket-00001", 2, 2)]


def test_the_repaired_sku_runs_alone_and_turns_its_bucket_green(found: dict[str, Any]) -> None:
    assert found["repaired"] == 0
    assert all(status == MATERIALIZED for status in found["second"]["status"].values())
    latest = found["second"]["materialized"][0]
    assert (latest["partition"], latest["skus"], latest["kept"]) == ("bucket-00000", 1, 0)
    assert "| sku-2 | made |" in latest["slowest"]


def test_buckets_chosen_in_the_ui_bring_up_every_sku_in_them(found: dict[str, Any]) -> None:
    assert found["ui"]["success"]
    assert found["ui_skus"] == [f"sku-{number}" for number in range(5)]
    assert all(status == MATERIALIZED for status in found["ui"]["status"].values()), "an empty bucket stays absent"
    assert {each["partition"]: each["skus"] for each in found["ui"]["materialized"]} == {
        "bucket-00000": 3, "bucket-00001": 2}
    assert found["ui"]["versions"] == found["second"]["versions"], "a bucket's version covers all of its SKUs"
