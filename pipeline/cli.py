"""The packshot command. SKUs by --sku, files positional, --json for machines.

Exit status: 0 done, 1 defects found (score) or SKUs failed, 2 bad input.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from upath import UPath

from pipeline.errors import CatalogueError, PackshotError, StoreError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="Product images from 3D models, every one scored for defects.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
SkuName = Annotated[str, typer.Option("--sku", help="Name of the SKU.")]
CataloguePath = Annotated[str, typer.Option("--catalogue", envvar="PACKSHOT_CATALOGUE", help="Folder or s3:// prefix.")]
StorePath = Annotated[str, typer.Option("--store", envvar="PACKSHOT_STORE", help="Folder or s3:// prefix.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the results.")]

# typer carries its own copy of click, and exports of its usage errors only this one.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

DEFAULT_CATALOGUE = "examples/catalogue"
DEFAULT_STORE = "store"


def main() -> None:
    """Entry point of the ``packshot`` command."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        sys.exit(app(standalone_mode="--json" not in sys.argv))
    except PackshotError as error:
        _fail(error)
    except UsageError as error:  # under --json; otherwise typer prints its own
        _fail(CatalogueError("usage", str(error), "packshot --help lists commands and options."))
    except (BotoCoreError, ClientError) as error:
        _fail(StoreError("storage", str(error), "Check credentials, region and AWS_ENDPOINT_URL."))
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        _fail(StoreError("path", f"{error.filename}: {error.strerror}.", "Give a folder that can be written."))


def _fail(error: PackshotError) -> NoReturn:
    if "--json" in sys.argv:
        print(json.dumps({"error": error.as_dict()}))
    else:
        print(f"error: {error.message} [{error.code}]", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
    sys.exit(2)


def _answer(result: Any, as_json: bool, text: Callable[[], str]) -> None:
    print(json.dumps(result, indent=1, default=str) if as_json else text())


@app.command()
def doctor(catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
           as_json: Json = False) -> None:
    """Is this machine ready? Python, OpenGL, torch, store, refiner; exit status 1 where something is missing."""
    from pipeline import doctor as doctor_room

    examined = doctor_room.examine(store, catalogue)
    signs = {"ok": "ok     ", "missing": "MISSING", "optional": "-      "}
    _answer(doctor_room.as_dict(examined), as_json, lambda: "\n".join(
        f"{signs[item.status]}  {item.name:<11} {item.found}" + (f"\n{'':22}{item.hint}" if item.hint else "")
        for item in examined))
    if not doctor_room.ready(examined):
        raise typer.Exit(1)


@app.command()
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
    _answer(result, as_json, lambda: f"{product.folder}: {', '.join(product.files)} (category {product.category})")


@app.command()
def ingest(file: Path, out: OutFolder,
           variant: Annotated[str | None, typer.Option("--variant", help="Colourway of a glTF file, by name.")] = None,
           as_json: Json = False) -> None:
    """Read one mesh file into the canonical mesh and report what was found; mesh.glb shows it in any viewer."""
    from pipeline.catalogue import Manifest
    from pipeline.mesh import ingest_file, save_mesh, to_glb

    out.mkdir(parents=True, exist_ok=True)
    result = ingest_file(_existing(file), manifest=Manifest(variant=variant))
    save_mesh(result.mesh, out / "mesh.npz")
    (out / "mesh.glb").write_bytes(to_glb(result.mesh))
    report = result.report.as_dict()
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    _answer({"mesh": str(out / "mesh.npz"), "glb": str(out / "mesh.glb"), "report": report}, as_json,
            lambda: _report_text(report))


def _report_text(report: dict[str, Any]) -> str:
    extents = " × ".join(f"{value:.1f}" for value in report["extents_mm"])
    front = report["front"]
    lines = [f"{report['format']}: {report['triangles']} triangles, {extents} mm, "
             f"front {front['axis'] or 'unknown'} ({front['confidence']:.0%})"]
    if report["variants"]:
        lines.append(f"  variants {', '.join(report['variants'])}; read: {report['variant'] or 'the default'}")
    lines += [f"  material {m['name']}: {m['kind']} ({m['kind_source']})" for m in report["materials"]]
    return "\n".join(lines + [f"  warning: {warning}" for warning in report["warnings"]])


@app.command()
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
    from pipeline.catalogue import Manifest, Product, Settings
    from pipeline.lone_file import open_file
    from pipeline.refine import RefinerSettings, make_refiner, save_png, seed_for
    from pipeline.refine.types import RefineRequest
    from pipeline.render import read_panorama, save_passes
    from pipeline.render.pass_images import save_pass_images
    from pipeline.render.tracing import light_here, open_renderer
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
    opened = open_file(_existing(file), description=product.description, category=product.category,
                       max_megapixels=settings.max_texture_megapixels)
    out.mkdir(parents=True, exist_ok=True)
    if quick:
        pictures = _quick_pictures(opened, [replace(one, **changes) for one in shots], out)
        _answer({"images": pictures, "passes": [], "report": opened.report.as_dict()}, as_json,
                lambda: "\n".join(pictures))
        return
    light = None if environment is None else read_panorama(_existing(environment).read_bytes(), environment.name)
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
    _answer({"images": images, "passes": written, "report": opened.report.as_dict()}, as_json,
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


@app.command()
def regions(sku: SkuName, out: Annotated[Path | None, typer.Option("--out", help="Folder for pictures of every map and "
                                                                   "shot.")] = None,
            catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
            as_json: Json = False) -> None:
    """List a SKU's labels, logos and stitching: those of product.yaml, and what is found on its diffuse maps.

    With --out they are drawn on every map, and by occurrence on the shots whose control passes are stored. A SKU
    whose mesh is not stored yet has the regions of product.yaml alone.
    """
    from pipeline.looking import Looked, draw_maps, draw_shot, look

    piece = _workpiece(catalogue, store, sku)
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
    _answer(result, as_json, lambda: _regions_text(result))


def _regions_text(result: dict[str, Any]) -> str:
    lines = [f"{r['name']}: {r['kind']} on {r['material']} ({r['source']})"
             + (f", {r['rows']} rows" if r["kind"] == "stitching" and r["rows"] > 1 else "")
             + (f", reads {r['text']!r}" if r["text"] else "") for r in result["regions"]]
    lines = lines or [f"{result['sku']}: no regions."]
    if not result["searched"]:
        lines.append("Its maps were not searched: its mesh is not stored yet, or regions_found is off.")
    return "\n".join([*lines, *(f"not read: {message}" for message in result["unread"].values()), *result["pictures"]])


@app.command()
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
    recorded = None if again is None else read_record(_existing(again))
    out.mkdir(parents=True, exist_ok=True)
    piece = _workpiece(catalogue, store, sku)
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
    _answer(result, as_json, lambda: "\n".join(
        [*written, *([f"identical to the record: {'yes' if result['identical'] else 'no'}"] if recorded else [])]))


def _pin(environment: dict[str, str], as_json: bool) -> None:
    from pipeline.refine import RefinerSettings
    from pipeline.refine.pinning import models_to_pin, pin_models
    from pipeline.refine.pins import location

    file = location(environment)
    pinned = pin_models(models_to_pin(RefinerSettings.from_environment(environment)), file)
    _answer({"file": str(file), "pins": [asdict(each) for each in pinned]}, as_json, lambda: "\n".join(
        [*(f"{each.model}: {each.now}, {each.licence or 'licence not stated'}"
           f"{'' if each.commercial_use else ', not for commercial use'}"
           f"{'' if each.before in ('', each.now) else f', was {each.before}'}" for each in pinned), str(file)]))


@app.command()
def score(file: Annotated[Path, typer.Argument(help="An image, or a folder of images.")],
          sku: Annotated[str | None, typer.Option("--sku", help="Which SKU the images show, where names do not tell."
                                                  )] = None,
          shot: Annotated[str | None, typer.Option("--shot", help="Which shot they show, where names do not tell.")
                          ] = None,
          catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
          out: Annotated[Path | None, typer.Option("--out", help="Folder for scores.parquet, evidence crops and a "
                                                                 "page.")] = None,
          as_json: Json = False) -> None:
    """Score images of shots, also ones made elsewhere. Exit status 1 where one fails or cannot be scored.

    In a folder, names tell what an image shows: SKU/SHOT.png, SKU-SHOT.jpg, or the record inside it.
    """
    from pipeline import scoring, sentinel

    opened = _catalogue(catalogue)
    scorer = scoring.Scorer(opened.skus(), _workpieces(catalogue, store), sentinel.judging_for(opened.settings,
                            opened.root), opened.settings.delivery.deliver_warn, sku, shot)
    if not file.is_dir():
        named = scoring.identify(_existing(file), file.parent, scorer)
        results: list[Any] = [scoring.score_image(file, scorer.piece(named[0]), named[1], scorer)]
        _written_scores(results, scorer, out)
        [found] = results
        _answer(_scored(found), as_json, lambda: _scored_text(found))
    else:
        paths = scoring.find_images(file)
        if not paths:
            raise CatalogueError("no_images", f"There is no image in {file}.", "Give a folder of PNG, JPEG or WebP "
                                 "files.")
        results = []
        for number, result in enumerate(scoring.score_images(paths, file, scorer), 1):
            results.append(result)
            told = result.verdict if isinstance(result, scoring.Scored) else f"not scored: {result.error.message}"
            print(f"[{number}/{len(paths)}] {result.path.relative_to(file)}: {told}", file=sys.stderr)
        _written_scores(results, scorer, out)
        _answer(_folder_scored(results), as_json, lambda: _folder_text(results, file))
    if any(not isinstance(result, scoring.Scored) or result.verdict in ("fail", "unmeasured") for result in results):
        raise typer.Exit(1)


def _written_scores(results: list[Any], scorer: Any, out: Path | None) -> None:
    """scores.parquet, crops, and the page that shows every image beside what it should show."""
    if out is None:
        return
    from datetime import UTC, datetime

    from pipeline import scores, scoring
    from pipeline.report import ScoredPicture, build_report, collect_scored

    out.mkdir(parents=True, exist_ok=True)
    good = [result for result in results if isinstance(result, scoring.Scored)]
    for result in good:
        scoring.write_crops(result, out)
    scores.write_scores(scoring.rows_of(good, scorer.judging, datetime.now(UTC)), out / "scores.parquet")
    page = collect_scored([ScoredPicture(each.sku, each.product, each.category, each.shot, each.path, each.expected,
                                         each.scores, each.verdict, each.action, each.warning) for each in good],
                          out, "Scored pictures")
    (out / "index.html").write_text(build_report(page), encoding="utf-8")


def _scored(result: Any) -> dict[str, Any]:
    return {"file": str(result.path), "sku": result.sku, "shot": result.shot, "verdict": result.verdict,
            "score": None if result.score is None else round(result.score, 1), "action": result.action,
            "calibration_warning": result.warning, "scores": [_score_row(each) for each in result.scores]}


def _scored_text(result: Any) -> str:
    lines = [f"{result.verdict.upper()}  {result.sku} {result.shot}: {result.action}"]
    lines += [f"  {result.warning}"] if result.warning else []
    return "\n".join([*lines, *(_score_line(_score_row(each)) for each in result.scores)])


def _folder_scored(results: list[Any]) -> dict[str, Any]:
    return {"images": [_scored(result) for result in results if hasattr(result, "verdict")],
            "unscored": [{"file": str(result.path), "error": result.error.as_dict()} for result in results
                         if not hasattr(result, "verdict")]}


def _folder_text(results: list[Any], folder: Path) -> str:
    """A table, worst first, with every finding below its image; then what could not be scored."""
    from pipeline.sentinel.verdicts import findings

    good = sorted((result for result in results if hasattr(result, "verdict")),
                  key=lambda result: (-1.0 if result.score is None else result.score, result.sku, result.shot))
    lines = [f"{'verdict':<11} {'score':>5}  {'action':<8} image"] if good else []
    for result in good:
        number = "–" if result.score is None else f"{result.score:.0f}"
        lines.append(f"{result.verdict:<11} {number:>5}  {result.action:<8} {result.path.relative_to(folder)} "
                     f"({result.sku} {result.shot})")
        lines += [f"{'':29}{each.sentence}" for each in findings(result.scores)]
    bad = [result for result in results if not hasattr(result, "verdict")]
    lines += [f"not scored: {result.path.relative_to(folder)}: {result.error.message}" for result in bad]
    failed = sum(result.verdict in ("fail", "unmeasured") for result in good)
    warnings = sorted({result.warning for result in good if result.warning})
    return "\n".join([*lines, *warnings, f"{len(good)} scored, {failed} of them failed; {len(bad)} not scored"])


def _score_row(judged: Any) -> dict[str, Any]:
    m, limit = judged.measurement, judged.limit
    return {"check": m.check, "estimator": m.estimator, "region": m.region, "value": m.value, "unit": m.unit,
            "limit": limit.fail if limit else None, "required": bool(limit and limit.required),
            "coverage": round(m.coverage, 4), "verdict": judged.verdict,
            "score": None if judged.score is None else round(judged.score, 1), "bbox": m.bbox,
            "sentence": judged.sentence, "reason": m.reason}


def _score_line(row: dict[str, Any]) -> str:
    value = "–" if row["value"] is None else f"{row['value']:.3g} {row['unit']}"
    limit = "" if row["limit"] is None else f" (limit {row['limit']:g})"
    tail = row["sentence"] or row["reason"]
    return f"  {row['verdict']:<14} {row['check']}.{row['estimator']} {row['region']}: {value}{limit}  {tail}".rstrip()


@app.command()
def calibrate(out: Annotated[Path, typer.Option("--out", help="File to write; name it as `calibration:` in "
                                                              "catalogue.yaml beside it.")],
              store: StorePath = DEFAULT_STORE,
              sku: Annotated[list[str] | None, typer.Option("--sku", help="Whose images are good; may be repeated; "
                                                                          "default all.")] = None,
              alpha: Annotated[float, typer.Option("--alpha", min=0.0001, max=0.5, help="Share of good products that "
                                                   "may alarm.")] = 0.01,
              as_json: Json = False) -> None:
    """Set limits by what a store's good images read: as strict as α allows, never laxer than engineering's."""
    from pipeline import calibrating
    from pipeline.sentinel import calibrate as calibrate_from
    from pipeline.sentinel.calibration import to_yaml
    from pipeline.store import ArtifactStore

    found = calibrating.samples_of(ArtifactStore(store), sku)
    calibration = calibrate_from(found.samples, alpha)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(to_yaml(calibration))
    _answer({"file": str(out), "id": calibration.id, "alpha": alpha, "products": calibration.products,
             "limits": calibrating.limits_of(calibration), "failing": found.failing, "left_out": dict(found.left_out),
             "uncalibrated": calibrating.uncalibrated(calibration, found)}, as_json,
            lambda: f"{calibrating.told(calibration, found)}\n{out}")


@app.command()
def insights(store: StorePath = DEFAULT_STORE,
             since: Annotated[str | None, typer.Option("--since", help="Scores of this day and later, as 2026-11-01."
                                                       )] = None,
             as_json: Json = False) -> None:
    """What the score tables say: pass rates by category, check and refiner, top defects, worst images, drift."""
    from datetime import date

    from pipeline import insights as insights_room
    from pipeline.scores import read_current, read_history
    from pipeline.store import ArtifactStore

    try:
        day = None if since is None else date.fromisoformat(since)
    except ValueError as error:
        raise CatalogueError("date_invalid", f"{since!r} is no date.", "Give it as 2026-11-01.") from error
    opened = ArtifactStore(store)
    found = insights_room.insights(read_current(opened), read_history(opened), day)
    _answer(insights_room.as_dict(found), as_json, lambda: insights_room.told(found))


@app.command()
def report(catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
           as_json: Json = False) -> None:
    """Write the report page from whatever the store holds now."""
    from pipeline.report import build_report, collect
    from pipeline.store import ArtifactStore

    opened = ArtifactStore(store)
    where = opened.write_bytes("report/index.html", build_report(collect(opened, _catalogue(catalogue))).encode())
    _answer({"report": str(where)}, as_json, lambda: str(where))


@app.command()
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
        _explain_sku(_workpiece(catalogue, store, sku), out, as_json)
        return
    if file is not None:
        from pipeline.explain import read_record, told

        record = read_record(_existing(file))
        _answer(record, as_json, lambda: told(record))
        return
    from pipeline.sentinel import all_checks

    found = [{"check": check.name, "what": check.summary,
              "limits": {f"{check.name}.{name}": asdict(kind.limit) for name, kind in check.estimators.items()}}
             for check in all_checks()]
    _answer({"checks": found}, as_json, lambda: "\n".join(_explained(entry) for entry in found))


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
    _answer({**reasons.as_dict(found), "sheets": written}, as_json,
            lambda: "\n".join([reasons.told(found), *written]))


def _explained(entry: dict[str, Any]) -> str:
    lines = [f"{entry['check']}: {entry['what']}"]
    for key, limit in entry["limits"].items():
        sign = ">" if limit["direction"] == "max" else "<"
        warn = "" if limit["warn"] is None else f", warns {sign} {limit['warn']:g}"
        lines.append(f"    {key}: fails {sign} {limit['fail']:g}{warn}{'' if limit['required'] else ' (advisory)'}")
    return "\n".join(lines)


@app.command()
def verify(store: StorePath = DEFAULT_STORE,
           prune: Annotated[bool, typer.Option("--prune", help="Delete versions that nothing points to and that "
                                                               "nobody wrote to for an hour.")] = False,
           as_json: Json = False) -> None:
    """Check every stored file against its manifest. Exit status 1 where something is missing or damaged."""
    from pipeline.store import ArtifactStore
    from pipeline.verify import verify as verify_store

    result = verify_store(ArtifactStore(store), prune=prune)
    old = f"{len(result.old_versions)} old versions, {len(result.pruned)} deleted"
    _answer(result.as_dict(), as_json, lambda: "\n".join(
        [f"{result.artifacts} artefacts, {result.files} files, {result.bytes / 1e6:.0f} MB; {old}",
         *(f"  {f.asset}/{f.sku}/{f.file}: {f.problem}" for f in result.findings)]))
    if result.findings:
        raise typer.Exit(1)


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise CatalogueError("file_missing", f"{file} does not exist.", "Check the path.")
    return file


def _catalogue(location: str) -> Any:
    from pipeline.catalogue import Catalogue

    return Catalogue.at(location)


def _workpiece(catalogue: str, store: str, sku: str) -> Any:
    return _workpieces(catalogue, store)(sku)


def _workpieces(catalogue: str, store: str) -> Callable[[str], Any]:
    """Workpieces by SKU, with one renderer for all; the last one is kept, with the passes it has opened."""
    from functools import cache, lru_cache

    from pipeline.render.tracing import light_here, open_renderer
    from pipeline.store import ArtifactStore
    from pipeline.workpiece import Workpiece

    opened, artifacts = _catalogue(catalogue), ArtifactStore(store)

    @cache
    def renderer() -> Any:
        return open_renderer(light_here(os.environ.get("PACKSHOT_LIGHT", "auto")))

    @lru_cache(maxsize=1)
    def piece(sku: str) -> Any:
        return Workpiece(opened.product(sku), opened.settings, artifacts, renderer)

    return piece


if __name__ == "__main__":
    main()
