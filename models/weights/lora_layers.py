"""LoRA as layers of our network: a frozen Linear and a change of low rank beside it, which is trained.

Keys stay Wan's: `blocks.0.self_attn.q.weight` beside `blocks.0.self_attn.q.lora_A.weight` and `lora_B.weight` (LoRA,
arXiv 2106.09685; the names are PEFT's).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ...control.errors import UserError

# The layers of the blocks that a condition file may change.
TARGETS = re.compile(r"blocks\.\d+\.(?:(?:self_attn|cross_attn)\.[qkvo]|ffn\.[02])")
_FP8_MAX = 448.0  # the largest number of float8_e4m3fn


class LoRALinear(nn.Linear):
    """x -> x W^T + b + alpha / rank (x A^T) B^T, with W and b frozen; A (rank, in), B (out, rank), at first zero.

    The frozen weight may be of another format than x, fp8 with `weight_scale` included (`to_fp8`): it is cast where it
    is used.
    """

    weight_scale: torch.Tensor | None

    def __init__(self, base: nn.Linear, rank: int, alpha: float | None = None, dtype: torch.dtype | None = None):
        """Take over the weight and bias of `base`, and freeze them. alpha: `rank` where None, a change as it is.

        dtype: of A and B, by default float32, since Adam's small steps vanish in bfloat16. Raises UserError for a rank
        that is no use: below 1, or above the sides of the weight.
        """
        if not 1 <= rank <= min(base.in_features, base.out_features):
            raise UserError(
                f"A LoRA of rank {rank} was asked for on a layer {base.out_features}x{base.in_features}: give a rank"
                f" from 1 to {min(base.in_features, base.out_features)}."
            )
        super().__init__(base.in_features, base.out_features, bias=base.bias is not None, device="meta")
        self.weight = nn.Parameter(base.weight.detach(), requires_grad=False)
        if base.bias is not None:
            self.bias = nn.Parameter(base.bias.detach(), requires_grad=False)
        self.register_buffer("weight_scale", None)
        self.alpha = float(rank if alpha is None else alpha)
        factory_kwargs: dict[str, Any] = {"bias": False, "device": base.weight.device, "dtype": dtype or torch.float32}
        self.lora_A = nn.Linear(base.in_features, rank, **factory_kwargs)
        self.lora_B = nn.Linear(rank, base.out_features, **factory_kwargs)
        self.reset_lora()

    @property
    def rank(self) -> int:
        """The rank of the change."""
        return self.lora_A.out_features

    @property
    def scale(self) -> float:
        """What the product of the two matrices is multiplied by."""
        return self.alpha / self.rank

    @torch.no_grad()
    def reset_lora(self) -> None:
        """Set A at random and B to zero: no change. Also for a module that was made on the device 'meta'."""
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    @torch.no_grad()
    def to_fp8(self) -> None:
        """Store the frozen weight in float8_e4m3fn with one scale: half of bfloat16's memory."""
        largest = self.weight.float().abs().max()
        self.weight_scale = torch.where(largest > 0, largest / _FP8_MAX, torch.ones_like(largest))
        stored = (self.weight.float() / self.weight_scale).to(torch.float8_e4m3fn)
        self.weight = nn.Parameter(stored, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer to x (..., in), in the format of x (of autocast, where it is on)."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        out = functional.linear(x, self._base_weight(x.dtype), bias)
        low = functional.linear(x, self.lora_A.weight.to(x.dtype))
        return out + functional.linear(low, self.lora_B.weight.to(x.dtype)) * self.scale

    def _base_weight(self, dtype: torch.dtype) -> torch.Tensor:
        """Return the frozen weight as a plain tensor of the format `dtype`."""
        weight = self.weight.to(dtype)
        return weight if self.weight_scale is None else weight * self.weight_scale.to(dtype)

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """Return a plain Linear of the same output: the change added to the weight in float32."""
        plain = self.weight.dtype if self.weight_scale is None else torch.float32
        merged = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        change = self.lora_B.weight.float() @ self.lora_A.weight.float() * self.scale
        merged.weight = nn.Parameter((self._base_weight(torch.float32) + change).to(plain))
        if self.bias is not None:
            merged.bias = nn.Parameter(self.bias.detach())
        return merged


def add_lora(
    model: nn.Module,
    rank: int,
    alpha: float | None = None,
    targets: re.Pattern[str] = TARGETS,
    dtype: torch.dtype | None = None,
) -> list[str]:
    """Put a LoRA beside every Linear whose whole name `targets` matches; return their names.

    What else of the model is trained is the caller's choice. Raises UserError where none matches, and as LoRALinear.
    """
    names = [
        name
        for name, module in model.named_modules()
        if targets.fullmatch(name) and isinstance(module, nn.Linear) and not isinstance(module, LoRALinear)
    ]
    if not names:
        raise UserError(f"No layer of the model is called {targets.pattern!r}: it takes no LoRA.")
    for name in names:
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        model.set_submodule(name, LoRALinear(layer, rank, alpha, dtype))
    return names


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """Return the LoRAs of a model by the names of their layers."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)}


def merge_lora(model: nn.Module) -> None:
    """Add every LoRA of a model to the weights beside it, so that plain layers remain."""
    for name, layer in lora_layers(model).items():
        model.set_submodule(name, layer.merge())


def lora_state(state: Mapping[str, torch.Tensor], alphas: Mapping[str, float]) -> dict[str, torch.Tensor]:
    """Return the LoRA of a trained model's state as files have it: A, B and `alpha` of every layer in `alphas`.

    Raises UserError for a layer without its matrices.
    """
    result: dict[str, torch.Tensor] = {}
    for name, alpha in alphas.items():
        for matrix in ("lora_A.weight", "lora_B.weight"):
            if f"{name}.{matrix}" not in state:
                raise UserError(f"The trained state lacks '{name}.{matrix}'. Save all of the trained weights.")
            result[f"{name}.{matrix}"] = state[f"{name}.{matrix}"]
        result[f"{name}.alpha"] = torch.tensor(alpha, dtype=torch.float32)
    return result
