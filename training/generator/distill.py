"""Fewer steps: a student that makes in one step, without guidance, what its teacher makes in several with it.

Progressive distillation (Salimans & Ho, arXiv 2202.00512) of a guided teacher (Meng et al., arXiv 2210.03142), in one
round: the student has one schedule of few steps. From a noisy clip at one of its times the teacher walks to the next in
`substeps` guided Euler steps; the student learns the straight line between the two ends, under the same conditions. So
what the conditions say is part of what it learns, and sampling needs one pass a step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...models.backbone.transformer import FullDiT
from ...models.conditioning.text import TextEncoder, tokenize
from ...models.geometry import Size3
from ...models.sampling.flow import add_noise, broadcast_time
from ...models.sampling.schedules import schedule
from .batches import Batch
from .learner import Learner
from .settings import DistillSettings


class Distiller(Learner):
    """A learner whose target is where the teacher arrives.

    The teacher is no part of the module: it is neither trained nor saved.
    """

    def __init__(
        self,
        model: FullDiT,
        text: TextEncoder | None,
        teacher: Teacher,
        weights: Tensor | None = None,
        blanks: Mapping[Size3, Tensor] | None = None,
        object_weight: float = 1.0,
    ):
        super().__init__(model, text, weights, blanks, object_weight)
        self._teacher = (teacher,)  # in a tuple, where torch does not look for submodules

    def forward(self, batch: Batch, noise: Tensor, t: Tensor) -> Tensor:
        """Return the weighted squared error of the student's velocity, per clip: (B,).

        t (B,) says from which of the student's times each clip starts: the next one at or above it.
        """
        teacher = self._teacher[0]
        step = teacher.step_of(t)
        start, end = teacher.times[step], teacher.times[step + 1]
        x = add_noise(batch.video, noise, start)
        arrived = teacher.walk(x, step, batch)
        target = (arrived - x) / broadcast_time(end - start, x)
        v = self.model(x, 1000 * start, self.encode(batch.tokens), batch.conditions)
        return self.weigh((v.float() - target).square(), batch).mean((1, 2, 3, 4))


class Teacher(nn.Module):
    """The frozen networks that a student learns from, and the student's times (steps + 1,) from 1 to 0."""

    times: Tensor
    fine: Tensor

    def __init__(self, model: FullDiT, text: TextEncoder, settings: DistillSettings, guidance: float, shift: float):
        super().__init__()
        self.model, self.text = model.eval().requires_grad_(False), text.eval().requires_grad_(False)
        self.settings = settings
        self.guidance = guidance if settings.guidance is None else settings.guidance
        fine = schedule("shifted", settings.steps * settings.substeps, shift)
        self.register_buffer("fine", fine, persistent=False)
        self.register_buffer("times", fine[:: settings.substeps].clone(), persistent=False)

    def step_of(self, t: Tensor) -> Tensor:
        """Return (B,) the number of the student's step in which each time of t (B,) lies."""
        later = (t[:, None] <= self.times.to(t)[None, 1:]).sum(1)
        return later.clamp(max=self.settings.steps - 1)

    @torch.no_grad()
    def walk(self, x: Tensor, step: Tensor, batch: Batch) -> Tensor:
        """Return where guided Euler steps lead from x (B, C, T, h, w) to the end of each clip's step (B,)."""
        context = self.text(batch.tokens)
        null = self.text(tokenize("")[None].to(batch.tokens).expand(len(x), -1))
        cache = None if batch.conditions is None else self.model.prefill(batch.conditions)
        for number in range(self.settings.substeps):
            at = self.fine[step * self.settings.substeps + number]
            to = self.fine[step * self.settings.substeps + number + 1]
            v = self.model(x, 1000 * at, context, kv_cache=cache).float()
            if self.guidance != 1:
                nothing = self.model(x, 1000 * at, null).float()
                v = nothing + self.guidance * (v - nothing)
            x = x + broadcast_time(to - at, x) * v
        return x
