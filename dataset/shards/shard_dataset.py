"""The clips of all sizes of a folder, for PyTorch's loaders."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from pathlib import Path

import torch
from torch.utils.data import Dataset

from .tar_clips import TarClips, sizes_in


class ShardDataset(Dataset[dict[str, torch.Tensor]]):
    """Clips by number through all sizes; those of one group can be stacked into a batch."""

    def __init__(self, folder: Path, vae_fingerprint: str | None = None):
        self.sources = [TarClips(folder, vae_fingerprint, size) for size in sizes_in(folder)]
        self._starts = [0]
        for source in self.sources:
            self._starts.append(self._starts[-1] + len(source))

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return the tensors of one clip, as sample.py has them."""
        place = bisect.bisect_right(self._starts, index) - 1
        return self.sources[place].sample(index - self._starts[place])

    def groups(self, conditions: Iterable[str]) -> list[list[int]]:
        """Return the clips that have all these conditions, grouped by size and by what streams of any kind they have.

        Where no conditions are named, these are all clips.
        """
        wanted = tuple(conditions)
        groups: dict[tuple[int, tuple[bool, ...]], list[int]] = {}
        for place, source in enumerate(self.sources):
            complete = source.patterns(wanted) > 0 if wanted else torch.ones(len(source), dtype=torch.bool)
            for index in complete.nonzero()[:, 0].tolist():
                key = place, tuple(source.present[index].tolist())
                groups.setdefault(key, []).append(self._starts[place] + index)
        return [groups[key] for key in sorted(groups)]
