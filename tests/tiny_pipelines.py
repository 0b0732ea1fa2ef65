"""Stable Diffusion pipelines of a few MB with random weights, saved the way real ones are.

They paint nothing sensible. They exist so that tests go through ``from_pretrained``, the scheduler, the text
encoder and the ControlNets of the real classes, offline.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.torch_beside_gl import prepare_torch

CHANNELS = (32, 64)
TEXT_WIDTH = 64


def save_tiny_controlnet(folder: Path, seed: int = 0, text_width: int = TEXT_WIDTH) -> Path:
    """A ControlNet whose "zero convolutions" are not zero: as made, it would have no effect at all."""
    prepare_torch()
    import diffusers
    import torch

    torch.manual_seed(seed)
    made: Any = diffusers.ControlNetModel
    net = made(block_out_channels=CHANNELS, layers_per_block=1, in_channels=4, norm_num_groups=8,
               down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), cross_attention_dim=text_width,
               attention_head_dim=8, conditioning_embedding_out_channels=(8, 8, 16, 16))
    _wake(net)
    net.save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_union(folder: Path, seed: int = 0) -> Path:
    """A ControlNet Union of six kinds for the tiny SDXL, as published ones are."""
    prepare_torch()
    import diffusers
    import torch

    torch.manual_seed(seed)
    made: Any = diffusers.ControlNetUnionModel
    net = made(block_out_channels=CHANNELS, layers_per_block=1, in_channels=4, norm_num_groups=8,
               down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), cross_attention_dim=2 * TEXT_WIDTH,
               transformer_layers_per_block=(1, 2), attention_head_dim=(2, 4), use_linear_projection=True,
               addition_embed_type="text_time", addition_time_embed_dim=8,
               projection_class_embeddings_input_dim=6 * 8 + TEXT_WIDTH,
               conditioning_embedding_out_channels=(8, 8, 16, 16), num_control_type=6, num_trans_channel=32,
               num_proj_channel=32, num_trans_head=4)
    _wake(net, gain=1.7)
    torch.nn.init.normal_(net.spatial_ch_projs.weight)
    net.save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_sdxl(folder: Path, union: bool = True) -> Path:
    """An SDXL ControlNet Union img2img pipeline; without its union, a plain SDXL folder as the hub holds it."""
    prepare_torch()
    import diffusers
    import torch
    import transformers

    torch.manual_seed(2)
    parts: Any = diffusers
    unet = parts.UNet2DConditionModel(
        block_out_channels=CHANNELS, layers_per_block=1, sample_size=8, in_channels=4, out_channels=4,
        norm_num_groups=8, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=2 * TEXT_WIDTH,
        attention_head_dim=(2, 4), use_linear_projection=True, transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + TEXT_WIDTH)
    scheduler = parts.EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                             steps_offset=1, timestep_spacing="leading")
    text: Any = transformers
    config = _text_config()
    tokenizer = _byte_tokenizer(folder.parent / f"{folder.name}-tokenizer")
    pieces: dict[str, Any] = {
        "unet": unet, "vae": _autoencoder(), "scheduler": scheduler, "text_encoder": text.CLIPTextModel(config),
        "text_encoder_2": text.CLIPTextModelWithProjection(config), "tokenizer": tokenizer, "tokenizer_2": tokenizer}
    if union:
        net = parts.ControlNetUnionModel.from_pretrained(save_tiny_union(folder.parent / f"{folder.name}-union"))
        pipeline = parts.StableDiffusionXLControlNetUnionImg2ImgPipeline(**pieces, controlnet=net)
    else:
        pipeline = parts.StableDiffusionXLPipeline(**pieces)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_pipeline(folder: Path, controlnets: int = 2) -> Path:
    """An SD 1.5 ControlNet img2img pipeline with its own ControlNets inside; 0 saves a plain SD 1.5 folder."""
    prepare_torch()
    import diffusers
    import torch
    import transformers

    torch.manual_seed(1)
    parts: Any = diffusers
    unet = parts.UNet2DConditionModel(
        block_out_channels=CHANNELS, layers_per_block=1, sample_size=8, in_channels=4, out_channels=4,
        norm_num_groups=8, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=TEXT_WIDTH, attention_head_dim=8)
    vae = _autoencoder()
    scheduler = parts.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                    clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    text: Any = transformers
    encoder = text.CLIPTextModel(_text_config())
    pieces: dict[str, Any] = {"unet": unet, "vae": vae, "scheduler": scheduler, "text_encoder": encoder,
                              "tokenizer": _byte_tokenizer(folder.parent / f"{folder.name}-tokenizer")}
    if controlnets == 0:
        pipeline = parts.StableDiffusionPipeline(**pieces, safety_checker=None, feature_extractor=None,
                                                 requires_safety_checker=False)
    else:
        nets = [parts.ControlNetModel.from_pretrained(save_tiny_controlnet(
            folder.parent / f"{folder.name}-net{number}", seed=number)) for number in range(controlnets)]
        pipeline = parts.StableDiffusionControlNetImg2ImgPipeline(
            **pieces, controlnet=nets if controlnets > 1 else nets[0], safety_checker=None, feature_extractor=None,
            requires_safety_checker=False)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _wake(net: Any, gain: float = 1.0) -> None:
    import torch

    zeroed = [*net.controlnet_down_blocks, net.controlnet_mid_block]
    for layer in (*zeroed, *net.controlnet_cond_embedding.modules()):
        if isinstance(layer, torch.nn.Conv2d) and layer.bias is not None:
            torch.nn.init.kaiming_normal_(layer.weight)
            layer.weight.data *= gain
            torch.nn.init.zeros_(layer.bias)


def _autoencoder() -> Any:
    """Four blocks, so that it reduces by 8 like the real one."""
    import diffusers

    made: Any = diffusers.AutoencoderKL
    return made(block_out_channels=(8, 8, 16, 16), norm_num_groups=4, layers_per_block=1, latent_channels=4,
                down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, sample_size=64)


def _text_config() -> Any:
    import transformers

    made: Any = transformers.CLIPTextConfig
    return made(hidden_size=TEXT_WIDTH, intermediate_size=64, num_attention_heads=4, num_hidden_layers=2,
                vocab_size=514, max_position_embeddings=77, bos_token_id=512, eos_token_id=513, pad_token_id=513,
                projection_dim=TEXT_WIDTH)


def _byte_tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer over single bytes: no merges, 512 byte tokens, start and end."""
    import transformers

    folder.mkdir(parents=True)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    made: Any = transformers.CLIPTokenizer
    return made.from_pretrained(folder, model_max_length=77)
