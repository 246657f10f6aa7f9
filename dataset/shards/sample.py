"""One encoded clip: tensors as safetensors, and what they are in the metadata.

video (C, T, h, w) bfloat16; `stream.KEY` for each stream that the clip has; c2w (F, 3, 4) and intrinsics (F, 4) float32
where it has a camera; captions and plain_captions, rows of bytes; text and plain_text (n, D) bfloat16 where a text
encoder was given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ...control.errors import UserError
from ...models.geometry import Size3
from ..clip_source import STREAM


@dataclass(frozen=True, eq=False)
class Sample:
    """tensors: see above. size: frames, height and width of the video in pixels. tokens: of the video. vae: the
    fingerprint of the one that encoded it. clip: the line of the manifest."""

    id: str
    tensors: Mapping[str, torch.Tensor]
    size: Size3
    tokens: int
    vae: str
    clip: Mapping[str, object]

    @property
    def streams(self) -> list[str]:
        """The keys of its streams."""
        return [name.removeprefix(STREAM) for name in self.tensors if name.startswith(STREAM)]

    def header(self) -> dict[str, object]:
        """Return all but the tensors, as JSON has it."""
        return {
            "id": self.id,
            "size": list(self.size),
            "tokens": self.tokens,
            "vae": self.vae,
            "streams": self.streams,
            "clip": dict(self.clip),
        }

    def to_bytes(self) -> bytes:
        """Return the tensors as a safetensors file, with the header in its metadata."""
        return save(dict(self.tensors), {"sample": json.dumps(self.header())})


def read_header(data: bytes, what: str) -> dict[str, object]:
    """Return the header of a sample's bytes, of which the beginning is enough. Raises UserError for anything else."""
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        header: dict[str, object] = json.loads(metadata["sample"])
        if not isinstance(header["id"], str) or not isinstance(header["streams"], list):
            raise ValueError("fields are missing")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{what} is not an encoded clip, or is cut short ({error}): encode it again") from error
    return header


def read_tensors(data: bytes, what: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a sample's bytes. Raises UserError where they are damaged."""
    try:
        tensors: dict[str, torch.Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{what} is damaged ({error}): delete its shard and encode it again") from error
    return tensors
