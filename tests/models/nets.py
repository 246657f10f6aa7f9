"""Small networks and conditions that the tests of this folder share."""

from __future__ import annotations

from dataclasses import replace

import torch

from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.families.presets import PRESETS

GEOMETRY = (3, 4, 6)


def small(**changes) -> FullDiTConfig:
    return replace(PRESETS["debug"], **changes)


def randomized(config: FullDiTConfig, seed: int = 0, scale: float = 0.2) -> FullDiT:
    """A network all of whose weights matter (heads of zeros and vectors of zeros would hide mistakes)."""
    model = FullDiT(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * scale)
            if ".norm" in name and name.endswith("weight"):
                p.add_(1)
    return model.eval()


def latent(frames: int = 3, batch: int = 1, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 16, frames, *GEOMETRY[1:], generator=torch.Generator().manual_seed(seed))


def conditions(batch: int = 1, **changes) -> ConditionStreams:
    """Every stream once, and a second reference."""
    generator = torch.Generator().manual_seed(7)

    def draw(*shape):
        return torch.randn(batch, *shape, generator=generator)

    streams = (
        Stream("camera", draw(3, 68), **changes),
        Stream("reference", draw(16, 1, 4, 6), slot=0, **changes),
        Stream("reference", draw(16, 1, 4, 6), slot=2, **changes),
        Stream("identity_map", draw(16, 3, 4, 6), **changes),
        Stream("depth", draw(16, 3, 4, 6), **changes),
    )
    return ConditionStreams(streams, GEOMETRY)


def words(config: FullDiTConfig, batch: int = 1, seed: int = 2) -> torch.Tensor:
    return torch.randn(batch, 7, config.text_dim, generator=torch.Generator().manual_seed(seed))


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return ((a - b).abs().max() / b.abs().max()).item()
