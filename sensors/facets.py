"""What images depend on beyond a SKU's own files, facet by facet, so that a change can be told in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import PurePosixPath

from assets.sku_graph import STAGES
from pipeline.catalogue import MANIFEST, MESH_SUFFIXES, REFERENCE_FOLDER, SETTINGS, TEXTURE_SUFFIXES, Catalogue
from pipeline.errors import CatalogueError
from pipeline.refine.types import RefinerIdentity

# catalogue.yaml by what depends on it. What stands in none of these (when the night runs) changes no image.
SETTING_FACETS: Mapping[str, tuple[str, ...]] = {
    "shot list": ("shots", "scale"),
    "prompts": ("prompt", "prompt_template", "negative_prompt"),
    "search for regions": ("regions_found",),
    "limits": ("layers", "limits", "rules", "checks", "calibration"),
    "delivery settings": ("delivery", "channels"),
    "guard": ("guard",),
    "kept passes": ("keep_passes",),
    "segmentation network": ("segmentation",),
    "bounds": ("max_texture_megapixels", "max_triangles"),
}
_BESIDE = {".hdr": "panoramas", ".exr": "panoramas", ".yaml": "calibrations", ".py": "checks of the house's own",
           ".onnx": "segmentation network's file"}
_MESH_PARTS = (*MESH_SUFFIXES, ".bin", ".mtl")


def facets(catalogue: Catalogue, beside: Mapping[str, str], refiner: RefinerIdentity) -> dict[str, str]:
    """A digest by facet; ``beside`` are the files beside catalogue.yaml with their content hashes.

    A catalogue.yaml that cannot be read is one facet of its own: every SKU will say so.
    """
    found = {"refiner": _digest(asdict(refiner))}
    found |= {f"code of {stage.name}": str(stage.version) for stage in STAGES}
    try:
        settings = catalogue.settings.model_dump(mode="json")
        if settings["segmentation"] is None:   # of a store from before there was one, nothing has changed
            del settings["segmentation"]
        found |= {name: _digest({key: settings[key] for key in keys}) for name, keys in SETTING_FACETS.items()
                  if settings.keys() >= set(keys)}
    except CatalogueError as error:
        found[SETTINGS] = _digest(error.message)
    groups: dict[str, dict[str, str]] = {}
    for name, sha in beside.items():
        if name != SETTINGS:
            groups.setdefault(_BESIDE[PurePosixPath(name).suffix.lower()], {})[name] = sha
    return found | {name: _digest(files) for name, files in groups.items()}


def changed_facets(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """In words what differs; of settings that could not be read before, or cannot now, that they changed."""
    unread = SETTINGS in before or SETTINGS in now
    names = sorted({*before, *now} - (set(SETTING_FACETS) if unread else set()))
    return [f"{name} changed" for name in names if before.get(name) != now.get(name)]


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """In words which files of a SKU are new, gone or other ones, by content."""
    told = []
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            how = "added" if name not in before else "removed" if name not in now else "changed"
            told.append(f"{_kind(name)} {how}")
    return told


def _kind(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if name == MANIFEST:
        return MANIFEST
    if name.startswith(REFERENCE_FOLDER + "/"):
        return f"reference photo {name.removeprefix(REFERENCE_FOLDER + '/')}"
    if suffix in _MESH_PARTS:
        return f"mesh {name}"
    return f"texture {name}" if suffix in TEXTURE_SUFFIXES else name


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
