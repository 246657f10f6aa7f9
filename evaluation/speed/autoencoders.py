"""Encoding and decoding clips with the VAE, whole and in pieces, beside its peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ...models.vae.autoencoder import VAE
from . import peers
from .clock import Pair, Work, compare
from .networks import assert_same

WHOLE, STREAMED = "whole", "streamed"


@dataclass(frozen=True)
class AutoencoderSize:
    """A VAE of a width, and the clip (frames, height, width) that it takes. `more` times as many rounds."""

    name: str
    width: int
    clip: tuple[int, int, int]
    more: int = 1


ON_CPU = (
    AutoencoderSize("miniature, 17x64x96", 16, (17, 64, 96), more=2),
    AutoencoderSize("Wan's width, 9x64x96", 96, (9, 64, 96)),
)
ON_ACCELERATORS = (
    AutoencoderSize("miniature, 25x96x160", 16, (25, 96, 160), more=2),
    AutoencoderSize("Wan's width, 17x480x832", 96, (17, 480, 832)),
)


@torch.no_grad()
def measure_autoencoder(
    size: AutoencoderSize, found: list[str], rounds: int, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Return seconds, peak memory and ratios of encoding and decoding one clip, ours and of every peer found."""
    vae = random_autoencoder(size.width).to(device, dtype)
    draw = torch.Generator().manual_seed(1)
    images = (torch.rand(1, vae.channels, *size.clip, generator=draw) * 2 - 1).to(device, dtype)
    latent = vae.encode(images)
    coders: dict[str, tuple[peers.Encode, peers.Encode]] = {
        WHOLE: (vae.encode, vae.decode),
        STREAMED: (_joined(vae.encode_stream), _joined(vae.decode_stream)),
        **{peer: peers.autoencoder_of(peer, vae, device, dtype) for peer in found},
    }
    works: dict[str, Work] = {}
    expected = vae.decode(latent)
    for name, (encode, decode) in coders.items():
        assert_same(name, encode(images), latent)
        assert_same(name, decode(latent).clamp(-1, 1), expected.clamp(-1, 1))
        works[f"encode, {name}"] = _call(encode, images)
        works[f"decode, {name}"] = _call(decode, latent)
    pairs: list[Pair] = [
        (f"{what}, {ours}", f"{what}, {peer}")
        for what in ("encode", "decode")
        for ours in (WHOLE, STREAMED)
        for peer in found
    ]
    return compare(works, pairs, size.more * rounds, device)


def _call(function: peers.Encode, value: torch.Tensor) -> Work:
    return lambda: function(value)


def _joined(stream: Callable[..., Any]) -> peers.Encode:
    """Return a stream's function as one from a whole clip to a whole clip."""
    return lambda whole: torch.cat(list(stream([whole])), 2)


@torch.no_grad()
def random_autoencoder(width: int) -> VAE:
    """Return a VAE whose random weights keep the size of what passes through."""
    vae = VAE(width).eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    for name, parameter in vae.named_parameters():
        noise = torch.randn(parameter.shape, generator=draw)
        parameter.copy_(1 + 0.2 * noise if name.endswith("gamma") else noise * parameter[0].numel() ** -0.5)
    return vae
