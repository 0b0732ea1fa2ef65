"""packshot explain: why an image passed or failed, and where it came from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands.opening import existing, workpiece
from pipeline.commands.options import DEFAULT_CATALOGUE, DEFAULT_STORE, CataloguePath, Json, StorePath, answer
from pipeline.errors import CatalogueError


def explain(file: Annotated[Path | None, typer.Argument(help="A PNG, JPEG or WebP made by Packshot, or "
                                                                        "its .json.")] = None,
            sku: Annotated[str | None, typer.Option("--sku", help="Why this SKU's images passed or failed.")] = None,
            out: Annotated[Path | None, typer.Option("--out", help="Folder for one picture per shot, findings framed "
                                                                   "and numbered; with --sku.")] = None,
            catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
            as_json: Json = False) -> None:
    """Why a SKU's images passed or failed (--sku); where an image came from, to the last hash (FILE); else the checks.

    Without a file or SKU: every check and its limits.
    """
    if file is not None and sku is not None:
        raise CatalogueError("usage", "explain takes a file or a SKU, not both.", "packshot explain --help")
    if sku is not None:
        _explain_sku(workpiece(catalogue, store, sku), out, as_json)
        return
    if file is not None:
        from pipeline.explain import read_record, told

        record = read_record(existing(file))
        answer(record, as_json, lambda: told(record))
        return
    from pipeline.sentinel import all_checks

    found = [{"check": check.name, "what": check.summary,
              "limits": {f"{check.name}.{name}": asdict(kind.limit) for name, kind in check.estimators.items()}}
             for check in all_checks()]
    answer({"checks": found}, as_json, lambda: "\n".join(_explained(entry) for entry in found))


def _explain_sku(piece: Any, out: Path | None, as_json: bool) -> None:
    import numpy as np
    from PIL import Image

    from pipeline import reasons

    found = reasons.reasons(piece)

    def evidence(name: str) -> Any:
        with Image.open(found.artifact.path(name)) as opened:
            return np.asarray(opened.convert("RGB"))

    written = []
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for shot in found.shots:
            written.append(str(out / f"{shot.shot}.png"))
            reasons.sheet(shot, piece.image(shot.shot), evidence).save(written[-1])
    answer({**reasons.as_dict(found), "sheets": written}, as_json,
            lambda: "\n".join([reasons.told(found), *written]))


def _explained(entry: dict[str, Any]) -> str:
    lines = [f"{entry['check']}: {entry['what']}"]
    for key, limit in entry["limits"].items():
        sign = ">" if limit["direction"] == "max" else "<"
        warn = "" if limit["warn"] is None else f", warns {sign} {limit['warn']:g}"
        lines.append(f"    {key}: fails {sign} {limit['fail']:g}{warn}{'' if limit['required'] else ' (advisory)'}")
    return "\n".join(lines)
