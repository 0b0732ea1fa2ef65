"""packshot add: a SKU folder from loose files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from upath import UPath

from pipeline.commands.options import DEFAULT_CATALOGUE, CataloguePath, Json, SkuName, answer


def add(sku: SkuName, mesh: Annotated[Path, typer.Option("--mesh", help="FBX, GLB, glTF, OBJ or STL file.")],
        texture: Annotated[list[Path] | None, typer.Option("--texture", help="Diffuse map; may be repeated.")] = None,
        describe: Annotated[str, typer.Option("--describe", help="What it is, in words.")] = "",
        catalogue: CataloguePath = DEFAULT_CATALOGUE,
        overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing SKU.")] = False,
        as_json: Json = False) -> None:
    """Make a SKU folder from loose files. The description sets category, material guesses and prompt."""
    from pipeline.add import add_product

    product = add_product(UPath(catalogue), sku, mesh, texture or [], describe, overwrite=overwrite)
    result = {"sku": product.sku, "folder": str(product.folder), "category": product.category,
              "files": list(product.files)}
    answer(result, as_json, lambda: f"{product.folder}: {', '.join(product.files)} (category {product.category})")
