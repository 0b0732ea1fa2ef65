"""packshot reference: where a product would stand in a photo of another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.opening import existing, workpiece
from pipeline.commands.options import (
    DEFAULT_CATALOGUE,
    DEFAULT_STORE,
    CataloguePath,
    Json,
    OutFolder,
    SkuName,
    StorePath,
    answer,
)

if TYPE_CHECKING:
    from pipeline.referencing import Solved
    from pipeline.workpiece import Workpiece


def reference(photo: Annotated[Path, typer.Argument(help="A photo of another product; hints may stand in PHOTO's "
                                                         "name with .yaml beside it.")], sku: SkuName, out: OutFolder,
              catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
              as_json: Json = False) -> None:
    """Put a SKU in the place of a photo's products: poses, a sheet of candidates, the emptied photo and the picture.

    Exit status 1 where no answer is sure enough: the sheet shows the candidates, the hint what to say.
    """
    import json

    from pipeline import referencing

    piece = workpiece(catalogue, store, sku)

    def beside(name: str) -> bytes | None:
        path = photo.parent / Path(name).name
        return path.read_bytes() if path.is_file() else None

    find = referencing.finder(piece.product, piece.settings.segmentation)
    solved = referencing.solve(existing(photo).read_bytes(), photo.name, beside, piece.mesh, piece.product.category,
                               find)
    out.mkdir(parents=True, exist_ok=True)
    found = referencing.as_dict(solved, piece.mesh)
    sheet = out / f"{photo.stem}.candidates.png"
    referencing.sheet(solved, piece.mesh, piece.textures).save(sheet)
    (out / f"{photo.stem}.json").write_text(json.dumps(found, indent=1) + "\n")
    pictures = {"sheet": sheet}
    if found["accepted"]:
        pictures |= _pictures(solved, piece, out, photo.stem)
    answer({**found, **{name: str(path) for name, path in pictures.items()}}, as_json,
           lambda: "\n".join([_told(found), *map(str, pictures.values())]))
    if not found["accepted"]:
        raise typer.Exit(1)


def _pictures(solved: Solved, piece: Workpiece, out: Path, stem: str) -> dict[str, Path]:
    """The emptied photo, and the product in it as it is rendered; refining is a run's work."""
    from PIL import Image

    from pipeline import compositing

    with piece.get_renderer() as renderer:
        made = compositing.photo_shot(stem, solved, piece.mesh, renderer, piece.settings.scale)
        picture = compositing.picture(made, piece, renderer)
    found = {"plate": out / f"{stem}.plate.png", "image": out / f"{stem}.png"}
    Image.fromarray(made.plate).save(found["plate"])
    Image.fromarray(picture).save(found["image"])
    return found


def _told(found: dict[str, Any]) -> str:
    figures = found["figures"]
    lines = [f"{figures} product{'s' if figures > 1 else ''} in the photo"]
    lines += [f"  azimuth {pose['azimuth_deg']:.0f}°, elevation {pose['elevation_deg']:.0f}°"
              + (", its partner" if pose["mirrored"] else "") + f", fills {pose['iou']:.1%} of the place"
              for pose in found["chosen"]]
    problem = found["problem"]
    lines.append("accepted" if problem is None else f"not accepted: {problem['message']} {problem['hint']}")
    return "\n".join(lines)
