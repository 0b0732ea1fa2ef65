"""Whether a model folder is whole, safe and fits, seen from its JSON and safetensors headers alone.

Only safetensors are accepted. A .bin or .ckpt is a pickle, which runs whatever its author put inside.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from pipeline.errors import RefineError
from pipeline.refine.presets import Family

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".msgpack")
LIBRARIES = (None, "diffusers", "transformers", "stable_diffusion")  # whose classes a pipeline may name
WITH_WEIGHTS: dict[Family, tuple[str, ...]] = {
    "sd15": ("unet", "vae", "text_encoder"), "sdxl-union": ("unet", "vae", "text_encoder", "text_encoder_2")}
SETTINGS_ONLY: dict[Family, tuple[str, ...]] = {
    "sd15": ("tokenizer", "scheduler"), "sdxl-union": ("tokenizer", "tokenizer_2", "scheduler")}
CALLED: dict[Family, str] = {"sd15": "Stable Diffusion 1.5", "sdxl-union": "SDXL"}
LATENT_CHANNELS = 4            # 9 is an inpainting model, 8 an instruction model, 16 another family
UNION_TYPES = 5                # depth is 1, lines are 3, normals are 4
_CLASSES: dict[Family, tuple[str, ...]] = {  # published union nets carry either name
    "sd15": ("ControlNetModel",),
    "sdxl-union": ("ControlNetUnionModel", "ControlNetModel_Union", "ControlNetModel")}
_MUST_EQUAL: dict[Family, tuple[str, ...]] = {
    "sd15": ("cross_attention_dim", "block_out_channels"),
    "sdxl-union": ("cross_attention_dim", "block_out_channels", "addition_time_embed_dim",
                   "projection_class_embeddings_input_dim")}
_HEADER_LIMIT = 100_000_000    # bytes; the format's own limit


def inspect_pipeline(folder: Path, family: Family) -> dict[str, Any]:
    """Check that a folder is a whole pipeline of a family, in safetensors; returns its UNet's configuration."""
    index = read_json(folder / "model_index.json",
                      "Give the folder that holds model_index.json, as diffusers' save_pretrained writes it.")
    name = str(index.get("_class_name", ""))
    require_own_classes(folder, index)
    xl = "XL" in name
    if not name.startswith("StableDiffusion") or xl != (family == "sdxl-union"):
        raise RefineError("model_incompatible", f"{folder.name} is a {name or 'model'}, not {CALLED[family]}.",
                          "Preset sdxl-union drives SDXL, presets sd15-multi and diffusers drive SD 1.5.")
    for component in (*WITH_WEIGHTS[family], *SETTINGS_ONLY[family]):
        if not (folder / component).is_dir():
            raise RefineError("model_incompatible", f"{folder.name} is a {name} without {component}.",
                              f"Give a {CALLED[family]} pipeline with all its parts.")
    for component in WITH_WEIGHTS[family]:
        require_whole(folder / component, f"{folder.name}/{component}")
    unet = read_json(folder / "unet" / "config.json", "Save the pipeline again with save_pretrained.")
    _require_channels(folder, unet, family)
    return unet


def inspect_controlnet(folder: Path, unet: dict[str, Any], family: Family) -> None:
    """Check that a folder is a whole ControlNet made for this UNet and for colour control images."""
    config = read_json(folder / "config.json", "Give the folder that holds the ControlNet's config.json.")
    known = config.get("_class_name") in _CLASSES[family]
    union = isinstance(config.get("num_control_type"), int)
    if not known or union != (family == "sdxl-union"):
        wanted = "a ControlNet Union" if family == "sdxl-union" else "a ControlNet"
        raise RefineError("controlnet_incompatible", f"{folder.name} is a {config.get('_class_name', 'model')}, "
                          f"not {wanted}.", f"Give {wanted} trained for {CALLED[family]}.")
    require_whole(folder, folder.name)
    for key in _MUST_EQUAL[family]:
        if config.get(key) != unet.get(key):
            raise RefineError("controlnet_incompatible", f"ControlNet {folder.name} does not fit the model: {key} is "
                              f"{config.get(key)}, the model has {unet.get(key)}.",
                              "Use a ControlNet trained for the same base model.")
    for key, fitting in (("in_channels", LATENT_CHANNELS), ("conditioning_channels", 3)):
        if config.get(key, fitting) != fitting:
            raise RefineError("controlnet_incompatible", f"ControlNet {folder.name} reads {config[key]} channels as "
                              f"its {key}; {fitting} are given.", "Use a ControlNet that reads a colour image.")
    if union and config["num_control_type"] < UNION_TYPES:
        raise RefineError("controlnet_incompatible", f"ControlNet {folder.name} knows {config['num_control_type']} "
                          f"kinds of control; lines and normals need {UNION_TYPES}.",
                          "Use a union of at least six kinds, as published.")


def own_controlnet(folder: Path, position: int) -> Path:
    """The ControlNet saved inside a pipeline's folder; diffusers numbers them controlnet, controlnet_1."""
    inside = folder / ("controlnet" if position == 0 else f"controlnet_{position}")
    if not inside.is_dir():
        raise RefineError("controlnet_missing", f"{folder.name} holds {position} ControlNet(s) of its own; "
                          f"{position + 1} are asked for.",
                          "Name one per pass, for example PACKSHOT_REFINER_CONTROLNETS=depth@0.8=/models/depth.")
    return inside


def require_own_classes(folder: Path, index: dict[str, Any]) -> None:
    """A pipeline may name diffusers' and transformers' classes alone."""
    for component, entry in index.items():
        if isinstance(entry, list) and entry and entry[0] not in LIBRARIES:
            raise RefineError("weights_unsafe", f"{folder.name} loads its {component} through {entry[0]}, code that is "
                              "not diffusers' own.", "Use a pipeline made of diffusers' and transformers' classes.")


def require_whole(folder: Path, name: str) -> None:
    """Weights in safetensors, every shard there, none cut short."""
    files = [path for path in folder.iterdir() if path.is_file()]
    weights = [path for path in files if path.suffix == ".safetensors"]
    if not weights:
        if any(path.suffix in PICKLES for path in files):
            raise RefineError("weights_unsafe", f"{name} holds only pickled weights, which could run code.",
                              "Use a safetensors version, or convert it: "
                              "save_pretrained(folder, safe_serialization=True).")
        raise RefineError("weights_missing", f"{name} holds no weights in safetensors.",
                          "Complete the download, or use a model that offers safetensors.")
    for path in (each for each in files if each.name.endswith(".safetensors.index.json")):
        shards = read_json(path, "Complete the download.").get("weight_map")
        for shard in sorted(set(shards.values())) if isinstance(shards, dict) else ():
            if not (folder / str(shard)).is_file():
                raise RefineError("weights_missing", f"{name} lacks {shard}, which {path.name} names.",
                                  "Complete the download, or save the pipeline again.")
    for path in weights:
        _require_full_length(path, name)


def read_json(path: Path, hint: str) -> dict[str, Any]:
    """A model's settings file."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise RefineError("model_incompatible", f"{path.parent.name} has no {path.name}.", hint) from error
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RefineError("model_incompatible", f"{path.parent.name}/{path.name} cannot be read.", hint) from error
    if not isinstance(value, dict):
        raise RefineError("model_incompatible", f"{path.parent.name}/{path.name} holds no settings.", hint)
    return value


def _require_full_length(path: Path, name: str) -> None:
    """A safetensors file is 8 bytes of length, a JSON header of that length, and what its offsets span."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else _HEADER_LIMIT + 1
        header = file.read(length) if length <= min(_HEADER_LIMIT, size) else b""
    try:
        tensors = json.loads(header) if header else None
        ends = [entry["data_offsets"][1] for key, entry in tensors.items() if key != "__metadata__"] if tensors else []
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        ends = []
    if not ends:
        raise RefineError("weights_truncated", f"{name}/{path.name} is no whole safetensors file ({size} bytes).",
                          "The download was cut short or altered: fetch the file again.")
    expected = 8 + length + max(ends)
    if size != expected:
        raise RefineError("weights_truncated", f"{name}/{path.name} has {size} bytes; its header speaks of {expected}.",
                          "The download was cut short or altered: fetch the file again.")


def _require_channels(folder: Path, unet: dict[str, Any], family: Family) -> None:
    """The UNet takes plain latents, the autoencoder makes them, the text encoders give what it attends to."""
    taken = unet.get("in_channels", LATENT_CHANNELS)
    if taken != LATENT_CHANNELS:
        raise RefineError("model_incompatible", f"The UNet of {folder.name} takes {taken} channels, not "
                          f"{LATENT_CHANNELS}: it is made for inpainting or another task.",
                          f"Use the text-to-image version of the {CALLED[family]} model.")
    if bool(unet.get("addition_embed_type")) != (family == "sdxl-union"):
        raise RefineError("model_incompatible", f"The UNet of {folder.name} is not {CALLED[family]}'s.",
                          "Preset sdxl-union drives SDXL, presets sd15-multi and diffusers drive SD 1.5.")
    made = read_json(folder / "vae" / "config.json", "Save the pipeline again.").get("latent_channels", LATENT_CHANNELS)
    if made != LATENT_CHANNELS:
        raise RefineError("model_incompatible", f"The autoencoder of {folder.name} makes latents of {made} channels; "
                          f"its UNet takes {LATENT_CHANNELS}.", "Use the autoencoder the model was trained with.")
    widths = [read_json(folder / encoder / "config.json", "Save the pipeline again.").get("hidden_size")
              for encoder in WITH_WEIGHTS[family] if encoder.startswith("text_encoder")]
    told = sum(width for width in widths if isinstance(width, int))
    heard = unet.get("cross_attention_dim")
    if isinstance(heard, int) and told != heard:
        raise RefineError("model_incompatible", f"The text encoder(s) of {folder.name} give {told} channels; "
                          f"its UNet listens to {heard}.", "Use the text encoders the model was trained with.")
