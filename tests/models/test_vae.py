"""The autoencoder: equal to diffusers' AutoencoderKLWan, whole and in streams; causal; strict about shapes and files."""

from __future__ import annotations

import re

import pytest
import torch
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.vae.autoencoder import VAE


def diffusers_key(key: str) -> str:
    """Our (= Wan's) key under diffusers' naming."""
    key = key.replace("middle.0.", "mid_block.resnets.0.").replace("middle.2.", "mid_block.resnets.1.")
    key = key.replace("middle.1.", "mid_block.attentions.0.")
    if match := re.match(r"decoder\.upsamples\.(\d+)\.", key):
        level, place = divmod(int(match[1]), 4)
        part = f"resnets.{place}" if place < 3 else "upsamplers.0"
        key = key.replace(match[0], f"decoder.up_blocks.{level}.{part}.")
    key = key.replace("encoder.downsamples.", "encoder.down_blocks.")
    for ours, theirs in {
        "residual.0.": "norm1.", "residual.2.": "conv1.", "residual.3.": "norm2.", "residual.6.": "conv2.",
        "shortcut.": "conv_shortcut.", "head.0.": "norm_out.", "head.2.": "conv_out.",
    }.items():  # fmt: skip
        key = key.replace(ours, theirs)
    key = re.sub(r"^(encoder|decoder)\.conv1\.", r"\1.conv_in.", key)
    return re.sub(r"^conv1\.", "quant_conv.", re.sub(r"^conv2\.", "post_quant_conv.", key))


def randomise(vae: torch.nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in vae.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(1 + 0.2 * noise if name.endswith("gamma") else noise * value[0].numel() ** -0.5)


@pytest.fixture(scope="module")
def vae() -> VAE:
    torch.manual_seed(0)
    model = VAE(dim=8).eval().requires_grad_(False)
    randomise(model)
    return model


@pytest.fixture(scope="module")
def reference(vae: VAE):
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.AutoencoderKLWan(base_dim=vae.dim, z_dim=16).eval().requires_grad_(False)
    theirs.load_state_dict({diffusers_key(key): value for key, value in vae.state_dict().items()}, strict=True)
    return theirs


def clip(frames: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(2, 3, frames, 16, 24, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, relative: float = 1e-5) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= relative * theirs.abs().max()


@pytest.mark.parametrize("frames", [1, 5, 9, 13])
def test_whole_and_streamed_clips_equal_diffusers(vae: VAE, reference, frames: int) -> None:
    x = clip(frames)
    theirs = reference.encode(x).latent_dist.mean
    assert_close(vae.encode(x), theirs)
    assert_close(torch.cat(list(vae.encode_stream([x[:, :, :2], x[:, :, 2:]])), 2), theirs)
    # diffusers clamps its pictures, we leave that to the border.
    pictures = reference.decode(theirs).sample
    assert pictures.abs().max() == 1 or pictures.abs().max() < 1
    assert_close(vae.decode(theirs).clamp(-1, 1), pictures)
    assert_close(torch.cat(list(vae.decode_stream([theirs])), 2).clamp(-1, 1), pictures)
