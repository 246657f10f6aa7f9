"""The clips of one size in WebDataset shards, read where they are when they are asked for."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch

from ...control.errors import UserError
from ...models.geometry import Size3
from ..clip_source import ClipSource, stream_order
from .pack import check_vae
from .sample import read_tensors
from .tar_index import TarIndex, read_index, shards_in

KEPT_BYTES = 2**28  # of the clips that were read last stay in memory: a micro-batch asks for several tensors of each


def sizes_in(folder: Path) -> list[Size3]:
    """Return the sizes (F, H, W) of the clips in a folder's shards, fewest tokens first."""
    indices = [read_index(path) for path in shards_in(folder)]
    return [size for _, size in sorted({(index.tokens, index.size) for index in indices})]


class TarClips(ClipSource):
    """The clips of one size. Which clip has which number depends on the shards alone, in the order of their writing."""

    def __init__(self, folder: Path, vae_fingerprint: str | None = None, size: Size3 | None = None):
        self.folder = Path(folder)
        if vae_fingerprint is not None:
            check_vae(self.folder, vae_fingerprint)
        sizes = sizes_in(self.folder)
        known = ", ".join("{}x{}x{}".format(*one) for one in sizes) or "none"
        if size is None and len(sizes) != 1:
            raise UserError(f"{folder} holds clips of several sizes ({known}): state one")
        self.size = sizes[0] if size is None else size
        if self.size not in sizes:
            asked = "{}x{}x{}".format(*self.size)
            raise UserError(f"{folder} holds no clips of {asked} (frames, height, width), only {known}: encode some")
        self._shards: list[TarIndex] = []
        self._starts: list[int] = [0]
        self._kept: OrderedDict[int, dict[str, torch.Tensor]] = OrderedDict()
        self._bytes = 0
        self.rescan()

    def rescan(self) -> int:
        """Take in the shards that came since; return the number of clips."""
        known = {index.path for index in self._shards}
        for path in shards_in(self.folder):
            index = read_index(path) if path not in known else None
            if index is not None and index.size == self.size:
                self._shards.append(index)
                self._starts.append(self._starts[-1] + len(index.entries))
        entries = [entry for index in self._shards for entry in index.entries]
        self.ids = [entry.id for entry in entries]
        self.keys = tuple(sorted({key for entry in entries for key in entry.streams}, key=stream_order))
        rows = [[key in entry.streams for key in self.keys] for entry in entries]
        self.present = torch.tensor(rows, dtype=torch.bool).reshape(len(entries), len(self.keys))
        return len(self)

    def sample(self, index: int) -> dict[str, torch.Tensor]:
        """Return the tensors of one clip. Raises UserError where its shard is damaged."""
        if index not in self._kept:
            shard = bisect.bisect_right(self._starts, index) - 1
            place = index - self._starts[shard]
            what = f"the clip '{self.ids[index]}' in '{self._shards[shard].path}'"
            self._kept[index] = read_tensors(self._shards[shard].read(place), what)
            self._bytes += self._size(index)
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                oldest = next(iter(self._kept))
                self._bytes -= self._size(oldest)
                del self._kept[oldest]
        self._kept.move_to_end(index)
        return self._kept[index]

    def _size(self, index: int) -> int:
        return sum(tensor.nbytes for tensor in self._kept[index].values())

    def get(self, name: str, indices: Sequence[int]) -> torch.Tensor:
        """Return one tensor of the clips `indices`, stacked. Raises UserError for one that a clip does not have."""
        found = [self.sample(index) for index in indices]
        without = next((index for index, tensors in zip(indices, found, strict=True) if name not in tensors), None)
        if without is not None:
            raise UserError(f"the clip '{self.ids[without]}' in {self.folder} has no {name}")
        return torch.stack([tensors[name] for tensors in found])
