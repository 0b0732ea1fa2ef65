"""An open_clip model of a few thousand random weights, saved as open_clip reads it."""

from __future__ import annotations

import json
from pathlib import Path

TINY = {"embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}}


def save_tiny_clip(target: Path, seed: int = 0) -> Path:
    """Write weights and configuration into a folder, which is returned."""
    from pipeline.torch_beside_gl import prepare_torch

    prepare_torch()
    import open_clip
    import torch
    from safetensors.torch import save_file

    target.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    save_file(open_clip.CLIP(**TINY).state_dict(), target / "open_clip_model.safetensors")
    (target / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": {}}))
    return target
