"""One CLIP model per process, read by open_clip from where the environment says.

    PACKSHOT_CLIP=/models/clip            a folder with open_clip_config.json and weights, or its weights file
    PACKSHOT_CLIP=laion/CLIP-ViT-B-32-laion2B-s34B-b79K    an open_clip model of the Hugging Face hub

Nothing is downloaded unless a hub model is named. Without the variable there is no model.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import SentinelError
from pipeline.torch_beside_gl import prepare_torch

if TYPE_CHECKING:
    import torch

VARIABLE = "PACKSHOT_CLIP"
_HINT = (f"Set {VARIABLE} to a folder with open_clip_config.json and weights, or to an open_clip model of the Hugging "
         "Face hub; unset it to go without.")


class Clip:
    """Turns pictures and prompts into unit vectors that lie close where they mean the same."""

    def __init__(self, model: Any, preprocess: Any, tokenizer: Any) -> None:
        self._model, self._preprocess, self._tokenizer = model.eval(), preprocess, tokenizer

    def of_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(n, d) unit vectors of (H, W, 3) pictures."""
        import torch

        with torch.inference_mode():
            batch = torch.stack([self._preprocess(Image.fromarray(image)) for image in images])
            return _numpy(self._model.encode_image(batch, normalize=True))

    def of_text(self, text: str) -> NDArray[np.float32]:
        """(d,) unit vector of a prompt."""
        import torch

        with torch.inference_mode():
            [vector] = _numpy(self._model.encode_text(self._tokenizer([text]), normalize=True))
        return np.asarray(vector, np.float32)


def configured() -> str:
    """What the environment names, or nothing."""
    return os.environ.get(VARIABLE, "").strip()


def identity(named: str) -> str:
    """What similarities depend on: a local model's content, a hub model's name. Raises SentinelError ``clip_missing``.

    Weights are hashed once per process, and again when a file's size or time moves.
    """
    source = _source(named)
    if not source.startswith("local-dir:"):
        return source
    folder = Path(source.removeprefix("local-dir:"))
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    return _content(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@cache
def _content(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, size, _ in files:
        digest.update(f"{Path(path).name}:{size}:".encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@cache
def load(named: str) -> Clip:
    """The model that ``PACKSHOT_CLIP`` names. Raises SentinelError ``clip_unusable`` for what cannot be loaded."""
    prepare_torch()
    import open_clip
    from open_clip import transform
    from safetensors import SafetensorError

    source = _source(named)
    try:
        # require_pretrained: a folder without weights would otherwise give a model of noise
        model = open_clip.create_model(source, require_pretrained=True, weights_only=True)
        preprocess = transform.image_transform_v2(transform.PreprocessCfg(**model.visual.preprocess_cfg),
                                                  is_train=False)
        return Clip(model, preprocess, open_clip.get_tokenizer(source))
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, UnpicklingError, SafetensorError) as error:
        raise SentinelError("clip_unusable", f"The CLIP model {named!r} cannot be loaded: {error}", _HINT) from error


def _source(named: str) -> str:
    """As open_clip names models. Raises SentinelError ``clip_missing`` for a path where nothing is."""
    if named.startswith(("hf-hub:", "local-dir:")):
        return named
    path = Path(named).expanduser()
    if path.is_file():
        path = path.parent
    if path.is_dir():
        return f"local-dir:{path}"
    if path.is_absolute() or named.count("/") != 1 or named.startswith("."):
        raise SentinelError("clip_missing", f"There is no CLIP model at {named!r}.", _HINT)
    return f"hf-hub:{named}"


def _numpy(vectors: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(vectors.float().cpu().numpy(), np.float32)
