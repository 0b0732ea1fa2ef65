"""packshot regions: labels, logos and stitching, drawn on maps and shots."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands.opening import workpiece
from pipeline.commands.options import DEFAULT_CATALOGUE, DEFAULT_STORE, CataloguePath, Json, SkuName, StorePath, answer


def regions(sku: SkuName, out: Annotated[Path | None, typer.Option("--out", help="Folder for pictures of every map and "
                                                                   "shot.")] = None,
            catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
            as_json: Json = False) -> None:
    """List a SKU's labels, logos and stitching: those of product.yaml, and what is found on its diffuse maps.

    With --out they are drawn on every map, and by occurrence on the shots whose control passes are stored. A SKU
    whose mesh is not stored yet has the regions of product.yaml alone.
    """
    from pipeline.looking import Looked, draw_maps, draw_shot, look

    piece = workpiece(catalogue, store, sku)
    stored = piece.store.current("product_mesh", sku) is not None
    looked = look(piece) if stored else Looked(piece.product.regions)
    pictures: list[str] = []
    seen: list[dict[str, Any]] = []
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        pictures += [str(path) for path in draw_maps(piece.mesh, looked, out.joinpath, 2000)] if stored else []
        passes = piece.store.current("control_passes", sku)
        for shot in passes.metadata["shots"] if passes is not None else ():
            pictures.append(str(out / f"{shot}.png"))
            drawn = draw_shot(piece, shot, looked.regions, out / f"{shot}.png")
            seen += [{"shot": shot, "occurrence": each.name, "size_px": each.size_px, "angle_deg": each.view_angle_deg,
                      "mirrored": each.mirrored} for each in drawn]
            piece.put_down_passes()
    result = {"sku": sku, "searched": stored and piece.finds_regions, "regions": [asdict(r) for r in looked.regions],
              "occurrences": seen, "unread": looked.unread, "pictures": pictures}
    answer(result, as_json, lambda: _regions_text(result))


def _regions_text(result: dict[str, Any]) -> str:
    lines = [f"{r['name']}: {r['kind']} on {r['material']} ({r['source']})"
             + (f", {r['rows']} rows" if r["kind"] == "stitching" and r["rows"] > 1 else "")
             + (f", reads {r['text']!r}" if r["text"] else "") for r in result["regions"]]
    lines = lines or [f"{result['sku']}: no regions."]
    if not result["searched"]:
        lines.append("Its maps were not searched: its mesh is not stored yet, or regions_found is off.")
    return "\n".join([*lines, *(f"not read: {message}" for message in result["unread"].values()), *result["pictures"]])
