"""Muon for the matrices inside the blocks, AdamW for everything else, and the shape of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

WIDE = 8  # from this ratio of its sides on, a matrix is handled by its Gram matrix


def orthogonalize(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Replace every matrix of a stack (N, rows, columns) by its nearest half-orthogonal one, roughly.

    Newton-Schulz iteration of fifth order with the coefficients of Jordan et al. (Muon, 2024): singular values end
    between 0.7 and 1.2, which is enough. Convolutions are much wider than high (64 x 1728), so for them it runs on the
    small Gram matrix: each step's polynomial commutes with it, and their product is applied to the matrix once.
    """
    flip = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if flip else matrices
    wide = x.shape[2] > WIDE * x.shape[1]
    # Powers of the Gram matrix need the longer mantissa.
    x = x.to(torch.float32 if wide else torch.bfloat16)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if wide:
        gram = x @ x.mT
        eye = torch.eye(gram.shape[1], device=x.device)
        total = eye.expand_as(gram)
        for _ in range(steps):
            polynomial = 3.4445 * eye - 4.7750 * gram + 2.0315 * gram @ gram
            total = polynomial @ total
            gram = polynomial @ gram @ polynomial
        x = total @ x
    else:
        for _ in range(steps):
            gram = x @ x.mT
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return (x.mT if flip else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalized, for parameters of two dimensions or more (a convolution counts as the
    matrix of its outputs by all else). Matrices of one shape are handled as one stack, which on a CPU costs a fraction
    of one after the other.

    like_adam: updates have the root mean square that AdamW's have (0.2), so that both share one learning rate;
    otherwise they are scaled by the root of rows over columns where that is above one.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        like_adam: bool = False,
    ):
        given = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "like_adam": like_adam}
        super().__init__(params, given)
        for group in self.param_groups:
            if any(p.ndim < 2 for p in group["params"]):
                raise ValueError("Muon takes matrices and convolutions only.")

    @torch.no_grad()
    def step(self, closure=None):
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            shapes: dict[tuple, list[torch.Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault((tuple(p.flatten(1).shape), p.dtype, p.device), []).append(p)
            for (shape, _, _), params in shapes.items():
                updates = []
                for p in params:
                    state = self.state[p]
                    if "momentum" not in state:
                        state["momentum"] = torch.zeros_like(p)
                    state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(state["momentum"], group["momentum"]).flatten(1))  # Nesterov
                stack = orthogonalize(torch.stack(updates))
                ratio = 0.04 * max(shape) if group["like_adam"] else max(1.0, shape[0] / shape[1])
                for p, update in zip(params, stack, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update.view(p.shape), alpha=-group["lr"] * ratio**0.5)
        return loss


def optimizers(
    named: Iterable[tuple[str, torch.nn.Parameter]],
    inner: Iterable[str],
    muon_lr: float,
    adam_lr: float,
    weight_decay: float = 0.0,
) -> list[torch.optim.Optimizer]:
    """[Muon, AdamW] over the parameters that train. Muon takes matrices whose name contains one of `inner`."""
    inner = tuple(inner)
    matrices, rest = [], []
    for name, p in named:
        if p.requires_grad:
            (matrices if p.ndim == 2 and any(part in name for part in inner) else rest).append(p)
    found: list[torch.optim.Optimizer] = []
    if matrices:
        found.append(Muon(matrices, lr=muon_lr, weight_decay=weight_decay))
    if rest:
        found.append(torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), eps=1e-8, weight_decay=weight_decay))
    for optimizer in found:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return found


def rate(progress: float, step: int, warmup: int) -> float:
    """Share of the base learning rate: linear over `warmup` steps, then a cosine that is 0 at progress 1."""
    return min(1.0, (step + 1) / max(1, warmup)) * 0.5 * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


def set_rate(found: Iterable[torch.optim.Optimizer], share: float) -> None:
    """Put every group at `share` of its base learning rate."""
    for optimizer in found:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * share


class Average:
    """An exponential moving average whose horizon grows with the training: it spans about the last `share` of the
    steps.

    (Karras et al. 2312.02696 call this a power-function average.) A fixed decay would either keep the random
    initialization for a long time or be too short to help at the end.
    """

    def __init__(self, module: torch.nn.Module, share: float = 0.05, longest: float = 0.9999):
        self.share = share
        self.longest = longest
        self.values = {name: p.detach().clone() for name, p in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        decay = min(self.longest, 1 - 1 / (1 + self.share * step))
        current = module.state_dict()
        floats = [name for name, value in self.values.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.values[n] for n in floats], [current[n].detach() for n in floats], 1 - decay)
        for name, value in self.values.items():
            if not value.is_floating_point():
                value.copy_(current[name])
