"""What every SKU asset is made of: a spec, exact inputs, and the work of one SKU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster import AssetSpec, MetadataValue

from assets.partitions import SKUS
from assets.sku import Sku
from pipeline.store import Artifact, ArtifactWriter, data_version

Metadata = Mapping[str, MetadataValue]

OWNERS = ["team:imaging"]


def sku_spec(key: str, *, deps: list[AssetSpec], group: str, kinds: set[str], description: str,
             version: int) -> AssetSpec:
    """The spec of one SKU asset. ``skippable``: the loop logs its own materializations (see sku_graph)."""
    return AssetSpec(key, deps=deps, group_name=group, kinds=kinds, description=description, owners=OWNERS,
                     code_version=str(version), skippable=True, partitions_def=SKUS)


def always(_: Sku, __: Artifact) -> bool:
    return True


@dataclass(frozen=True)
class Stage:
    """One SKU asset."""

    spec: AssetSpec
    version: int                                        # bumped by hand when the output changes
    inputs: Callable[[Sku], dict[str, Any]]             # exact and JSON-able; hashed into the data version
    produce: Callable[[Sku, ArtifactWriter], None]      # writes files and small metadata
    describe: Callable[[Sku, Artifact], Metadata]       # what an engineer sees in the UI
    complete: Callable[[Sku, Artifact], bool] = field(default=always)  # what an artefact needs beyond its own files

    def version_of(self, inputs: Mapping[str, Any]) -> str:
        """The data version that exactly these inputs give."""
        return data_version({**inputs, "version": self.version})

    @property
    def name(self) -> str:
        return self.spec.key.to_user_string()

    @property
    def upstream(self) -> list[str]:
        return [dep.asset_key.to_user_string() for dep in self.spec.deps]
