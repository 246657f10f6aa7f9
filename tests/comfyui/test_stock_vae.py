"""The embedded autoencoder in ComfyUI's own VAE class: the same latents and images as ours."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

from .conftest import PACK, ROOT

pytestmark = pytest.mark.comfyui
FILE = ROOT / "checkpoints" / "fulldit_mini_vae.safetensors"


@pytest.fixture(scope="module")
def stock(host):
    """The file as ComfyUI's `VAELoader` loads it, in float32."""
    import comfy.sd
    import comfy.utils

    weights, metadata = comfy.utils.load_torch_file(str(FILE), return_metadata=True)
    vae = comfy.sd.VAE(sd=weights, metadata=metadata, dtype=torch.float32, device=torch.device("cpu"))
    vae.throw_exception_if_invalid()
    return vae


@pytest.fixture(scope="module")
def ours(host):
    return importlib.import_module(f"{PACK}.models.vae").load_vae(FILE)


def clip(frames: int) -> torch.Tensor:
    """A smooth moving pattern as ComfyUI has images: (T, H, W, 3) in [0, 1]."""
    t, y, x = torch.meshgrid(torch.arange(frames) / 8, torch.arange(64) / 20, torch.arange(96) / 20, indexing="ij")
    return torch.stack((torch.sin(x + t), torch.cos(y - t), torch.sin(x + y + 2 * t)), dim=-1) * 0.4 + 0.5


def test_the_stock_loader_takes_the_file_for_a_wan21_vae(stock) -> None:
    import comfy.ldm.wan.vae

    assert isinstance(stock.first_stage_model, comfy.ldm.wan.vae.WanVAE)
    assert stock.latent_channels == 16


@pytest.mark.parametrize("frames", [1, 5, 17])
def test_latents_and_images_equal_those_of_the_stock_vae(stock, ours, frames: int) -> None:
    images = clip(frames)
    theirs = stock.encode(images)
    x = images.permute(3, 0, 1, 2)[None] * 2 - 1
    latent = ours.encode(x)
    assert theirs.shape == latent.shape
    assert (theirs - latent).abs().max() < 1e-3 * latent.abs().max()
    # ComfyUI decodes to (B, T, H, W, 3) in [0, 1].
    decoded = stock.decode(latent)
    whole = (ours.decode(latent).clamp(-1, 1) / 2 + 0.5).permute(0, 2, 3, 4, 1)
    assert decoded.shape[-4:] == whole.shape[-4:]
    assert (decoded.reshape(whole.shape) - whole).abs().max() < 2e-3


def test_latents_are_normalized_as_wan21s(ours) -> None:
    import comfy.latent_formats

    z = torch.randn(1, 16, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    latent = importlib.import_module(f"{PACK}.models.vae.latent")
    wan = comfy.latent_formats.Wan21()
    assert torch.allclose(latent.normalize_latent(z), wan.process_in(z), atol=1e-6)
    assert torch.allclose(latent.denormalize_latent(z), wan.process_out(z), atol=1e-6)


def test_the_file_is_small_enough_for_the_repository() -> None:
    assert Path(FILE).stat().st_size <= 8 * 2**20
