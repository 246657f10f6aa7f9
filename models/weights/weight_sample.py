"""A fingerprint of weights that survives their number format: a sample of their values, and how each may be rounded.

The files of one model in float32, float16, bfloat16 and fp8 hold other bytes, so that no hash is common to them; what
they hold at the same places differs by rounding alone. A model that was trained further differs by more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

_PLACES = 8  # values of each tensor
_AGREE = 0.98  # share of values that must be equal up to rounding
_SCALES = ("weight_scale", "scale_weight")
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_OF_BLOCK = re.compile(
    r"modulation|norm3\.weight|(?:self|cross)_attn\.[qkvo]\.(?:weight|bias)|ffn\.[02]\.(?:weight|bias)"
)
_OF_WAN = re.compile(r"(?:patch_embedding|text_embedding\.[02]|time_embedding\.[02]|time_projection\.1|head\.head)\..+")


@dataclass(frozen=True, eq=False)
class WeightSample:
    """`values` (n,) float32 of some weights, and `rounding` (n,): how far each may be from what was rounded to it."""

    values: torch.Tensor
    rounding: torch.Tensor

    def agrees_with(self, other: WeightSample) -> bool:
        """Return whether both may be the same weights: equal up to the rounding of both."""
        if self.values.shape != other.values.shape:
            return False
        apart = (self.values.double() - other.values.double()).abs()
        within = apart <= 1.001 * (self.rounding.double() + other.rounding.double())
        return bool(within.double().mean() >= _AGREE)

    def to_tensor(self) -> torch.Tensor:
        """Return it as (2, n), as a file holds it."""
        return torch.stack([self.values, self.rounding])

    @classmethod
    def from_tensor(cls, rows: torch.Tensor) -> WeightSample:
        """Return what `to_tensor` gave."""
        values, rounding = rows.float()
        return cls(values, rounding)


def sample_wan(state: Mapping[str, torch.Tensor]) -> WeightSample:
    """Return the sample of a Wan transformer: of the first, middle and last block, and of what is outside of blocks.

    `state` has the original keys; it may be in fp8 with scales beside the layers. Layers in another quantized format
    count as rounded without bound.
    """
    blocks = sorted({int(match[1]) for name in state if (match := _BLOCK.fullmatch(name))})
    chosen = {blocks[0], blocks[len(blocks) // 2], blocks[-1]} if blocks else set()
    names = []
    for name in state:
        match = _BLOCK.fullmatch(name)
        if int(match[1]) in chosen and _OF_BLOCK.fullmatch(match[2]) if match else _is_outside(name):
            names.append(name)
    return _sample(state, names)


def _is_outside(name: str) -> bool:
    """Return whether a key is of a weight outside of the blocks that is sampled."""
    return name.endswith((".weight", ".bias")) and _OF_WAN.fullmatch(name) is not None


def sample_vae(state: Mapping[str, torch.Tensor]) -> WeightSample:
    """Return the sample of a video VAE: of the weights that make latents, the encoder and `conv1`."""
    return _sample(state, [name for name in state if name.startswith(("encoder.", "conv1."))])


def _sample(state: Mapping[str, torch.Tensor], names: list[str]) -> WeightSample:
    """Return values of the tensors of these names, spread evenly over each."""
    parts = [_values(state, name) for name in sorted(names)]
    if not parts:
        return WeightSample(torch.zeros(0), torch.zeros(0))
    values, rounding = zip(*parts, strict=True)
    return WeightSample(torch.cat(values), torch.cat(rounding))


def _values(state: Mapping[str, torch.Tensor], name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return values of one tensor (n,), and their rounding."""
    tensor = state[name].detach()
    kept = tensor.reshape(-1)[torch.linspace(0, tensor.numel() - 1, _PLACES).long()].cpu()
    layer = name.removesuffix(".weight")
    scale = next((state[key] for kind in _SCALES if (key := f"{layer}.{kind}") in state), None)
    if not tensor.dtype.is_floating_point or (scale is not None and scale.numel() != 1):
        return torch.zeros(_PLACES), torch.full((_PLACES,), torch.inf)
    factor = 1.0 if scale is None else float(scale)
    limits = torch.finfo(tensor.dtype)
    values = kept.float()
    # A file in a wide format is often made from one in bfloat16.
    eps = max(limits.eps, torch.finfo(torch.bfloat16).eps)
    rounding = values.abs().clamp(min=limits.smallest_normal) * (eps / 2)
    return values * factor, rounding * factor
