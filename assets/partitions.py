"""The partitions of the SKU assets: one per SKU, or hash buckets of SKUs.

Dagster carries up to 100,000 partitions an asset. Past that ``PACKSHOT_PARTITIONS=buckets:1024`` makes a partition of
every bucket (docs/scale.md): the loop, the store and the tables go on SKU by SKU, only Dagster's records are coarser.
Choose it before the first run; changing it later leaves the records of the former partitions behind.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable

from dagster import DynamicPartitionsDefinition, PartitionsDefinition, StaticPartitionsDefinition

from pipeline.errors import CatalogueError

MAX_BUCKETS = 100_000


def buckets_in(setting: str) -> int:
    """Number of buckets that PACKSHOT_PARTITIONS asks for; 0: a partition per SKU. Raises CatalogueError."""
    word, _, number = setting.partition(":")
    if setting in ("", "skus"):
        return 0
    if word == "buckets" and number.isdigit() and 1 <= int(number) <= MAX_BUCKETS:
        return int(number)
    raise CatalogueError("partitions_invalid", f"PACKSHOT_PARTITIONS is {setting!r}.",
                         f"Use `skus`, or `buckets:1024` with 1 to {MAX_BUCKETS} buckets.")


BUCKETS = buckets_in(os.environ.get("PACKSHOT_PARTITIONS", ""))
BY_SKU = DynamicPartitionsDefinition(name="sku")


def bucket_key(number: int) -> str:
    return f"bucket-{number:05d}"


SKUS: PartitionsDefinition[str] = (
    StaticPartitionsDefinition([bucket_key(number) for number in range(BUCKETS)]) if BUCKETS else BY_SKU)


def partition_of(sku: str, buckets: int = BUCKETS) -> str:
    """The partition that holds a SKU: itself, or its bucket, the same on every machine and for ever."""
    if not buckets:
        return sku
    return bucket_key(int.from_bytes(hashlib.sha256(sku.encode()).digest()[:8], "big") % buckets)


def skus_in(partitions: Collection[str], skus: Callable[[], Iterable[str]]) -> list[str]:
    """The SKUs of some partitions; of buckets one after the other, out of what the catalogue's ``skus`` gives."""
    if not BUCKETS:
        return list(partitions)
    wanted = set(partitions)
    found = [(partition, sku) for sku in skus() if (partition := partition_of(sku)) in wanted]
    return [sku for _, sku in sorted(found)]
