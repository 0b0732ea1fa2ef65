"""What a run tells Dagster where a partition is a bucket of SKUs: one event per bucket and asset.

A bucket's asset is materialized when all SKUs of it that the run has brought up have made or kept it; a bad one leaves
it planned, which Dagster shows as failed, and stands on the bucket's page with its error. Lines of progress, outcomes,
errors and scores are per SKU as ever.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetMaterialization,
    AssetObservation,
    MetadataValue,
)

from assets import sentinel_scores
from assets.events import Context, Events
from assets.making import Made
from assets.partitions import BUCKETS, partition_of
from assets.sku import Bench, Sku
from assets.stage import Stage
from pipeline.errors import PackshotError

LISTED = 50                                # SKUs that a bucket's page lists


def events_of(context: Context, why: Mapping[str, str] | None, bench: Bench, skus: Sequence[str],
              selected: Sequence[Stage]) -> Events:
    """How this run speaks to Dagster: of SKUs, or of buckets of them."""
    return BucketEvents(context, why, bench, skus, selected) if BUCKETS else Events(context, why)


@dataclass
class _Bucket:
    left: set[str] = field(default_factory=set)                # SKUs of the run that have not come to their end
    skus: int = 0
    made: dict[str, dict[str, Made]] = field(default_factory=dict)   # by asset, by SKU
    checks: dict[str, dict[str, AssetCheckEvaluation]] = field(default_factory=dict)  # by check, by SKU


class BucketEvents(Events):
    """Of one run. Safe to use from several threads."""

    def __init__(self, context: Context, why: Mapping[str, str] | None, bench: Bench, skus: Sequence[str],
                 selected: Sequence[Stage]) -> None:
        super().__init__(context, why)
        self._bench, self._selected = bench, selected
        self._planned: set[tuple[str, str]] = set()
        self._buckets: dict[str, _Bucket] = {}
        for sku in skus:
            bucket = self._buckets.setdefault(partition_of(sku), _Bucket())
            bucket.left.add(sku)
            bucket.skus += 1
        self._of_bucket: dict[str, list[str]] = {}  # every SKU of the catalogue, by bucket
        self._minding = threading.Lock()

    def plan(self, sku: str, stages: Collection[Stage]) -> None:
        """Once for all of the bucket's assets, when its first SKU begins."""
        bucket = partition_of(sku)
        wanted = [stage for stage in self._selected if (bucket, stage.name) not in self._planned]
        self._planned |= {(bucket, stage.name) for stage in wanted}
        super().plan(bucket, wanted)

    def made(self, stage: Stage, sku: Sku, made: Made) -> None:
        """Kept in mind until the bucket is through."""
        bucket = self._buckets[partition_of(sku.name)]
        scored = stage.name == sentinel_scores.stage.name
        evaluations = sentinel_scores.evaluations(sku, made.artifact) if scored else []
        with self._minding:
            bucket.made.setdefault(stage.name, {})[sku.name] = made
            for evaluation in evaluations:
                bucket.checks.setdefault(evaluation.check_name, {})[sku.name] = evaluation

    def failed(self, stage: str, sku: str, error: PackshotError) -> None:
        self._log(AssetObservation(stage, partition=partition_of(sku), metadata={
            "sku": MetadataValue.text(sku), "error": MetadataValue.text(error.message),
            "hint": MetadataValue.text(error.hint), "code": MetadataValue.text(error.code)}))

    def closed(self, sku: str) -> None:
        """A SKU has come to its end; with the last one of its bucket the bucket is told."""
        name = partition_of(sku)
        with self._minding:
            bucket = self._buckets[name]
            bucket.left.discard(sku)
            if bucket.left:
                return
            del self._buckets[name]
        self._tell(name, bucket)

    def _tell(self, name: str, bucket: _Bucket) -> None:
        for stage in self._selected:
            made = bucket.made.get(stage.name, {})
            if len(made) == bucket.skus:
                self._log(AssetMaterialization(stage.spec.key, partition=name, tags=self._tags(name, stage),
                                               metadata=self._metadata(made)))
        for check, evaluations in bucket.checks.items():
            self._log(_summary(name, check, evaluations))

    def _tags(self, bucket: str, stage: Stage) -> dict[str, str]:
        """A bucket's data version covers all SKUs of the catalogue in it, whoever made them."""
        tags = {"dagster/data_version": self._version(bucket, stage.name),
                "dagster/data_version_is_user_provided": "true", "dagster/code_version": str(stage.version)}
        for upstream in stage.upstream:
            tags[f"dagster/input_data_version/{upstream}"] = self._version(bucket, upstream)
            tags[f"dagster/input_event_pointer/{upstream}"] = "NULL"
        return tags

    def _version(self, bucket: str, asset: str) -> str:
        if not self._of_bucket:
            for sku in self._bench.catalogue.skus():
                self._of_bucket.setdefault(partition_of(sku), []).append(sku)
        store = self._bench.store
        artifacts = (store.current(asset, sku) for sku in self._of_bucket.get(bucket, []))
        versions = {artifact.sku: artifact.data_version for artifact in artifacts if artifact is not None}
        return hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:16]

    def _metadata(self, made: Mapping[str, Made]) -> dict[str, MetadataValue]:
        slowest = sorted(made, key=lambda sku: (-made[sku].seconds, sku))
        lines = [f"| {sku} | {'kept' if made[sku].kept else 'made'} | {made[sku].seconds:.2f} | {self.why(sku)} |"
                 for sku in slowest[:LISTED]]
        kept = sum(each.kept for each in made.values())
        return {"skus": MetadataValue.int(len(made)), "made": MetadataValue.int(len(made) - kept),
                "kept": MetadataValue.int(kept),
                "seconds": MetadataValue.float(round(sum(each.seconds for each in made.values()), 3)),
                "slowest": MetadataValue.md("\n".join(["| SKU | | seconds | why |", "|---|---|---|---|", *lines]))}


def _summary(bucket: str, check: str, evaluations: Mapping[str, AssetCheckEvaluation]) -> AssetCheckEvaluation:
    bad = sorted(sku for sku, each in evaluations.items() if not each.passed)
    grave = any(evaluations[sku].severity == AssetCheckSeverity.ERROR for sku in bad)
    return AssetCheckEvaluation(
        asset_key=sentinel_scores.spec.key, check_name=check, passed=not bad, partition=bucket,
        severity=AssetCheckSeverity.ERROR if grave else AssetCheckSeverity.WARN,
        description=f"{len(bad)} of {len(evaluations)} SKUs failed.",
        metadata={"skus": MetadataValue.int(len(evaluations)), "failed": MetadataValue.int(len(bad)),
                  "defects": MetadataValue.md(_lines(bad, evaluations) or "none")})


def _lines(bad: Iterable[str], evaluations: Mapping[str, AssetCheckEvaluation]) -> str:
    return "\n".join(f"- **{sku}**: {evaluations[sku].description}" for sku in list(bad)[:LISTED])

