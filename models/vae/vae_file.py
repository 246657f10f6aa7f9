"""The autoencoder's file: safetensors with Wan's keys, read strictly; and the fingerprint that names its latents."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from ...control.errors import UserError
from ..weights import tensor_file
from ..weights.fingerprint import weights_fingerprint
from ..weights.tensor_file import load_strict, read_tensors, write_tensors
from .autoencoder import VAE

MOST_CHANNELS = (4096, 1024, 64)  # of the network, the latent and the images: beyond any VAE


def save_vae(
    path: str | Path, vae: VAE, metadata: dict[str, object] | None = None, dtype: torch.dtype = torch.bfloat16
) -> Path:
    """Write the weights in `dtype` and `metadata` (values become JSON), whole or not at all; return the path."""
    tensors = {key: value.detach().to(dtype) for key, value in vae.state_dict().items()}
    header = {"format": "pt", **{key: json.dumps(value) for key, value in (metadata or {}).items()}}
    write_tensors(path, tensors, header)
    return Path(path)


def read_metadata(path: str | Path) -> dict[str, object]:
    """Return the `metadata` of `save_vae`. Raises UserError for a file that is missing, cut short or foreign."""
    return {key: json.loads(value) for key, value in tensor_file.read_metadata(path).items() if key != "format"}


def load_vae(path: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> VAE:
    """Return the Wan 2.1 VAE of a file, of any width, ready to use (no gradients).

    Raises UserError for a missing, truncated or foreign file, and for pickles, which could run code.
    """
    tensors = read_tensors(path)
    gamma, stem = tensors.get("decoder.head.0.gamma"), tensors.get("encoder.conv1.weight")
    if gamma is None or stem is None or "conv2.weight" not in tensors:
        raise UserError(f"'{path}' is not a Wan 2.1 VAE: it has other keys, such as {sorted(tensors)[:3]}.")
    latent = tensors["conv2.weight"]
    sizes = [*gamma.shape[:1], *latent.shape[:1], *stem.shape[1:2]]
    if len(sizes) != 3 or not all(1 <= size <= most for size, most in zip(sizes, MOST_CHANNELS, strict=True)):
        raise UserError(f"'{path}' is not a Wan 2.1 VAE: its width, latent and image channels would be {sizes}.")
    vae = VAE(dim=sizes[0], z_dim=sizes[1], channels=sizes[2])
    load_strict(vae, tensors, path, f"Wan 2.1 VAE of width {vae.dim}")
    return vae.to(device, dtype).eval().requires_grad_(False)


def fingerprint(vae: nn.Module) -> str:
    """Return the SHA-256 over names and float32 values of the weights that make latents: the encoder and `conv1`.

    It is the same for a file and its float32 or bfloat16 load, and for a file whose decoder was trained further: its
    latents mean the same, so a generator trained on the one works with the other.
    """
    return weights_fingerprint(vae, prefixes=("encoder.", "conv1."))
