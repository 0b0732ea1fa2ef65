"""Reference photos in which a SKU takes another product's place: solved once, then shots like all others."""

from __future__ import annotations

import re
from dataclasses import asdict
from hashlib import sha256 as digest
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from dagster import MetadataValue
from PIL import Image

from assets import product_mesh
from assets.sku import Sku
from assets.stage import Metadata, Stage, sku_spec
from assets.thumbnails import montage
from pipeline import compositing, referencing
from pipeline.catalogue import REFERENCE_FOLDER
from pipeline.errors import PhotoError, TextureError
from pipeline.inpainting import DiffusionFill
from pipeline.reference import PoseAtlas
from pipeline.render import Textures, shot_to_dict
from pipeline.render.textures import load_textures
from pipeline.store import Artifact, ArtifactWriter

VERSION = 5
ATLAS = "atlas-{}.npz"         # silhouettes of the mesh from all around; {}: whether with its mirror image

spec = sku_spec("reference_shots", deps=[product_mesh.spec], group="reference", kinds={"python"}, version=VERSION,
                description="Reference photos of other products: where ours would stand in each, and the photo without "
                            "its product. What is not sure is refused with the line that settles it.")


def inputs(sku: Sku) -> dict[str, Any]:
    """Nothing but the photos where there are none: most SKUs have none, and need no mesh to say so."""
    photos, beside = sku.product.reference_files, _beside(sku)
    if not photos:
        return {"photos": {}}
    network = sku.settings.segmentation
    finding = {} if network is None else {"network": [network.model_dump(mode="json"), digest(
        referencing.network_file(sku.product, network)).hexdigest()]}
    painter = DiffusionFill.from_environment()
    filling = {} if painter is None else {"inpainting": painter.identity}
    return {**finding, **filling, "photos": {name: sku.product.sha256(name) for name in (*photos, *beside)},
            "mesh": sku.artifact("product_mesh").data_version, "category": sku.product.category,
            "scale": sku.settings.scale}


def produce(sku: Sku, out: ArtifactWriter) -> None:
    """A photo that cannot be used stops neither the others nor the SKU."""
    shots: list[dict[str, Any]] = []
    told: dict[str, dict[str, Any]] = {}
    photos = _photos(sku)
    if photos:
        find = referencing.finder(sku.product, sku.settings.segmentation)
        with referencing.PhotoSolver(sku.mesh, sku.product.category, _atlases(sku), find) as solver:
            for name, file in photos.items():
                told[name] = {"photo": file, **_one(sku, solver, name, file, out, shots)}
            for partners, atlas in solver.atlases.items():
                _save_atlas(atlas, out, partners)
    out.json("shots.json", shots)
    out.json("photos.json", told)
    out.metadata["photos"] = told


def _one(sku: Sku, solver: referencing.PhotoSolver, name: str, file: str, out: ArtifactWriter,
         shots: list[dict[str, Any]]) -> dict[str, Any]:
    """One photo: its shot where it is accepted, and what there is to say of it."""
    folder = PurePosixPath(file).parent

    def beside(other: str) -> bytes | None:
        path = str(folder / PurePosixPath(other).name)
        return sku.product.read(path) if path in sku.product.files else None

    try:
        solved = solver.solve(sku.product.read(file), PurePosixPath(file).name, beside)
    except PhotoError as error:
        return {"accepted": False, "problem": error.as_dict()}
    referencing.sheet(solved, *_pictured(sku)).save(out.path(f"{name}.sheet.png"))
    found = referencing.as_dict(solved, sku.mesh)
    if solved.placement.problem is None:
        made = compositing.photo_shot(name, solved, sku.mesh, sku.bench.renderer.get(), sku.settings.scale)
        for kind, pixels in (("plate", made.plate), ("photo", made.photo),
                             ("mask", (made.replaced * 255).astype(np.uint8))):
            Image.fromarray(pixels).save(out.path(f"{name}.{kind}.png"), compress_level=4)
        shots.append(shot_to_dict(made.shot))
        assert made.shot.light is not None
        found["light"] = {**asdict(made.shot.light), "clock_deg": made.clock_deg}
    return {key: found[key] for key in ("accepted", "problem", "margin", "chosen", "light") if key in found}


def _pictured(sku: Sku) -> tuple[Any, Textures]:
    """The mesh as a sheet shows it; a map that cannot be read is control_passes' to complain of."""
    try:
        return sku.mesh, sku.textures
    except (TextureError, OSError):
        bare = referencing.untextured(sku.mesh)
        return bare, load_textures(bare, lambda _: b"", sku.settings.max_texture_megapixels)


def _photos(sku: Sku) -> dict[str, str]:
    """Photos by the name of their shot. A mask is none."""
    found: dict[str, str] = {}
    for file in sku.product.reference_files:
        stem = PurePosixPath(file).stem
        if stem == "mask" or stem.endswith((".mask", "-mask", "_mask")):
            continue
        name = re.sub(r"[^a-z0-9_-]+", "-", f"photo-{stem.lower()}").strip("-")[:36]
        while name in found:
            name += "2"
        found[name] = file
    return found


def _beside(sku: Sku) -> list[str]:
    """Hints that lie beside the photos."""
    return [file for file in sku.product.files if file.startswith(REFERENCE_FOLDER + "/") and file.endswith(".yaml")]


def _atlases(sku: Sku) -> dict[bool, PoseAtlas]:
    """What the last version of this asset has drawn of the same mesh."""
    before = sku.store.current("reference_shots", sku.name)
    if before is None or before.inputs.get("mesh") != sku.artifact("product_mesh").data_version:
        return {}
    found = {}
    for partners in (False, True):
        if (name := ATLAS.format(int(partners))) in before.files:
            with np.load(before.path(name)) as stored:
                bits = np.unpackbits(stored["silhouettes"], axis=1, count=int(stored["pixels"]))
                found[partners] = PoseAtlas(stored["azimuths"], stored["elevations"], stored["mirrored"],
                                            bits.astype(np.float32))
    return found


def _save_atlas(atlas: PoseAtlas, out: ArtifactWriter, partners: bool) -> None:
    np.savez(out.path(ATLAS.format(int(partners))), azimuths=atlas.azimuths, elevations=atlas.elevations,
             mirrored=atlas.mirrored, silhouettes=np.packbits(atlas.silhouettes > 0, axis=1),
             pixels=atlas.silhouettes.shape[1])


def describe(sku: Sku, artifact: Artifact) -> Metadata:
    told = artifact.metadata["photos"]
    if not told:
        return {"photos": MetadataValue.text("none in reference/")}
    rows = [f"| {each['photo']} | {name} | " + ("accepted |" if each["accepted"] else
            f"**refused**: {each['problem']['message']} {each['problem']['hint']} |") for name, each in told.items()]
    sheets = [artifact.path(f"{name}.sheet.png") for name in told if f"{name}.sheet.png" in artifact.files]
    shown: dict[str, MetadataValue] = {
        "photos": MetadataValue.md("\n".join(["| photo | shot | |", "|---|---|---|", *rows]))}
    if sheets:
        shown["candidates"] = montage(sheets)
    return shown


stage = Stage(spec, VERSION, inputs, produce, describe)
