"""The number format that a training computes in: that of the device unless the config names one.

Weights, their averages and the optimizers stay in float32; only what autocast covers is computed in `dtype`. On a CPU
without bfloat16 units bfloat16 is emulated, and a step takes several times as long as in float32.
"""

from __future__ import annotations

from typing import Literal

import torch

from ...models.devices import pick_dtype

Precision = Literal["auto", "bf16", "fp32"]


def compute_dtype(precision: Precision, device: torch.device | str) -> torch.dtype:
    """Return the format that the entry `precision` of a config means on this device; `auto` asks the device."""
    if precision == "auto":
        return pick_dtype(device)
    return torch.bfloat16 if precision == "bf16" else torch.float32


def autocast(device: torch.device | str, dtype: torch.dtype) -> torch.autocast:
    """Return the context in which networks with float32 weights compute in `dtype`."""
    return torch.autocast(torch.device(device).type, dtype=dtype, enabled=dtype != torch.float32)
