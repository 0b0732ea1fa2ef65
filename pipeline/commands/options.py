"""The options that verbs share, and how they answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
SkuName = Annotated[str, typer.Option("--sku", help="Name of the SKU.")]
CataloguePath = Annotated[str, typer.Option("--catalogue", envvar="PACKSHOT_CATALOGUE", help="Folder or s3:// prefix.")]
StorePath = Annotated[str, typer.Option("--store", envvar="PACKSHOT_STORE", help="Folder or s3:// prefix.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the results.")]

DEFAULT_CATALOGUE = "examples/catalogue"
DEFAULT_STORE = "store"


def answer(result: Any, as_json: bool, text: Callable[[], str]) -> None:
    print(json.dumps(result, indent=1, default=str) if as_json else text())
