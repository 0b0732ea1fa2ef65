"""What a refiner is asked for one shot of a SKU, and the record that lets anyone ask it again.

>>> request = request_for(piece, "hero")
>>> [image] = refiner.refine([request])
>>> record = record_for(piece, "hero", image, settings)
>>> save_refined(image, record, lambda name: folder / name)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline import refine, render
from pipeline.catalogue import Region
from pipeline.errors import RefineError
from pipeline.refine import RefinerSettings, array_sha256, identity_of, make_refiner, save_png, seed_for
from pipeline.refine.types import Refined, RefineRequest, Restraint
from pipeline.shots import prompt_for
from pipeline.workpiece import Workpiece

UNLOCKED = "unlocked"          # <shot>.unlocked.png lies beside <shot>.png: no shot has a dot in its name
MADE_FROM = ("product_mesh", "product_regions", "control_passes")


@dataclass(frozen=True, slots=True)
class Batch:
    """Which images share a forward pass changes the last bit of some of them, so a record tells."""

    size: int = 1
    position: int = 0


def request_for(piece: Workpiece, shot: str, attempt: int = 0,
                restraints: tuple[Restraint, ...] = ()) -> RefineRequest:
    """The request of one shot. Opens its passes, which may be some 160 MB a megapixel."""
    return RefineRequest(piece.passes(shot), prompt_for(piece.product, piece.shot(shot), piece.settings),
                         seed_for(piece.name, shot, attempt), piece.settings.negative_prompt, piece.regions, restraints)


def record_for(piece: Workpiece, shot: str, image: Refined, settings: RefinerSettings, *, attempt: int = 0,
               batch: Batch = Batch(), attempts: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The refiner's own record with all that :func:`again` needs to make the same image.

    ``attempts`` are those of a guarded image, as :meth:`pipeline.guard.Guarded.told` tells them. Nothing in it
    tells of this machine's folders: files are named as the catalogue does, a local model by its folder's name and
    its bytes.
    """
    in_photo = ("reference_shots",) if piece.shot(shot).backplate else ()
    artifacts = {asset: piece.artifact(asset) for asset in (*MADE_FROM, *in_photo)}
    files = {**artifacts["product_mesh"].inputs.get("mesh", {}),
             **artifacts["control_passes"].inputs.get("textures", {}),
             **artifacts["control_passes"].inputs.get("environments", {}),
             **(artifacts["reference_shots"].inputs["photos"] if in_photo else {})}
    return {
        **image.provenance, "sku": piece.name, "shot": shot, "attempt": attempt,
        "shot_settings": asdict(piece.shot(shot)),
        "data_versions": {asset: artifact.data_version for asset, artifact in artifacts.items()},
        # A texture that lies inside the mesh file is named by its content alone, and comes with that file.
        "inputs": {f"{piece.name}/{name}" if name in piece.product.files else name: sha256
                   for name, sha256 in files.items() if name != sha256},
        "pixels_sha256": array_sha256(image.pixels),
        "regions_sha256": _regions_sha256(piece.regions),
        "code": {"render": render.VERSION, "refine": refine.VERSION},
        "settings": _told(settings),
        "batch": asdict(batch),
        **({"attempts": list(attempts)} if attempts else {}),
        "command": f"packshot refine --sku {piece.name} --again {shot}.json --out again",
    }


def save_refined(image: Refined, record: Mapping[str, Any], path: Callable[[str], Path]) -> list[Path]:
    """Write ``<shot>.png``, ``<shot>.json`` and, of a locked image, ``<shot>.unlocked.png``.

    ``path`` gives the place of a file name. Returns where the images are; equal input gives equal bytes.
    """
    shot = record["shot"]
    pictures = [path(f"{shot}.png")]
    save_png(image.pixels, pictures[0], record)
    if image.unlocked is not None:
        pictures.append(path(f"{shot}.{UNLOCKED}.png"))
        save_png(image.unlocked, pictures[1], {**record, "stage": "before the lock",
                                                "pixels_sha256": array_sha256(image.unlocked)})
    path(f"{shot}.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return pictures


def again(piece: Workpiece, record: Mapping[str, Any], configured: RefinerSettings) -> tuple[Refined, dict[str, Any]]:
    """Make the image of a record once more, and its record.

    The settings are the record's. ``configured`` only says where a local model lies, whose bytes must be those
    recorded. Raises RefineError ``record_incomplete``, ``model_elsewhere`` or ``record_differs`` where the same image
    cannot be had. Another machine or other libraries may round another way: compare ``pixels_sha256``.
    """
    missing = {"sku", "shot", "attempt", "settings", "batch", "input_sha256", "pixels_sha256"} - set(record)
    if missing:
        raise RefineError("record_incomplete", f"The record lacks {', '.join(sorted(missing))}.",
                          "Only images of a catalogue's SKUs, made by this version or a later one, can be made again.")
    settings = _with_models(RefinerSettings.parse(record["settings"], "the record"), record, configured)
    shot, batch = str(record["shot"]), Batch(**record["batch"])
    attempts: Sequence[Mapping[str, Any]] = record.get("attempts", ())
    request = RefineRequest(piece.passes(shot), record["prompt"], seed_for(piece.name, shot, record["attempt"]),
                            record["negative_prompt"], piece.regions, _restraints_of(record["attempt"], attempts))
    _refuse_differences(piece, record, request, settings)
    # Copies fill the batch: an image depends on its place in a batch, never on what its companions show. A refiner
    # that ran out of memory made smaller ones than it was asked for, and says so.
    together = min(batch.size, int(record.get("parameters", {}).get("batch_size", batch.size)))
    image = make_refiner(settings).refine([request] * together)[batch.position % together]
    return image, record_for(piece, shot, image, settings, attempt=record["attempt"], batch=batch, attempts=attempts)


def _restraints_of(attempt: int, attempts: Sequence[Mapping[str, Any]]) -> tuple[Restraint, ...]:
    """What one of the attempts of a record was made with; an image that was not guarded knows of none."""
    told = next((each["restraints"] for each in attempts if each["attempt"] == attempt), ())
    return tuple(Restraint(tuple(each["bbox"]) if each["bbox"] else None, each["freedom"]) for each in told)


def _refuse_differences(piece: Workpiece, record: Mapping[str, Any], request: RefineRequest,
                        settings: RefinerSettings) -> None:
    identity = identity_of(settings)
    differ = [] if record["sku"] == piece.name else [f"sku {record['sku']}"]
    differ += [f"pass {name}" for name, sha256 in record["input_sha256"].items()
               if array_sha256(getattr(request.passes, name)) != sha256]
    differ += [] if record["regions_sha256"] == _regions_sha256(request.regions) else ["regions"]
    differ += [name for name, found in (("preset_version", identity.version), ("revision", identity.revision),
                                        ("model_sha256", identity.model_sha256)) if record[name] != found]
    if differ:
        raise RefineError("record_differs", f"{piece.name}/{request.passes.shot.name} is no longer what the record was "
                          f"made from: {', '.join(differ)}.",
                          "Restore the files and versions that the record names, or refine anew.")


def _told(settings: RefinerSettings) -> dict[str, Any]:
    """Settings as a record tells them. Preset none heeds no other field, so none is told."""
    if settings.preset == "none":
        return {"preset": "none"}
    told = settings.model_dump(mode="json")
    told["model"] = _name_of(settings.model)
    for net in told.get("controlnets", ()):
        net["model"] = _name_of(net["model"])
    return told


def _with_models(settings: RefinerSettings, record: Mapping[str, Any], configured: RefinerSettings) -> RefinerSettings:
    """Local models in the place that ``configured`` knows; a hub's are where they always are."""
    places = {_name_of(model): model for model in (configured.model, *(net.model for net in configured.controlnets))}
    if record["model_sha256"] and settings.model and settings.model not in places:
        raise RefineError("model_elsewhere", f"The image was made with the local model {settings.model!r}, sha256 "
                          f"{str(record['model_sha256'])[:12]}…, and no such folder is configured.",
                          f"Give --preset {settings.preset}:FOLDER, or set PACKSHOT_REFINER.")
    nets = tuple(net.model_copy(update={"model": places.get(net.model, net.model)}) for net in settings.controlnets)
    return settings.model_copy(update={"model": places.get(settings.model, settings.model), "controlnets": nets})


def _name_of(model: str) -> str:
    """A folder's or bucket's last part; a hub id as it is."""
    return Path(model).expanduser().resolve().name if "://" in model or Path(model).expanduser().is_dir() else model


def _regions_sha256(regions: Sequence[Region]) -> str:
    return hashlib.sha256(json.dumps([asdict(region) for region in regions], sort_keys=True).encode()).hexdigest()
