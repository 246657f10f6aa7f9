"""The autoencoder's file: safetensors with Wan's keys, read strictly; and the fingerprint that names its latents."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from ...control.errors import UserError
from ...control.files import atomic_path
from .autoencoder import VAE


def save_vae(path: str | Path, vae: VAE, metadata: dict[str, object] | None = None, dtype=torch.bfloat16) -> Path:
    """Writes the weights in `dtype` and `metadata` (values become JSON) whole or not at all."""
    from safetensors.torch import save_file

    tensors = {key: value.detach().to("cpu", dtype).contiguous() for key, value in vae.state_dict().items()}
    header = {"format": "pt", **{key: json.dumps(value) for key, value in (metadata or {}).items()}}
    with atomic_path(path) as part:
        save_file(tensors, part, metadata=header)
    return Path(path)


def read_metadata(path: str | Path) -> dict[str, object]:
    """What `save_vae` was given as `metadata`."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
    return {key: json.loads(value) for key, value in header.items() if key != "format"}


def load_vae(
    path: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> VAE:
    """Reads a Wan 2.1 VAE of any width, ready to use (no gradients).

    Raises UserError for a missing, truncated or foreign file, and for pickles, which could run code.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no VAE file at '{path}'. Give the path of a Wan 2.1 VAE in safetensors.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"'{path}' is no whole safetensors file ({error}). Download or copy it again; a .pth or .pt file must be"
            " converted to safetensors first."
        ) from error
    gamma, stem = tensors.get("decoder.head.0.gamma"), tensors.get("encoder.conv1.weight")
    if gamma is None or stem is None or "conv2.weight" not in tensors:
        raise UserError(f"'{path}' is not a Wan 2.1 VAE: it has other keys, such as {sorted(tensors)[:3]}.")
    vae = VAE(dim=gamma.shape[0], z=tensors["conv2.weight"].shape[0], channels=stem.shape[1])
    try:
        vae.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise UserError(f"'{path}' is not a Wan 2.1 VAE of width {vae.dim}: {str(error).splitlines()[1]}") from error
    return vae.to(device, dtype).eval().requires_grad_(False)


def fingerprint(vae: VAE) -> str:
    """SHA-256 over names and float32 values of what makes latents: the encoder and `conv1`.

    The same for a file and its float32 or bfloat16 load, and for a file whose decoder was trained further: its latents
    mean the same, so a generator trained on the one works with the other.
    """
    digest = hashlib.sha256()
    for key, value in sorted(vae.state_dict().items()):
        if key.startswith(("encoder.", "conv1.")):
            digest.update(key.encode())
            digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()
