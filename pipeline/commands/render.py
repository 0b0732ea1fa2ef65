"""packshot render: one mesh file's shots, without a catalogue."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from upath import UPath

from pipeline.commands.opening import existing
from pipeline.commands.options import Json, OutFolder, answer
from pipeline.errors import CatalogueError


def render(file: Path, out: OutFolder,
           shot: Annotated[list[str] | None, typer.Option("--shot", help="Built-in shot; may be repeated.")] = None,
           camera: Annotated[str | None, typer.Option("--camera", help="A camera inside the file: gltf:N (position, "
                                                      "from 0) or gltf:NAME. Writes gltf-N.png, gltf-N.exr and every "
                                                      "pass as PNG.")] = None,
           size: Annotated[str | None, typer.Option("--size", help="Width x height in pixels, as 1024x1024.")] = None,
           stage: Annotated[str | None, typer.Option("--stage", help="Backdrop and lights, instead of the shot's "
                                                     "own.")] = None,
           environment: Annotated[Path | None, typer.Option("--environment", help="An .hdr or .exr panorama to light "
                                                            "the stage.")] = None,
           scale: Annotated[float, typer.Option("--scale", min=0.06, max=4.0, help="Multiplies shot sizes.")] = 1.0,
           describe: Annotated[str, typer.Option("--describe", help="What it is, in words.")] = "",
           exr: Annotated[bool, typer.Option("--exr", help="Write every control pass as well.")] = False,
           quick: Annotated[bool, typer.Option("--quick", help="Unlit colour alone, much sooner.")] = False,
           as_json: Json = False) -> None:
    """Render one mesh file's shots, without a catalogue.

    With --camera every pass is written as PNG too: beauty, product, plate, alpha, mask (0 or 255), base_color,
    diffuse_albedo, diffuse, specular, emissive, visibility, ao, normal, normal_geometric, depth (16 bit), uv,
    instance_id, material_id and chart_id; passes.json tells how to read them. The file's camera gives the vertical
    field of view, --size the aspect.
    """
    from pipeline.catalogue import Product
    from pipeline.lone_file import open_file
    from pipeline.refine import RefinerSettings, make_refiner, save_png, seed_for
    from pipeline.refine.types import RefineRequest
    from pipeline.render import read_panorama, save_passes
    from pipeline.render.pass_images import save_pass_images
    from pipeline.render.tracing import light_here, open_renderer
    from pipeline.settings import Manifest, Settings
    from pipeline.shots import shots_for

    if camera is not None and shot:
        raise CatalogueError("usage", "--camera takes a picture of its own; it goes with no --shot.",
                             "Render the shots in a command without --camera.")
    if camera is not None and out.resolve() == file.resolve().parent:
        raise CatalogueError("out_is_input", f"{out} holds the mesh: passes there would be taken for its textures.",
                             "Give --out a folder of its own.")
    changes: dict[str, Any] = {} if size is None else _size(size)
    if stage is not None:
        changes["stage"] = stage
    manifest = Manifest(description=describe or None)
    product = Product(file.stem, UPath(file.parent), file.name, (), manifest)
    settings = Settings(shots=tuple(shot) if shot else None, scale=scale)
    shots = [_camera_shot(camera, scale)] if camera is not None else list(shots_for(product, settings, ()))
    opened = open_file(existing(file), description=product.description, category=product.category,
                       max_megapixels=settings.max_texture_megapixels)
    out.mkdir(parents=True, exist_ok=True)
    if quick:
        pictures = _quick_pictures(opened, [replace(one, **changes) for one in shots], out)
        answer({"images": pictures, "passes": [], "report": opened.report.as_dict()}, as_json,
                lambda: "\n".join(pictures))
        return
    light = None if environment is None else read_panorama(existing(environment).read_bytes(), environment.name)
    refiner = make_refiner(RefinerSettings(preset="none"))
    images, written = [], []
    with open_renderer(light_here(os.environ.get("PACKSHOT_LIGHT", "auto"))) as renderer:
        for each in (replace(one, **changes) for one in shots):
            passes = renderer.render(opened.mesh, each, opened.textures, environment=light)
            [image] = refiner.refine([RefineRequest(passes, each.prompt, seed_for(product.sku, each.name, 0))])
            save_png(image.pixels, out / f"{each.name}.png", image.provenance)
            images.append(str(out / f"{each.name}.png"))
            if exr or camera is not None:
                save_passes(passes, out / f"{each.name}.exr")
            if camera is not None:
                written += [str(path) for path in save_pass_images(passes, out)]
    answer({"images": images, "passes": written, "report": opened.report.as_dict()}, as_json,
            lambda: "\n".join(images + written))


def _quick_pictures(opened: Any, shots: list[Any], out: Path) -> list[str]:
    from PIL import Image

    from pipeline.render import compose
    from pipeline.render.fast import FastRenderer

    written = []
    with FastRenderer() as renderer:
        for shot in shots:
            scene = compose(opened.mesh, shot, opened.textures)
            drawn = renderer.draw(opened.mesh, opened.textures, scene.camera, (shot.width, shot.height))
            Image.fromarray(drawn.color).save(out / f"{shot.name}.png")
            written.append(str(out / f"{shot.name}.png"))
    return written


def _size(text: str) -> dict[str, int]:
    """Width and height of "1024x768"."""
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip().lower())
    width, height = (int(side) for side in match.groups()) if match else (0, 0)
    if not (64 <= width <= 8192 and 64 <= height <= 8192):
        raise CatalogueError("size_invalid", f"{text!r} is no picture size.",
                             "Give width x height in pixels, each of 64 to 8192, as 1024x1024.")
    return {"width": width, "height": height}


def _camera_shot(camera: str, scale: float) -> Any:
    """The shot of ``gltf:N`` or ``gltf:NAME``; its name is a safe file name."""
    from pipeline.catalogue import EmbeddedCameraRef, Shot

    if not camera.startswith("gltf:") or camera == "gltf:":
        raise CatalogueError("camera_invalid", f"{camera!r} names no camera.",
                             "Give gltf:0 for the file's first camera, or gltf:NAME.")
    name = re.sub(r"[^a-z0-9]+", "-", camera.lower()).strip("-")
    side = max(64, round(1024 * scale))
    return Shot(name, EmbeddedCameraRef(camera), side, side, "white")
