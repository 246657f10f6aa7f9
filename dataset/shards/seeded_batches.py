"""Batches that depend on seed and step alone: to resume is to say the step, at no cost and in any number of workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

from ...control.errors import UserError

_STEPS = 1_000_003  # between the seeds of two runs


class SeededBatches(Sampler[list[int]]):
    """A batch sampler: batch after batch of clips of one group, each group as often as it has clips.

    Of `ranks` processes each draws the same group and its own `batch` clips of it, so that all have the same streams
    and sizes in the same step. step: the next one.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[int]],
        batch: int,
        seed: int = 0,
        step: int = 0,
        steps: int | None = None,
        rank: int = 0,
        ranks: int = 1,
    ):
        if batch < 1 or not any(groups):
            raise UserError(f"batches of {batch} clips were asked for of {sum(map(len, groups))} clips: encode some")
        self.groups = [list(group) for group in groups if len(group)]
        self.batch, self.seed, self.step, self.steps = batch, seed, step, steps
        self.rank, self.ranks = rank, ranks

    def batch_at(self, step: int) -> list[int]:
        """Return the clips of a step. Groups with fewer clips than all processes take repeat some."""
        generator = torch.Generator().manual_seed(self.seed * _STEPS + step)
        sizes = torch.tensor([len(group) for group in self.groups], dtype=torch.float64)
        group = self.groups[int(torch.multinomial(sizes, 1, generator=generator))]
        total = self.batch * self.ranks
        rounds = [torch.randperm(len(group), generator=generator) for _ in range(-(-total // len(group)))]
        chosen = torch.cat(rounds)[self.rank * self.batch : (self.rank + 1) * self.batch]
        return [group[place] for place in chosen.tolist()]

    def __iter__(self) -> Iterator[list[int]]:
        while self.steps is None or self.step < self.steps:
            # Before the batch goes out: a loader that saves its state has this batch already.
            self.step += 1
            yield self.batch_at(self.step - 1)

    def __len__(self) -> int:
        if self.steps is None:
            raise TypeError("batches without an end have no length")
        return self.steps - self.step

    def state_dict(self) -> dict[str, int]:
        """Return what `load_state_dict` needs to go on with the next batch."""
        return {"seed": self.seed, "step": self.step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where the state was taken."""
        self.seed, self.step = state["seed"], state["step"]
