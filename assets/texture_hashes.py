"""What a SKU's textures hold, as exact inputs of the assets that read them."""

from __future__ import annotations

from assets.sku import Sku
from pipeline.store import Artifact


def texture_hashes(sku: Sku, mesh: Artifact) -> dict[str, str | None]:
    """Content hash by path; None where a texture is missing, which reading it reports as the error it is."""
    return {ref["path"]: _hash(sku, ref["source"], ref["path"]) for ref in mesh.metadata["textures"]}


def _hash(sku: Sku, source: str, path: str) -> str | None:
    if source == "store":
        return path
    return sku.product.sha256(path) if path in sku.product.files else None
