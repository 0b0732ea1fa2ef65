"""Model folders: found, fetched, looked through and hashed before any of their code or weights is loaded.

Only safetensors are accepted. A .bin or .ckpt is a pickle, which runs whatever its author put inside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import RefineError

PIPELINE_FILES = ("model_index.json", "*/*.json", "*/*.txt", "*/*.safetensors")
CONTROLNET_FILES = ("config.json", "diffusion_pytorch_model*.json", "diffusion_pytorch_model*.safetensors")
UNUSED = ("*.fp16.*", "*.fp16-*", "*.non_ema.*", "safety_checker/*", "feature_extractor/*", "image_encoder/*")
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".msgpack")
COMPONENTS = ("unet", "vae", "text_encoder")            # with weights
SETTINGS_ONLY = ("tokenizer", "scheduler")
LIBRARIES = (None, "diffusers", "transformers", "stable_diffusion")  # whose classes a pipeline may name

_hashes: dict[tuple[str, int, int], str] = {}


def is_local(model: str) -> bool:
    """A folder that exists, or a name that only a path can have; everything else is a hub id."""
    path = Path(model).expanduser()
    return path.is_dir() or path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1


def local_folder(model: str) -> Path:
    """The folder of a local model. Raises RefineError where there is none."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise RefineError("model_missing", f"There is no model folder {model}.",
                          "Give an existing folder saved by diffusers, or a hub id such as owner/name.")
    return folder


def fetched_folder(model: str, revision: str, files: Sequence[str], local_files_only: bool) -> Path:
    """The folder of a local or hub model; a hub model is downloaded once, only the files that are used."""
    if is_local(model):
        return local_folder(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision or None, allow_patterns=list(files),
                                      ignore_patterns=list(UNUSED), local_files_only=local_files_only))
    except HFValidationError as error:
        raise RefineError("model_missing", f"{model!r} is neither a folder nor a hub id.",
                          "Give an existing folder saved by diffusers, or a hub id such as owner/name.") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise RefineError(
            "weights_unavailable", f"The weights of {model} are not on this machine and could not be fetched.",
            "Download them once where there is a network (`hf download " + model + "`), check the id, its revision "
            "and your access to it, or give a local folder.") from error


def cached_commit(model: str, revision: str, marker: str) -> str:
    """The commit of a hub model in the local cache, else the revision asked for. No network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model, marker, revision=revision or None)
    except HFValidationError as error:
        raise RefineError("model_missing", f"{model!r} is neither a folder nor a hub id.",
                          "Give an existing folder saved by diffusers, or a hub id such as owner/name.") from error
    return Path(found).parent.name if isinstance(found, str) else revision or "main"


def folder_sha256(folder: Path, files: Sequence[str]) -> str:
    """One hash over names and bytes of the files a model is made of; unchanged files are read once per process."""
    digest = hashlib.sha256()
    paths = {path for pattern in files for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(paths):
        name = path.relative_to(folder)
        if not any(name.match(pattern) for pattern in UNUSED):
            digest.update(f"{name.as_posix()}\0{_file_sha256(path)}\0".encode())
    return digest.hexdigest()


def inspect_pipeline(folder: Path) -> dict[str, Any]:
    """Check that a folder is a whole SD 1.5 pipeline in safetensors; returns its UNet's configuration."""
    index = _json(folder / "model_index.json",
                  "Give the folder that holds model_index.json, as diffusers' save_pretrained writes it.")
    name = str(index.get("_class_name", ""))
    for component, entry in index.items():
        if isinstance(entry, list) and entry and entry[0] not in LIBRARIES:
            raise RefineError("weights_unsafe", f"{folder.name} loads its {component} through {entry[0]}, code that is "
                              "not diffusers' own.", "Use a pipeline made of diffusers' and transformers' classes.")
    for component in (*COMPONENTS, *SETTINGS_ONLY):
        if not (folder / component).is_dir():
            raise RefineError("model_incompatible", f"{folder.name} is a {name or 'model'} without {component}.",
                              "Give a Stable Diffusion 1.5 pipeline with all its parts.")
    for component in COMPONENTS:
        _require_safetensors(folder / component, f"{folder.name}/{component}")
    unet = _json(folder / "unet" / "config.json", "Save the pipeline again with save_pretrained.")
    if not name.startswith("StableDiffusion") or "XL" in name or unet.get("addition_embed_type") \
            or unet.get("in_channels", 4) != 4:
        raise RefineError("model_incompatible", f"{folder.name} is a {name or 'model'}, not Stable Diffusion 1.5.",
                          "Preset diffusers drives SD 1.5 pipelines that are neither XL nor for inpainting.")
    return unet


def inspect_controlnet(folder: Path, unet: dict[str, Any]) -> None:
    """Check that a folder is a ControlNet in safetensors made for this UNet."""
    config = _json(folder / "config.json", "Give the folder that holds the ControlNet's config.json.")
    if config.get("_class_name") != "ControlNetModel":
        raise RefineError("controlnet_incompatible", f"{folder.name} is a {config.get('_class_name', 'model')}, "
                          "not a ControlNet.", "Give a ControlNet trained for Stable Diffusion 1.5.")
    _require_safetensors(folder, folder.name)
    for key in ("cross_attention_dim", "block_out_channels"):
        if config.get(key) != unet.get(key):
            raise RefineError("controlnet_incompatible", f"ControlNet {folder.name} does not fit the model: {key} is "
                              f"{config.get(key)}, the model has {unet.get(key)}.",
                              "Use a ControlNet trained for the same base model.")


def own_controlnet(folder: Path, position: int) -> Path:
    """The ControlNet saved inside a pipeline's folder; diffusers numbers them controlnet, controlnet_1."""
    inside = folder / ("controlnet" if position == 0 else f"controlnet_{position}")
    if not inside.is_dir():
        raise RefineError("controlnet_missing", f"{folder.name} holds {position} ControlNet(s) of its own; "
                          f"{position + 1} are asked for.",
                          "Name one per pass, for example PACKSHOT_REFINER_CONTROLNETS=depth@0.8=/models/depth.")
    return inside


def _require_safetensors(folder: Path, name: str) -> None:
    files = [path for path in folder.iterdir() if path.is_file()]
    if any(path.suffix == ".safetensors" for path in files):
        return
    if any(path.suffix in PICKLES for path in files):
        raise RefineError("weights_unsafe", f"{name} holds only pickled weights, which could run code.",
                          "Use a safetensors version, or convert it: "
                          "save_pretrained(folder, safe_serialization=True).")
    raise RefineError("weights_missing", f"{name} holds no weights in safetensors.",
                      "Complete the download, or use a model that offers safetensors.")


def _json(path: Path, hint: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise RefineError("model_incompatible", f"{path.parent.name} has no {path.name}.", hint) from error
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RefineError("model_incompatible", f"{path.parent.name}/{path.name} cannot be read.", hint) from error
    if not isinstance(value, dict):
        raise RefineError("model_incompatible", f"{path.parent.name}/{path.name} holds no settings.", hint)
    return value


def _file_sha256(path: Path) -> str:
    status = path.stat()
    key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
    if key not in _hashes:
        with path.open("rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]
