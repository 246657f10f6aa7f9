"""What the network refuses before it computes anything."""

from __future__ import annotations

import torch

from ...control.errors import UserError
from ..conditioning.condition_streams import ConditionStreams
from ..conditioning.timed_text import TimedText
from ..config import FullDiTConfig


def check_conditions(conditions: ConditionStreams, x: torch.Tensor) -> None:
    """Raise UserError unless `conditions` are of the size and batch of the latent x (B, C, T, h, w)."""
    if conditions.latent_size != tuple(x.shape[2:]):
        raise UserError(
            f"The conditions belong to a video whose latent is {conditions.latent_size} (frames, height, width), "
            f"but this latent is {tuple(x.shape[2:])}. Make both for the same size."
        )
    if conditions.batch not in (1, x.shape[0]):
        raise UserError(f"The conditions are a batch of {conditions.batch}, the latent is one of {x.shape[0]}.")


def check_story(story: TimedText, x: torch.Tensor, config: FullDiTConfig, is_shared: bool) -> None:
    """Raise UserError unless a story has the length of the latent x (B, C, T, h, w), and the network reads texts frame
    by frame. is_shared: several processes share each sequence."""
    if story.frames != x.shape[2]:
        raise UserError(
            f"The story belongs to a video of {story.frames} latent frames, but this latent has {x.shape[2]}. Make "
            f"both for the same length."
        )
    if is_shared:
        raise UserError("Processes that share a sequence read one text for the whole clip: give one prompt.")
    if config.joint_text or config.patch_size[0] > 1:
        raise UserError(
            "This checkpoint reads one text for the whole clip: give one prompt, without time spans, or take a "
            "checkpoint that reads the text by cross-attention."
        )


def check_shared(config: FullDiTConfig) -> None:
    """Raise UserError for a network whose sequences cannot be shared by several processes."""
    if config.token_selection < 1:
        raise UserError(
            "Processes that share a sequence have a part of the condition tokens each, and no block can select the "
            "best of all: set token_selection to 1, or sequence_processes to 1."
        )
