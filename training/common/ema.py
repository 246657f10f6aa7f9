"""Averaged weights: what is measured and shipped is the exponential moving average (EMA) of the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def power_function_decay(share: float, longest: float = 0.9999) -> Callable[[int], float]:
    """Return the decay after each step for an average that spans about the last `share` of the steps.

    (Karras et al. 2312.02696 call this a power-function average.) A fixed decay would either keep the random
    initialization for a long time or be too short to help at the end.
    """
    return lambda step: min(longest, 1 - 1 / (1 + share * step))


def warmed_up_decay(decay: float) -> Callable[[int], float]:
    """Return the decay after each step: `decay`, and less in the first steps, so that the start is forgotten."""
    return lambda step: min(decay, (1 + step) / (10 + step))


class EMA:
    """The moving average of everything in a module's state dict that is not frozen; `values` holds it by name.

    `decay(step)`, from 0 to 1, is the share of the old average that stays after the step (counted from 1).
    """

    def __init__(self, module: nn.Module, decay: Callable[[int], float]):
        self.decay = decay
        self.values: dict[str, Tensor] = {name: p.detach().clone() for name, p in trained_state(module).items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move the average towards the module's weights; whole numbers are copied."""
        weight = 1 - self.decay(step)
        current = module.state_dict()
        floats = [name for name, value in self.values.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.values[n] for n in floats], [current[n].detach() for n in floats], weight)
        for name, value in self.values.items():
            if not value.is_floating_point():
                value.copy_(current[name])


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's state dict without its frozen parameters."""
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    return {name: value for name, value in module.state_dict().items() if name not in frozen}
