"""The peers of our networks, with the same weights: those of diffusers, and of a ComfyUI that this Python can import.

They compute in the same process with the same torch. The one file outside `nodes/` that knows modules of ComfyUI: here
it is what is measured against, and where it is missing the rest is measured without it.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...models.config import FullDiTConfig
from ...models.vae.autoencoder import VAE
from ...models.vae.network import MULTIPLIERS, TIME_DOWN
from ...models.weights.key_maps import to_diffusers

Step = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
Encode = Callable[[torch.Tensor], torch.Tensor]
DIFFUSERS, COMFYUI = "diffusers", "ComfyUI"


def available(device: torch.device) -> dict[str, str]:
    """Return the version of each peer that this Python can import, and why not for the others ('no: ...')."""
    versions = {}
    for name, find in ((DIFFUSERS, _diffusers_version), (COMFYUI, lambda: _comfyui_version(device))):
        try:
            versions[name] = find()
        except ImportError as error:
            versions[name] = f"no: {error}"
    return versions


def _diffusers_version() -> str:
    version: str = importlib.import_module("diffusers").__version__
    return version


def _comfyui_version(device: torch.device) -> str:
    """Import ComfyUI's networks from COMFYUI_PATH (default: ~/ComfyUI), with torch's own attention as ours has it."""
    folder = Path(os.environ.get("COMFYUI_PATH") or "~/ComfyUI").expanduser()
    if not (folder / "comfy").is_dir():
        raise ImportError(f"no ComfyUI at {folder} (COMFYUI_PATH)")
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    options = importlib.import_module("comfy.cli_args").args
    options.cpu = options.cpu or device.type == "cpu"
    options.use_pytorch_cross_attention = True
    importlib.import_module("comfy.ldm.wan.model")
    version: str = importlib.import_module("comfyui_version").__version__
    return version


@torch.no_grad()
def step_of(
    peer: str, config: FullDiTConfig, weights: dict[str, torch.Tensor], device: torch.device, dtype: torch.dtype
) -> Step:
    """Return a step (latent, time, text) -> velocity of a peer's Wan transformer with `weights` of Wan's names."""
    if peer == DIFFUSERS:
        network = diffusers_transformer(config)
        network.load_state_dict(to_diffusers(weights), strict=True)
        network = network.to(device).eval()
        for name, module in network.named_modules():  # what its `from_pretrained` keeps in float32 stays so
            if not set(name.split(".")) & set(network._keep_in_fp32_modules):
                for parameter in module.parameters(recurse=False):
                    parameter.data = parameter.to(dtype)
        return lambda x, t, text: network(x, t, text, return_dict=False)[0]
    operations = importlib.import_module("comfy.ops").disable_weight_init
    fields = json.loads(config.to_json())["transformer"]
    wan = importlib.import_module("comfy.ldm.wan.model").WanModel
    stock = wan(**fields, operations=operations, device=device, dtype=dtype)
    stock.patch_embedding.float()  # as the host's loader leaves it
    stock.load_state_dict(weights, strict=True)
    stock.eval()
    return lambda x, t, text: stock(x, t, text)


def diffusers_transformer(config: FullDiTConfig) -> Any:
    """Return diffusers' Wan of this size, with weights of its own. Raises ImportError without diffusers."""
    return importlib.import_module("diffusers").WanTransformer3DModel(
        patch_size=config.patch_size,
        num_attention_heads=config.num_heads,
        attention_head_dim=config.dim // config.num_heads,
        in_channels=config.in_dim,
        out_channels=config.out_dim,
        text_dim=config.text_dim,
        freq_dim=config.freq_dim,
        ffn_dim=config.ffn_dim,
        num_layers=config.num_layers,
        cross_attn_norm=config.cross_attn_norm,
        eps=config.eps,
    )


@torch.no_grad()
def autoencoder_of(peer: str, vae: VAE, device: torch.device, dtype: torch.dtype) -> tuple[Encode, Encode]:
    """Return what encodes images to raw latents and decodes them in a peer's VAE with the weights of ours.

    Both peers go through a clip piece by piece, whatever its length; diffusers clamps its images.
    """
    weights = vae.state_dict()
    if peer == DIFFUSERS:
        theirs = importlib.import_module("diffusers").AutoencoderKLWan(base_dim=vae.dim, z_dim=vae.z_dim)
        theirs.load_state_dict({diffusers_key(key): value for key, value in weights.items()}, strict=True)
        nn.Module.to(theirs, device, dtype).eval()  # its own `to` warns of modules kept in float32: it has none
        return lambda x: theirs.encode(x).latent_dist.mean, lambda z: theirs.decode(z).sample
    stock: nn.Module = importlib.import_module("comfy.ldm.wan.vae").WanVAE(
        dim=vae.dim, z_dim=vae.z_dim, dim_mult=list(MULTIPLIERS), temperal_downsample=list(TIME_DOWN)
    )
    stock.load_state_dict(weights, strict=True)
    stock = stock.to(device, dtype).eval()
    return stock.encode, stock.decode  # type: ignore[return-value]  # methods, which nn.Module does not know


def diffusers_key(key: str) -> str:
    """Return a key of our VAE (Wan's own) under diffusers' name."""
    key = key.replace("middle.0.", "mid_block.resnets.0.").replace("middle.2.", "mid_block.resnets.1.")
    key = key.replace("middle.1.", "mid_block.attentions.0.")
    if match := re.match(r"decoder\.upsamples\.(\d+)\.", key):
        level, place = divmod(int(match[1]), 4)
        part = f"resnets.{place}" if place < 3 else "upsamplers.0"
        key = key.replace(match[0], f"decoder.up_blocks.{level}.{part}.")
    key = key.replace("encoder.downsamples.", "encoder.down_blocks.")
    for ours, theirs in {
        "residual.0.": "norm1.",
        "residual.2.": "conv1.",
        "residual.3.": "norm2.",
        "residual.6.": "conv2.",
        "shortcut.": "conv_shortcut.",
        "head.0.": "norm_out.",
        "head.2.": "conv_out.",
    }.items():
        key = key.replace(ours, theirs)
    key = re.sub(r"^(encoder|decoder)\.conv1\.", r"\1.conv_in.", key)
    return re.sub(r"^conv1\.", "quant_conv.", re.sub(r"^conv2\.", "post_quant_conv.", key))
