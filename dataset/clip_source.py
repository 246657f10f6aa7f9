"""Encoded clips as a training sees them, whichever files they are in: tensors by clip number, and who has what.

A stream is kept under its key ('depth', 'reference.0'). Clips of one pattern have the same streams of some conditions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from ..control.conditions import Conditions
from ..models.conditioning.condition_streams import Stream
from ..models.conditioning.encoder import VideoEncoder
from ..models.conditioning.registry import ENTRIES
from ..models.conditioning.streams import CONDITION_OF, STREAMS
from ..models.config import FullDiTConfig
from ..models.encode import encode_conditions

STREAM = "stream."  # before the key of a stream among the tensors of clips


def stream_tensors(conditions: Conditions, vae: VideoEncoder, config: FullDiTConfig) -> dict[str, torch.Tensor]:
    """Return the streams of one clip by their keys, without the batch axis: latents bfloat16, vectors float32.

    They are encoded as a user's conditions are, so that what is trained is what is run.
    """
    streams = encode_conditions(conditions.only(config.conditions), vae, config).streams
    return {s.key: s.data[0].to("cpu", None if s.is_vector else torch.bfloat16).contiguous() for s in streams}


def stream_name(key: str) -> str:
    """Return the stream's name in its key: 'reference' of 'reference.0'."""
    return key.partition(".")[0]


def stream_order(key: str) -> tuple[int, str]:
    """Return what sorts keys in the order of the registry."""
    return list(STREAMS).index(stream_name(key)), key


class ClipSource(ABC):
    """Encoded clips in the files of a folder.

    keys: of the streams that any clip has, in the order of the registry. present (clips, keys) bool: who has them.
    """

    folder: Path
    keys: tuple[str, ...]
    present: torch.Tensor

    def __len__(self) -> int:
        return len(self.present)

    @abstractmethod
    def rescan(self) -> int:
        """Take in the files that came since; return the number of clips. The numbers of known clips stay."""

    @abstractmethod
    def get(self, name: str, indices: Sequence[int]) -> torch.Tensor:
        """Return the rows `indices` of one tensor, stacked."""

    def has(self, key: str, indices: Sequence[int]) -> bool:
        """Return whether all clips `indices` have the stream with this key."""
        return bool(self.present[list(indices), self.keys.index(key)].all())

    def _columns(self, condition: str) -> list[int]:
        return [number for number, key in enumerate(self.keys) if CONDITION_OF[stream_name(key)] == condition]

    def patterns(self, conditions: Iterable[str]) -> torch.Tensor:
        """Return (clips,) which streams of these conditions each clip has, as a bit pattern; 0 where it lacks one.

        Clips of one pattern can be a micro-batch: they have the same streams.
        """
        pattern, complete = torch.zeros(len(self), dtype=torch.int64), torch.ones(len(self), dtype=torch.bool)
        bits = 0
        for name in (name for name in ENTRIES if name in set(conditions)):
            present = self.present[:, self._columns(name)]
            complete &= present.any(1)
            pattern += (present.long() << (bits + torch.arange(present.shape[1]))).sum(1)
            bits += present.shape[1]
        return torch.where(complete, pattern, 0)

    def streams(self, indices: Sequence[int], conditions: Iterable[str], without: Iterable[str] = ()) -> list[Stream]:
        """Return the streams of these conditions for the clips `indices`, which must all have the same ones.

        without: names of streams that are left out. Raises ValueError for clips of several patterns.
        """
        wanted, left_out, streams = set(conditions), set(without), []
        for number, key in enumerate(self.keys):
            if CONDITION_OF[stream_name(key)] not in wanted or stream_name(key) in left_out:
                continue
            present = self.present[list(indices), number]
            if present.any() and not present.all():
                raise ValueError(f"Not all clips of the micro-batch have the stream {key}: draw clips of one pattern.")
            if present.all():
                slot = key.partition(".")[2]
                data = self.get(STREAM + key, indices).float()
                streams.append(Stream(stream_name(key), data, slot=int(slot) if slot else None))
        return streams
