"""Reference tokens in core's estimate of memory, which counts the noise alone for Wan.

With references as long as the video the sequence is twice as long, and the estimate was the same: expect to run out of
memory, or weights to be offloaded at the wrong place.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable
from typing import Any

import torch

WINDOW = "fulldit_window"  # in the options of a conditioning entry: the latent frames that a context window has

# Latents that join the sequence as tokens, by their keys in conditioning and among the model's conds.
REFERENCES = ("context_latents", "time_dim_concat")


def count_references(inner: Any) -> None:
    """Let a Wan model of core's count references in its estimate; a second call changes nothing."""
    if any(name in inner.memory_usage_factor_conds for name in REFERENCES):
        return
    inner.memory_usage_factor_conds = (*inner.memory_usage_factor_conds, *REFERENCES)
    # Without a reference of the model to itself, with which gigabytes would stay until Python looks for circles.
    of_core, model = type(inner).extra_conds_shapes, weakref.ref(inner)

    def extra_conds_shapes(**kwargs: Any) -> dict[str, list[int]]:
        shapes: dict[str, list[int]] = of_core(model(), **kwargs)
        for name in REFERENCES:
            if kwargs.get(name) is not None:
                shapes[name] = _joint_shape(kwargs[name], kwargs.get(WINDOW))
        return shapes

    inner.extra_conds_shapes = extra_conds_shapes


def _joint_shape(latents: torch.Tensor | Iterable[torch.Tensor], window: int | None) -> list[int]:
    """The shape (1, C, n) of one latent with as many elements as these (B, C, T, h, w), each cut to a window."""
    several = [latents] if isinstance(latents, torch.Tensor) else list(latents)
    channels, elements = several[0].shape[1] if several else 0, 0
    for latent in several:
        frames = latent.shape[2] if window is None else min(latent.shape[2], window)
        elements += latent.shape[0] * frames * math.prod(latent.shape[3:])
    return [1, channels, elements]
