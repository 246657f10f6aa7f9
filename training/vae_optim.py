"""Muon for convolutions: momentum made near-orthogonal as a matrix (Jordan 2024, github.com/KellerJordan/Muon)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Moves the singular values of each (rows, columns) of a stack close to one: quintic Newton-Schulz.

    Convolutions are much wider than high (64 x 1728), so the iteration runs on the small Gram matrix: each step's
    polynomial commutes with it, and their product is applied to the wide matrix once.
    """
    x = matrices.float()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram = x @ x.mT
    eye = torch.eye(gram.shape[1], device=x.device)
    total = eye.expand_as(gram)
    for _ in range(steps):
        polynomial = 3.4445 * eye - 4.7750 * gram + 2.0315 * gram @ gram
        total = polynomial @ total
        gram = polynomial @ gram @ polynomial
    x = total @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Updates have the root mean square that AdamW's have (0.2), so that both share one learning rate."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float = 1e-3, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[nn.Parameter, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(state["momentum"], group["momentum"]).flatten(1)
                alike.setdefault(tuple(ahead.shape), []).append((p, ahead))
            for shape, pairs in alike.items():
                updates = orthogonalise(torch.stack([ahead for _, ahead in pairs]))
                for (p, _), update in zip(pairs, updates, strict=True):
                    p.add_(update.view(p.shape), alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)
