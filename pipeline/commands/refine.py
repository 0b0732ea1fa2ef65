"""packshot refine: try a preset on stored passes, make an image again, pin models."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands.opening import existing, workpiece
from pipeline.commands.options import DEFAULT_CATALOGUE, DEFAULT_STORE, CataloguePath, Json, StorePath, answer
from pipeline.errors import CatalogueError


def refine(sku: Annotated[str | None, typer.Option("--sku", help="Name of the SKU.")] = None,
           out: Annotated[Path | None, typer.Option("--out", help="Folder for the results.")] = None,
           shot: Annotated[list[str] | None, typer.Option("--shot", help="May be repeated; default all.")] = None,
           preset: Annotated[str | None, typer.Option("--preset", help="A preset, as sdxl-union, or one with a model, "
                                                      "as diffusers:FOLDER-OR-HUB-ID.")] = None,
           pin: Annotated[bool, typer.Option("--pin", help="Ask the hub which commit every preset's models are at, and "
                                             "write it to refiner-pins.yaml beside the catalogue.")] = False,
           attempt: Annotated[int, typer.Option("--attempt", help="Another attempt is another seed.")] = 0,
           again: Annotated[Path | None, typer.Option("--again", help="Make exactly the image of this file or record "
                                                                      "once more.")] = None,
           catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
           as_json: Json = False) -> None:
    """Refine a SKU's shots from its stored control passes, outside the pipeline: to try a preset. Or pin models.

    Writes SHOT.png, SHOT.json with its record, and SHOT.unlocked.png where the identity lock changed the picture.
    With --again every setting is the record's, other inputs are refused, and "identical" says whether pixels agree.
    """
    from pipeline.explain import read_record
    from pipeline.refine import RefinerSettings, make_refiner
    from pipeline.refining import again as make_again
    from pipeline.refining import record_for, request_for, save_refined

    environment = {**os.environ, "PACKSHOT_CATALOGUE": catalogue, "PACKSHOT_STORE": store,
                   **({"PACKSHOT_REFINER": preset} if preset else {})}
    if pin:
        _pin(environment, as_json)
        return
    if sku is None or out is None:
        raise CatalogueError("usage", "refine needs --sku and --out, or --pin alone.", "packshot refine --help")
    if again is not None and (shot or attempt):
        raise CatalogueError("usage", "--again takes shot and attempt from the record.", "Leave them out.")
    settings = RefinerSettings.from_environment(environment)
    recorded = None if again is None else read_record(existing(again))
    out.mkdir(parents=True, exist_ok=True)
    piece = workpiece(catalogue, store, sku)
    if recorded is not None:
        made = [make_again(piece, recorded, settings)]
    else:
        refiner = make_refiner(settings)
        names = shot or [each.name for each in piece.shots]
        images = [refiner.refine([request_for(piece, name, attempt)])[0] for name in names]
        made = [(image, record_for(piece, name, image, settings, attempt=attempt))
                for name, image in zip(names, images, strict=True)]
    written = [str(save_refined(image, record, lambda name: out / name)[0]) for image, record in made]
    result: dict[str, Any] = {"images": written}
    if recorded is not None:
        result["identical"] = made[0][1]["pixels_sha256"] == recorded["pixels_sha256"]
    answer(result, as_json, lambda: "\n".join(
        [*written, *([f"identical to the record: {'yes' if result['identical'] else 'no'}"] if recorded else [])]))


def _pin(environment: dict[str, str], as_json: bool) -> None:
    from pipeline.refine import RefinerSettings
    from pipeline.refine.pinning import models_to_pin, pin_models
    from pipeline.refine.pins import location

    file = location(environment)
    pinned = pin_models(models_to_pin(RefinerSettings.from_environment(environment)), file)
    answer({"file": str(file), "pins": [asdict(each) for each in pinned]}, as_json, lambda: "\n".join(
        [*(f"{each.model}: {each.now}, {each.licence or 'licence not stated'}"
           f"{'' if each.commercial_use else ', not for commercial use'}"
           f"{'' if each.before in ('', each.now) else f', was {each.before}'}" for each in pinned), str(file)]))
