"""Which condition tokens a block takes: the most important ones, as a small network tells from their values.

Dynamic token selection of FullDiT2 (He et al., arXiv 2506.04213): s = MLP(V), and the tokens with the largest s take
part in the block; the others go round it unchanged. How many are taken depends on their number alone, so shapes stay
static. Letters: B batch, n tokens, k those taken, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from ..conditioning.kv_cache import Rope
from ..config import FullDiTConfig

HIDDEN = 64  # width of the small network
# Multiples of _STEP modulo _TURN lie as those of the golden angle do: the tokens with the lowest are spread evenly.
_STEP, _TURN = 40503, 2**16


class Selection(NamedTuple):
    """The tokens that a block takes: their `numbers` (B, k), increasing, their `values` (B, k, D) and the `weight`
    (B, k, 1) of these."""

    numbers: torch.Tensor
    values: torch.Tensor
    weight: torch.Tensor

    def take(self, x: torch.Tensor) -> torch.Tensor:
        """Return the tokens (B, k, D) of x (B, n, D)."""
        return _gather(x, self.numbers)

    def put_back(self, x: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
        """Return x (B, n, D) with `part` (B, k, D) in the places of the tokens taken."""
        return x.scatter(1, self.numbers[..., None].expand(-1, -1, x.shape[-1]), part)

    def take_rope(self, rope: Rope) -> Rope:
        """Return the rope of the tokens taken: (B, k, 1, channels) of (n, 1, channels)."""
        return rope[0][self.numbers], rope[1][self.numbers]

    def take_strength(self, strength: torch.Tensor | None) -> torch.Tensor | None:
        """Return the strengths (B, k, 1) of the tokens taken, of (n, 1)."""
        return None if strength is None else strength[self.numbers]


class ImportancePredictor(nn.Sequential):
    """Linear, GELU, Linear: values (B, n, D) to scores. Entry 1 is a number in the keys and has no weights."""

    def __init__(
        self, config: FullDiTConfig, operations: Any = nn, device: Any = None, dtype: torch.dtype | None = None
    ):
        super().__init__(
            operations.Linear(config.dim, HIDDEN, device=device, dtype=dtype),
            nn.GELU(approximate="tanh"),
            operations.Linear(HIDDEN, 1, device=device, dtype=dtype),
        )
        self.count: Callable[[int], int] = config.selected

    def choose(self, values: torch.Tensor) -> Selection:
        """Return the tokens with the largest scores.

        Choosing has no gradient. So that the predictor has one, a value taken counts 2 sigmoid(score): the gradient is
        that of the output itself, not an estimate, and training and sampling compute the same. Mixture-of-Depths
        (Raposo et al., arXiv 2404.02258) puts its router on the path of the gradient in the same way; what could be
        read of FullDiT2 does not say how it is done there. At scores of 0, with which a predictor begins, values count
        what they counted, and the tokens taken are spread evenly over all.
        """
        scores = self(values)[..., 0].float()
        spread = (torch.arange(values.shape[1], device=values.device) * _STEP % _TURN).argsort()
        ranked = spread[scores[:, spread].argsort(dim=1, descending=True, stable=True)]
        numbers = ranked[:, : self.count(values.shape[1])].sort(1).values
        weight = 2 * scores.gather(1, numbers).sigmoid()
        return Selection(numbers, _gather(values, numbers), weight[..., None])


def _gather(x: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    return x.gather(1, numbers[..., None].expand(-1, -1, x.shape[-1]))
