"""Where model folders are, local, on the hub or on S3, and what they are known by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import RefineError
from pipeline.refine import hub, weights_s3

PIPELINE_FILES = ("model_index.json", "*/*.json", "*/*.txt", "*/*.safetensors")
CONTROLNET_FILES = ("config.json", "diffusion_pytorch_model*.json", "diffusion_pytorch_model*.safetensors")
UNUSED = ("*.fp16.*", "*.fp16-*", "*.non_ema.*", "*_promax*", "safety_checker/*", "feature_extractor/*",
          "image_encoder/*", "vae_1_0/*", "vae_decoder/*", "vae_encoder/*")

_hashes: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True, slots=True)
class Known:
    """What a model is known by, before any of it is loaded."""

    name: str                              # as name_of says it
    revision: str = ""                     # commit of the hub; digest of S3's listing
    sha256: str = ""                       # of a local folder


def is_local(model: str) -> bool:
    """A folder that exists, or a name that only a path can have; everything else is on S3 or a hub id."""
    if weights_s3.is_s3(model):
        return False
    path = Path(model).expanduser()
    return path.is_dir() or path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1


def is_on_hub(model: str) -> bool:
    return bool(model) and not is_local(model) and not weights_s3.is_s3(model)


def name_of(model: str) -> str:
    """A hub id as it is; a folder's own name, since where it lies is nobody's business."""
    if is_on_hub(model):
        return model
    if weights_s3.is_s3(model):
        return model.rstrip("/").rsplit("/", 1)[-1]
    return Path(model).expanduser().resolve().name


def local_folder(model: str) -> Path:
    """The folder of a local model. Raises RefineError where there is none."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise RefineError("model_missing", f"There is no model folder {model}.",
                          "Give an existing folder saved by diffusers, or a hub id such as owner/name.")
    return folder


def known_as(model: str, revision: str, files: Sequence[str]) -> Known:
    """A local model by its bytes, one on S3 by a listing, one of the hub by its commit. Nothing is downloaded.

    A branch of a hub model counts as the commit in the local cache; before its first download, as its name.
    """
    if is_local(model):
        folder = local_folder(model)
        return Known(name_of(model), sha256=folder_sha256(folder, files))
    if weights_s3.is_s3(model):
        return Known(name_of(model), weights_s3.listed(model, files, UNUSED).digest)
    return Known(model, cached_commit(model, revision, files[0]))


def fetched_folder(model: str, revision: str, files: Sequence[str], local_files_only: bool) -> Path:
    """The folder of a model; one that is elsewhere is copied once, only the files that are used.

    Args:
        revision: as :func:`known_as` gave it; an S3 folder that has changed since is an error.
    """
    if is_local(model):
        return local_folder(model)
    if not weights_s3.is_s3(model):
        return hub.snapshot(model, revision, files, UNUSED, local_files_only)
    folder = weights_s3.listed(model, files, UNUSED)
    if folder.digest != revision:
        raise RefineError("weights_changed", f"{model} was changed while it was to be loaded.",
                          "Run again; give every version of a model a prefix of its own.")
    return weights_s3.fetched(folder)


def require_sha256(model: str, folder: Path, files: Sequence[str], expected: str) -> None:
    """Hold a folder to the hash that settings or pins state; "" states none."""
    if expected and (found := folder_sha256(folder, files)) != expected.lower():
        raise RefineError("weights_sha256", f"{model} has sha256 {found[:12]}…, not {expected[:12]}… as stated.",
                          "Fetch the model again; if the change is meant, state the new sha256 "
                          f"{found}.")


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


def _file_sha256(path: Path) -> str:
    status = path.stat()
    key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
    if key not in _hashes:
        with path.open("rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]
