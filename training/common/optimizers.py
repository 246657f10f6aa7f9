"""Muon for the matrices inside the blocks, AdamW for everything else, and the shape of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ...models.devices import pick_dtype

WIDE = 8  # from this ratio of its sides on, a matrix is handled by its Gram matrix


def orthogonalize(matrices: Tensor, steps: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """Replace every matrix of a stack (N, rows, columns) by its nearest half-orthogonal one, roughly.

    Newton-Schulz iteration of fifth order with the coefficients of Jordan et al. (Muon, 2024): singular values end
    between 0.7 and 1.2, which is enough. Convolutions are much wider than high (64 x 1728), so for them it runs on the
    small Gram matrix: each step's polynomial commutes with it, and their product is applied to the matrix once.

    dtype: what it computes in, by default what the device is fastest in. In bfloat16 a matrix of low rank, such as the
    gradient of few tokens, comes out otherwise with every other order of its sums.
    """
    flip = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if flip else matrices
    wide = x.shape[2] > WIDE * x.shape[1]
    # Powers of the Gram matrix need the longer mantissa; the rest does with what the device is fastest in.
    x = x.to(torch.float32 if wide else dtype or pick_dtype(x.device))
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = newton_schulz_by_gram(x, steps) if wide else newton_schulz(x, steps)
    return (x.mT if flip else x).to(matrices.dtype)


def newton_schulz(x: Tensor, steps: int) -> Tensor:
    """Bring the singular values of matrices (N, rows, columns), at most 1, near 1."""
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return x


def newton_schulz_by_gram(x: Tensor, steps: int) -> Tensor:
    """Return the same as `newton_schulz`, by products of (rows, rows) matrices until the last one."""
    gram = x @ x.mT
    eye = torch.eye(gram.shape[1], device=x.device)
    total = eye.expand_as(gram)
    for _ in range(steps):
        polynomial = 3.4445 * eye - 4.7750 * gram + 2.0315 * gram @ gram
        total = polynomial @ total
        gram = polynomial @ gram @ polynomial
    return total @ x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalized, for parameters of two dimensions or more (a convolution counts as the
    matrix of its outputs by all else). Matrices of one shape are handled as one stack: few large kernels.

    like_adam: updates have the root mean square that AdamW's have (0.2), so that both share one learning rate;
    otherwise they are scaled by the root of rows over columns where that is above one. dtype: see `orthogonalize`.

    Ours and not torch.optim.Muon (torch 2.9), whose steps on matrices it equals (a test holds it): torch's refuses the
    convolutions of the autoencoder, and computes in bfloat16 also where a CPU emulates it.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        like_adam: bool = False,
        dtype: torch.dtype | None = None,
    ):
        self.dtype = dtype
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "like_adam": like_adam}
        super().__init__(params, defaults)
        for group in self.param_groups:
            if any(p.ndim < 2 for p in group["params"]):
                raise ValueError("Muon takes matrices and convolutions only.")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # torch overloads it
        """Make one step with the gradients at hand."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            shapes: dict[tuple[object, ...], list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault((*p.flatten(1).shape, p.dtype, p.device), []).append(p)
            for params in shapes.values():
                self._step_stack(params, group["lr"], group["momentum"], group["weight_decay"], group["like_adam"])
        return loss

    def _step_stack(
        self, params: list[Tensor], lr: float, momentum: float, weight_decay: float, like_adam: bool
    ) -> None:
        """Move parameters that are matrices of one shape."""
        stack = orthogonalize(torch.stack([self._momentum(p, momentum).flatten(1) for p in params]), dtype=self.dtype)
        rows, columns = stack.shape[1:]
        square = 0.04 * max(rows, columns) if like_adam else max(1.0, rows / columns)
        for p, update in zip(params, stack, strict=True):
            p.mul_(1 - lr * weight_decay)
            p.add_(update.view(p.shape), alpha=-lr * square**0.5)

    def _momentum(self, p: Tensor, momentum: float) -> Tensor:
        """Take the gradient of `p` into its moving average; returns Nesterov's look ahead."""
        assert p.grad is not None
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(state["momentum"], momentum)


def muon_and_adam(
    named: Iterable[tuple[str, torch.nn.Parameter]],
    inner: Iterable[str],
    muon_lr: float,
    adam_lr: float,
    weight_decay: float = 0.0,
    dtype: torch.dtype | None = None,
) -> list[torch.optim.Optimizer]:
    """Return [Muon, AdamW] over the parameters that train. Muon takes matrices whose name contains one of `inner`, and
    computes in `dtype`; with none of these, or where none is trained, AdamW takes all."""
    inner = tuple(inner)
    matrices: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, p in named:
        if p.requires_grad:
            (matrices if p.ndim == 2 and any(part in name for part in inner) else rest).append(p)
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        optimizers.append(Muon(matrices, lr=muon_lr, weight_decay=weight_decay, dtype=dtype))
    if rest:
        optimizers.append(torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), eps=1e-8, weight_decay=weight_decay))
    return optimizers


def learning_rate_share(progress: float, step: int, warmup: int, cycles: Sequence[float] = (1.0,)) -> float:
    """Return the share of the base learning rate: linear over `warmup` steps, times a cosine that falls to 0 in each
    of the `cycles`, whose ends are shares of the run."""
    progress = min(max(progress, 0.0), 1.0)
    start, end = next((a, b) for a, b in zip((0.0, *cycles), cycles, strict=False) if progress <= b)
    within = (progress - start) / (end - start)
    return min(1.0, (step + 1) / max(1, warmup)) * 0.5 * (1 + math.cos(math.pi * within))


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], share: float) -> None:
    """Put every group at `share` of the learning rate that it was made with."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("base_lr", group["lr"]) * share
