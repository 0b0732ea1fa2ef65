"""One partition per SKU of the catalogue."""

from dagster import DynamicPartitionsDefinition

SKUS = DynamicPartitionsDefinition(name="sku")
