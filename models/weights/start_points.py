"""The open Wan models that a training of conditions starts from: their config, and their weights as our network.

`wan` is plain text-to-video. `bernini-r` is Bernini-R, which was trained to read reference images as tokens: one
latent frame each, embedded as the video is, at the video's time and with its text, told apart by a rotation of their
positions. That is our identity stream in `full` attention with `reference_positions` 'source' and no vectors added, so
a FullDiT that starts from it follows references before its first step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from ...control.errors import UserError
from ..backbone.transformer import FullDiT
from ..conditioning.tokenizers import PatchTokenizer
from ..config import FullDiTConfig
from .open_weights import load_backbone
from .tensor_file import PathLike

START_POINTS = ("wan", "bernini-r")
_REFERENCE = "reference"
_PATCH = (1, 2, 2)


def start_config(start: str, config: FullDiTConfig) -> FullDiTConfig:
    """Return a size's config as a start point needs it. Raises UserError for an unknown one, or one that lacks what the
    start point can do."""
    if start not in START_POINTS:
        raise UserError(f"The start point is {start!r}: expected one of {', '.join(START_POINTS)}.")
    if start == "wan":
        return config
    if _REFERENCE not in config.streams or config.patch_of(_REFERENCE) != _PATCH:
        raise UserError(
            f"Bernini-R starts a model with the stream {_REFERENCE!r} in patches of {_PATCH}; the config's streams are "
            f"{', '.join(config.streams)}. Take the start point 'wan', or add the stream."
        )
    return replace(config, attention="full", reference_positions="source")


def load_start(
    start: str,
    model: FullDiT,
    state: Mapping[str, torch.Tensor],
    path: PathLike = "the file",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Load the weights of a start point into a FullDiT that has its `start_config`, tokenizers included.

    state, metadata: as `load_backbone` takes them. Raises UserError as `start_config` and `load_backbone` do, and for a
    model with another config.
    """
    if start_config(start, model.config) != model.config:
        raise UserError(f"The model's config is not that of the start point {start!r}: make it by start_config.")
    load_backbone(model, state, path, metadata)
    if start == "bernini-r":
        tokenizer = model.tokenizers[_REFERENCE]
        assert isinstance(tokenizer, PatchTokenizer) and tokenizer.slot_vectors is not None
        torch.nn.init.zeros_(tokenizer.slot_vectors)  # its sources are told apart by their positions alone
